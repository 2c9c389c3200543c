/* store/store.c - opening, the janitor, closing.
 * Suspends    store_open and store_close; the janitor between its rounds.
 */
#include "store/store.h"

#include "base/clock.h"
#include "base/die.h"
#include "store/audit.h"
#include "store/backup.h"
#include "store/deleted.h"
#include "store/garbage.h"
#include "store/lane.h"
#include "store/outgoing_history.h"
#include "store/restore.h"
#include "store/service.h"

#include <stdio.h>

#define JANITOR_MS 5000
#define COLLECT_EVERY_MS 60000
#define HEAD_EVERY_MS 3600000

/* ---- the janitor */

static void write_lazies(struct shard *s)
{
	size_t at = 0;
	struct str key;
	void *v;

	while (map_next(&s->accounts, &at, &key, &v)) {
		struct account *a = v;

		if (a->unwritten && !a->part.dead)
			account_stage(a);
	}
}

size_t store_collect(struct store *s)
{
	int64_t before_s = shard_now_s(&s->shard) - s->limits.keep_expunged_ms / 1000 + 1;
	size_t n = 0;
	bool more = true;

	while (more && !s->shard.closing && !s->n_holding) {
		deleted_step(&s->shard, before_s, &more);
		task_yield(s->sched);
	}
	for (more = true; more && !s->shard.closing && !s->n_holding;) {
		n += garbage_step(&s->shard, before_s, &more);
		task_yield(s->sched);
	}
	return n;
}

