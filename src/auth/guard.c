/* auth/guard.c - failed logins: delays and bans. See the header.
 * Owns        the table of addresses and logins.
 * Suspends    in guard_enter, while tries before it are under way; entries are found anew afterwards.
 * Invariants  I1 an entry with a try under way is not forgotten. I2 who is banned makes no new entries: they would push out those of others.
 */
#include "auth/guard.h"

#include "base/buf.h"
#include "base/die.h"
#include "base/rng.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define FREE_FAILURES 3 /* of a slip of the hand: the delay grows behind them */
#define WAIT_FOR_OTHERS_MS 5000
#define LOGIN_MAX 320 /* of a login; a longer one is of nobody */
#define KEY_MAX (LOGIN_MAX + 1)

struct guard_entry {
	struct node node; /* in lru */
	struct str key;	  /* 'a' and the network's text, or 'l' and the login in lower case */
	int64_t since_ms, banned_until_ms;
	uint32_t now, before; /* failures in the present half of the window, and in the one before */
	uint32_t pending;
	struct cidr good[GUARD_GOOD_MAX]; /* of a login; the newest first */
	unsigned n_good;
};

void guard_init(struct guard *g, struct sched *s, const struct guard_rules *r)
{
	*g = (struct guard){ .sched = s, .rules = *r, .n_max = GUARD_ENTRIES_MAX };
	map_init(&g->entries, rng_u64());
	list_init(&g->lru);
	gate_init(&g->moved);
}

static void forget(struct guard *g, struct guard_entry *e)
{
	map_del(&g->entries, e->key);
	list_del(&e->node);
	free((char *)(uintptr_t)e->key.p);
	free(e);
	g->n--;
}

void guard_fini(struct guard *g)
{
	while (!list_empty(&g->lru))
		forget(g, list_entry(g->lru.next, struct guard_entry, node));
	map_fini(&g->entries);
}

static void make_room(struct guard *g)
{
	list_each(it, nxt, &g->lru) {
		struct guard_entry *e = list_entry(it, struct guard_entry, node);

		if (g->n < g->n_max)
			return;
		if (!e->pending) /* I1 */
			forget(g, e);
	}
}

static struct guard_entry *entry(struct guard *g, struct str key)
{
	struct guard_entry *e = map_get(&g->entries, key);

	if (e) {
		list_del(&e->node);
	} else {
		make_room(g);
		e = mem_new(struct guard_entry);
		e->key = str_of(mem_dup(key.p, key.n), key.n);
		map_put(&g->entries, key, e);
		g->n++;
	}
	list_add_last(&g->lru, &e->node);
	return e;
}

static struct guard_entry *address_entry(struct guard *g, const struct cidr *n)
{
	char key[CIDR_TEXT_SIZE + 1] = "a";

	cidr_text(n, key + 1);
	return entry(g, str_z(key));
}

static struct guard_entry *login_entry(struct guard *g, struct str user)
{
	char key[KEY_MAX];
	size_t n = user.n < LOGIN_MAX ? user.n : LOGIN_MAX;

	key[0] = 'l';
	for (size_t i = 0; i < n; i++)
		key[i + 1] = ascii_lower(user.p[i]);
	return entry(g, str_of(key, n + 1));
}

/* Failures in the last window: the present half, and of the one before what still lies in it. */
static uint32_t failures(struct guard *g, struct guard_entry *e)
{
	int64_t now = sched_now_ms(g->sched), window = g->rules.window_ms, age = now - e->since_ms;

	if (age >= window) {
		e->before = age < 2 * window ? e->now : 0;
		e->now = 0;
		e->since_ms = now - age % window;
	}
	return e->now + (uint32_t)((uint64_t)e->before * (uint64_t)(window - (now - e->since_ms)) / (uint64_t)window);
}

