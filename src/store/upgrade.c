/* store/upgrade.c - data of an older format becomes this program's. See the header.
 * Suspends    until each account's rows are durable.
 * Invariants  E1 each step is a commit that leaves rows which this program reads, whether they were rewritten or not. E2 a step that was done is
 *             done again without harm. E3 the format is noted last.
 */
#include "store/upgrade.h"

#include "store/rows.h"
#include "store/verify.h"

#include <stdio.h>

#define ROOM ((uint64_t)64 << 20) /* beyond the reserve: rows are written anew before the old ones go */
#define ACCOUNTS_STEP 500

static SUSPENDS uint64_t verify_all(struct store *s, struct buf *why)
{
	struct str *lines = mem_array(200, sizeof *lines);
	struct str after = STR("");
	struct arena a;
	uint64_t n = 0;
	bool more = true;
	struct buf next;

	arena_init(&a, "store-upgrade", (size_t)64 << 20);
	buf_init(&next, 256);
	while (more) {
		struct verify_step v = { .a = &a, .lines = lines, .max_lines = 200 };

		if (store_verify_step(s, after, &v) != OK)
			break;
		for (size_t i = 0; i < v.n_lines && n + i < 20; i++)
			buf_addf(why, "\n  %.*s", STR_ARG(v.lines[i]));
		n += v.n_lines;
		more = v.more;
		buf_reset(&next);
		buf_add(&next, v.next);
		after = buf_str(&next);
		arena_reset(&a);
	}
	buf_fini(&next);
	arena_fini(&a);
	free(lines);
	return n;
}

/* ---- accounts */

struct accounts {
	uint64_t v[ACCOUNTS_STEP];
	size_t n;
};

static bool note_account(void *arg, const struct engine_row *row)
{
	struct accounts *x = arg;
	struct cur c = cur_of(str_from(row->key, 1));

	x->v[x->n++] = cur_be64(&c);
	return x->n < ACCOUNTS_STEP;
}

/* Format 1's had version 1: without scram and code_next, which the decoder fills in. */
static bool upgrade_credential(struct partition *p, struct str value)
{
	struct credential_row r;
	struct buf now;
	bool changed;

	buf_init(&now, SIZE_MAX);
	if (!credential_row_decode(value, &r)) {
		buf_fini(&now);
		return false;
	}
	credential_row_encode(&r, &now);
	changed = !str_eq(buf_str(&now), value);
	if (changed)
		engine_put(partition_batch(p), STR("C"), buf_str(&now));
	buf_fini(&now);
	return changed;
}

static const struct partition_ops no_calls = { 0 };

static SUSPENDS bool upgrade_account(struct upgrade_opts *o, struct store *s, uint64_t account)
{
	struct partition p;
	struct buf v;
	bool ok = true;

	buf_init(&v, SIZE_MAX);
	partition_open(&p, s->shard.port, account, &no_calls);
	if (engine_get(s->shard.port, NULL, account, STR("C"), &v) && upgrade_credential(&p, buf_str(&v))) {
		ok = partition_wait(&p, partition_stage(&p));
		o->n_rows += ok;
	}
	partition_fini(&p);
	buf_fini(&v);
	o->n_accounts++;
	return ok;
}

static SUSPENDS bool upgrade_accounts(struct upgrade_opts *o, struct store *s)
{
	struct accounts *x = mem_new(struct accounts);
	uint64_t from = 0;
	bool ok = true;

	do {
		struct key k = key_u64(key_of('i'), from);
		struct engine_range r = { .partition = PARTITION_DIRECTORY, .from = KEY_STR(k), .to = STR("j") };

		x->n = 0;
		engine_range(s->shard.port, &r, note_account, x);
		for (size_t i = 0; ok && i < x->n; i++)
			ok = upgrade_account(o, s, x->v[i]);
		if (x->n)
			from = x->v[x->n - 1] + 1;
	} while (ok && x->n == ACCOUNTS_STEP);
	free(x);
	if (!ok)
		buf_addz(o->why, "a write was not taken; run it again");
	return ok;
}

/* ---- all */

static SUSPENDS bool run(struct upgrade_opts *o, struct store *s)
{
	uint64_t n = verify_all(s, o->why);

	if (n) {
		buf_addf(o->why, "\n%llu things are wrong already; nothing was changed", (unsigned long long)n);
		return false;
	}
	if (!upgrade_accounts(o, s))
		return false;
	n = verify_all(s, o->why);
	if (n)
		buf_addf(o->why, "\n%llu things are wrong afterwards; the format stays %u", (unsigned long long)n, o->from);
	return n == 0 && (!o->engine->ops->upgraded || o->engine->ops->upgraded(o->engine, o->why));
}

bool store_upgrade(struct upgrade_opts *o)
{
	struct store_opts so = { .sched = o->sched, .log = o->log, .engine = o->engine, .keep_garbage = true };
	struct store *s;
	bool ok;

	o->from = o->engine->format;
	so.limits.hostname = o->hostname;
	so.limits.mailbox_name_size_max = so.limits.mailbox_depth_max = 1000;
	so.limits.keep_expunged_ms = INT64_MAX / 2;
	if (o->engine->ops->bytes_free(o->engine) < o->disk_reserve + ROOM) {
		buf_addf(o->why, "the disk has %llu bytes free; upgrading wants %llu beside disk_reserve. Make room and run it again",
			(unsigned long long)o->engine->ops->bytes_free(o->engine), (unsigned long long)ROOM);
		engine_close(o->engine);
		return false;
	}
	s = store_open(&so, o->why);
	if (!s)
		return false;
	ok = o->from == ENGINE_FORMAT || run(o, s);
	store_close(s);
	return ok;
}
