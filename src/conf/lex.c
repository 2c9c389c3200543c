/* conf/lex.c - the words of a configuration text
 * Purpose     '#' to the end of the line is a comment where a word could begin; a word is a run of bytes without blanks
 *             or any of {};" or text in double quotes on one line, where \" and \\ stand for " and \.
 * Invariants  every call takes at least one byte or answers EOF.
 */
#include "conf/lex.h"

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_control(unsigned char c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

static bool is_bare(unsigned char c)
{
	return c > 0x20 && c != 0x7f && c != '{' && c != '}' && c != ';' && c != '"';
}

static bool is_in_line(unsigned char c)
{
	return c != '\n';
}

bool conf_word_is_bare(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_bare((unsigned char)s.p[i]))
			return false;
	return s.n > 0 && s.p[0] != '#';
}

static void skip_blanks(struct conf_lexer *l)
{
	cur_span(&l->in, is_blank);
	if (cur_peek(&l->in) == '#')
		cur_span(&l->in, is_in_line);
}

static struct conf_token bad(struct conf_lexer *l, const char *why)
{
	return (struct conf_token){ .kind = CONF_TOKEN_BAD, .line = l->line, .why = why };
}

/* The rest of the line goes too: what follows a broken quote would only give confusing errors. */
static struct conf_token bad_line(struct conf_lexer *l, const char *why)
{
	cur_span(&l->in, is_in_line);
	return bad(l, why);
}

/* What stands before the closing quote, escapes as they are; what is wrong goes to *why. */
static struct str quoted_raw(struct conf_lexer *l, const char **why)
{
	const char *from = l->in.p;
	int c;

	while ((c = cur_peek(&l->in)) != '"') {
		if (c < 0 || c == '\n') {
			*why = "a quote is not closed on its line; write \" at its end";
			return STR("");
		}
		if (is_control((unsigned char)c))
			*why = "a control character in quotes; remove it";
		cur_take(&l->in);
		if (c != '\\')
			continue;
		c = cur_peek(&l->in);
		if (c == '"' || c == '\\')
			cur_take(&l->in);
		else
			*why = "a backslash in quotes is followed by neither \" nor \\; write \\\\ for a backslash";
	}
	return str_of(from, (size_t)(l->in.p - from));
}

static struct str unescape(struct arena *arena, struct str raw)
{
	char *out;
	size_t n = 0;

	if (str_find(raw, '\\') < 0)
		return raw;
	out = arena_alloc(arena, raw.n);
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\\')
			i++;
		out[n++] = raw.p[i];
	}
	return str_of(out, n);
}

static struct conf_token quoted(struct conf_lexer *l)
{
	const char *why = NULL;
	struct str raw;
	int c;

	cur_take(&l->in);
	raw = quoted_raw(l, &why);
	if (why)
		return bad_line(l, why);
	cur_take(&l->in);
	if (raw.n > CONF_WORD_MAX)
		return bad_line(l, "a value is longer than 1000 bytes; shorten it");
	c = cur_peek(&l->in);
	if (c >= 0 && (is_bare((unsigned char)c) || c == '"'))
		return bad_line(l, "a closing quote is followed by more; put a blank between");
	return (struct conf_token){ CONF_TOKEN_WORD, unescape(l->arena, raw), l->line, NULL };
}

static struct conf_token bare(struct conf_lexer *l)
{
	struct str s = cur_need_span(&l->in, is_bare);

	if (s.n > CONF_WORD_MAX)
		return bad_line(l, "a value is longer than 1000 bytes; shorten it");
	if (cur_peek(&l->in) == '"')
		return bad_line(l, "a quote begins within a word; put the whole value in quotes");
	return (struct conf_token){ CONF_TOKEN_WORD, s, l->line, NULL };
}

struct conf_token conf_lex(struct conf_lexer *l)
{
	struct conf_token t = { .line = l->line };
	int c;

	skip_blanks(l);
	c = cur_peek(&l->in);
	if (c == '"')
		return quoted(l);
	if (c >= 0 && is_bare((unsigned char)c))
		return bare(l);
	if (c < 0) {
		t.kind = CONF_TOKEN_EOF;
		return t;
	}
	cur_take(&l->in);
	switch (c) {
	case '{':
		t.kind = CONF_TOKEN_OPEN;
		return t;
	case '}':
		t.kind = CONF_TOKEN_CLOSE;
		return t;
	case '\n':
		l->line++;
		t.kind = CONF_TOKEN_END;
		return t;
	case ';':
		t.kind = CONF_TOKEN_END;
		return t;
	default:
		return bad(l, "a control character; remove it");
	}
}
