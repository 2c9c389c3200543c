/* pipe/outgoing_hosts.c - where a destination's mail goes, asked of relay: domains of the same hosts are scheduled as one site
 * Trust       relay's answer says what DNS says. It decides about windows, pauses and shared connections; which hosts a letter goes to is found anew for each.
 * Suspends    in the call. The destination stays as long as it is asked about.
 */
#include "pipe/outgoing_impl.h"

#define ASKING_MAX 200 /* at once */
#define CALL_MS 60000
#define VALID_MIN_S 60
#define VALID_MAX_S 3600

struct asking {
	struct outgoing_state *out;
	struct destination *destination;
	struct arena a;
};

static int64_t valid_ms(uint32_t ttl_s)
{
	return (int64_t)(ttl_s < VALID_MIN_S ? VALID_MIN_S : ttl_s > VALID_MAX_S ? VALID_MAX_S : ttl_s) * 1000;
}

static SUSPENDS void ask_main(void *arg)
{
	struct asking *x = arg;
	struct outgoing_state *out = x->out;
	struct ipc_relay_hosts m = { x->destination->name };
	struct ipc_relay_hosts_reply r;
	enum outcome o = ipc_relay_hosts_within(out->relay, &m, &r, &x->a, CALL_MS);
	struct site_facts f = { r.hosts, r.secure != 0, r.alone != 0, o == OK ? valid_ms(r.ttl_s) : 0 };

	queue_learn(&out->queue, x->destination, o == OK ? &f : NULL, outgoing_now_ms(out), outgoing_wall_s(out));
	arena_fini(&x->a);
	free(x);
	out->n_tasks--;
	out->n_asking--;
	gate_open(out->post->sched, &out->wake);
	gate_open(out->post->sched, &out->ended);
}

void outgoing_ask_hosts(struct outgoing_state *out)
{
	struct destination *d;

	while (out->n_asking < ASKING_MAX && out->relay->peer && (d = queue_ask(&out->queue))) {
		struct asking *x = mem_new(struct asking);

		*x = (struct asking){ .out = out, .destination = d };
		arena_init(&x->a, "hosts", IPC_REPLY_MEMORY);
		out->n_tasks++;
		out->n_asking++;
		task_spawn(out->post->sched, "hosts", ask_main, x);
	}
}
