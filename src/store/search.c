/* store/search.c - a search program on one message. See the header.
 * Trust       programs are built by an edge of what clients sent: checked whole before they run.
 * Invariants  E1 no recursion: nodes are combined from the last to the first, operands stand behind their operator.
 */
#include "store/search.h"

#include "ipc/words.h"
#include "mail/fold.h"

#define DAY_S 86400

enum level { LEVEL_COMBINES, LEVEL_COLUMNS, LEVEL_INDEX, LEVEL_MATCH };

static const uint8_t levels[SEARCH_OP_COUNT] = {
	[SEARCH_AND] = LEVEL_COMBINES,
	[SEARCH_OR] = LEVEL_COMBINES,
	[SEARCH_NOT] = LEVEL_COMBINES,
	[SEARCH_ALL] = LEVEL_COLUMNS,
	[SEARCH_FLAG] = LEVEL_COLUMNS,
	[SEARCH_KEYWORD] = LEVEL_COLUMNS,
	[SEARCH_SEQ] = LEVEL_COLUMNS,
	[SEARCH_UID] = LEVEL_COLUMNS,
	[SEARCH_BEFORE] = LEVEL_COLUMNS,
	[SEARCH_ON] = LEVEL_COLUMNS,
	[SEARCH_SINCE] = LEVEL_COLUMNS,
	[SEARCH_SENT_BEFORE] = LEVEL_INDEX,
	[SEARCH_SENT_ON] = LEVEL_INDEX,
	[SEARCH_SENT_SINCE] = LEVEL_INDEX,
	[SEARCH_LARGER] = LEVEL_COLUMNS,
	[SEARCH_SMALLER] = LEVEL_COLUMNS,
	[SEARCH_SUBJECT] = LEVEL_INDEX,
	[SEARCH_FROM] = LEVEL_INDEX,
	[SEARCH_TO] = LEVEL_INDEX,
	[SEARCH_CC] = LEVEL_INDEX,
	[SEARCH_BCC] = LEVEL_INDEX,
	[SEARCH_HEADER] = LEVEL_MATCH,
	[SEARCH_BODY] = LEVEL_MATCH,
	[SEARCH_TEXT] = LEVEL_MATCH,
	[SEARCH_OLDER] = LEVEL_COLUMNS,
	[SEARCH_YOUNGER] = LEVEL_COLUMNS,
	[SEARCH_MODSEQ] = LEVEL_COLUMNS,
	[SEARCH_SAVED] = LEVEL_COLUMNS,
};

/* ---- compiling */

static size_t n_operands(const struct ipc_search_key *k)
{
	return k->op == SEARCH_AND ? (size_t)k->number : k->op == SEARCH_OR ? 2 : k->op == SEARCH_NOT ? 1 : 0;
}

/* Where the node's operands end; n + 1: they are not all there. */
static size_t find_end(const struct search *s, size_t at)
{
	size_t end = at + 1;

	for (size_t i = n_operands(s->nodes[at].key); i > 0; i--) {
		if (end >= s->n)
			return s->n + 1;
		end = s->nodes[end].end;
	}
	return end;
}

static struct str folded(struct arena *a, struct str text)
{
	struct buf out;
	struct str s;

	buf_init(&out, 65536);
	mail_fold(text, &out);
	s = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	return s;
}

static enum outcome compile_node(struct search *s, size_t at)
{
	struct search_node *x = &s->nodes[at];
	size_t end;

	if (x->key->op >= SEARCH_OP_COUNT || x->key->number < 0)
		return BAD_SYNTAX;
	if (x->key->op == SEARCH_AND && (uint64_t)x->key->number > s->n)
		return BAD_SYNTAX;
	end = find_end(s, at);
	if (end > s->n)
		return BAD_SYNTAX;
	x->end = (uint16_t)end;
	if (levels[x->key->op] == LEVEL_INDEX) {
		s->wants_index = true;
		x->folded = folded(s->arena, x->key->text);
	}
	return OK;
}

enum outcome search_compile(
	struct search *s, const struct ipc_search_key *keys, size_t n, int64_t now_s, struct arena *a)
{
	*s = (struct search){ .nodes = arena_array(a, n + 1, sizeof *s->nodes), .n = n, .now_s = now_s, .arena = a };
	for (size_t i = n; i > 0; i--) {
		enum outcome o;

		s->nodes[i - 1].key = &keys[i - 1];
		o = compile_node(s, i - 1);
		if (o != OK)
			return o;
	}
	if (n == 0 || s->nodes[0].end != n)
		return BAD_SYNTAX;
	for (size_t i = 0; i < n; i++)
		if (levels[keys[i].op] == LEVEL_MATCH) {
			if (s->n_terms == IPC_MATCH_LETTER_TERMS_MAX)
				return OVER_LIMIT;
			s->nodes[i].term = (uint8_t)s->n_terms++;
			s->wants_match = true;
		}
	return OK;
}

void search_bind(struct search *s, const struct seqmap *map, const struct selection *sel)
{
	for (size_t i = 0; i < s->n; i++) {
		struct search_node *x = &s->nodes[i];

		if (x->key->op == SEARCH_SEQ || x->key->op == SEARCH_UID)
			x->spans = seqmap_resolve(map, x->key->op == SEARCH_UID, x->key->set, x->key->n_set, s->arena);
		if (x->key->op == SEARCH_SAVED)
			x->spans = seqmap_resolve(map, true, sel->saved.v, sel->saved.n, s->arena);
		if (x->key->op == SEARCH_KEYWORD && mailbox_keywords(sel->mailbox, &x->key->text, 1, false, &x->keyword) != OK)
			x->keyword = 0;
	}
}

