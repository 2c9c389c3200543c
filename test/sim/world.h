/* sim/world.h - a store and the roles around it in one scheduler, joined by channels as master would join them; without master, edges,
 * sockets and sandboxes. Programs of the crash test and of the simulator stand where the missing roles would.
 */
#ifndef SALLYPORT_TEST_SIM_WORLD_H
#define SALLYPORT_TEST_SIM_WORLD_H

#include "conf/conf.h"
#include "ipc_gen.h"
#include "pipe/post.h"
#include "pipe/scan_service.h"
#include "store/store.h"

struct world_opts {
	struct sched *sched;
	struct engine_opts engine;  /* log and why are filled in here */
	bool rocks;
	bool mail;                  /* post and scan are there too */
	bool keep_garbage;
	const char *settings;       /* of the configuration, besides what every world has; NULL: none */
	int64_t keep_expunged_ms;
	const struct ipc_service *edge; /* what the users' edge serves: changed, revoked. NULL: it ignores both */
};

struct world {
	struct sched *sched;
	struct log log;
	struct conf *conf;
	struct engine *engine;
	struct store *store;
	struct link post_store, auth_store, ctl_store, edge_store; /* where calls of these roles to store go */
	/* with mail */
	struct scan *scan;
	struct post *post;
	struct link store_scan, post_scan, edge_post, edge_in_post;
	struct link relay; /* nobody: nothing leaves this world */
	struct link *store_scans[1];
};

/* In a task. False: the store did not open, and why says the reason. */
bool world_open(struct world *w, const struct world_opts *o, struct buf *why);
/* In a task, when nobody calls any more. */
void world_close(struct world *w);

/* An account with the users' edge's handle on it. The password is of no meaning here. */
enum outcome world_add_domain(struct world *w, const char *name);
enum outcome world_add_account(struct world *w, const char *local, const char *domain, const char *hash, uint64_t *account);
/* Like a login that went well. TRY_LATER, NO_SUCH and whatever store answers. */
enum outcome world_login(struct world *w, const char *address, uint64_t *handle, uint64_t *account);

#endif
