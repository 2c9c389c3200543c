/* prog/format1.c - makes the data directory of a stopped server one of format 1: rows as the program wrote them that knew no other.
 *
 *   test-format1 DIRECTORY
 */
#include "store/rows.h"
#include "store/engine.h"

#include "base/die.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct making {
	struct sched *sched;
	struct engine *engine;
	struct VEC(uint64_t) accounts;
	unsigned done;
};

static bool note(void *arg, const struct engine_row *row)
{
	struct making *m = arg;
	struct cur c = cur_of(str_from(row->key, 1));

	*vec_push(&m->accounts) = cur_be64(&c);
	return true;
}

static void on_done(struct engine_batch *b, enum engine_result r)
{
	struct making *m = b->arg;

	die_unless(r == ENGINE_DONE, "format1: commit");
	m->done++;
	engine_batch_free(b);
}

/* Version 1: address, hash, version, flags and quotas. */
static void old_credential(const struct credential_row *r, struct buf *out)
{
	put_u8(out, 1);
	put_str(out, r->address);
	put_str(out, r->hash);
	put_u64(out, r->version);
	put_u32(out, r->flags);
	put_u64(out, r->quota_bytes);
	put_u64(out, r->quota_messages);
}

static void rewrite(struct making *m, struct engine_port *p, uint64_t account)
{
	struct engine_batch *b = engine_batch_new(account, engine_version(p, account));
	struct credential_row r;
	struct buf v, old;

	buf_init(&v, 65536);
	buf_init(&old, 65536);
	die_unless(engine_get(p, NULL, account, STR("C"), &v) && credential_row_decode(buf_str(&v), &r), "format1: credential");
	old_credential(&r, &old);
	engine_put(b, STR("C"), buf_str(&old));
	b->done = on_done;
	b->arg = m;
	engine_commit(p, b);
	buf_fini(&v);
	buf_fini(&old);
}

static void main_task(void *arg)
{
	struct making *m = arg;
	struct engine_port *p = m->engine->ops->port_open(m->engine, m->sched);
	struct engine_range r = { .partition = PARTITION_DIRECTORY, .from = STR("i"), .to = STR("j") };

	engine_range(p, &r, note, m);
	for (size_t i = 0; i < m->accounts.n; i++)
		rewrite(m, p, m->accounts.v[i]);
	while (m->done < m->accounts.n)
		task_sleep(m->sched, 1);
	m->engine->ops->port_close(p);
	engine_close(m->engine);
}

static void write_format(const char *dir)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof path, "%s/format", dir);
	f = fopen(path, "w");
	die_unless(f && fputs("sallyport 1\n", f) >= 0 && fclose(f) == 0, "format1: format");
}

int main(int argc, char **argv)
{
	struct making m = { 0 };
	char module[PATH_MAX];
	struct log log;
	struct buf why;
	struct engine_opts o = { .module = module, .sync = true, .threads = true, .log = &log, .why = &why };
	ssize_t n = readlink("/proc/self/exe", module, sizeof module - 40);

	die_unless(argc == 2 && n > 0, "usage: test-format1 DIRECTORY");
	module[n] = 0;
	snprintf(strrchr(module, '/') + 1, 40, "sallyport-rocks.so");
	log_init(&log, 2, "format1");
	buf_init(&why, 4096);
	o.data_dir = argv[1];
	m.engine = engine_rocks_load(&o);
	die_unless(m.engine, "format1: engine");
	m.sched = sched_new(NULL);
	task_spawn(m.sched, "format1", main_task, &m);
	sched_run(m.sched);
	sched_free(m.sched);
	write_format(argv[1]);
	printf("%zu accounts\n", m.accounts.n);
	vec_free(&m.accounts);
	buf_fini(&why);
	return 0;
}