/* ---- values */

static enum truth truth_of(bool b)
{
	return b ? YES : NO;
}

static int64_t day_of(int64_t s)
{
	return s / DAY_S - (s % DAY_S < 0);
}

static bool in_spans(const struct spans *s, uint32_t at)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->v[mid].hi <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n && s->v[lo].lo <= at;
}

static bool by_column(
	const struct search *s, const struct search_node *x, const struct view *v, uint32_t at, bool recent)
{
	int64_t n = x->key->number;

	switch ((enum search_op)x->key->op) {
	case SEARCH_ALL:
		return true;
	case SEARCH_FLAG:
		return n == MSG_RECENT ? recent : (v->flags[at] & n & MSG_SETTABLE) != 0;
	case SEARCH_KEYWORD:
		return (v->keywords[at] & x->keyword) != 0;
	case SEARCH_SEQ:
	case SEARCH_UID:
	case SEARCH_SAVED:
		return in_spans(&x->spans, at);
	case SEARCH_BEFORE:
		return day_of(v->date_s[at]) < n;
	case SEARCH_ON:
		return day_of(v->date_s[at]) == n;
	case SEARCH_SINCE:
		return day_of(v->date_s[at]) >= n;
	case SEARCH_LARGER:
		return v->size[at] > n;
	case SEARCH_SMALLER:
		return v->size[at] < n;
	case SEARCH_OLDER:
		return v->date_s[at] <= s->now_s - n;
	case SEARCH_YOUNGER:
		return v->date_s[at] >= s->now_s - n;
	case SEARCH_MODSEQ:
		return v->modseq[at] >= (uint64_t)n;
	default:
		return false;
	}
}

static bool field_contains(const struct search *s, struct str field, struct str needle)
{
	struct buf hay;
	bool found;

	(void)s;
	buf_init(&hay, 1 << 20);
	mail_fold(field, &hay);
	found = mail_folded_contains(buf_str(&hay), needle);
	buf_fini(&hay);
	return found;
}

static bool by_index(const struct search *s, const struct search_node *x, const struct mail_index *i)
{
	bool dated = i->date_s != INT64_MIN;

	switch ((enum search_op)x->key->op) {
	case SEARCH_SENT_BEFORE:
		return dated && day_of(i->date_s) < x->key->number;
	case SEARCH_SENT_ON:
		return dated && day_of(i->date_s) == x->key->number;
	case SEARCH_SENT_SINCE:
		return dated && day_of(i->date_s) >= x->key->number;
	case SEARCH_SUBJECT:
		return field_contains(s, i->subject, x->folded);
	case SEARCH_FROM:
		return field_contains(s, i->from, x->folded);
	case SEARCH_TO:
		return field_contains(s, i->to, x->folded);
	case SEARCH_CC:
		return field_contains(s, i->cc, x->folded);
	case SEARCH_BCC:
		return field_contains(s, i->bcc, x->folded);
	default:
		return false;
	}
}

/* Kleene's logic: a NO decides an AND, a YES an OR, whatever the others turn out to be. */
static enum truth combine(const struct search *s, size_t at, const uint8_t *values)
{
	const struct search_node *x = &s->nodes[at];
	bool unknown = false;
	uint8_t decides = x->key->op == SEARCH_AND ? NO : YES;

	if (x->key->op == SEARCH_NOT)
		return values[at + 1] == UNKNOWN ? UNKNOWN : truth_of(values[at + 1] == NO);
	for (size_t i = at + 1; i < x->end; i = s->nodes[i].end) {
		if (values[i] == decides)
			return decides;
		unknown |= values[i] == UNKNOWN;
	}
	return unknown ? UNKNOWN : truth_of(decides == NO);
}

static enum truth combine_all(const struct search *s, uint8_t *values)
{
	for (size_t i = s->n; i > 0; i--)
		if (levels[s->nodes[i - 1].key->op] == LEVEL_COMBINES)
			values[i - 1] = combine(s, i - 1, values);
	return values[0];
}

enum truth search_columns(const struct search *s, const struct view *v, uint32_t at, bool recent, uint8_t *values)
{
	for (size_t i = 0; i < s->n; i++)
		values[i] = levels[s->nodes[i].key->op] == LEVEL_COLUMNS
				    ? truth_of(by_column(s, &s->nodes[i], v, at, recent))
				    : UNKNOWN;
	return combine_all(s, values);
}

enum truth search_index(const struct search *s, const struct mail_index *x, uint8_t *values)
{
	for (size_t i = 0; i < s->n; i++)
		if (levels[s->nodes[i].key->op] == LEVEL_INDEX)
			values[i] = truth_of(by_index(s, &s->nodes[i], x));
	return combine_all(s, values);
}

enum truth search_matched(const struct search *s, uint64_t found, uint8_t *values)
{
	for (size_t i = 0; i < s->n; i++)
		if (levels[s->nodes[i].key->op] == LEVEL_MATCH)
			values[i] = truth_of(found >> s->nodes[i].term & 1);
	return combine_all(s, values);
}

const struct ipc_match_term *search_terms(const struct search *s, struct arena *a)
{
	struct ipc_match_term *terms = arena_array(a, s->n_terms + 1, sizeof *terms);

	for (size_t i = 0; i < s->n; i++) {
		const struct ipc_search_key *k = s->nodes[i].key;

		if (levels[k->op] == LEVEL_MATCH)
			terms[s->nodes[i].term] = (struct ipc_match_term){ k->op == SEARCH_HEADER ? MATCH_HEADER
									   : k->op == SEARCH_BODY ? MATCH_BODY
												  : MATCH_TEXT,
				k->field, k->text };
	}
	return terms;
}
