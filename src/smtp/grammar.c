/* smtp/grammar.c - the grammar of command lines. See the header.
 * Trust       the line is hostile; it is at most as long as the settings allow.
 */
#include "smtp/grammar.h"

void smtp_line_cut(struct str line, struct str *verb, struct str *args)
{
	ssize_t blank = str_find(line, ' ');

	*verb = blank < 0 ? line : str_sub(line, 0, (size_t)blank);
	*args = blank < 0 ? (struct str){ 0 } : str_trim(str_from(line, (size_t)blank));
}

bool smtp_line_has_control(struct str line)
{
	for (size_t i = 0; i < line.n; i++)
		if (((unsigned char)line.p[i] < 0x20 && line.p[i] != '\t') || line.p[i] == 0x7f)
			return true;
	return false;
}

static bool is_host_char(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

static bool is_lenient_domain(struct str s)
{
	struct str label;

	if (s.n && s.p[s.n - 1] == '.')
		s.n--;
	if (s.n == 0 || s.n > 255)
		return false;
	while (str_split(&s, '.', &label)) {
		if (label.n == 0 || label.n > 63)
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!is_host_char(label.p[i]))
				return false;
	}
	return true;
}

static bool is_word(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return s.n && s.n <= 255;
}

enum smtp_reply smtp_helo_check(struct str name, bool strict)
{
	bool fine = strict ? is_lenient_domain(name) || mail_literal_ok(name) : is_word(name);

	return name.n == 0 ? SMTP_NEEDS_ARG : fine ? SMTP_FINE : SMTP_BAD_NAME;
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* "FROM:" or "TO:" and a path. Blanks after the colon are not in the grammar, but in the wild. */
static bool path_take(struct cur *c, struct str lead, unsigned flags, const struct mail_path_limits *limits,
	struct arena *a, struct mail_path *out)
{
	cur_need_ilit(c, lead);
	cur_span(c, is_blank);
	return cur_ok(c) && mail_path_parse(c, flags, limits, a, out) == OK;
}

enum smtp_reply smtp_mail_parse(struct str args, const struct mail_path_limits *limits, const struct smtp_offer *offer, struct arena *a,
	struct smtp_mail *out)
{
	struct cur c = cur_of(args);
	enum smtp_reply r;

	*out = (struct smtp_mail){ 0 };
	if (!str_istarts(args, STR("FROM:")))
		return SMTP_SYNTAX;
	if (!path_take(&c, STR("FROM:"), MAIL_PATH_NULL | MAIL_PATH_UTF8, limits, a, &out->from))
		return SMTP_BAD_SENDER;
	r = smtp_mail_params(&c, offer, a, out);
	if (r)
		return r;
	return out->from.utf8 && !out->utf8 ? SMTP_SENDER_UTF8 : SMTP_FINE;
}

enum smtp_reply smtp_rcpt_parse(struct str args, bool utf8, const struct mail_path_limits *limits, struct arena *a,
	struct mail_path *out, struct ipc_rcpt_dsn *dsn)
{
	struct cur c = cur_of(args);
	enum smtp_reply r;

	if (!str_istarts(args, STR("TO:")))
		return SMTP_SYNTAX;
	if (!path_take(&c, STR("TO:"), MAIL_PATH_POSTMASTER | MAIL_PATH_UTF8, limits, a, out))
		return SMTP_BAD_RCPT;
	r = smtp_rcpt_params(&c, utf8, a, dsn);
	if (r)
		return r;
	return out->utf8 && !utf8 ? SMTP_RCPT_UTF8 : SMTP_FINE;
}

bool smtp_bdat_parse(struct str args, uint64_t *size, bool *last)
{
	ssize_t blank = str_find(args, ' ');
	struct str digits = blank < 0 ? args : str_sub(args, 0, (size_t)blank);

	*last = blank >= 0;
	if (*last && !str_ieq(str_trim(str_from(args, (size_t)blank)), STR("LAST")))
		return false;
	return digits.n <= 20 && str_to_u64(digits, size);
}
