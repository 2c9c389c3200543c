/* imap/search_parse.c - search programs as flat keys. See the header.
 * Trust       the bytes are hostile; depth and number of keys are bounded, the stack is explicit.
 * Invariants  I1 every operator that is put gets as many operands as it announces, or the parse fails.
 */
#include "imap/search_parse.h"

#include "imap/parse.h"
#include "imap/set.h"
#include "ipc/words.h"
#include "mail/date.h"
#include "mail/utf8.h"

enum argument {
	NOTHING,
	ONE_FLAG,
	NOT_FLAG,
	OLD_KEY,
	NEW_KEY,
	KEYWORD,
	NOT_KEYWORD,
	DATE,
	NUMBER,
	SECONDS,
	TEXT,
	FIELD,
	UIDS,
	MODSEQ
};

static const struct keyword {
	const char *name;
	uint8_t op;
	uint8_t argument;
	uint8_t flag;
} words[] = {
	{ "ALL", SEARCH_ALL, NOTHING, 0 },
	{ "ANSWERED", SEARCH_FLAG, ONE_FLAG, MSG_ANSWERED },
	{ "BCC", SEARCH_BCC, TEXT, 0 },
	{ "BEFORE", SEARCH_BEFORE, DATE, 0 },
	{ "BODY", SEARCH_BODY, TEXT, 0 },
	{ "CC", SEARCH_CC, TEXT, 0 },
	{ "DELETED", SEARCH_FLAG, ONE_FLAG, MSG_DELETED },
	{ "DRAFT", SEARCH_FLAG, ONE_FLAG, MSG_DRAFT },
	{ "FLAGGED", SEARCH_FLAG, ONE_FLAG, MSG_FLAGGED },
	{ "FROM", SEARCH_FROM, TEXT, 0 },
	{ "HEADER", SEARCH_HEADER, FIELD, 0 },
	{ "KEYWORD", SEARCH_KEYWORD, KEYWORD, 0 },
	{ "LARGER", SEARCH_LARGER, NUMBER, 0 },
	{ "MODSEQ", SEARCH_MODSEQ, MODSEQ, 0 },
	{ "NEW", SEARCH_FLAG, NEW_KEY, 0 },
	{ "OLD", SEARCH_FLAG, OLD_KEY, 0 },
	{ "OLDER", SEARCH_OLDER, SECONDS, 0 },
	{ "ON", SEARCH_ON, DATE, 0 },
	{ "RECENT", SEARCH_FLAG, ONE_FLAG, MSG_RECENT },
	{ "SEEN", SEARCH_FLAG, ONE_FLAG, MSG_SEEN },
	{ "SENTBEFORE", SEARCH_SENT_BEFORE, DATE, 0 },
	{ "SENTON", SEARCH_SENT_ON, DATE, 0 },
	{ "SENTSINCE", SEARCH_SENT_SINCE, DATE, 0 },
	{ "SINCE", SEARCH_SINCE, DATE, 0 },
	{ "SMALLER", SEARCH_SMALLER, NUMBER, 0 },
	{ "SUBJECT", SEARCH_SUBJECT, TEXT, 0 },
	{ "TEXT", SEARCH_TEXT, TEXT, 0 },
	{ "TO", SEARCH_TO, TEXT, 0 },
	{ "UID", SEARCH_UID, UIDS, 0 },
	{ "UNANSWERED", SEARCH_FLAG, NOT_FLAG, MSG_ANSWERED },
	{ "UNDELETED", SEARCH_FLAG, NOT_FLAG, MSG_DELETED },
	{ "UNDRAFT", SEARCH_FLAG, NOT_FLAG, MSG_DRAFT },
	{ "UNFLAGGED", SEARCH_FLAG, NOT_FLAG, MSG_FLAGGED },
	{ "UNKEYWORD", SEARCH_KEYWORD, NOT_KEYWORD, 0 },
	{ "UNSEEN", SEARCH_FLAG, NOT_FLAG, MSG_SEEN },
	{ "YOUNGER", SEARCH_YOUNGER, SECONDS, 0 },
};

/* An operator that still waits for operands. */
struct frame {
	uint16_t key; /* its place in keys */
	uint8_t op;   /* SEARCH_AND: a list in parentheses, or the whole */
	uint16_t n;   /* AND: operands so far; OR, NOT: how many are missing */
};

struct parser {
	struct cur *c;
	struct arena *a;
	struct imap_search *out;
	size_t keys_max;
	bool over;
	struct frame stack[IMAP_SEARCH_DEPTH_MAX];
	size_t depth;
};

static void over(struct parser *p)
{
	p->over = true;
	cur_fail(p->c);
}

/* Beyond the limit the last key is written again and again, until the failure is seen. */
static struct ipc_search_key *put(struct parser *p, enum search_op op)
{
	struct ipc_search_key *k;

