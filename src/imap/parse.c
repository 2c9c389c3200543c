/* imap/parse.c - the tokens of IMAP commands (RFC 3501 9). See the header.
 * Trust       the bytes are hostile.
 * Invariants  I1 no function reads outside the cursor's view or recurses.
 */
#include "imap/parse.h"

#include "ipc/words.h"
#include "mail/date.h"

#include <string.h>

bool imap_is_atom_char(unsigned char c)
{
	return c > 0x20 && c < 0x7f && !strchr("(){%*\"\\]", c);
}

bool imap_is_astring_char(unsigned char c)
{
	return imap_is_atom_char(c) || c == ']';
}

static bool is_tag_char(unsigned char c)
{
	return imap_is_astring_char(c) && c != '+';
}

static bool is_list_char(unsigned char c)
{
	return imap_is_astring_char(c) || c == '%' || c == '*';
}

static bool is_quoted_char(unsigned char c)
{
	return c != '"' && c != '\\' && c != '\r' && c != '\n' && c != 0;
}

void imap_need_sp(struct cur *c)
{
	cur_need(c, ' ');
}

struct str imap_tag(struct cur *c)
{
	struct str s = cur_need_span(c, is_tag_char);

	if (s.n > IMAP_TAG_MAX)
		cur_fail(c);
	return s;
}

struct str imap_atom(struct cur *c)
{
	return cur_need_span(c, imap_is_atom_char);
}

/* The opening quote is taken. Without escapes the view is of the input. */
static struct str quoted_rest(struct cur *c, struct arena *a)
{
	struct str plain = cur_span(c, is_quoted_char);
	struct cur ahead = *c;
	size_t n = plain.n;
	char *p;

	if (cur_try(c, '"'))
		return plain;
	/* Room for this string, not for all that follows: a command may hold a thousand of them. */
	for (; cur_try(&ahead, '\\'); n += 1 + cur_span(&ahead, is_quoted_char).n)
		cur_take(&ahead);
	p = arena_alloc(a, n + 1);
	memcpy(p, plain.p, plain.n);
	n = plain.n;
	while (cur_try(c, '\\')) {
		int ch = cur_take(c);

		if (ch != '"' && ch != '\\') {
			cur_fail(c);
			break;
		}
		p[n++] = (char)ch;
		plain = cur_span(c, is_quoted_char);
		memcpy(p + n, plain.p, plain.n);
		n += plain.n;
	}
	cur_need(c, '"');
	return cur_ok(c) ? str_of(p, n) : (struct str){ 0 };
}

/* The opening brace is taken. */
static struct str literal_rest(struct cur *c)
{
	uint64_t n = cur_u64(c);

	cur_try(c, '+');
	cur_need_ilit(c, STR("}\r\n"));
	if (n > cur_left(c))
		cur_fail(c);
	return cur_bytes(c, cur_ok(c) ? (size_t)n : 0);
}

struct str imap_string(struct cur *c, struct arena *a)
{
	if (cur_try(c, '"'))
		return quoted_rest(c, a);
	cur_need(c, '{');
	return literal_rest(c);
}

static bool at_string(const struct cur *c)
{
	int ch = cur_peek(c);

	return ch == '"' || ch == '{';
}

struct str imap_astring(struct cur *c, struct arena *a)
{
	return at_string(c) ? imap_string(c, a) : cur_need_span(c, imap_is_astring_char);
}

struct str imap_list_mailbox(struct cur *c, struct arena *a)
{
	return at_string(c) ? imap_string(c, a) : cur_need_span(c, is_list_char);
}

struct str imap_nstring(struct cur *c, struct arena *a)
{
	if (!at_string(c)) {
		cur_need_ilit(c, STR("NIL"));
		return (struct str){ 0 };
	}
	return imap_string(c, a);
}

bool imap_try_word(struct cur *c, struct str word)
{
	struct cur ahead = *c;

	if (!cur_try_ilit(&ahead, word))
		return false;
	if (!cur_end(&ahead) && imap_is_atom_char((unsigned char)cur_peek(&ahead)))
		return false;
	*c = ahead;
	return true;
}

static const struct {
	const char *name;
	uint32_t bit;
} system_flags[] = {
	{ "Seen", MSG_SEEN },
	{ "Answered", MSG_ANSWERED },
	{ "Flagged", MSG_FLAGGED },
	{ "Deleted", MSG_DELETED },
	{ "Draft", MSG_DRAFT },
};

static void system_flag(struct cur *c, struct imap_flags *out)
{
	struct str name = imap_atom(c);

	for (size_t i = 0; i < sizeof system_flags / sizeof *system_flags; i++)
		if (str_ieq(name, str_z(system_flags[i].name))) {
			out->bits |= system_flags[i].bit;
			return;
		}
	cur_fail(c);
}

