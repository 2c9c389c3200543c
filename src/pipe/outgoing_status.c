/* pipe/outgoing_status.c - what is counted of letters that leave: for status, and for the metrics. */
#include "pipe/outgoing_impl.h"

#include "ipc/counters.h"

void outgoing_count(const struct post *p, struct counters *out)
{
	const struct outgoing_state *x = p->outgoing;
	const size_t *n = x->queue.n_placed;

	out->server[COUNT_OUT_WAITING] = n[JOB_LATER] + n[JOB_READY];
	out->server[COUNT_OUT_HELD] = n[JOB_HELD];
	out->server[COUNT_OUT_RUNNING] = n[JOB_RUNNING];
	out->server[COUNT_OUT_DESTINATIONS] = x->queue.destinations.n;
	out->server[COUNT_OUT_ATTEMPTS] = x->n_attempts;
	out->server[COUNT_OUT_SENT] = x->n_sent;
	out->server[COUNT_OUT_DEFERRED] = x->n_deferred;
	out->server[COUNT_OUT_FAILED] = x->n_failed;
	out->server[COUNT_OUT_REPORTS] = x->n_reports;
	for (size_t i = 0; i < LOCK_COUNT; i++)
		out->server[COUNT_OUT_LOCKS + i] = x->n_locked[i];
}

struct str outgoing_status(const struct post *p, struct arena *a)
{
	const struct outgoing_state *x = p->outgoing;
	const size_t *n = x->queue.n_placed;

	return arena_fmt(a,
		"sending\twaiting %zu\trunning %zu\theld %zu\tdestinations %zu\tattempts %llu\tsent %llu\tdeferred %llu\tfailed %llu\treports %llu\trelay %s",
		n[JOB_LATER] + n[JOB_READY], n[JOB_RUNNING], n[JOB_HELD], x->queue.destinations.n, (unsigned long long)x->n_attempts,
		(unsigned long long)x->n_sent, (unsigned long long)x->n_deferred, (unsigned long long)x->n_failed, (unsigned long long)x->n_reports,
		x->relay->peer ? "up" : "down");
}