	if (p->out->n == p->keys_max) {
		over(p);
		p->out->n--;
	}
	k = &p->out->keys[p->out->n++];
	*k = (struct ipc_search_key){ .op = (uint8_t)op };
	return k;
}

static void open_frame(struct parser *p, enum search_op op, uint16_t n)
{
	if (p->depth == IMAP_SEARCH_DEPTH_MAX) {
		over(p);
		return;
	}
	put(p, op);
	p->stack[p->depth++] = (struct frame){ .key = (uint16_t)(p->out->n - 1), .op = (uint8_t)op, .n = n };
}

static void put_flag(struct parser *p, uint32_t flag)
{
	put(p, SEARCH_FLAG)->number = flag;
}

static void put_new(struct parser *p)
{
	put(p, SEARCH_AND)->number = 2;
	put_flag(p, MSG_RECENT);
	put(p, SEARCH_NOT);
	put_flag(p, MSG_SEEN);
}

static struct str text(struct parser *p, size_t max)
{
	struct str s = imap_astring(p->c, p->a);

	if (s.n > max)
		over(p);
	if (!mail_utf8_ok(s))
		cur_fail(p->c);
	return s;
}

static bool is_date_char(unsigned char ch)
{
	return ascii_is_alnum((char)ch) || ch == '-';
}

static int64_t date(struct cur *c)
{
	bool quote = cur_try(c, '"');
	struct str s = cur_need_span(c, is_date_char);
	int64_t day = 0;

	if (quote)
		cur_need(c, '"');
	if (cur_ok(c) && !mail_imap_date_parse(s, &day))
		cur_fail(c);
	return day;
}

static void set(struct parser *p, struct ipc_search_key *k)
{
	struct imap_set s = { 0 };
	enum outcome o = imap_set_parse(p->c, p->a, IMAP_SEARCH_RANGES_MAX, &s);

	if (o == OVER_LIMIT)
		over(p);
	k->set = s.v;
	k->n_set = s.n;
}

/* "$" is what was saved, by number or by UID (RFC 5182 2.1). */
static bool try_saved(struct parser *p, struct ipc_search_key *k)
{
	if (!cur_try(p->c, '$'))
		return false;
	k->op = SEARCH_SAVED;
	return true;
}

/* [entry-name SP entry-type-req SP] mod-sequence-valzer (RFC 7162 7): all entries of a message have one modification sequence here. */
static void modseq(struct parser *p, struct ipc_search_key *k)
{
	uint64_t n;

	if (cur_peek(p->c) == '"') {
		if (!str_istarts(imap_string(p->c, p->a), STR("/flags/")))
			cur_fail(p->c);
		imap_need_sp(p->c);
		if (!imap_try_word(p->c, STR("priv")) && !imap_try_word(p->c, STR("shared")) &&
			!imap_try_word(p->c, STR("all")))
			cur_fail(p->c);
		imap_need_sp(p->c);
	}
	n = cur_u64(p->c);
	if (n > INT64_MAX)
		cur_fail(p->c);
	else
		k->number = (int64_t)n;
	p->out->modseq = true;
}

static void put_keyword(struct parser *p)
{
	struct ipc_search_key *k = put(p, SEARCH_KEYWORD);

	k->text = imap_atom(p->c);
	if (k->text.n > IMAP_KEYWORD_SIZE_MAX)
		over(p);
}

static void put_with_argument(struct parser *p, const struct keyword *w)
{
	struct ipc_search_key *k = put(p, w->op);

	switch ((enum argument)w->argument) {
	case DATE:
		k->number = date(p->c);
		break;
	case SECONDS:
	case NUMBER:
		k->number = cur_u32(p->c);
		if (w->argument == SECONDS && k->number == 0)
			cur_fail(p->c);
		break;
	case FIELD:
		k->field = text(p, IPC_SEARCH_KEY_FIELD_MAX);
		imap_need_sp(p->c);
		k->text = text(p, IPC_SEARCH_KEY_TEXT_MAX);
		break;
	case TEXT:
		k->text = text(p, IPC_SEARCH_KEY_TEXT_MAX);
		break;
	case UIDS:
		if (!try_saved(p, k))
			set(p, k);
		break;
	case MODSEQ:
		modseq(p, k);
		break;
	default:
		break;
	}
}

static void simple_key(struct parser *p, const struct keyword *w)
{
	if (w->argument >= KEYWORD)
		imap_need_sp(p->c);
	switch ((enum argument)w->argument) {
	case NOT_FLAG:
		put(p, SEARCH_NOT); /* fall through */
	case ONE_FLAG:
		put_flag(p, w->flag);
		break;
	case OLD_KEY:
		put(p, SEARCH_NOT);
		put_flag(p, MSG_RECENT);
		break;
	case NEW_KEY:
		put_new(p);
		break;
	case NOT_KEYWORD:
		put(p, SEARCH_NOT); /* fall through */
	case KEYWORD:
		put_keyword(p);
		break;
	default:
		put_with_argument(p, w);
	}
}

