/* sim/oracle.c - the reference model. See the header.
 * Invariants  R1 each letter that is shown belongs to one coming of its mailbox and serial, and no coming to two letters.
 *             R2 a uid always names the same letter. R3 what somebody was told to be gone is not shown to who selects later.
 *             R4 in the end: what was answered for is there, unless its removal may have been asked for; flags are possible ones.
 */
#include "sim/oracle.h"

#include "base/die.h"
#include "sim/sim.h"

uint64_t oracle_tick(struct oracle *o)
{
	return ++o->now;
}

size_t oracle_ask(struct oracle *o, const struct coming *c)
{
	struct coming *x = vec_push(&o->comings);

	*x = *c;
	x->sent = oracle_tick(o);
	return o->comings.n - 1;
}

struct letter_seen *oracle_find(struct oracle *o, unsigned box, uint32_t uid)
{
	for (size_t i = 0; i < o->letters.n; i++)
		if (o->letters.v[i]->box == box && o->letters.v[i]->uid == uid)
			return o->letters.v[i];
	return NULL;
}

static bool may_go(const struct coming *c)
{
	return c->may_go || (c->of && c->of->may_go);
}

static void bind_letter(struct oracle *o, struct letter_seen *l, size_t coming)
{
	struct coming *c = &o->comings.v[coming];

	l->coming = coming;
	c->as = l;
	l->may_go |= may_go(c);
	*vec_push(&l->writes) = (struct flag_write){ .sent = c->sent, .done = oracle_tick(o), .mask = FLAGS_ALL, .value = c->flags,
		.any = c->of != NULL, .sure = true };
}

static struct letter_seen *letter_new(struct oracle *o, unsigned box, uint32_t uid, uint32_t serial)
{
	struct letter_seen *l = mem_new(struct letter_seen);

	l->box = (uint8_t)box;
	l->uid = uid;
	l->serial = serial;
	*vec_push(&o->letters) = l;
	return l;
}

/* A coming that this letter can be: of several, one that was answered with this uid, else one that was not given a uid. */
static size_t coming_for(struct oracle *o, unsigned box, uint32_t uid, uint32_t serial)
{
	size_t found = NO_COMING;

	for (size_t i = 0; i < o->comings.n; i++) {
		const struct coming *c = &o->comings.v[i];

		if (c->box != box || c->serial != serial || c->never || c->as)
			continue;
		if (c->uid == uid)
			return i;
		if (!c->uid && found == NO_COMING)
			found = i;
	}
	return found;
}

/* It may be any of those that are open: what one of them allows is allowed. */
static void allow_all(struct oracle *o, struct letter_seen *l)
{
	unsigned n = 0;

	for (size_t i = 0; i < o->comings.n; i++) {
		const struct coming *c = &o->comings.v[i];

		if (c->box != l->box || c->serial != l->serial || c->never || c->came)
			continue;
		l->may_go |= may_go(c);
		n++;
	}
	if (n > 1)
		*vec_push(&l->writes) = (struct flag_write){ .done = oracle_tick(o), .mask = FLAGS_ALL, .any = true, .sure = true };
}

static void bind_to_some(struct oracle *o, struct letter_seen *l)
{
	size_t i = coming_for(o, l->box, l->uid, l->serial);

	if (i == NO_COMING)
		sim_fail(o->sim, "R1 letter %u is uid %u of %s, and nobody asked for that, or not so often", l->serial, l->uid,
			sim_box_names[l->box]);
	bind_letter(o, l, i);
	if (!o->comings.v[i].came)
		allow_all(o, l);
}

struct letter_seen *oracle_meet(struct oracle *o, unsigned box, uint32_t uid, uint32_t serial, uint64_t selected_at)
{
	struct letter_seen *l = oracle_find(o, box, uid);

	if (!l) {
		l = letter_new(o, box, uid, serial);
		bind_to_some(o, l);
	}
	if (l->serial != serial)
		sim_fail(o->sim, "R2 uid %u of %s is letter %u and was %u", uid, sim_box_names[box], serial, l->serial);
	if (l->gone_at && l->gone_at < selected_at)
		sim_fail(o->sim, "R3 uid %u of %s was told to be gone and is shown to who selected later", uid, sim_box_names[box]);
	return l;
}

