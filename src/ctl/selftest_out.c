/* ctl/selftest_out.c - command test: a letter to somewhere else, followed until it was tried.
 * Trust       replies are another server's words, shown cleaned (report.c).
 */
#include "ctl/selftest_impl.h"

#include "base/clock.h"
#include "ctl/queue_show.h"
#include "ipc/words.h"

#include <time.h>

#define LOOK_MS 100
#define CHECK "send"

static void tell(struct selftest *t, const struct ipc_history_entry *e)
{
	const struct ipc_delivery *d = &e->delivery;
	struct buf text;
	bool taken;

	if (!e->n_rcpts)
		return;
	taken = e->rcpts[0].state == RCPT_SENT || e->rcpts[0].state == RCPT_RELAYED;
	buf_init(&text, QUEUE_TEXT_MAX);
	if (taken)
		queue_peer(d, &text);
	else
		queue_reply(&e->rcpts[0], &text);
	if (taken)
		report_ok(&t->report, CHECK, "to %.*s: taken by %.*s after %u ms, %s%.*s", STR_ARG(t->to), STR_ARG(buf_str(&text)), d->total_ms,
			d->tls.n ? "over " : "without TLS", STR_ARG(d->tls));
	else if (e->rcpts[0].state == RCPT_WAITING)
		report_warning(&t->report, CHECK, "it will be tried again: sallyport queue show TRACE", "to %.*s, trace %s: not now: %.*s", STR_ARG(t->to),
			t->out_trace, STR_ARG(buf_str(&text)));
	else
		report_error(&t->report, CHECK, "see what the reply says", "to %.*s: refused: %.*s", STR_ARG(t->to), STR_ARG(buf_str(&text)));
	buf_fini(&text);
}

/* What the first attempt came to; false: it is not over. */
static bool look(struct selftest *t, struct client *client)
{
	struct ipc_history_find m = { .filter = { .trace = str_z(t->out_trace) } };
	struct ipc_history_find_reply r = { 0 };

	arena_reset(&client->arena);
	if (client_call(client, ROLE_STORE, IPC_HISTORY_FIND, &m, &r) != OK || !r.n_entries)
		return false;
	tell(t, &r.entries[0]);
	return true;
}

void selftest_follow(struct selftest *t, struct client *client)
{
	int64_t until_ms = clock_monotonic_ms() + t->timeout_ms;

	if (!t->out_trace[0])
		return;
	while (!look(t, client)) {
		if (clock_monotonic_ms() >= until_ms) {
			report_warning(&t->report, CHECK, "sallyport queue show TRACE", "to %.*s, trace %s: it is still on its way", STR_ARG(t->to),
				t->out_trace);
			return;
		}
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000 }, NULL);
	}
}