static bool is_alpha(unsigned char ch)
{
	return ascii_is_alpha((char)ch);
}

static const struct keyword *word_find(struct str name)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (str_ieq(name, str_z(words[i].name)))
			return &words[i];
	return NULL;
}

static bool at_set(const struct cur *c)
{
	int ch = cur_peek(c);

	return ch == '*' || ch == '$' || (ch >= '0' && ch <= '9');
}

/* An operand is whole: operators that waited for it alone are whole too. */
static void complete(struct parser *p)
{
	while (cur_ok(p->c)) {
		struct frame *f = &p->stack[p->depth - 1];

		if (f->op == SEARCH_AND) {
			f->n++;
			return;
		}
		if (--f->n) {
			imap_need_sp(p->c);
			return;
		}
		p->depth--;
	}
}

/* search-key up to its first operand, or all of it. */
static void key(struct parser *p)
{
	struct str name;
	const struct keyword *w;

	if (cur_try(p->c, '(')) {
		open_frame(p, SEARCH_AND, 0);
		return;
	}
	if (at_set(p->c)) {
		struct ipc_search_key *k = put(p, SEARCH_SEQ);

		if (!try_saved(p, k))
			set(p, k);
		complete(p);
		return;
	}
	name = cur_need_span(p->c, is_alpha);
	if (str_ieq(name, STR("NOT")) || str_ieq(name, STR("OR"))) {
		bool or = name.n == 2;

		open_frame(p, or ? SEARCH_OR : SEARCH_NOT, or ? 2 : 1);
		imap_need_sp(p->c);
		return;
	}
	w = word_find(name);
	if (!w) {
		cur_fail(p->c);
		return;
	}
	simple_key(p, w);
	complete(p);
}

/* After an operand of a list: its end, or the space before the next. False at the end of the program. */
static bool go_on(struct parser *p)
{
	struct frame *f = &p->stack[p->depth - 1];

	while (f->op == SEARCH_AND && f->n) {
		p->out->keys[f->key].number = f->n;
		if (p->depth == 1 && cur_end(p->c))
			return false;
		if (p->depth == 1 || !cur_try(p->c, ')')) {
			imap_need_sp(p->c);
			break;
		}
		p->depth--;
		complete(p);
		f = &p->stack[p->depth - 1];
	}
	return cur_ok(p->c);
}

static const struct {
	const char *name;
	unsigned bit;
} results[] = {
	{ "MIN", IMAP_RETURN_MIN },
	{ "MAX", IMAP_RETURN_MAX },
	{ "COUNT", IMAP_RETURN_COUNT },
	{ "ALL", IMAP_RETURN_ALL },
	{ "SAVE", IMAP_RETURN_SAVE },
};

static unsigned result_parse(struct cur *c)
{
	for (size_t i = 0; i < sizeof results / sizeof *results; i++)
		if (imap_try_word(c, str_z(results[i].name)))
			return results[i].bit;
	cur_fail(c);
	return 0;
}

/* "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")" SP, or nothing (RFC 9051 6.4.4). */
static void return_parse(struct cur *c, struct imap_search *out)
{
	out->extended = imap_try_word(c, STR("RETURN"));
	if (out->extended) {
		imap_need_sp(c);
		cur_need(c, '(');
		if (!cur_try(c, ')')) {
			do
				out->results |= result_parse(c);
			while (cur_ok(c) && cur_try(c, ' '));
			cur_need(c, ')');
		}
		imap_need_sp(c);
	}
	if (out->results == 0)
		out->results = IMAP_RETURN_ALL;
}

static void charset(struct cur *c, struct arena *a, struct imap_search *out)
{
	struct str name;

	if (!imap_try_word(c, STR("CHARSET")))
		return;
	imap_need_sp(c);
	name = imap_astring(c, a);
	imap_need_sp(c);
	out->charset = true;
	out->bad_charset = !str_ieq(name, STR("US-ASCII")) && !str_ieq(name, STR("UTF-8"));
}

enum outcome imap_search_parse(struct cur *c, struct arena *a, uint32_t keys_max, struct imap_search *out)
{
	struct parser p = { .c = c, .a = a, .out = out, .keys_max = keys_max };

	if (p.keys_max > IPC_SEARCH_KEYS_MAX)
		p.keys_max = IPC_SEARCH_KEYS_MAX;
	*out = (struct imap_search){ .keys = arena_array(a, p.keys_max, sizeof *out->keys) };
	return_parse(c, out);
	charset(c, a, out);
	if (out->bad_charset && cur_ok(c))
		return OK;
	open_frame(&p, SEARCH_AND, 0);
	do
		key(&p);
	while (cur_ok(c) && go_on(&p));
	if (p.over)
		return OVER_LIMIT;
	return cur_done(c) ? OK : BAD_SYNTAX;
}