static bool same_network(const struct cidr *a, const struct cidr *b)
{
	return a->v6 == b->v6 && a->bits == b->bits && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static bool is_known(const struct guard_entry *login, const struct cidr *n)
{
	for (unsigned i = 0; i < login->n_good; i++)
		if (same_network(&login->good[i], n))
			return true;
	return false;
}

static bool is_banned(struct guard *g, const struct guard_entry *e)
{
	return e->banned_until_ms > sched_now_ms(g->sched);
}

static bool is_full(struct guard *g, struct guard_entry *e, uint32_t max)
{
	return max && failures(g, e) + e->pending >= max;
}

/* OK: counted as under way. IN_USE: others have to end first. */
static enum outcome try_enter(struct guard *g, struct guard_try *t)
{
	struct guard_entry *login;

	t->address = address_entry(g, &t->network);
	if (is_banned(g, t->address)) /* I2 */
		return OVER_LIMIT;
	t->address->pending++; /* so that making the other's entry does not forget it */
	login = login_entry(g, t->user);
	t->address->pending--;
	t->login = is_known(login, &t->network) ? NULL : login;
	if (t->login && is_banned(g, t->login))
		return OVER_LIMIT;
	if (is_full(g, t->address, g->rules.address_max) || (t->login && is_full(g, t->login, g->rules.login_max)))
		return t->address->pending || (t->login && t->login->pending) ? IN_USE : OVER_LIMIT;
	t->address->pending++;
	if (t->login)
		t->login->pending++;
	return OK;
}

enum outcome guard_enter(struct guard *g, struct str address, struct str user, struct guard_try *t)
{
	int64_t until = sched_now_ms(g->sched) + WAIT_FOR_OTHERS_MS;
	struct gate *moved = &g->moved;
	enum outcome o;

	*t = (struct guard_try){ .user = user };
	if (!cidr_of_peer(address, &t->network))
		return OVER_LIMIT;
	while ((o = try_enter(g, t)) == IN_USE)
		if (task_wait(g->sched, &moved, 1, until) < 0)
			return TRY_LATER;
	return o;
}

static void fail(struct guard *g, struct guard_entry *e, uint32_t max, const struct cidr *n)
{
	failures(g, e);
	e->now++;
	if (!max || failures(g, e) < max)
		return;
	e->now = e->before = 0;
	e->banned_until_ms = sched_now_ms(g->sched) + g->rules.ban_ms;
	if (g->on_ban)
		g->on_ban(g->ctx, n, str_from(e->key, 1), g->rules.ban_ms);
}

static void note_good(struct guard_entry *login, const struct cidr *n)
{
	unsigned at = 0;

	while (at < login->n_good && !same_network(&login->good[at], n))
		at++;
	if (at == login->n_good && login->n_good < GUARD_GOOD_MAX)
		login->n_good++;
	if (at == GUARD_GOOD_MAX)
		at--;
	memmove(login->good + 1, login->good, at * sizeof *login->good);
	login->good[0] = *n;
}

/* Doubles with each failure behind the first few. */
static int64_t delay(struct guard *g, struct guard_entry *e)
{
	int64_t ms = g->rules.delay_ms;

	for (uint32_t n = failures(g, e); n > FREE_FAILURES && ms < g->rules.delay_max_ms; n--)
		ms *= 2;
	return ms < g->rules.delay_max_ms ? ms : g->rules.delay_max_ms;
}

int64_t guard_leave(struct guard *g, struct guard_try *t, enum outcome o)
{
	int64_t ms;

	if (o == OK)
		note_good(login_entry(g, t->user), &t->network); /* it may be made anew, while I1 still holds for ours */
	t->address->pending--;
	if (t->login)
		t->login->pending--;
	ms = delay(g, t->address);
	if (o == DENIED) {
		fail(g, t->address, g->rules.address_max, &t->network);
		if (t->login)
			fail(g, t->login, g->rules.login_max, NULL);
	}
	gate_open(g->sched, &g->moved);
	return ms;
}

void guard_bans(struct guard *g, bool (*each)(void *arg, bool is_network, const char *what, int64_t left_ms), void *arg)
{
	char what[KEY_MAX];

	list_each(it, nxt, &g->lru) {
		const struct guard_entry *e = list_entry(it, struct guard_entry, node);

		if (!is_banned(g, e))
			continue;
		memcpy(what, e->key.p + 1, e->key.n - 1);
		what[e->key.n - 1] = 0;
		if (!each(arg, e->key.p[0] == 'a', what, e->banned_until_ms - sched_now_ms(g->sched)))
			return;
	}
}

bool guard_lift(struct guard *g, struct str what)
{
	struct cidr n;
	bool is_address = !cidr_parse(what, &n);
	struct guard_entry *e;
	bool was;

	if (is_address && str_find(what, '/') < 0)
		is_address = cidr_of_peer(what, &n);
	e = is_address ? address_entry(g, &n) : login_entry(g, what);
	was = is_banned(g, e);
	e->banned_until_ms = 0;
	e->now = e->before = 0;
	if (is_address && g->on_ban) /* edges may know of one that an earlier life of this process gave */
		g->on_ban(g->ctx, &n, str_from(e->key, 1), 0);
	return was;
}