void oracle_came(struct oracle *o, size_t coming, uint32_t uid)
{
	struct coming *c = &o->comings.v[coming];
	struct letter_seen *l, *was = c->as;

	c->came = true;
	c->uid = uid;
	if (!uid || (was && was->uid == uid))
		return;
	/* It had been taken for another that came at the same time. */
	c->as = NULL;
	l = oracle_find(o, c->box, uid);
	if (l && l->serial != c->serial)
		sim_fail(o->sim, "R2 uid %u of %s was given to letter %u and is letter %u", uid, sim_box_names[c->box], c->serial, l->serial);
	if (l) {
		o->comings.v[l->coming].as = NULL;
		l->coming = coming;
		c->as = l;
		l->may_go |= may_go(c);
	} else {
		bind_letter(o, letter_new(o, c->box, uid, c->serial), coming);
	}
	if (was)
		bind_to_some(o, was);
}

void oracle_never(struct oracle *o, size_t coming)
{
	struct coming *c = &o->comings.v[coming];
	struct letter_seen *was = c->as;

	c->never = true;
	c->as = NULL;
	if (was)
		bind_to_some(o, was);
}

void oracle_gone(struct oracle *o, struct letter_seen *l)
{
	if (!l->gone_at)
		l->gone_at = oracle_tick(o);
	if (!l->may_go)
		sim_fail(o->sim, "R4 uid %u of %s is told to be gone, and nobody asked for that", l->uid, sim_box_names[l->box]);
}

/* ---- flags */

uint64_t oracle_write_number(struct oracle *o)
{
	return ++o->next_write;
}

void oracle_write(struct oracle *o, struct letter_seen *l, uint64_t number, uint32_t mask, uint32_t value)
{
	*vec_push(&l->writes) = (struct flag_write){ .number = number, .sent = oracle_tick(o), .done = UINT64_MAX, .mask = mask,
		.value = value };
}

void oracle_written(struct oracle *o, uint64_t number, bool sure)
{
	uint64_t now = oracle_tick(o);

	for (size_t i = 0; i < o->letters.n; i++)
		for (size_t k = 0; k < o->letters.v[i]->writes.n; k++) {
			struct flag_write *w = &o->letters.v[i]->writes.v[k];

			if (w->number != number)
				continue;
			w->done = now;
			w->sure = sure;
		}
}

static bool overwritten(const struct letter_seen *l, const struct flag_write *w, uint32_t bit)
{
	for (size_t i = 0; i < l->writes.n; i++)
		if (l->writes.v[i].sure && l->writes.v[i].mask & bit && l->writes.v[i].sent > w->done)
			return true;
	return false;
}

static bool bit_possible(const struct letter_seen *l, uint32_t bit, uint32_t value)
{
	for (size_t i = 0; i < l->writes.n; i++) {
		const struct flag_write *w = &l->writes.v[i];

		if (w->mask & bit && (w->any || (w->value & bit) == value) && !overwritten(l, w, bit))
			return true;
	}
	return false;
}

/* ---- the end */

void oracle_uidvalidity(struct oracle *o, unsigned box, uint32_t uidvalidity)
{
	if (o->uidvalidity[box] && o->uidvalidity[box] != uidvalidity)
		sim_fail(o->sim, "R2 UIDVALIDITY of %s was %u and is %u", sim_box_names[box], o->uidvalidity[box], uidvalidity);
	o->uidvalidity[box] = uidvalidity;
}

static const struct final_letter *in_list(const struct final_list *f, uint32_t uid)
{
	for (size_t i = 0; i < f->v.n; i++)
		if (f->v.v[i].uid == uid)
			return &f->v.v[i];
	return NULL;
}

static void check_flags(struct oracle *o, const struct letter_seen *l, uint32_t flags)
{
	for (uint32_t bit = 1; bit <= FLAGS_ALL; bit <<= 1)
		if (!bit_possible(l, bit, flags & bit))
			sim_fail(o->sim, "R4 uid %u of %s has flags %#x in the end; bit %#x cannot be so", l->uid, sim_box_names[l->box], flags, bit);
}

void oracle_check(struct oracle *o, unsigned box, const struct final_list *f)
{
	for (size_t i = 0; i < f->v.n; i++) {
		const struct final_letter *x = &f->v.v[i];
		struct letter_seen *l = oracle_meet(o, box, x->uid, x->serial, o->now);

		check_flags(o, l, x->flags);
	}
	for (size_t i = 0; i < o->letters.n; i++) {
		const struct letter_seen *l = o->letters.v[i];

		if (l->box == box && !l->may_go && !in_list(f, l->uid))
			sim_fail(o->sim, "R4 uid %u of %s (letter %u) is lost: nobody asked for its removal", l->uid, sim_box_names[box],
				l->serial);
	}
	for (size_t i = 0; i < o->comings.n; i++) {
		const struct coming *c = &o->comings.v[i];

		if (c->box == box && c->came && !c->as)
			sim_fail(o->sim, "R4 letter %u was answered for, and never was in %s", c->serial, sim_box_names[box]);
	}
}
