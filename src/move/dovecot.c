/* move/dovecot.c - Dovecot's files beside the letters. See the header.
 * Trust       the files may be damaged, or somebody else's idea of a joke: what is not right is left out.
 */
#include "move/dovecot.h"

#include "base/cur.h"
#include "ipc/words.h"

/* ---- dovecot-uidlist */

static bool is_not_blank(unsigned char c)
{
	return c != ' ';
}

static void head_field(struct str field, struct uidlist_head *out)
{
	uint32_t n;

	if (!field.n || !str_to_u32(str_from(field, 1), &n))
		return;
	if (field.p[0] == 'V')
		out->uidvalidity = n;
	else if (field.p[0] == 'N')
		out->uidnext = n;
}

bool uidlist_head_parse(struct str line, struct uidlist_head *out)
{
	struct str rest = line, field;

	*out = (struct uidlist_head){ 0 };
	if (!str_split(&rest, ' ', &field) || !str_to_u32(field, &out->version))
		return false;
	if (out->version == 1)
		return str_split(&rest, ' ', &field) && str_to_u32(field, &out->uidvalidity) && str_to_u32(rest, &out->uidnext) &&
		       out->uidvalidity;
	while (out->version == 3 && str_split(&rest, ' ', &field))
		head_field(field, out);
	return out->version == 3 && out->uidvalidity;
}

static struct str without_flags(struct str name)
{
	ssize_t colon = str_find(name, ':');

	return colon < 0 ? name : str_sub(name, 0, (size_t)colon);
}

bool uidlist_entry_parse(struct str line, unsigned version, struct uidlist_entry *out)
{
	struct cur c = cur_of(line);

	*out = (struct uidlist_entry){ .uid = cur_u32(&c) };
	cur_need(&c, ' ');
	while (version == 3 && cur_ok(&c) && cur_peek(&c) != ':') {
		struct str field = cur_need_span(&c, is_not_blank);

		if (field.n && field.p[0] == 'P')
			out->uidl = str_from(field, 1);
		cur_need(&c, ' ');
	}
	if (version == 3)
		cur_need(&c, ':');
	out->base = without_flags(cur_rest(&c));
	return cur_ok(&c) && out->uid && out->base.n;
}

/* ---- dovecot-keywords */

void maildir_keywords_parse(struct str file, struct maildir_keywords *out)
{
	struct str line;

	*out = (struct maildir_keywords){ 0 };
	while (str_split(&file, '\n', &line)) {
		struct cur c = cur_of(line);
		uint32_t at = cur_u32(&c);

		cur_need(&c, ' ');
		if (cur_ok(&c) && at < MAILDIR_KEYWORDS)
			out->names[at] = str_trim(cur_rest(&c));
	}
}

/* ---- file names */

static uint32_t flag_of(char c)
{
	switch (c) {
	case 'D':
		return MSG_DRAFT;
	case 'F':
		return MSG_FLAGGED;
	case 'R':
		return MSG_ANSWERED;
	case 'S':
		return MSG_SEEN;
	case 'T':
		return MSG_DELETED;
	default:
		return 0;
	}
}

static void add_flags(struct str letters, struct maildir_name *out)
{
	for (size_t i = 0; i < letters.n && letters.p[i] != ','; i++) {
		char c = letters.p[i];

		out->flags |= flag_of(c);
		out->passed |= c == 'P';
		if (c >= 'a' && c <= 'z')
			out->keywords |= 1u << (c - 'a');
	}
}

struct maildir_name maildir_name_parse(struct str name)
{
	struct maildir_name m = { .base = without_flags(name) };
	struct str info = str_from(name, m.base.n), rest = m.base, part;

	if (str_starts(info, STR(":2,")))
		add_flags(str_from(info, 3), &m);
	while (str_split(&rest, ',', &part))
		if (str_starts(part, STR("S=")))
			m.has_size = str_to_u64(str_from(part, 2), &m.size);
	return m;
}

/* ---- UIDLs of POP3 */

#define WIDTH_MAX 64

struct conversion {
	unsigned width;
	bool zero, hex;
	int what;
};

static struct conversion take_conversion(struct cur *c)
{
	struct conversion v = { .zero = cur_try(c, '0') };

	if (cur_peek(c) >= '1' && cur_peek(c) <= '9')
		v.width = cur_u32(c);
	v.hex = cur_try(c, 'X');
	v.what = cur_take(c);
	if (v.width > WIDTH_MAX)
		cur_fail(c);
	return v;
}

static void add_number(struct buf *out, const struct conversion *v, uint32_t n)
{
	if (v->hex)
		buf_addf(out, v->zero ? "%0*x" : "%*x", (int)v->width, n);
	else
		buf_addf(out, v->zero ? "%0*u" : "%*u", (int)v->width, n);
}

static bool is_uidl(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_print(s.p[i]) || s.p[i] == ' ')
			return false;
	return s.n > 0 && s.n <= 70;
}

bool pop3_uidl_format(struct str format, uint32_t uid, uint32_t uidvalidity, struct str base, struct buf *out)
{
	struct cur c = cur_of(format);

	while (!cur_end(&c)) {
		struct conversion v;
		char plain = (char)cur_take(&c);

		if (plain != '%') {
			buf_addc(out, plain);
			continue;
		}
		v = take_conversion(&c);
		if (v.what == 'u')
			add_number(out, &v, uid);
		else if (v.what == 'v')
			add_number(out, &v, uidvalidity);
		else if (v.what == 'f' && !v.hex && !v.width)
			buf_add(out, base);
		else if (v.what == '%')
			buf_addc(out, '%');
		else
			cur_fail(&c);
	}
	return cur_ok(&c) && !out->full && is_uidl(buf_str(out));
}
