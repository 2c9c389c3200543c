/* conf/value.c - values of settings, read and written
 * Purpose     one row for each type: how it is read, how it is written, what it is called.
 * Invariants  what show writes, parse reads back as the same.
 */
#include "conf/value.h"

#include "base/cur.h"
#include "base/die.h"
#include "conf/lex.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first, so that showing takes the first that divides. */
static const struct unit size_units[] = { { "G", 1 << 30 }, { "M", 1 << 20 }, { "K", 1 << 10 }, { "", 1 }, { 0 } };
static const struct unit time_units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
	{ 0 } };
static const struct unit no_units[] = { { "", 1 }, { 0 } };

static const struct conf_choice yes_no[] = { { "no", false }, { "yes", true }, { 0 } };

void conf_clean(struct str s, struct buf *out)
{
	struct str cut = str_sub(s, 0, 60);

	for (size_t i = 0; i < cut.n; i++)
		buf_addc(out, ascii_is_print(cut.p[i]) ? cut.p[i] : '?');
	if (cut.n < s.n)
		buf_addz(out, "...");
}

void conf_quote(struct str s, struct buf *out)
{
	if (conf_word_is_bare(s)) {
		buf_add(out, s);
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, s.p[i]);
	}
	buf_addc(out, '"');
}

static void show_in_units(uint64_t v, const struct unit *units, struct buf *out)
{
	while (units[1].name && (v == 0 || v % units->factor))
		units++;
	buf_addf(out, "%llu%s", (unsigned long long)(v / units->factor), units->name);
}

void conf_size_show(uint64_t bytes, struct buf *out)
{
	show_in_units(bytes, size_units, out);
}

void conf_duration_show(uint64_t ms, struct buf *out)
{
	if (ms)
		show_in_units(ms, time_units, out);
	else
		buf_addz(out, "0s");
}

static bool refuse(struct buf *why, struct str word, const char *what)
{
	buf_addc(why, '\'');
	conf_clean(word, why);
	buf_addf(why, "' %s", what);
	return false;
}


/* Digits and a unit; units[i].name "" allows none. False as well when the product is too large. */
static bool number_parse(struct str word, const struct unit *units, uint64_t *out)
{
	struct cur c = cur_of(word);
	uint64_t n;

	n = cur_u64(&c);
	for (; units->name; units++)
		if (cur_ok(&c) && str_eq(cur_rest(&c), str_z(units->name)))
			return !__builtin_mul_overflow(n, units->factor, out);
	return false;
}

void conf_bound_show(const struct conf_setting *s, uint64_t v, struct buf *out)
{
	if (s->type == CONF_TYPE_SIZE)
		conf_size_show(v, out);
	else if (s->type == CONF_TYPE_DURATION)
		conf_duration_show(v, out);
	else
		buf_add_u64(out, v);
}

static bool bounds_check(const struct conf_setting *s, struct str word, uint64_t v, struct buf *why)
{
	if ((v >= s->min && v <= s->max) || (v == 0 && s->zero))
		return true;
	refuse(why, word, "is out of bounds; give ");
	buf_addz(why, s->zero ? "0 or " : "");
	conf_bound_show(s, s->min, why);
	buf_addz(why, " to ");
	conf_bound_show(s, s->max, why);
	return false;
}

static bool number(const struct conf_setting *s, struct str word, const struct unit *units, const char *what,
	uint64_t *out, struct buf *why)
{
	if (!number_parse(word, units, out))
		return refuse(why, word, what);
	return bounds_check(s, word, *out, why);
}

static bool parse_size(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	return number(s, w->v[0], size_units, "is not a size; give a number with K, M, G or nothing behind it, as 50M", at,
		why);
}

static bool parse_duration(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	uint64_t v;

	if (!number(s, w->v[0], time_units, "is not a duration; give a number with s, m, h or d behind it, as 30s", &v, why))
		return false;
	*(int64_t *)at = (int64_t)v;
	return true;
}

static bool parse_count(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	uint64_t v;

	if (!number(s, w->v[0], no_units, "is not a number; give digits alone", &v, why))
		return false;
	*(uint32_t *)at = (uint32_t)v;
	return true;
}

static bool parse_port(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	uint64_t v;

	if (!number_parse(w->v[0], no_units, &v) || v < s->min || v > s->max)
		return refuse(why, w->v[0], "is not a port; give 1 to 65535");
	*(uint16_t *)at = (uint16_t)v;
	return true;
}

