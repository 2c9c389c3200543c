/* pop/maildrop.h - the maildrop as an edge knows it: sizes and marks; everything else is asked of store. For POP3 and POP2. */
#ifndef SALLYPORT_POP_MAILDROP_H
#define SALLYPORT_POP_MAILDROP_H

#include "ipc_gen.h"
#include "net/door.h"

struct pop_message {
	uint32_t size; /* octets */
	bool deleted;
};

struct pop_drop {
	struct door *d;
	bool open;
	struct pop_message *v; /* index 0 is message number 1 */
	size_t n, cap;
	size_t n_deleted;
};

/* Opens and lists it. folder: one of the mailboxes of the login's rules, or empty for all of them. login: see ipc.def. Outcomes as
 * store's; work is for answers, reset. */
SUSPENDS enum outcome pop_drop_open(struct pop_drop *p, struct str folder, bool login, struct arena *work) MUST_USE;
/* Gives it back, deleting nothing. False: store did not hear of it, and the maildrop stays locked until the login ends. */
SUSPENDS bool pop_drop_close(struct pop_drop *p);
/* Deletes what is marked, as the rules say. */
SUSPENDS enum outcome pop_drop_update(struct pop_drop *p, struct arena *work) MUST_USE;
uint64_t pop_drop_octets(const struct pop_drop *p); /* of what is not marked */
void pop_drop_mark(struct pop_drop *p, size_t i);
void pop_drop_unmark_all(struct pop_drop *p);

/* Bytes of message i from *at on, some at least unless it ends there; *at moves on. They are in the arena, which is reset. */
SUSPENDS enum outcome pop_drop_read(struct pop_drop *p, size_t i, uint32_t *at, struct arena *work, struct str *bytes) MUST_USE;

#endif
