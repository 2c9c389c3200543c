/* role/master_counts.c - what all roles count, summed; for status and for Prometheus.
 * Trust       roles send numbers, nothing else; a role that was taken over can lie about its own.
 * Invariants  I1 a counter of the whole server never falls while master lives: what a process had counted when it ended is kept.
 */
#include "role/master_impl.h"

#include "base/die.h"
#include "ipc_gen.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void master_on_counts(void *ctx, struct ipc_call *call, const void *msg)
{
	struct master *m = ctx;
	const struct ipc_counts *q = msg;
	struct child *c = peer_data(call_peer(call));

	if (q->n_values != COUNTER_VALUES)
		return;
	memcpy(&c->counts, q->values, sizeof c->counts);
	c->counted_ms = sched_now_ms(m->sched);
}

void master_counts_gone(struct child *c)
{
	counters_add(&c->master->gone, &c->counts, false);
	c->counts = (struct counters){ 0 };
}

/* One that is starting, or has died and is being started again, is not silent: its own time runs for it. */
bool master_all_counted(struct master *m, int64_t within_ms)
{
	int64_t now_ms = sched_now_ms(m->sched);

	for (size_t i = 0; i < m->n_children; i++) {
		const struct child *c = &m->children[i];

		if (c->ready && !c->stopped && now_ms - c->started_ms > within_ms && now_ms - c->counted_ms > within_ms)
			return false;
	}
	return true;
}

static struct counters *sum(struct master *m)
{
	struct counters *all = mem_new(struct counters);

	*all = m->gone;
	for (size_t i = 0; i < m->n_children; i++)
		counters_add(all, &m->children[i].counts, true);
	return all;
}

static bool was_used(const uint64_t *v)
{
	return v[COUNT_CONNECTIONS] || v[COUNT_TURNED_AWAY];
}

void master_service_lines(struct master *m, void (*line)(void *ctx, struct str text), void *ctx)
{
	struct counters *all = sum(m);
	struct buf b;

	buf_init(&b, IPC_ROLE_LINE_TEXT_MAX);
	for (size_t s = 0; s < SERVICE_COUNT; s++) {
		if (!was_used(all->service[s]))
			continue;
		buf_reset(&b);
		buf_addf(&b, "service\t%s", conf_service_name((enum conf_service)s));
		for (size_t i = 0; i < SERVICE_COUNTERS; i++) {
			struct str name = str_z(service_counters[i].name);

			if (!service_counters[i].gauge)
				name.n -= sizeof "_total" - 1;
			buf_addf(&b, "\t%.*s %llu", STR_ARG(name), (unsigned long long)all->service[s][i]);
		}
		line(ctx, buf_str(&b));
	}
	buf_fini(&b);
	free(all);
}

/* ---- Prometheus' text format 0.0.4 */

static void head(struct buf *b, const struct counter_info *i)
{
	buf_addf(b, "# HELP sallyport_%s %s\n# TYPE sallyport_%s %s\n", i->name, i->help, i->name, i->gauge ? "gauge" : "counter");
}

static void put_services(struct buf *b, const struct counters *all)
{
	for (size_t i = 0; i < SERVICE_COUNTERS; i++) {
		head(b, &service_counters[i]);
		for (size_t s = 0; s < SERVICE_COUNT; s++)
			buf_addf(b, "sallyport_%s{service=\"%s\"} %llu\n", service_counters[i].name, conf_service_name((enum conf_service)s),
				(unsigned long long)all->service[s][i]);
	}
}

static void put_server(struct buf *b, const struct counters *all)
{
	for (size_t i = 0; i < COUNTERS; i++) {
		head(b, &server_counters[i]);
		buf_addf(b, "sallyport_%s %llu\n", server_counters[i].name, (unsigned long long)all->server[i]);
	}
}

static double role_up(const struct child *c)
{
	return c->ready;
}

static double role_starts(const struct child *c)
{
	return c->life;
}

static double role_cpu(const struct child *c)
{
	return (double)c->counts.process[COUNT_CPU_MS] / 1000;
}

static double role_heap(const struct child *c)
{
	return (double)c->counts.process[COUNT_HEAP_BYTES];
}

static const struct {
	struct counter_info info;
	double (*value)(const struct child *c);
} role_counters[] = {
	{ { "role_up", "1 when the process is ready.", true }, role_up },
	{ { "role_starts_total", "How often the process was started.", false }, role_starts },
	{ { "role_cpu_seconds_total", "Processor time of the process that runs now.", false }, role_cpu },
	{ { "role_heap_bytes", "Memory that the process has allocated.", true }, role_heap },
};

static void put_roles(struct buf *b, const struct master *m)
{
	for (size_t i = 0; i < sizeof role_counters / sizeof *role_counters; i++) {
		head(b, &role_counters[i].info);
		for (size_t k = 0; k < m->n_children; k++) {
			const struct child *c = &m->children[k];

			buf_addf(b, "sallyport_%s{role=\"%s\",index=\"%u\"} %.15g\n", role_counters[i].info.name, role_name(c->role), c->index,
				role_counters[i].value(c));
		}
	}
}

void master_on_metrics(void *ctx, struct ipc_call *call, const void *msg)
{
	struct master *m = ctx;
	struct counters *all = sum(m);
	struct buf b;

	(void)msg;
	buf_init(&b, IPC_METRICS_TEXT_MAX);
	buf_addf(&b, "# HELP sallyport_start_time_seconds When the server was started, as seconds since 1970.\n"
		     "# TYPE sallyport_start_time_seconds gauge\nsallyport_start_time_seconds %lld\n",
		(long long)time(NULL) - (sched_now_ms(m->sched) - m->started_ms) / 1000);
	put_server(&b, all);
	put_services(&b, all);
	put_roles(&b, m);
	ipc_metrics_reply_send(call, OK, &(struct ipc_metrics_reply){ .text = buf_str(&b) });
	buf_fini(&b);
	free(all);
}