static void keyword(struct cur *c, struct imap_flags *out)
{
	struct str name = imap_atom(c);

	for (size_t i = 0; i < out->n_keywords; i++)
		if (str_ieq(out->keywords[i], name))
			return;
	if (name.n > IMAP_KEYWORD_SIZE_MAX || out->n_keywords == IMAP_KEYWORDS_MAX)
		out->over = true;
	else
		out->keywords[out->n_keywords++] = name;
}

static void flag(struct cur *c, struct imap_flags *out)
{
	if (cur_try(c, '\\'))
		system_flag(c, out);
	else
		keyword(c, out);
}

static void flags_until(struct cur *c, struct imap_flags *out)
{
	do
		flag(c, out);
	while (cur_try(c, ' '));
}

void imap_flag_list(struct cur *c, struct imap_flags *out)
{
	out->bits = 0;
	out->n_keywords = 0;
	out->over = false;
	cur_need(c, '(');
	if (cur_try(c, ')'))
		return;
	flags_until(c, out);
	cur_need(c, ')');
}

void imap_flags_bare(struct cur *c, struct imap_flags *out)
{
	out->bits = 0;
	out->n_keywords = 0;
	out->over = false;
	flags_until(c, out);
}

bool imap_literal_at_end(struct str line, struct imap_literal *out)
{
	ssize_t open = str_rfind(line, '{');
	struct cur c;
	struct str digits;

	if (open < 0 || !str_ends(line, STR("}")))
		return false;
	c = cur_of(str_sub(line, (size_t)open + 1, line.n - (size_t)open - 2));
	out->sync = !str_ends(cur_rest(&c), STR("+"));
	digits = str_sub(cur_rest(&c), 0, cur_left(&c) - !out->sync);
	if (digits.n == 0)
		return false;
	for (size_t i = 0; i < digits.n; i++)
		if (!ascii_is_digit(digits.p[i]))
			return false;
	if (!str_to_u64(digits, &out->size))
		out->size = UINT64_MAX;
	return true;
}

/* date-time with its quotes and the space behind it, or nothing. */
static void append_date(struct cur *c, struct imap_append *out)
{
	struct str rest = cur_rest(c);
	ssize_t end;

	if (!cur_try(c, '"'))
		return;
	end = str_find(str_from(rest, 1), '"');
	if (end < 0 || !mail_imap_datetime_parse(str_sub(rest, 0, (size_t)end + 2), &out->date_s))
		cur_fail(c);
	cur_bytes(c, end < 0 ? 0 : (size_t)end + 1);
	out->has_date = true;
	imap_need_sp(c);
}

/* "{5}" or "~{5}", and nothing behind it. */
static bool append_literal(struct cur *c, struct imap_append *out)
{
	out->binary = cur_try(c, '~');
	return cur_ok(c) && cur_peek(c) == '{' && imap_literal_at_end(cur_rest(c), &out->literal) &&
	       str_rfind(cur_rest(c), '{') == 0;
}

static bool append_head(struct cur *c, struct imap_append *out)
{
	out->has_date = out->utf8 = false;
	out->date_s = 0;
	out->flags.bits = 0;
	out->flags.n_keywords = 0;
	out->flags.over = false;
	if (cur_peek(c) == '(') {
		imap_flag_list(c, &out->flags);
		imap_need_sp(c);
	}
	append_date(c, out);
	out->utf8 = cur_try_ilit(c, STR("UTF8 ("));
	return append_literal(c, out) && (!out->utf8 || out->binary);
}

bool imap_append_parse(struct str args, struct arena *a, struct imap_append *out)
{
	struct cur c = cur_of(args);

	out->mailbox = imap_astring(&c, a);
	imap_need_sp(&c);
	return append_head(&c, out);
}

enum imap_append_next imap_append_behind(struct str line, struct imap_append *out)
{
	struct cur c = cur_of(line);

	if (out->utf8)
		cur_need(&c, ')');
	if (cur_done(&c))
		return IMAP_APPEND_END;
	imap_need_sp(&c);
	return append_head(&c, out) ? IMAP_APPEND_MORE : IMAP_APPEND_BAD;
}

void imap_add_quoted(struct buf *out, struct str s)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		char ch = s.p[i];

		if (ch == '"' || ch == '\\')
			buf_addc(out, '\\');
		buf_addc(out, ch == '\r' || ch == '\n' || ch == 0 ? '?' : ch);
	}
	buf_addc(out, '"');
}

void imap_add_astring(struct buf *out, struct str s)
{
	bool atom = s.n > 0;

	for (size_t i = 0; i < s.n && atom; i++)
		atom = imap_is_astring_char((unsigned char)s.p[i]);
	if (atom)
		buf_add(out, s);
	else
		imap_add_quoted(out, s);
}
