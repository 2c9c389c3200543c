/* crash/inspect.h - opens a rebuilt directory and holds it against the model. The invariants stand in README.md. */
#ifndef SALLYPORT_TEST_CRASH_INSPECT_H
#define SALLYPORT_TEST_CRASH_INSPECT_H

#include "co/sched.h"
#include "crash/model.h"
#include "ipc/peer.h"

/* Appends a line a breach to out: "I1 ...". Works on the model's notes of open work; ends nothing it began: the caller's process
 * ends soon. */
/* Letters that leave: what is there, then as post does after a restart, until the queue is empty. */
SUSPENDS void inspect_outgoing(struct link *post_store, struct model *m, struct buf *out);
void inspect(struct model *m, const char *dir, const char *module, struct buf *out);

#endif
