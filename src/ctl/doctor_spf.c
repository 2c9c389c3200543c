/* ctl/doctor_spf.c - does a domain's SPF record list an address? (RFC 7208)
 *
 * Not the judgement of a letter: only mechanisms that let pass are looked at, which is what a sender wants to know of its own record. Macros
 * and `exists` ask about a letter's sender and are left out.
 */
#include "ctl/doctor_impl.h"

#include <string.h>
#include <sys/socket.h>

#define LOOKUPS_MAX 10 /* RFC 7208 4.6.4 */

struct spf {
	struct dns *dns;
	const struct conf_address *address;
	struct arena *arena;
	struct str names[LOOKUPS_MAX + 1]; /* records to read: the domain, what it includes and redirects to */
	size_t n_names, n_lookups;
	enum spf_found found;
};

/* Reads "/24" or "/24//64" behind a mechanism for our family; false: no number. */
static bool take_bits(const struct spf *s, struct str *spec, unsigned *bits)
{
	unsigned most = s->address->family == AF_INET ? 32 : 128;
	ssize_t slash = str_find(*spec, '/');
	struct str tail;
	ssize_t both;
	uint32_t v;

	*bits = most;
	if (slash < 0)
		return true;
	tail = str_from(*spec, (size_t)slash + 1);
	*spec = str_sub(*spec, 0, (size_t)slash);
	both = str_search(tail, STR("//"));
	if (tail.n && tail.p[0] == '/') { /* "//64" alone */
		tail = str_from(tail, 1);
		if (s->address->family == AF_INET)
			return true;
	} else if (both >= 0) {
		tail = s->address->family == AF_INET ? str_sub(tail, 0, (size_t)both) : str_from(tail, (size_t)both + 2);
	} else if (s->address->family == AF_INET6 && most == 128) {
		return true; /* "/24" is of IPv4 */
	}
	if (!str_to_u32(tail, &v) || v > most)
		return false;
	*bits = v;
	return true;
}

static bool same_network(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	return memcmp(a, b, bits / 8) == 0 && (bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8)) == 0);
}

static bool of_ip(const struct spf *s, struct str spec)
{
	struct conf_address a;
	ssize_t slash = str_find(spec, '/');
	uint32_t bits = 128;

	if (slash >= 0 && !str_to_u32(str_from(spec, (size_t)slash + 1), &bits))
		return false;
	if (!address_parse(slash < 0 ? spec : str_sub(spec, 0, (size_t)slash), &a) || a.family != s->address->family)
		return false;
	if (bits > (a.family == AF_INET ? 32u : 128u))
		bits = a.family == AF_INET ? 32 : 128;
	return same_network(a.bytes, s->address->bytes, bits);
}

static SUSPENDS bool of_host(struct spf *s, struct str name, unsigned bits)
{
	struct dns_answer answer;

	dns_ask(s->dns, name, s->address->family == AF_INET ? DNS_A : DNS_AAAA, s->arena, &answer);
	for (size_t i = 0; i < answer.n; i++)
		if (same_network(answer.records[i].address, s->address->bytes, bits))
			return true;
	return false;
}

static bool may_look(struct spf *s)
{
	if (s->n_lookups++ < LOOKUPS_MAX)
		return true;
	s->found = SPF_TOO_MANY;
	return false;
}

/* "a", "a:name", "mx/24": the name is the record's own when none is written. */
static SUSPENDS bool of_names(struct spf *s, struct str spec, struct str own, bool mx)
{
	struct dns_answer answer;
	unsigned bits;

	if (!take_bits(s, &spec, &bits) || !may_look(s))
		return false;
	if (spec.n == 0)
		spec = own;
	if (!mx)
		return of_host(s, spec, bits);
	dns_ask(s->dns, spec, DNS_MX, s->arena, &answer);
	for (size_t i = 0; i < answer.n && i < LOOKUPS_MAX; i++)
		if (of_host(s, answer.records[i].name, bits))
			return true;
	return false;
}

static void follow(struct spf *s, struct str name)
{
	if (may_look(s))
		s->names[s->n_names++] = name;
}

static struct str after(struct str term, const char *name)
{
	struct str rest = str_from(term, strlen(name));

	return rest.n && (rest.p[0] == ':' || rest.p[0] == '=') ? str_from(rest, 1) : rest;
}

static bool is_term(struct str term, const char *name)
{
	size_t n = strlen(name);

	return str_istarts(term, str_z(name)) && (term.n == n || memchr(":=/", term.p[n], 3));
}

static SUSPENDS bool matches(struct spf *s, struct str term, struct str own)
{
	if (is_term(term, "ip4") || is_term(term, "ip6"))
		return of_ip(s, after(term, "ip4"));
	if (is_term(term, "mx"))
		return of_names(s, after(term, "mx"), own, true);
	if (is_term(term, "a"))
		return of_names(s, after(term, "a"), own, false);
	if (is_term(term, "include"))
		follow(s, after(term, "include"));
	else if (is_term(term, "redirect"))
		follow(s, after(term, "redirect"));
	return false;
}

static SUSPENDS void read_terms(struct spf *s, struct str text, struct str own)
{
	struct str term;

	while (s->found == SPF_NOT_LISTED && str_split(&text, ' ', &term)) {
		if (term.n && term.p[0] == '+')
			term = str_from(term, 1);
		if (str_ieq(term, STR("all")))
			s->found = SPF_ANYBODY;
		else if (term.n && !memchr("-~?", term.p[0], 3) && matches(s, term, own))
			s->found = SPF_LISTED;
	}
}

/* The one record of a name. */
static SUSPENDS bool read_record(struct spf *s, struct str name, struct str *text)
{
	struct dns_answer answer;
	unsigned n = 0;

	dns_ask(s->dns, name, DNS_TXT, s->arena, &answer);
	if (answer.result != DNS_OK && answer.result != DNS_NODATA && answer.result != DNS_NXDOMAIN) {
		s->found = SPF_UNKNOWN;
		return false;
	}
	for (size_t i = 0; i < answer.n; i++) {
		struct str data = answer.records[i].data;

		if (str_ieq(str_sub(data, 0, 6), STR("v=spf1")) && (data.n == 6 || data.p[6] == ' ')) {
			*text = str_from(data, 6);
			n++;
		}
	}
	if (n != 1)
		s->found = n ? SPF_TWO_RECORDS : SPF_NO_RECORD;
	return n == 1;
}

SUSPENDS enum spf_found doctor_spf(struct dns *dns, struct str domain, const struct conf_address *address, struct arena *a)
{
	struct spf s = { .dns = dns, .address = address, .arena = a, .names = { domain }, .n_names = 1, .found = SPF_NOT_LISTED };
	struct str text;

	for (size_t i = 0; i < s.n_names && s.found == SPF_NOT_LISTED; i++)
		if (read_record(&s, s.names[i], &text))
			read_terms(&s, text, s.names[i]);
	return s.found;
}
