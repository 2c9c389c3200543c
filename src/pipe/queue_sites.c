/* pipe/queue_sites.c - what has been learned of the hosts that letters go to, for who asks by command. */
#include "pipe/outgoing_impl.h"

static struct ipc_queue_site site_shown(const struct site *s, int64_t now_ms)
{
	int64_t pause_ms = s->paused_until_ms > now_ms ? s->paused_until_ms - now_ms : 0;

	return (struct ipc_queue_site){ .key = s->key, .name = s->name, .domains = s->n_destinations, .due = (uint32_t)queue_site_due(s),
		.running = s->n_running, .window = (uint32_t)s->window, .failures = s->n_failures, .pause_s = (uint32_t)((pause_ms + 999) / 1000) };
}

void post_queue_sites(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct outgoing_state *out = ((struct post *)ctx)->outgoing;
	const struct ipc_queue_sites *m = msg;
	const struct site **found = arena_array(call_arena(c), IPC_QUEUE_SITES_SITES_MAX, sizeof *found);
	struct ipc_queue_site *v = arena_array(call_arena(c), IPC_QUEUE_SITES_SITES_MAX, sizeof *v);
	int64_t now_ms = outgoing_now_ms(out), room = IPC_RECORD_MAX - IPC_QUEUE_SITES_REPLY_FIXED; /* names of hosts may be long */
	size_t n_shown = 0, n = queue_busy_sites(&out->queue, m->after, now_ms, found, IPC_QUEUE_SITES_SITES_MAX);

	for (; n_shown < n; n_shown++) {
		room -= IPC_QUEUE_SITE_FIXED + found[n_shown]->key.n + found[n_shown]->name.n;
		if (room < 0)
			break;
		v[n_shown] = site_shown(found[n_shown], now_ms);
	}
	ipc_queue_sites_reply_send(c, OK, &(struct ipc_queue_sites_reply){ v, n_shown, n_shown < n || n == IPC_QUEUE_SITES_SITES_MAX });
}