/* In the log, and so wherever that is sent, it proves what was recorded until then. */
static void log_audit_head(struct store *s)
{
	unsigned char hash[AUDIT_HASH_SIZE];
	uint64_t seq = audit_head(&s->shard, hash);
	char hex[2 * AUDIT_HASH_SIZE + 1];

	for (size_t i = 0; i < AUDIT_HASH_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	log_info(s->log, "audit-head", "record %llu %s", (unsigned long long)seq, hex);
}

static SUSPENDS void prune_audit(struct store *s)
{
	int64_t keep_us = s->limits.keep_audit_ms * 1000;

	if (keep_us)
		while (audit_prune(&s->shard, clock_wall_us() - keep_us))
			task_yield(s->sched);
}

static SUSPENDS void expire_history(struct store *s)
{
	for (bool more = true; more && !s->shard.closing;) {
		history_expire_step(&s->shard, &more);
		task_yield(s->sched);
	}
}

static void janitor(void *arg)
{
	struct store *s = arg;
	struct gate *gates[] = { &s->shard.closing_gate };
	int64_t collect_ms = sched_now_ms(s->sched) + JANITOR_MS, head_ms = sched_now_ms(s->sched) + HEAD_EVERY_MS;

	while (!s->shard.closing) {
		if (task_wait(s->sched, gates, 1, sched_now_ms(s->sched) + JANITOR_MS) == WAIT_STOP)
			break;
		if (s->shard.closing)
			break;
		write_lazies(&s->shard);
		backups_expire(s);
		restores_expire(s);
		directory_sweep(&s->directory);
		if (sched_now_ms(s->sched) >= head_ms) {
			log_audit_head(s);
			prune_audit(s);
			head_ms = sched_now_ms(s->sched) + HEAD_EVERY_MS;
		}
		if (!s->keep_garbage && sched_now_ms(s->sched) >= collect_ms) {
			expire_history(s);
			store_collect(s);
			collect_ms = sched_now_ms(s->sched) + COLLECT_EVERY_MS;
		}
	}
	s->shard.n_tasks--;
	gate_open(s->sched, &s->shard.closing_gate);
}

/* ---- opening */

static bool shard_open(struct store *s)
{
	struct shard *x = &s->shard;

	x->store = s;
	x->sched = s->sched;
	x->log = s->log;
	x->limits = &s->limits;
	x->port = s->engine->ops->port_open(s->engine, s->sched);
	map_init(&x->accounts, 0);
	map_init(&x->pop_logins.last, 0);
	list_init(&x->lru);
	list_init(&x->repairs);
	gate_init(&x->closing_gate);
	handles_init(&x->handles, (uint16_t)s->engine->life);
	directory_open(&s->directory, x);
	return lane_open(x) && audit_open(x);
}

static SUSPENDS void store_free(struct store *s)
{
	struct shard *x = &s->shard;

	backups_free(s);
	restores_free(s);
	accounts_free(x);
	handles_fini(&x->handles);
	map_fini(&x->accounts);
	map_fini(&x->pop_logins.last);
	lane_fini(x);
	audit_fini(x);
	directory_fini(&s->directory);
	s->engine->ops->port_close(x->port);
	engine_close(s->engine);
	free(s);
}

void store_set_limits(struct store *s, struct store_limits limits)
{
	s->limits = limits;
}

struct store *store_open(const struct store_opts *o, struct buf *why)
{
	struct store *s = mem_new(struct store);
	uint64_t budget = o->body_budget ? o->body_budget : (uint64_t)256 << 20;

	s->engine = o->engine;
	s->sched = o->sched;
	s->log = o->log;
	s->limits = o->limits;
	s->scan = o->scan;
	s->n_scan = o->n_scan;
	s->keep_garbage = o->keep_garbage;
	s->budget = (struct body_budget){ .max = budget };
	store_service_init(s);
	if (!shard_open(s)) {
		buf_addz(why, "the queue's counter or the head of the audit log does not decode");
		store_free(s);
		return NULL;
	}
	directory_sweep(&s->directory);
	audit_note(&s->shard, &(struct audit_event){ .kind = AUDIT_START, .text = STR("the store was opened") });
	s->shard.n_tasks++;
	task_spawn(s->sched, "store-janitor", janitor, s);
	return s;
}

void store_count(struct store *s, struct counters *out)
{
	struct shard *x = &s->shard;
	struct engine_stats e = { 0 };
	uint64_t *v = out->server;

	s->engine->ops->stats(s->engine, &e);
	v[COUNT_DELIVERIES] = x->stats.n_delivered;
	v[COUNT_DELIVERIES_REPEATED] = x->stats.n_duplicates;
	v[COUNT_COMMITS] = e.n_batches;
	v[COUNT_COMMITS_FAILED] = x->stats.n_failed_commits;
	v[COUNT_COMMIT_GROUPS] = e.n_groups;
	v[COUNT_SYNCS] = e.n_syncs;
	v[COUNT_ROW_BYTES_WRITTEN] = e.bytes_rows;
	v[COUNT_BODY_BYTES_WRITTEN] = e.bytes_bodies;
	v[COUNT_BODIES] = e.n_blobs;
	v[COUNT_BODY_BYTES_LIVE] = e.bytes_live;
	v[COUNT_BODY_BYTES_DEAD] = e.bytes_dead;
	v[COUNT_SEGMENTS] = e.n_segments;
	v[COUNT_DISK_BYTES_FREE] = s->engine->ops->bytes_free(s->engine);
	v[COUNT_ACCOUNTS_LOADED] = x->accounts.n;
	v[COUNT_CACHE_BYTES] = x->memory;
	v[COUNT_HANDLES] = x->handles.n;
}

/* ---- closing */

static bool accounts_busy(struct shard *s)
{
	size_t at = 0;
	struct str key;
	void *v;

	while (map_next(&s->accounts, &at, &key, &v))
		if (partition_busy(&((struct account *)v)->part))
			return true;
	return false;
}

static bool busy(struct store *s)
{
	struct shard *x = &s->shard;

	return x->n_tasks || accounts_busy(x) || audit_busy(x) || !list_empty(&x->repairs) ||
	       (partition_busy(&x->lane.part) && !x->lane.part.dead) ||
	       (partition_busy(&s->directory.part) && !s->directory.part.dead);
}

void store_close(struct store *s)
{
	struct shard *x = &s->shard;

	x->closing = true;
	gate_open(s->sched, &x->closing_gate);
	write_lazies(x);
	while (busy(s))
		if (task_sleep(s->sched, 1) == WAIT_STOP)
			die("store: cancelled while closing");
	store_free(s);
}
