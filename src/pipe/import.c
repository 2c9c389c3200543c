/* pipe/import.c - letters that a command moves in: indexed by scan, kept by store in the order in which they came
 * Purpose     UIDs that a letter had elsewhere can be kept only when letters reach store in their order; indexing takes each as long as it takes.
 * Trust       the command runs as root or the server's user; store checks its handle.
 * Owns        a queue of turns for each command's channel.
 * Suspends    in calls to scan and store, and until its turn has come.
 * Invariants  I1 turns are given in order of arrival; whoever has one passes it on, whatever became of its letter.
 */
#include "pipe/post_impl.h"

#include "base/die.h"

#include <stdlib.h>

#define SEND_WAIT_MS 10000
#define STORE_MS 60000

struct turns {
	uint64_t given, now;
	struct gate moved;
};

static struct turns *turns_of(struct peer *p)
{
	struct turns *t = peer_data(p);

	if (!t) {
		t = mem_new(struct turns);
		gate_init(&t->moved);
		peer_set_data(p, t);
	}
	return t;
}

void post_import_gone(struct peer *p)
{
	free(peer_data(p));
	peer_set_data(p, NULL);
}

static SUSPENDS void wait_turn(struct post *p, struct turns *t, uint64_t mine)
{
	struct gate *moved = &t->moved;

	while (t->now != mine)
		task_wait(p->sched, &moved, 1, NEVER_MS);
}

static void pass_turn(struct post *p, struct turns *t)
{
	t->now++;
	gate_open(p->sched, &t->moved);
}

static SUSPENDS enum outcome import(struct post *p, struct ipc_call *c, const struct ipc_import *m, struct ipc_import_to_reply *r)
{
	struct turns *t = turns_of(call_peer(c));
	struct ipc_import_to put = {
		.life = peer_life(call_peer(c)), .handle = m->handle, .mailbox = m->mailbox, .id = m->id, .uid = m->uid, .flags = m->flags,
		.keywords = m->keywords, .n_keywords = m->n_keywords, .date_s = m->date_s, .uidl = m->uidl, .body = m->body,
	};
	struct link *store = post_store_of_handle(p, m->handle);
	uint64_t turn = t->given++;
	enum outcome o = OVER_LIMIT;

	if (post_takes_size(p, m->body.size))
		o = post_index(p, &m->body, call_arena(c), &put.index);
	wait_turn(p, t, turn);
	if (o == OK)
		link_wait_room(store, sched_now_ms(p->sched) + SEND_WAIT_MS);
	pass_turn(p, t); /* the next does not run before this call has been sent */
	if (o == OK)
		o = ipc_import_to_within(store, &put, r, NULL, STORE_MS);
	return o;
}

SUSPENDS void post_import(void *ctx, struct ipc_call *c, const void *msg)
{
	struct post *p = ctx;
	struct ipc_import_to_reply r = { 0 };
	enum outcome o = TRY_LATER;

	if (p->n_letters < POST_LETTERS_MAX && !p->stopping) {
		p->n_letters++;
		o = import(p, c, msg, &r);
		p->n_letters--;
	}
	p->n_moved += o == OK;
	ipc_import_reply_send(c, o, &(struct ipc_import_reply){ .uid = r.uid, .left_out = r.left_out });
}
