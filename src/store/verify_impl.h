/* store/verify_impl.h - what the files of verify share. */
#ifndef SALLYPORT_STORE_VERIFY_IMPL_H
#define SALLYPORT_STORE_VERIFY_IMPL_H

#include "store/verify.h"

#define STEP_BODY_BYTES ((uint64_t)64 << 20)
#define STEP_ROWS 2000
#define PIECE 4000 /* rows between two yields */

/* PHASE_DELETED goes over Z rows as PHASE_MESSAGES does over M rows. */
enum phase {
	PHASE_DIRECTORY, PHASE_ACCOUNT, PHASE_MESSAGES, PHASE_DELETED, PHASE_QUEUE, PHASE_OUTGOING, PHASE_TRACES, PHASE_EVENTS, PHASE_FINISHED,
	PHASE_REFS, PHASE_BODIES, PHASE_END
};

struct cursor {
	unsigned phase;
	uint64_t a, b; /* account, message; or reference; or body; or letter; or what a key begins with */
	unsigned mailbox, uid;
};

struct run {
	struct store *s;
	struct engine_port *port;
	struct engine_snapshot *snap;
	struct verify_step *v;
	struct cursor at;
};

/* A violation. */
void verify_bad(struct run *r, const char *rule, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Of the snapshot; v is emptied first. */
bool verify_get(struct run *r, uint64_t partition, struct key k, struct buf *v);
/* Is there a row of exactly that key in the references' space? */
bool verify_has_ref(struct run *r, struct key k);

/* Steps (store/verify_outgoing.c). */
SUSPENDS void verify_outgoing(struct run *r);
void verify_traces(struct run *r);
void verify_events(struct run *r);
void verify_finished(struct run *r);

#endif
