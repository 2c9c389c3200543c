/* store/uidl.c - unique ids of messages for POP3. See the header.
 * Invariants  L1 rows L are not removed with a message: a copy may still have the email, and an email id is never used again.
 */
#include "store/uidl.h"

#include "base/rng.h"

#define LIST_STEP 4000 /* rows between two yields */

void uidl_anchor(struct account *a)
{
	struct buf v;

	if (a->uidl_anchor)
		return;
	a->uidl_anchor = rng_u64() >> 16 | 1;
	buf_init(&v, 64);
	counter_encode(a->uidl_anchor, &v);
	engine_put(account_batch(a), STR("l"), buf_str(&v));
	buf_fini(&v);
	account_stage(a);
}

static bool add_given(struct account *a, uint64_t email, struct buf *out)
{
	struct str uidl;
	struct buf v;
	bool found;

	buf_init(&v, 256);
	found = engine_get(a->part.port, NULL, a->id, KEY_STR(key_u64(key_of('L'), email)), &v) &&
		uidl_row_decode(buf_str(&v), &uidl);
	if (found)
		buf_add(out, uidl);
	buf_fini(&v);
	return found;
}

void uidl_add(struct account *a, uint64_t email, bool given, struct buf *out)
{
	if (given && a->has_uidls && add_given(a, email, out))
		return;
	buf_addf(out, "%llx.%llx", (unsigned long long)a->uidl_anchor, (unsigned long long)email);
}

/* ---- the list */

struct step {
	struct uidl_list *list;
	unsigned n;
};

static bool list_row(void *arg, const struct engine_row *row)
{
	struct step *s = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	uint64_t email = cur_be64(&c);
	struct str uidl;

	if (s->n++ == LIST_STEP) {
		s->list->next = email;
		return false;
	}
	if (cur_done(&c) && uidl_row_decode(row->value, &uidl))
		*vec_push(&s->list->v) = (struct uidl_given){ email, str_hash(uidl, 0) };
	return true;
}

bool uidl_list_step(struct account *a, struct uidl_list *l)
{
	struct key from = key_u64(key_of('L'), l->next);
	struct engine_range r = { .partition = a->id, .from = KEY_STR(from), .to = STR("M") };
	struct step s = { .list = l };

	engine_range(a->part.port, &r, list_row, &s);
	return s.n > LIST_STEP;
}

const struct uidl_given *uidl_list_find(const struct uidl_list *l, uint64_t email)
{
	size_t lo = 0, hi = l->v.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->v.v[mid].email < email)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->v.n && l->v.v[lo].email == email ? &l->v.v[lo] : NULL;
}
