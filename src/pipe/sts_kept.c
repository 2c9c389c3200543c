/* pipe/sts_kept.c - MTA-STS policies that relay has fetched outlive it in store (RFC 8461 10.2): who can make relay start again could otherwise strip them.
 * Suspends    for store, in tasks of its own.
 */
#include "pipe/tlsrpt_impl.h"

#include <stdlib.h>

#define AGAIN_MS 5000

struct keeping {
	struct tls_reports *t;
	struct arena a;
	struct ipc_sts_keep m;
};

static SUSPENDS void keep_main(void *arg)
{
	struct keeping *k = arg;

	if (ipc_sts_keep(k->t->post->lanes[0].store, &k->m) != OK)
		log_warning(k->t->post->log, "sts-policy", "the policy of %.*s was not kept", STR_ARG(k->m.known.domain));
	k->t->n_tasks--;
	arena_fini(&k->a);
	free(k);
}

void tls_reports_keep(struct tls_reports *t, const struct ipc_sts_known *policies, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct keeping *k = mem_new(struct keeping);
		const struct ipc_sts_known *p = &policies[i];

		arena_init(&k->a, "sts policy", 1 << 16);
		k->t = t;
		k->m.known = (struct ipc_sts_known){ arena_dup(&k->a, p->domain), arena_dup(&k->a, p->id), p->fetched_s, p->until_s,
			arena_dup(&k->a, p->policy) };
		t->n_tasks++;
		task_spawn(t->post->sched, "sts keep", keep_main, k);
	}
}

/* True: relay, that life of it, was told all there are. */
static SUSPENDS bool tell(struct tls_reports *t, struct peer *relay)
{
	struct ipc_sts_list m = { .now_s = tls_now_s(t) };
	struct ipc_sts_list_reply r = { .more = 1 };
	struct arena a;
	bool ok = true;

	arena_init(&a, "sts policies", IPC_REPLY_MEMORY);
	while (ok && r.more) {
		char after[256];

		ok = ipc_sts_list(t->post->lanes[0].store, &m, &r, &a) == OK && t->relay->peer == relay;
		for (size_t i = 0; ok && i < r.n_list; i++)
			ipc_sts_remember_cast(relay, &(struct ipc_sts_remember){ r.list[i] });
		if (!ok || !r.n_list)
			break;
		m.after = r.list[r.n_list - 1].domain;
		memcpy(after, m.after.p, m.after.n);
		arena_reset(&a);
		m.after = arena_dup(&a, str_of(after, m.after.n));
	}
	arena_fini(&a);
	return ok;
}

SUSPENDS void tls_telling_main(void *arg)
{
	struct tls_reports *t = arg;
	struct gate *changed = &t->relay->changed;
	uint32_t told = 0; /* life of relay */
	bool stop = false;

	while (!stop) {
		struct peer *relay = t->relay->peer;

		if (relay && peer_life(relay) != told) {
			uint32_t life = peer_life(relay);

			if (tell(t, relay))
				told = life;
		}
		relay = t->relay->peer;
		stop = task_wait(t->post->sched, &changed, 1, relay && peer_life(relay) != told ? sched_now_ms(t->post->sched) + AGAIN_MS : NEVER_MS) ==
			WAIT_STOP;
	}
	t->n_tasks--;
}