static bool choose(const struct conf_choice *choices, struct str word, int *out, struct buf *why)
{
	const char *near = conf_choice_near(choices, word);

	for (const struct conf_choice *c = choices; c->name; c++)
		if (str_eq(str_z(c->name), word)) {
			*out = c->value;
			return true;
		}
	refuse(why, word, "is not one of");
	for (const struct conf_choice *c = choices; c->name; c++)
		buf_addf(why, "%s %s", c == choices ? "" : c[1].name ? "," : " or", c->name);
	if (near)
		buf_addf(why, "; did you mean '%s'?", near);
	return false;
}

static bool parse_enum(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	return choose(s->choices, w->v[0], at, why);
}

static bool parse_bool(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	int v;

	(void)s;
	if (!choose(yes_no, w->v[0], &v, why))
		return false;
	*(bool *)at = v;
	return true;
}

static bool length_check(const struct conf_setting *s, struct str word, struct buf *why)
{
	if (word.n >= s->min && word.n <= s->max)
		return true;
	if (word.n == 0) {
		buf_addz(why, "the value is empty; leave the line out for the default");
		return false;
	}
	refuse(why, word, "is too long; ");
	buf_addf(why, "at most %llu bytes", (unsigned long long)s->max);
	return false;
}

static bool parse_word(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	*(struct str *)at = w->v[0];
	return length_check(s, w->v[0], why);
}

static bool parse_path(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	if (!parse_word(s, w, at, why))
		return false;
	return w->v[0].p[0] == '/' || refuse(why, w->v[0], "is not an absolute path; begin it with /");
}

static bool parse_file(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	*(struct str *)at = w->v[0];
	if (str_eq(w->v[0], STR("stderr")))
		return true;
	if (!length_check(s, w->v[0], why))
		return false;
	return w->v[0].p[0] == '/' || refuse(why, w->v[0], "is neither stderr nor an absolute path; begin it with /");
}

/* RFC 1123 2.1: labels of letters, digits and inner hyphens, 63 at most; a last label of digits would be an address. */
bool conf_hostname_ok(struct str s)
{
	struct str rest = s, label;
	bool digits = false;

	while (str_split(&rest, '.', &label)) {
		if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
			return false;
		digits = true;
		for (size_t i = 0; i < label.n; i++) {
			if (!ascii_is_alnum(label.p[i]) && label.p[i] != '-')
				return false;
			digits = digits && ascii_is_digit(label.p[i]);
		}
	}
	return s.n && !digits;
}

static bool parse_hostname(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	struct str word = w->v[0];

	if (!parse_word(s, w, at, why))
		return false;
	if (!conf_hostname_ok(word))
		return refuse(why, word, "is not a host name; give letters, digits, hyphens and dots, as mail.example.org");
	if (str_find(word, '.') < 0 && !str_ieq(word, STR("localhost")))
		return refuse(why, word, "is not a full name; give it with its domain, as mail.example.org");
	return true;
}

static bool is_link_local(const struct conf_address *a)
{
	return a->family == AF_INET6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static bool is_mapped(const struct conf_address *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return a->family == AF_INET6 && memcmp(a->bytes, mapped, sizeof mapped) == 0;
}

static bool address_parse(struct str word, struct conf_address *out, struct buf *why)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (word.n >= 2 && word.p[0] == '[' && word.p[word.n - 1] == ']')
		word = str_sub(word, 1, word.n - 2);
	*out = (struct conf_address){ .family = str_find(word, ':') >= 0 ? AF_INET6 : AF_INET };
	if (str_find(word, '%') >= 0)
		return refuse(why, word, "names an interface, which no listener can; give a global or unique local address, or ::");
	if (word.n < sizeof text && word.n)
		memcpy(text, word.p, word.n);
	if (inet_pton(out->family, text, out->bytes) != 1)
		return refuse(why, word, "is not an IPv4 or IPv6 address; give numbers, as 127.0.0.1 or ::1");
	inet_ntop(out->family, out->bytes, out->text, sizeof out->text);
	if (is_link_local(out))
		return refuse(why, word, "is a link-local address, of no meaning without an interface; give a global or unique local one, or ::");
	if (is_mapped(out))
		return refuse(why, word, "is an IPv4 address written as IPv6; write it as IPv4");
	return true;
}

static bool parse_addresses(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	struct conf_addresses *list = at;

	(void)s;
	list->n = 0;
	for (size_t i = 0; i < w->n && i < sizeof list->v / sizeof *list->v; i++) {
		struct conf_address *a = &list->v[list->n];

		if (!address_parse(w->v[i], a, why))
			return false;
		for (size_t j = 0; j < list->n; j++)
			if (strcmp(list->v[j].text, a->text) == 0)
				return refuse(why, w->v[i], "stands twice in this list; remove one");
		list->n++;
	}
	return true;
}

/* ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT; an IPv6 address with a port needs its brackets. */
static bool resolver_parse(struct str word, struct conf_resolver *out, struct buf *why)
{
	ssize_t colon = str_rfind(word, ':'), bracket = str_rfind(word, ']');
	bool has_port = colon >= 0 && (bracket >= 0 ? colon == bracket + 1 : str_find(word, ':') == colon);
	uint64_t port = 53;

	if (has_port && (!number_parse(str_from(word, (size_t)colon + 1), no_units, &port) || port < 1 || port > 65535))
		return refuse(why, word, "has no port behind its last colon; give 1 to 65535, as 127.0.0.1:5353");
	out->port = (uint16_t)port;
	return address_parse(has_port ? str_sub(word, 0, (size_t)colon) : word, &out->address, why);
}

static bool parse_resolvers(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	struct conf_resolvers *list = at;

	(void)s;
	list->n = 0;
	while (list->n < w->n && list->n < CONF_RESOLVERS_MAX) {
		if (!resolver_parse(w->v[list->n], &list->v[list->n], why))
			return false;
		list->n++;
	}
	return true;
}

static bool parse_names(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	struct conf_names *list = at;

	(void)s;
	list->n = 0;
	if (w->n == 1 && str_eq(w->v[0], STR("none")))
		return true;
	for (size_t i = 0; i < w->n && i < CONF_NAMES_MAX; i++) {
		if (!conf_hostname_ok(w->v[i]) || w->v[i].n > 190)
			return refuse(why, w->v[i], "is not a domain; give letters, digits, hyphens and dots, as zen.spamhaus.org");
		list->v[list->n++] = w->v[i];
	}
	return true;
}

static bool parse_percents(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	struct conf_percents *list = at;
	uint32_t last = 0, v;

	(void)s;
	list->n = 0;
	if (w->n == 1 && str_eq(w->v[0], STR("none")))
		return true;
	for (size_t i = 0; i < w->n && i < CONF_PERCENTS_MAX; i++) {
		if (!str_to_u32(w->v[i], &v) || v <= last || v > 100)
			return refuse(why, w->v[i], "is not a percentage above the one before; give numbers from 1 to 100 that ascend, or none");
		list->v[list->n++] = (uint8_t)v;
		last = v;
	}
	return true;
}

static bool parse_networks(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	struct conf_networks *list = at;

	(void)s;
	for (list->n = 0; list->n < w->n; list->n++) {
		struct cidr *c = &list->v[list->n];
		const char *wrong = cidr_parse(w->v[list->n], c);

		if (wrong)
			return refuse(why, w->v[list->n], wrong);
		for (size_t i = 0; i < list->n; i++)
			if (memcmp(&list->v[i], c, sizeof *c) == 0)
				return refuse(why, w->v[list->n], "stands twice in this list; remove one");
	}
	return true;
}

/* "host", "host:port", and both with the host or address in brackets; an IPv6 address needs them. */
static bool hop_parse(struct str word, struct conf_hop *out, struct conf_address *address, struct buf *why)
{
	bool brackets = word.n && word.p[0] == '[';
	ssize_t close = str_rfind(word, ']'), colon = str_rfind(word, ':');
	struct str host, port;
	uint64_t number = 0;

	if (brackets && (close < 0 || ((size_t)close + 1 < word.n && word.p[close + 1] != ':')))
		return refuse(why, word, "is not [host] or [host]:port");
	if (!brackets && str_find(word, ':') != colon)
		return refuse(why, word, "has more than one colon; write an IPv6 address in brackets, as [2001:db8::1]:25");
	colon = brackets ? close + 1 < (ssize_t)word.n ? close + 1 : -1 : colon;
	host = str_sub(word, brackets, (size_t)(brackets ? close : colon >= 0 ? colon : (ssize_t)word.n) - brackets);
	port = colon >= 0 ? str_from(word, (size_t)colon + 1) : STR("");
	if (colon >= 0 && (!number_parse(port, no_units, &number) || number < 1 || number > 65535))
		return refuse(why, word, "has no port behind its last colon; give 1 to 65535, as [mail.example.org]:587");
	if (str_istarts(host, STR("ipv6:")) && brackets)
		host = str_from(host, 5);
	*out = (struct conf_hop){ .host = host, .port = (uint16_t)number, .mx = !brackets };
	if (host.n <= 253 && conf_hostname_ok(host))
		return true;
	out->mx = false;
	if (address_parse(host, address, why))
		return true;
	buf_reset(why);
	return refuse(why, word, "is no host; give its name or address in brackets, or the name of a domain that has MX records");
}

