/* pop/session.h - one POP3 connection's state, inside pop/ only. */
#ifndef SALLYPORT_POP_SESSION_H
#define SALLYPORT_POP_SESSION_H

#include "ipc_gen.h"
#include "net/door.h"

enum pop_state { POP_AUTHORIZATION = 1, POP_TRANSACTION = 2, POP_ANY = 3 };

struct pop_message {
	uint32_t uid;
	uint32_t size; /* octets */
	bool deleted;
};

/* The maildrop as it was when the session locked it: INBOX. */
struct pop_drop {
	uint32_t sel, uidvalidity;
	bool locked;
	struct pop_message *v;
	size_t n, cap;
	size_t n_deleted;
};

struct pop {
	struct door *d;
	struct arena command; /* reset after each command */
	enum pop_state state;
	bool closing, updated;
	int64_t login_until_ms; /* on sched_now_ms */
	uint32_t n_errors, n_retrieved;
	struct pop_drop drop;
	char user[320];
	size_t n_user; /* 0: no USER yet */
};

/* What a step with another role was for; an outcome of it becomes a reply by one table (pop_say_outcome). */
enum pop_step { POP_STEP_LOGIN, POP_STEP_LOCK, POP_STEP_READ, POP_STEP_UPDATE, POP_STEP_COUNT };

SUSPENDS void pop_ok(struct pop *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
SUSPENDS void pop_err(struct pop *p, const char *text); /* counted */
SUSPENDS void pop_say_outcome(struct pop *p, enum pop_step step, enum outcome o); /* o is not OK */

/* maildrop.c: lock, list, read, update. */
SUSPENDS enum outcome pop_drop_lock(struct pop *p) MUST_USE;
SUSPENDS void pop_drop_unlock(struct pop *p);
SUSPENDS enum outcome pop_drop_update(struct pop *p) MUST_USE; /* removes what is marked deleted */
/* Sends message m after "+OK ..." ; lines as in pop/text.h. */
SUSPENDS void pop_drop_send(struct pop *p, const struct pop_message *m, uint32_t lines);

/* transaction.c: the verbs of the TRANSACTION state. */
SUSPENDS void pop_stat(struct pop *p, struct str args);
SUSPENDS void pop_list(struct pop *p, struct str args);
SUSPENDS void pop_uidl(struct pop *p, struct str args);
SUSPENDS void pop_retr(struct pop *p, struct str args);
SUSPENDS void pop_top(struct pop *p, struct str args);
SUSPENDS void pop_dele(struct pop *p, struct str args);
SUSPENDS void pop_rset(struct pop *p, struct str args);

#endif
