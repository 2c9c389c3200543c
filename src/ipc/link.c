/* ipc/link.c - what a role holds towards another while its processes come and go.
 * Purpose     a call waits for a channel, within its deadline, when there is none.
 * Suspends    link_call().
 * Invariants  I1 link->peer is never a lost peer.
 */
#include "ipc/peer.h"

#include "ipc/peer_impl.h"

void link_init(struct link *l, struct sched *s)
{
	*l = (struct link){ .sched = s };
	gate_init(&l->changed);
}

void link_set(struct link *l, struct peer *p)
{
	if (l->peer == p)
		return;
	if (l->peer)
		peer_close(l->peer);
	if (p && !p->lost) {
		l->peer = p;
		p->link = l;
	}
	gate_open(l->sched, &l->changed);
}

void link_close(struct link *l)
{
	l->closed = true;
	link_set(l, NULL);
	gate_open(l->sched, &l->changed);
}

bool link_wait_room(struct link *l, int64_t deadline_ms)
{
	struct peer *p = l->peer;
	bool room;

	if (!p)
		return false;
	p->n_callers++;
	room = peer_wait_room(p, deadline_ms);
	p->n_callers--;
	if (p->lost)
		gate_open(p->sched, &p->idle);
	return room;
}

enum outcome link_call(struct link *l, int type, const void *msg, void *reply, struct arena *a, int64_t timeout_ms)
{
	int64_t now_ms = sched_now_ms(l->sched);
	int64_t deadline_ms = timeout_ms == NEVER_MS ? NEVER_MS : now_ms + timeout_ms;
	struct gate *changed = &l->changed;

	while (!l->peer && !l->closed)
		if (task_wait(l->sched, &changed, 1, deadline_ms) < 0)
			break;
	if (!l->peer) {
		if (reply)
			memset(reply, 0, ipc_descs[type].reply.size);
		return TRY_LATER;
	}
	now_ms = sched_now_ms(l->sched);
	return peer_call(l->peer, type, msg, reply, a, deadline_ms == NEVER_MS ? NEVER_MS : deadline_ms - now_ms);
}