static bool parse_hops(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why)
{
	struct conf_hops *list = at;

	(void)s;
	for (list->n = 0; list->n < w->n; list->n++) {
		struct conf_address address;

		if (!hop_parse(w->v[list->n], &list->v[list->n], &address, why))
			return false;
	}
	return true;
}

/* A host name in lower case, an address in its canonical form. */
static void own_hop(struct arena *arena, struct conf_hop *h)
{
	bool name = conf_hostname_ok(h->host);
	struct conf_address address;
	struct buf why;
	char *z;

	buf_init(&why, 1000);
	if (!name && !address_parse(h->host, &address, &why))
		die("next hop %.*s", STR_ARG(h->host));
	h->host = name ? h->host : str_z(address.text);
	z = arena_dupz(arena, h->host);
	for (size_t k = 0; k < h->host.n; k++)
		z[k] = ascii_lower(z[k]);
	h->host = str_of(z, h->host.n);
	buf_fini(&why);
}

static void own_hops(struct arena *arena, void *at)
{
	struct conf_hops *list = at;

	for (size_t i = 0; i < list->n; i++)
		own_hop(arena, &list->v[i]);
}

bool conf_hop_parse(struct str text, struct arena *a, struct conf_hop *out)
{
	struct conf_address address;
	struct buf why;
	bool ok;

	buf_init(&why, 1000);
	ok = hop_parse(text, out, &address, &why);
	buf_fini(&why);
	if (!ok)
		return false;
	own_hop(a, out);
	if (!out->port)
		out->port = conf_service_port(CONF_SMTP);
	return true;
}

static void show_hops(const struct conf_setting *s, const void *at, struct buf *out)
{
	const struct conf_hops *list = at;

	(void)s;
	for (size_t i = 0; i < list->n; i++) {
		const struct conf_hop *h = &list->v[i];

		buf_addf(out, h->mx ? "%s%.*s:%u" : "%s[%.*s]:%u", i ? " " : "", STR_ARG(h->host), h->port);
	}
}

static void own_word(struct arena *arena, void *at)
{
	struct str *v = at;

	*v = str_of(arena_dupz(arena, *v), v->n);
}

static void own_names(struct arena *arena, void *at)
{
	struct conf_names *list = at;

	for (size_t i = 0; i < list->n; i++)
		own_word(arena, &list->v[i]);
}

static void show_word(const struct conf_setting *s, const void *at, struct buf *out)
{
	const struct str *v = at;

	(void)s;
	if (v->n)
		conf_quote(*v, out);
}

static void show_size(const struct conf_setting *s, const void *at, struct buf *out)
{
	(void)s;
	conf_size_show(*(const uint64_t *)at, out);
}

static void show_count(const struct conf_setting *s, const void *at, struct buf *out)
{
	(void)s;
	buf_add_u64(out, *(const uint32_t *)at);
}

static void show_duration(const struct conf_setting *s, const void *at, struct buf *out)
{
	(void)s;
	conf_duration_show((uint64_t) * (const int64_t *)at, out);
}

static void show_bool(const struct conf_setting *s, const void *at, struct buf *out)
{
	(void)s;
	buf_addz(out, *(const bool *)at ? "yes" : "no");
}

static void show_enum(const struct conf_setting *s, const void *at, struct buf *out)
{
	for (const struct conf_choice *c = s->choices; c->name; c++)
		if (c->value == *(const int *)at)
			buf_addz(out, c->name);
}

static void show_port(const struct conf_setting *s, const void *at, struct buf *out)
{
	(void)s;
	buf_add_u64(out, *(const uint16_t *)at);
}

static void show_addresses(const struct conf_setting *s, const void *at, struct buf *out)
{
	const struct conf_addresses *list = at;

	(void)s;
	for (size_t i = 0; i < list->n; i++)
		buf_addf(out, "%s%s", i ? " " : "", list->v[i].text);
}

static void show_resolvers(const struct conf_setting *s, const void *at, struct buf *out)
{
	const struct conf_resolvers *list = at;

	(void)s;
	for (size_t i = 0; i < list->n; i++) {
		const struct conf_resolver *r = &list->v[i];

		buf_addf(out, r->address.family == AF_INET6 ? "%s[%s]" : "%s%s", i ? " " : "", r->address.text);
		if (r->port != 53)
			buf_addf(out, ":%u", r->port);
	}
}

