/* role/edge_news.c - what store and auth tell the edges without being asked: changes, ended logins, bans
 * Invariants  I3 when store is gone every login at it is revoked.
 */
#include "role/edge_impl.h"

static void revoke_login(struct edge *e, struct door_account *a)
{
	a->revoked = true;
	gate_open(e->host->sched, &a->news);
}

static void on_changed(void *ctx, struct ipc_call *call, const void *msg)
{
	struct edge *e = ctx;
	const struct ipc_changed *m = msg;
	struct door_account *a = map_get(&e->by_handle, MAP_KEY(m->handle));

	(void)call;
	if (!a)
		return; /* it logged out meanwhile */
	a->changed = true;
	gate_open(e->host->sched, &a->news);
}

static void on_revoked(void *ctx, struct ipc_call *call, const void *msg)
{
	struct edge *e = ctx;
	const struct ipc_revoked *m = msg;
	struct door_account *a = map_get(&e->by_handle, MAP_KEY(m->handle));

	(void)call;
	if (a)
		revoke_login(e, a);
	else
		e->revoked_early[e->n_revoked_early++ % REVOKED_EARLY] = m->handle;
}

void edge_store_gone(void *ctx, struct peer *p)
{
	struct edge *e = ctx;
	struct str key;
	void *v;

	for (size_t at = 0; map_next(&e->by_handle, &at, &key, &v);) {
		struct door_account *a = v;

		if (a->store == &e->stores[peer_index(p) % STORE_SHARDS])
			revoke_login(e, a);
	}
}

ipc_handler *const edge_store_handlers[IPC_TYPE_COUNT] = { [IPC_CHANGED] = on_changed, [IPC_REVOKED] = on_revoked };

/* ---- what auth says */

static void on_banned(void *ctx, struct ipc_call *call, const void *msg)
{
	struct edge *e = ctx;
	const struct ipc_banned *m = msg;

	(void)call;
	limits_ban(&e->limits, m->network, m->seconds ? sched_now_ms(e->host->sched) + (int64_t)m->seconds * 1000 : 0);
}

/* It let somebody in who has stopped waiting. */
void edge_auth_late(void *ctx, int type, enum outcome o, const void *msg)
{
	struct edge *e = ctx;
	uint64_t handle = o != OK ? 0 :
		type == IPC_LOGIN ? ((const struct ipc_login_reply *)msg)->handle :
		type == IPC_SASL ? ((const struct ipc_sasl_reply *)msg)->handle :
		type == IPC_SASL_STEP ? ((const struct ipc_sasl_step_reply *)msg)->handle : 0;
	struct link *store = &e->stores[(handle >> 56) % STORE_SHARDS];

	if (handle && store->peer)
		ipc_logout_cast(store->peer, &(struct ipc_logout){ .handle = handle });
}

ipc_handler *const edge_auth_handlers[IPC_TYPE_COUNT] = { [IPC_BANNED] = on_banned };

/* Each auth that comes up is asked for the bans, each store told that this edge is there. */
static void greet(struct link *l, struct peer **greeted, void (*cast)(struct peer *p))
{
	if (l->peer && l->peer != *greeted)
		cast(l->peer);
	*greeted = l->peer;
}

SUSPENDS void edge_greet_main(void *arg)
{
	struct edge *e = arg;
	struct gate *changed[1 + STORE_SHARDS] = { &e->auth.changed };
	struct peer *greeted[1 + STORE_SHARDS] = { 0 };

	for (int i = 0; i < STORE_SHARDS; i++)
		changed[i + 1] = &e->stores[i].changed;
	do {
		greet(&e->auth, &greeted[0], ipc_watch_bans_cast);
		for (int i = 0; i < STORE_SHARDS; i++)
			greet(&e->stores[i], &greeted[i + 1], ipc_present_cast);
	} while (task_wait(e->host->sched, changed, 1 + STORE_SHARDS, NEVER_MS) >= 0);
}
