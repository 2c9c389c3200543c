/* role/upgrade.c - the command that brings data of an older format to this program's: wiring; the work is in store/upgrade.c.
 * Purpose     the command becomes the role store, behind its walls, before it opens anything of the data.
 */
#include "role/upgrade.h"

#include "base/die.h"
#include "conf/conf.h"
#include "role/host.h"
#include "role/master_impl.h"
#include "sandbox/sandbox.h"
#include "store/upgrade.h"

#include <dlfcn.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct upgrading {
	const struct conf *conf;
	struct sched *sched;
	struct log log;
	char module[PATH_MAX];
	int status;
};

static SUSPENDS void main_task(void *arg)
{
	struct upgrading *u = arg;
	const struct conf *c = u->conf;
	struct buf why;
	struct engine_opts o = { .data_dir = ".", .module = u->module, .segment_size = c->store.segment_size, .sync = c->store.sync,
		.threads = true, .log = &u->log, .why = &why, .upgrade = true };
	struct upgrade_opts up = { .sched = u->sched, .log = &u->log, .disk_reserve = c->disk_reserve_size, .hostname = c->hostname, .why = &why };

	buf_init(&why, 65536);
	up.engine = engine_rocks_load(&o);
	if (!up.engine || !store_upgrade(&up)) {
		fprintf(stderr, "sallyport: upgrade: %.*s\n", STR_ARG(buf_str(&why)));
		u->status = 1;
	} else {
		printf("format\t%u\tto\t%u\taccounts\t%llu\trows\t%llu\n", up.from, ENGINE_FORMAT, (unsigned long long)up.n_accounts,
			(unsigned long long)up.n_rows);
	}
	buf_fini(&why);
}

bool format_is_ours(const struct conf *c, struct buf *why)
{
	char path[1100], text[32] = "";
	uint32_t format;
	FILE *f;

	snprintf(path, sizeof path, "%s/format", c->data_dir.p);
	f = fopen(path, "re");
	if (!f) /* none yet, or not for this process to see */
		return true;
	if (!fgets(text, sizeof text, f))
		text[0] = 0;
	fclose(f);
	if (!str_starts(str_z(text), STR("sallyport ")) || !str_to_u32(str_trim(str_z(text + 10)), &format) || format == ENGINE_FORMAT)
		return true; /* what is no format at all the engine refuses */
	buf_addf(why, "%s: its format is %u, this program's is %d; %s\n", c->data_dir.p, format, ENGINE_FORMAT,
		format < ENGINE_FORMAT ? "make a backup with the older program, then run: sallyport upgrade" : "start the newer program that wrote it");
	return false;
}

static void close_in(const struct conf *c)
{
	struct sandbox_plan plan = { .role = SANDBOX_STORE, .nofile = 65536, .rw_dir = c->data_dir.p };
	struct passwd *pw = geteuid() == 0 ? getpwnam(c->user.p) : NULL;
	struct sandbox_walls walls;

	if (geteuid() == 0 && !pw)
		die("no user \"%s\" on this system; make it or name another with: user NAME", c->user.p);
	if (pw) {
		plan.uid = pw->pw_uid;
		plan.gid = pw->pw_gid;
		plan.chroot_dir = c->data_dir.p;
	}
	sandbox_enter(&plan, &walls);
}

int upgrade_main(const char *conf_path)
{
	struct upgrading *u = mem_new(struct upgrading);
	struct conf *conf;
	struct str text;
	struct buf why;

	buf_init(&why, 65536);
	if (!master_read_conf(conf_path, &conf, &text, &why)) {
		fprintf(stderr, "%.*s", STR_ARG(buf_str(&why)));
		return 1;
	}
	buf_fini(&why);
	u->conf = conf;
	if (access(conf->data_dir.p, F_OK) != 0 || conf->store.engine != CONF_ENGINE_ROCKS) {
		fprintf(stderr, "sallyport: %s: there is no data to upgrade\n", conf->data_dir.p);
		return 1;
	}
	store_find_module(u->module);
	if (!dlopen(u->module, RTLD_NOW | RTLD_LOCAL)) /* here, while files can be opened */
		die("the engine cannot be loaded: %s", dlerror());
	log_init(&u->log, STDERR_FILENO, "upgrade");
	close_in(conf);
	u->sched = sched_new(NULL);
	task_spawn(u->sched, "upgrade", main_task, u);
	sched_run(u->sched);
	sched_free(u->sched);
	fflush(stdout);
	return u->status;
}
