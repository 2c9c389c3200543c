/* mail/imap_form.c - strings as IMAP writes them. See the header. */
#include "mail/imap_form.h"

#include "mail/header.h"

static bool is_quotable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_print(s.p[i]) && s.p[i] != '\t')
			return false;
	return true;
}

static void add_quoted(struct buf *out, struct str s)
{
	char *to = buf_room(out, s.n * 2 + 2);
	size_t n = 0;

	if (!to)
		return;
	to[n++] = '"';
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			to[n++] = '\\';
		to[n++] = s.p[i];
	}
	to[n++] = '"';
	buf_grew(out, n);
}

static void add_literal(struct buf *out, struct str s)
{
	char *to;

	buf_addc(out, '{');
	buf_add_u64(out, s.n);
	buf_add(out, STR("}\r\n"));
	to = buf_room(out, s.n);
	if (!to)
		return;
	for (size_t i = 0; i < s.n; i++)
		to[i] = s.p[i] ? s.p[i] : '?';
	buf_grew(out, s.n);
}

void mail_imap_string_add(struct buf *out, struct str s)
{
	if (is_quotable(s))
		add_quoted(out, s);
	else
		add_literal(out, s);
}

void mail_imap_nstring_add(struct buf *out, struct str s)
{
	if (s.p)
		mail_imap_string_add(out, s);
	else
		buf_add(out, STR("NIL"));
}

void mail_imap_value_add(struct buf *out, struct str value, size_t size_max)
{
	struct buf line;

	if (!value.p) {
		buf_add(out, STR("NIL"));
		return;
	}
	value = str_trim(value);
	if (value.n <= size_max && is_quotable(value)) { /* not folded either */
		add_quoted(out, value);
		return;
	}
	buf_init(&line, value.n + 1);
	mail_header_unfold(value, &line);
	mail_imap_string_add(out, str_sub(buf_str(&line), 0, size_max));
	buf_fini(&line);
}
