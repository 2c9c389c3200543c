/* store/handle.c - handles and selections. See the header.
 * Invariants  H1 a number is never given twice in a life of store. H2 a selection pins its mailbox, a handle its account.
 */
#include "store/handle.h"

#include "base/die.h"
#include "ipc_gen.h"
#include "store/account.h"
#include "store/append.h"
#include "store/maildrop.h"

#define FIELD_BITS 20
#define FIELD_MASK ((1u << FIELD_BITS) - 1)

void handles_init(struct handles *h, uint16_t life)
{
	*h = (struct handles){ .life = life ? life : UINT16_MAX }; /* 0 is of no life: handle 0 was never given */
}

void handles_fini(struct handles *h)
{
	for (size_t i = 0; i < h->slots.n; i++) {
		held_drop(h->slots.v[i]);
		free(h->slots.v[i]);
	}
	vec_free(&h->slots);
	vec_free(&h->free);
	vec_free(&h->edges);
}

static uint64_t number_of(const struct shard *s, uint32_t generation, uint32_t index)
{
	return (uint64_t)s->number << 56 | (uint64_t)s->handles.life << 40 | (uint64_t)generation << FIELD_BITS | index;
}

static bool edge_is_gone(const struct handles *h, uint16_t edge, uint32_t life)
{
	return edge < h->edges.n && h->edges.v[edge].gone_life >= life;
}

/* A slot whose generations are used up is not used again. */
static struct handle *take_slot(struct handles *h, uint32_t *index)
{
	while (h->free.n > 0) {
		*index = h->free.v[--h->free.n];
		if (h->slots.v[*index]->generation < FIELD_MASK)
			return h->slots.v[*index];
	}
	if (h->slots.n == HANDLES_MAX)
		return NULL;
	*index = (uint32_t)h->slots.n;
	return *vec_push(&h->slots) = mem_new(struct handle);
}

struct holder holder_of(const struct peer *p)
{
	return (struct holder){ peer_role(p), peer_index(p), peer_life(p) };
}

enum outcome handle_grant(struct shard *s, struct holder who, const struct handle_facts *f, struct account *a, uint64_t *number)
{
	struct handles *h = &s->handles;
	struct handle *x;
	uint32_t index, generation;

	if (who.role == ROLE_EDGE_USER && edge_is_gone(h, who.index, who.life))
		return DENIED;
	x = take_slot(h, &index);
	if (!x)
		return TRY_LATER;
	generation = x->generation + 1;
	*x = (struct handle){ .number = number_of(s, generation, index),
		.generation = generation,
		.holder = who,
		.code = f ? f->code : 0,
		.expires_s = f ? f->expires_s : 0,
		.service = f ? f->service : 0,
		.account = a };
	list_init(&x->selections);
	a->n_handles++;
	h->n++;
	*number = x->number;
	return OK;
}

static bool is_holder(const struct handle *h, struct holder who)
{
	return h->holder.role == who.role && h->holder.index == who.index && h->holder.life == who.life;
}

enum outcome handle_find(struct shard *s, uint64_t number, struct holder who, struct handle **out)
{
	struct handles *h = &s->handles;
	uint32_t index = (uint32_t)number & FIELD_MASK, generation = (uint32_t)(number >> FIELD_BITS) & FIELD_MASK;
	struct handle *x;

	if (number >> 56 != s->number || ((number >> 40) & 0xffff) == 0)
		return DENIED;
	if (((number >> 40) & 0xffff) != h->life)
		return REVOKED;
	if (index >= h->slots.n || generation == 0 || generation > h->slots.v[index]->generation)
		return DENIED;
	x = h->slots.v[index];
	if (generation < x->generation || !x->account)
		return REVOKED;
	if (!is_holder(x, who))
		return DENIED;
	if (x->expires_s && x->expires_s <= shard_now_s(s)) {
		handle_revoke(s, x);
		return REVOKED;
	}
	*out = x;
	return OK;
}

void handle_release(struct shard *s, struct handle *h)
{
	struct account *a = h->account;

	while (!list_empty(&h->selections))
		selection_free(list_entry(h->selections.next, struct selection, in_handle));
	maildrop_free(h->drop);
	h->drop = NULL;
	held_drop(h);
	h->account = NULL;
	h->peer = NULL;
	*vec_push(&s->handles.free) = (uint32_t)h->number & FIELD_MASK;
	s->handles.n--;
	a->pins++;
	a->n_handles--;
	account_put(a);
}

