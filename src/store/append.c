/* store/append.c - several messages that come one after another and go in together. See the header.
 * Owns        what is held: bodies, part indexes, words; counted against store's budget.
 * Suspends    while the mailbox's view is being loaded by another.
 * Invariants  T1 everything that can be refused is refused before the first message is placed; then nothing suspends or fails.
 */
#include "store/append.h"

#include "base/die.h"
#include "store/names.h"

#define ARENA_MAX ((size_t)4 << 30) /* the budget ends it before */

struct held_letter {
	struct letter l;
	struct engine_blob blob;
};

struct held {
	struct body_budget *budget;
	uint64_t used;	/* of the budget */
	uint64_t bytes; /* as the quota counts */
	struct arena arena;
	struct VEC(struct held_letter) v;
};

static void free_held(struct held *x)
{
	for (size_t i = 0; i < x->v.n; i++)
		engine_blob_drop(&x->v.v[i].blob);
	vec_free(&x->v);
	arena_fini(&x->arena);
	x->budget->used -= x->used;
	free(x);
}

void held_drop(struct handle *h)
{
	if (h->held)
		free_held(h->held);
	h->held = NULL;
}

static void begin(struct handle *h, struct body_budget *budget)
{
	held_drop(h);
	h->held = mem_new(struct held);
	h->held->budget = budget;
	arena_init(&h->held->arena, "store-held", ARENA_MAX);
}

static enum outcome check(const struct held *x, const struct shard *s, uint32_t part, const struct letter *l, uint64_t used)
{
	uint64_t max = s->limits->message_size_max;

	if (!x || part != x->v.n)
		return BAD_STATE;
	if (part == APPEND_PARTS_MAX || (max && l->body->size > max) || l->body->size > UINT32_MAX)
		return OVER_LIMIT;
	return body_budget_has(x->budget, used) ? OK : NO_ROOM;
}

static void keep_words(struct held *x, struct letter *l)
{
	struct str *words = arena_array(&x->arena, l->n_keywords, sizeof *words);

	for (size_t i = 0; i < l->n_keywords; i++)
		words[i] = arena_dup(&x->arena, l->keywords[i]);
	l->keywords = words;
	l->mailbox = arena_dup(&x->arena, l->mailbox);
	l->index = arena_dup(&x->arena, l->index);
}

static enum outcome keep(struct held *x, struct shard *s, const struct letter *l)
{
	struct held_letter *k = vec_push(&x->v);

	k->l = *l;
	if (engine_blob_hold(&k->blob, shard_blob_id(s), l->body) != OK)
		return TRY_LATER;
	keep_words(x, &k->l);
	k->l.body = NULL;
	k->l.blob = k->blob.id;
	k->l.size = (uint32_t)k->blob.bytes.n;
	k->l.header_n = letter_header_size(k->l.index, k->blob.bytes, &x->arena);
	x->bytes += k->l.size;
	return OK;
}

enum outcome held_add(struct handle *h, struct shard *s, struct body_budget *budget, uint32_t part, const struct letter *l)
{
	/* A mapped body's pages are the edge's; what is counted is what store's own memory holds. */
	uint64_t used = l->index.n + (l->body->fd < 0 ? l->body->size : 0);
	enum outcome o;

	if (part == 0)
		begin(h, budget);
	o = check(h->held, s, part, l, used);
	if (o == OK) {
		h->held->used += used;
		budget->used += used;
		o = keep(h->held, s, l);
	}
	if (o != OK)
		held_drop(h);
	return o;
}

static enum outcome may_stage(struct account *a, struct mailbox *m, const struct held *x)
{
	if (account_over_quota(a, x->bytes, x->v.n))
		return OVER_QUOTA;
	if (x->v.n >= UINT32_MAX - m->uidnext)
		return OVER_LIMIT;
	for (size_t i = 0; i < x->v.n; i++) {
		const struct letter *l = &x->v.v[i].l;
		uint64_t bits;
		enum outcome o = mailbox_keywords(m, l->keywords, l->n_keywords, true, &bits);

		if (o != OK)
			return o;
	}
	return shard_has_room(a->shard) ? OK : NO_ROOM;
}

static SUSPENDS enum outcome stage(struct account *a, struct held *x, struct placed *out)
{
	struct mailbox *m;
	enum outcome o = letter_mailbox(a, x->v.v[0].l.mailbox, &m);

	if (o == OK)
		o = may_stage(a, m, x);
	if (o != OK)
		return o;
	for (size_t i = 0; i < x->v.n; i++) {
		struct placed p = { 0 };

		engine_blob_give(account_batch(a), &x->v.v[i].blob);
		die_unless(letter_place(a, m, &x->v.v[i].l, &p) == OK, "a letter that was checked has no place");
		if (i == 0)
			*out = p;
	}
	out->serial = account_stage(a);
	return OK;
}

enum outcome held_stage(struct account *a, struct handle *h, struct placed *out)
{
	struct held *x = h->held;
	enum outcome o;

	die_unless(x && x->v.n > 0, "nothing is held");
	h->held = NULL; /* the handle may go meanwhile */
	o = stage(a, x, out);
	free_held(x);
	return o;
}
