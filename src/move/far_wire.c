/* move/far_wire.c - tokens of what an IMAP server says. See the header.
 * Trust       the server may be anybody's: lengths, depths and numbers are bounded here.
 * Suspends    wherever bytes are read.
 */
#include "move/far_wire.h"

#include "ipc/words.h"

void far_in_open(struct far_in *in, struct stream *s)
{
	*in = (struct far_in){ .s = s };
	buf_init(&in->word, FAR_WORD_MAX);
}

void far_in_close(struct far_in *in)
{
	buf_fini(&in->word);
}

static SUSPENDS int peek(struct far_in *in)
{
	struct str have = in->bad ? STR("") : stream_peek(in->s);

	if (have.n == 0) {
		in->bad = true;
		return -1;
	}
	return (unsigned char)have.p[0];
}

static void fail(struct far_in *in)
{
	in->bad = true;
}

static SUSPENDS void need(struct far_in *in, char c)
{
	if (peek(in) == (unsigned char)c)
		stream_take(in->s, 1);
	else
		fail(in);
}

static void keep(struct far_in *in, int c)
{
	buf_addc(&in->word, (char)c);
	stream_take(in->s, 1);
	if (in->word.full)
		fail(in);
}

static SUSPENDS void take_quoted(struct far_in *in)
{
	int c;

	stream_take(in->s, 1);
	while ((c = peek(in)) != '"' && !in->bad) {
		if (c == '\\') {
			stream_take(in->s, 1);
			c = peek(in);
		}
		if (c == '\r' || c == '\n' || c <= 0)
			fail(in);
		else
			keep(in, c);
	}
	need(in, '"');
}

static bool ends_atom(int c)
{
	return c <= ' ' || c == '(' || c == ')' || c == '"' || c == '{' || c == 0x7f;
}

static SUSPENDS void take_atom(struct far_in *in)
{
	int c;

	while (!ends_atom(c = peek(in)) && !in->bad)
		keep(in, c);
	if (in->word.n == 0)
		fail(in);
}

/* "{123}" and the line's end. */
static SUSPENDS void take_literal(struct far_in *in)
{
	int c;

	stream_take(in->s, 1);
	while ((c = peek(in)) >= '0' && c <= '9' && !in->bad)
		keep(in, c);
	if (c == '+')
		stream_take(in->s, 1);
	need(in, '}');
	need(in, '\r');
	need(in, '\n');
	if (!str_to_u64(buf_str(&in->word), &in->literal) || in->literal > (uint64_t)1 << 40)
		fail(in);
}

SUSPENDS enum far_tok far_token(struct far_in *in, struct str *text)
{
	enum far_tok tok = TOK_ATOM;
	int c;

	*text = STR("");
	buf_reset(&in->word);
	if (in->literal)
		far_literal(in, NULL, NULL);
	while ((c = peek(in)) == ' ' && !in->bad)
		stream_take(in->s, 1);
	if (in->bad)
		return TOK_BAD;
	if (c == '(' || c == ')') {
		stream_take(in->s, 1);
		return c == '(' ? TOK_OPEN : TOK_CLOSE;
	}
	if (c == '\r') {
		stream_take(in->s, 1);
		need(in, '\n');
		tok = TOK_EOL;
	} else if (c == '"') {
		take_quoted(in);
		tok = TOK_STRING;
	} else if (c == '{') {
		take_literal(in);
		tok = TOK_LITERAL;
	} else {
		take_atom(in);
	}
	*text = buf_str(&in->word);
	return in->bad ? TOK_BAD : tok;
}

SUSPENDS void far_literal(struct far_in *in, void (*add)(void *ctx, struct str piece), void *ctx)
{
	while (in->literal && !in->bad) {
		struct str have = stream_peek(in->s);

		if (have.n == 0) {
			fail(in);
			return;
		}
		if (have.n > in->literal)
			have.n = (size_t)in->literal;
		if (add)
			add(ctx, have);
		in->literal -= have.n;
		stream_take(in->s, have.n);
	}
}

static void to_word(void *ctx, struct str piece)
{
	buf_add(ctx, piece);
}

SUSPENDS bool far_string(struct far_in *in, struct str *text, bool *nil)
{
	enum far_tok tok = far_token(in, text);

	*nil = tok == TOK_ATOM && str_ieq(*text, STR("NIL"));
	if (tok == TOK_LITERAL) {
		buf_reset(&in->word);
		if (in->literal > FAR_WORD_MAX)
			fail(in);
		far_literal(in, to_word, &in->word);
		*text = buf_str(&in->word);
		return !in->bad;
	}
	if (tok != TOK_ATOM && tok != TOK_STRING)
		fail(in);
	return !in->bad;
}

SUSPENDS void far_skip_value(struct far_in *in, enum far_tok tok)
{
	unsigned depth = 0;
	struct str text;

	for (;;) {
		if (tok == TOK_OPEN && ++depth > FAR_DEPTH_MAX)
			fail(in);
		if (tok == TOK_EOL || (tok == TOK_CLOSE && depth-- == 0))
			fail(in);
		if (in->bad || depth == 0)
			break;
		tok = far_token(in, &text);
	}
	if (tok == TOK_LITERAL)
		far_literal(in, NULL, NULL);
}

SUSPENDS void far_skip(struct far_in *in)
{
	enum far_tok tok;
	struct str text;

	do
		tok = far_token(in, &text);
	while (tok != TOK_EOL && tok != TOK_BAD);
}

SUSPENDS struct str far_text(struct far_in *in)
{
	int c;

	buf_reset(&in->word);
	while ((c = peek(in)) != '\n' && !in->bad)
		keep(in, c);
	if (!in->bad)
		stream_take(in->s, 1);
	return str_trim(buf_str(&in->word));
}

uint32_t far_flag_of(struct str flag)
{
	static const struct {
		const char *name;
		uint32_t flag;
	} flags[] = { { "\\Seen", MSG_SEEN }, { "\\Answered", MSG_ANSWERED }, { "\\Flagged", MSG_FLAGGED }, { "\\Deleted", MSG_DELETED },
		{ "\\Draft", MSG_DRAFT } };

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (str_ieq(flag, str_z(flags[i].name)))
			return flags[i].flag;
	return 0;
}