static struct peer *edge_peer(const struct handles *h, struct holder who)
{
	struct peer *p = who.role == ROLE_EDGE_USER && who.index < h->edges.n ? h->edges.v[who.index].peer : NULL;

	return p && peer_life(p) == who.life ? p : NULL;
}

void handle_revoke(struct shard *s, struct handle *h)
{
	struct ipc_revoked r = { .handle = h->number };
	struct peer *p = h->peer ? h->peer : edge_peer(&s->handles, h->holder);

	if (p)
		ipc_revoked_cast(p, &r);
	handle_release(s, h);
}

void handles_revoke_some(struct shard *s, struct account *a, bool (*picks)(const struct handle *h, uint32_t arg), uint32_t arg)
{
	for (size_t i = 0; i < s->handles.slots.n && a->n_handles > 0; i++)
		if (s->handles.slots.v[i]->account == a && s->handles.slots.v[i]->holder.role == ROLE_EDGE_USER &&
			picks(s->handles.slots.v[i], arg))
			handle_revoke(s, s->handles.slots.v[i]);
}

void handles_revoke_account(struct shard *s, struct account *a)
{
	for (size_t i = 0; i < s->handles.slots.n && a->n_handles > 0; i++)
		if (s->handles.slots.v[i]->account == a)
			handle_revoke(s, s->handles.slots.v[i]);
}

static struct edge_seen *edge_seen(struct handles *h, uint16_t edge)
{
	while (h->edges.n <= edge)
		vec_push(&h->edges);
	return &h->edges.v[edge];
}

void handles_edge_present(struct shard *s, struct peer *p)
{
	edge_seen(&s->handles, peer_index(p))->peer = p;
}

static void note_gone(struct handles *h, uint16_t edge, uint32_t life)
{
	struct edge_seen *e = edge_seen(h, edge);

	if (e->gone_life < life)
		e->gone_life = life;
	if (e->peer && peer_life(e->peer) <= life)
		e->peer = NULL;
}

/* Edges of one index come one after another, commands side by side. */
static bool is_gone_with(const struct handle *h, struct holder who)
{
	if (who.role != ROLE_EDGE_USER)
		return is_holder(h, who);
	return h->holder.role == who.role && h->holder.index == who.index && h->holder.life <= who.life;
}

void handles_holder_gone(struct shard *s, struct holder who)
{
	if (who.role == ROLE_EDGE_USER)
		note_gone(&s->handles, who.index, who.life);
	for (size_t i = 0; i < s->handles.slots.n; i++) {
		struct handle *h = s->handles.slots.v[i];

		if (h->account && is_gone_with(h, who))
			handle_release(s, h);
	}
}

/* ---- selections */

struct selection *selection_new(struct handle *h, struct mailbox *m)
{
	struct selection *x = mem_new(struct selection);

	x->number = ++h->last_selection;
	x->handle = h;
	x->mailbox = m;
	x->armed = true;
	mailbox_pin(m);
	m->n_selections++;
	list_add_last(&h->selections, &x->in_handle);
	list_add_last(&h->account->selections, &x->in_account);
	return x;
}

struct selection *selection_find(struct handle *h, uint32_t number)
{
	list_each (n, nxt, &h->selections) {
		struct selection *x = list_entry(n, struct selection, in_handle);

		if (x->number == number)
			return x;
	}
	return NULL;
}

bool selection_has_news(const struct selection *x, uint64_t modseq)
{
	for (size_t i = 0; modseq > x->seen_flags && i < x->silent.n; i++)
		if (modseq >= x->silent.v[i].lo && modseq <= x->silent.v[i].hi)
			return false;
	return modseq > x->seen_flags;
}

void selection_free(struct selection *x)
{
	struct mailbox *m = x->mailbox;

	list_del(&x->in_handle);
	list_del(&x->in_account);
	m->n_selections--;
	vec_free(&x->recent);
	vec_free(&x->saved);
	vec_free(&x->saving);
	vec_free(&x->silent);
	free(x);
	if (!m->gone)
		mailbox_purge(m);
	mailbox_unpin(m);
}
