/* mail/path.c - SMTP paths and addresses as lookup keys (RFC 5321 4.1.2). See the header.
 * Trust  input is hostile; this grammar is strict.
 */
#include "mail/path.h"

#include "mail/utf8.h"

#include <arpa/inet.h>
#include <string.h>

const struct mail_path_limits mail_path_limits_default = { .local_max = 64, .domain_max = 255, .path_max = 256 };

static bool is_atext(unsigned char c)
{
	return c > 0x7f || ascii_is_alnum((char)c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_domain_char(unsigned char c)
{
	return c > 0x7f || ascii_is_alnum((char)c) || c == '-' || c == '.';
}

static bool is_literal_char(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '[' && c != ']' && c != '\\';
}

/* A U-label may hold any UTF-8; whether IDNA allows it is for whoever looks the name up. */
static bool labels_ok(struct str s, bool utf8)
{
	struct str label;
	bool any = false;

	if (utf8 && !mail_utf8_ok(s))
		return false;
	while (str_split(&s, '.', &label)) {
		if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!ascii_is_alnum(label.p[i]) && label.p[i] != '-' &&
				!(utf8 && (unsigned char)label.p[i] > 0x7f))
				return false;
		any = true;
	}
	return any;
}

bool mail_domain_ok(struct str s)
{
	return s.n <= 253 && labels_ok(s, false);
}

static bool inet_ok(int family, struct str s)
{
	unsigned char addr[16];
	char z[64];

	if (s.n >= sizeof z || memchr(s.p, 0, s.n))
		return false;
	memcpy(z, s.p, s.n);
	z[s.n] = 0;
	return inet_pton(family, z, addr) == 1;
}

bool mail_literal_ok(struct str s)
{
	if (s.n < 3 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	s = str_sub(s, 1, s.n - 2);
	if (str_istarts(s, STR("IPv6:")))
		return s.n > 5 && inet_ok(AF_INET6, str_from(s, 5));
	return inet_ok(AF_INET, s);
}

/* Domain or address-literal; as written. */
static struct str take_domain(struct cur *c, unsigned flags, bool *literal)
{
	const char *from = c->p;
	struct str s;

	*literal = cur_try(c, '[');
	if (*literal) {
		cur_span(c, is_literal_char);
		cur_need(c, ']');
	} else {
		cur_need_span(c, is_domain_char);
	}
	s = str_of(from, (size_t)(c->p - from));
	if (!cur_ok(c) || !(*literal ? mail_literal_ok(s) : labels_ok(s, flags & MAIL_PATH_UTF8)))
		cur_fail(c);
	return s;
}

/* Dot-string = Atom *("." Atom) */
static struct str take_dot_string(struct cur *c)
{
	const char *from = c->p;

	do
		cur_need_span(c, is_atext);
	while (cur_try(c, '.'));
	return str_of(from, (size_t)(c->p - from));
}

/* Quoted-string = DQUOTE *(qtextSMTP / "\" %d32-126) DQUOTE, without its quotes and escapes. */
static struct str take_quoted(struct cur *c, struct arena *a)
{
	const char *from, *close;
	char *text;
	size_t n = 0;

	cur_need(c, '"');
	from = c->p;
	for (;;) {
		int ch = cur_take(c);
		bool escaped = ch == '\\';

		if (escaped)
			ch = cur_take(c);
		if (ch < ' ' || ch == 0x7f || (escaped && ch > 0x7f))
			cur_fail(c);
		if (!cur_ok(c))
			return (struct str){ 0 };
		if (ch == '"' && !escaped)
			break;
	}
	close = c->p - 1;
	text = arena_alloc(a, (size_t)(close - from) + 1);
	for (; from < close; from++) {
		from += *from == '\\';
		text[n++] = *from;
	}
	return str_of(text, n);
}

static struct str take_local(struct cur *c, struct arena *a, size_t *written)
{
	const char *from = c->p;
	struct str s = cur_peek(c) == '"' ? take_quoted(c, a) : take_dot_string(c);

	*written = (size_t)(c->p - from);
	return s;
}

/* A-d-l ":" of a source route (RFC 5321 4.1.2, appendix C: accepted and ignored). */
static void skip_route(struct cur *c, unsigned flags)
{
	bool literal;

	if (cur_peek(c) != '@')
		return;
	do {
		cur_need(c, '@');
		take_domain(c, flags, &literal);
	} while (cur_try(c, ','));
	cur_need(c, ':');
}

static bool is_postmaster(struct str local, unsigned flags)
{
	return flags & MAIL_PATH_POSTMASTER && str_ieq(local, STR("postmaster"));
}

/* Mailbox = Local-part "@" ( Domain / address-literal ) */
static enum outcome take_mailbox(
	struct cur *c, unsigned flags, const struct mail_path_limits *l, struct arena *a, struct mail_path *out)
{
	size_t written;

	out->local = take_local(c, a, &written);
	if (cur_ok(c) && cur_peek(c) != '@' && is_postmaster(out->local, flags))
		return OK;
	cur_need(c, '@');
	if (!cur_ok(c))
		return BAD_SYNTAX;
	out->domain = take_domain(c, flags, &out->literal);
	if (!cur_ok(c))
		return BAD_SYNTAX;
	if (written > l->local_max || out->domain.n > l->domain_max)
		return OVER_LIMIT;
	out->utf8 = !mail_ascii_ok(out->local) || !mail_ascii_ok(out->domain);
	if (out->utf8 && !(flags & MAIL_PATH_UTF8))
		return BAD_SYNTAX;
	return mail_utf8_ok(out->local) ? OK : BAD_SYNTAX;
}

static enum outcome take_path(
	struct cur *c, unsigned flags, const struct mail_path_limits *l, struct arena *a, struct mail_path *out)
{
	const char *from = c->p;
	enum outcome o = OK;

	cur_need(c, '<');
	if (flags & MAIL_PATH_NULL && cur_peek(c) == '>') {
		out->null = true;
	} else {
		skip_route(c, flags);
		o = take_mailbox(c, flags, l, a, out);
	}
	if (o != OK)
		return o;
	cur_need(c, '>');
	if (!cur_ok(c))
		return BAD_SYNTAX;
	return (size_t)(c->p - from) > l->path_max ? OVER_LIMIT : OK;
}

enum outcome mail_path_parse(
	struct cur *c, unsigned flags, const struct mail_path_limits *l, struct arena *a, struct mail_path *out)
{
	enum outcome o;

	*out = (struct mail_path){ 0 };
	o = take_path(c, flags, l, a, out);
	if (o != OK)
		cur_fail(c);
	return o;
}

enum outcome mail_mailbox_parse(
	struct str s, unsigned flags, const struct mail_path_limits *l, struct arena *a, struct mail_path *out)
{
	struct cur c = cur_of(s);
	enum outcome o;

	*out = (struct mail_path){ 0 };
	o = take_mailbox(&c, flags, l, a, out);
	if (o == OK && !cur_done(&c))
		o = BAD_SYNTAX;
	return o == OK && s.n + 2 > l->path_max ? OVER_LIMIT : o;
}

static bool is_dot_string(struct str s)
{
	struct cur c = cur_of(s);

	take_dot_string(&c);
	return cur_done(&c);
}

void mail_mailbox_add(struct buf *out, struct str local, struct str domain)
{
	if (is_dot_string(local)) {
		buf_add(out, local);
	} else if (local.n || domain.n) {
		buf_addc(out, '"');
		for (size_t i = 0; i < local.n; i++) {
			if (local.p[i] == '"' || local.p[i] == '\\')
				buf_addc(out, '\\');
			buf_addc(out, local.p[i]);
		}
		buf_addc(out, '"');
	}
	if (domain.n) {
		buf_addc(out, '@');
		buf_add(out, domain);
	}
}

struct str mail_address_key(struct str local, struct str domain, struct arena *a)
{
	size_t n = 0;
	char *p = arena_alloc(a, local.n + 1 + domain.n);

	for (size_t i = 0; i < local.n; i++)
		p[n++] = ascii_lower(local.p[i]);
	if (domain.n)
		p[n++] = '@';
	for (size_t i = 0; i < domain.n; i++)
		p[n++] = ascii_lower(domain.p[i]);
	return str_of(p, n);
}

bool mail_address_cut(struct str address, struct str *local, struct str *domain)
{
	ssize_t at = str_rfind(address, '@');

	*local = at < 0 ? address : str_sub(address, 0, (size_t)at);
	*domain = at < 0 ? (struct str){ 0 } : str_from(address, (size_t)at + 1);
	return at >= 0;
}

bool mail_subaddress_cut(struct str local, struct str separators, struct str *user, struct str *detail)
{
	*user = local;
	*detail = (struct str){ 0 };
	for (size_t i = 0; i < local.n; i++)
		if (str_find(separators, local.p[i]) >= 0) {
			if (i == 0)
				return false;
			*user = str_sub(local, 0, i);
			*detail = str_from(local, i + 1);
			return true;
		}
	return false;
}