static void show_names(const struct conf_setting *s, const void *at, struct buf *out)
{
	const struct conf_names *list = at;

	(void)s;
	for (size_t i = 0; i < list->n; i++)
		buf_addf(out, "%s%.*s", i ? " " : "", STR_ARG(list->v[i]));
	if (list->n == 0)
		buf_addz(out, "none");
}

static void show_percents(const struct conf_setting *s, const void *at, struct buf *out)
{
	const struct conf_percents *list = at;

	(void)s;
	for (size_t i = 0; i < list->n; i++)
		buf_addf(out, "%s%u", i ? " " : "", (unsigned)list->v[i]);
	if (list->n == 0)
		buf_addz(out, "none");
}

static void show_networks(const struct conf_setting *s, const void *at, struct buf *out)
{
	const struct conf_networks *list = at;

	(void)s;
	for (size_t i = 0; i < list->n; i++) {
		if (i)
			buf_addc(out, ' ');
		cidr_show(&list->v[i], out);
	}
}

static const struct type {
	const char *name;
	bool (*parse)(const struct conf_setting *s, const struct conf_words *w, void *at, struct buf *why);
	void (*show)(const struct conf_setting *s, const void *at, struct buf *out);
	bool many; /* takes up to the setting's max values */
	void (*own)(struct arena *arena, void *at); /* copies what refers to the text; NULL: nothing does */
} types[CONF_TYPE_COUNT_] = {
	[CONF_TYPE_HOSTNAME] = { "host name", parse_hostname, show_word, false, own_word },
	[CONF_TYPE_WORD] = { "word", parse_word, show_word, false, own_word },
	[CONF_TYPE_PATH] = { "path", parse_path, show_word, false, own_word },
	[CONF_TYPE_FILE] = { "file", parse_file, show_word, false, own_word },
	[CONF_TYPE_SIZE] = { "size", parse_size, show_size, false, NULL },
	[CONF_TYPE_COUNT] = { "number", parse_count, show_count, false, NULL },
	[CONF_TYPE_DURATION] = { "duration", parse_duration, show_duration, false, NULL },
	[CONF_TYPE_BOOL] = { "yes or no", parse_bool, show_bool, false, NULL },
	[CONF_TYPE_ENUM] = { "one of", parse_enum, show_enum, false, NULL },
	[CONF_TYPE_PORT] = { "port", parse_port, show_port, false, NULL },
	[CONF_TYPE_ADDRESSES] = { "addresses", parse_addresses, show_addresses, true, NULL },
	[CONF_TYPE_RESOLVERS] = { "addresses", parse_resolvers, show_resolvers, true, NULL },
	[CONF_TYPE_NAMES] = { "names", parse_names, show_names, true, own_names },
	[CONF_TYPE_NETWORKS] = { "networks", parse_networks, show_networks, true, NULL },
	[CONF_TYPE_PERCENTS] = { "percentages", parse_percents, show_percents, true, NULL },
	[CONF_TYPE_HOPS] = { "next hops", parse_hops, show_hops, true, own_hops },
};

const char *conf_type_name(const struct conf_setting *s)
{
	return types[s->type].name;
}

bool conf_value_parse(const struct conf_setting *s, const struct conf_words *words, struct arena *arena, void *base,
	struct buf *why)
{
	size_t most = types[s->type].many ? s->max : 1;
	void *at = (char *)base + s->offset;

	if (words->n > most) {
		buf_addf(why, "takes %s%zu value%s, not %zu; put a value with blanks in quotes, end a statement with ';'",
			most > 1 ? "at most " : "", most, most > 1 ? "s" : "", words->n);
		return false;
	}
	if (s->type == CONF_TYPE_NETWORKS)
		((struct conf_networks *)at)->v = arena_array(arena, words->n, sizeof(struct cidr));
	if (!types[s->type].parse(s, words, at, why))
		return false;
	if (types[s->type].own)
		types[s->type].own(arena, at);
	return true;
}

void conf_value_show(const struct conf_setting *s, const void *base, struct buf *out)
{
	types[s->type].show(s, (const char *)base + s->offset, out);
}

void conf_value_default(const struct conf_setting *s, struct arena *arena, void *base)
{
	struct str rest = str_z(s->text);
	struct conf_words words = { 0 };
	struct buf why;

	buf_init(&why, 1000);
	while (words.n < CONF_WORDS_MAX && str_split(&rest, ' ', &words.v[words.n]))
		words.n++;
	if (words.n && !conf_value_parse(s, &words, arena, base, &why))
		die("default of %s: %.*s", s->name, STR_ARG(buf_str(&why)));
	buf_fini(&why);
}
