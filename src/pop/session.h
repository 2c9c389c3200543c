/* pop/session.h - one POP3 connection's state, inside pop/ only. */
#ifndef SALLYPORT_POP_SESSION_H
#define SALLYPORT_POP_SESSION_H

#include "pop/lang.h"
#include "pop/maildrop.h"

enum pop_state { POP_AUTHORIZATION = 1, POP_TRANSACTION = 2, POP_ANY = 3 };

struct pop {
	struct door *d;
	struct arena command; /* reset after each command */
	enum pop_state state;
	bool closing, updated;
	bool utf8; /* UTF8 was said */
	const struct pop_language *lang;
	int64_t login_until_ms; /* on sched_now_ms */
	uint32_t n_errors, n_retrieved;
	struct pop_drop drop;
	char user[320];
	size_t n_user; /* 0: no USER yet */
};

/* What a step with another role was for; an outcome of it becomes a reply by one table (pop_say_outcome). */
enum pop_step { POP_STEP_LOGIN, POP_STEP_LOCK, POP_STEP_READ, POP_STEP_UPDATE, POP_STEP_COUNT };

/* Texts are said in the session's language (lang.h). */
SUSPENDS void pop_ok(struct pop *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
SUSPENDS void pop_err(struct pop *p, const char *text); /* counted */
SUSPENDS void pop_say_outcome(struct pop *p, enum pop_step step, enum outcome o); /* o is not OK */
/* Somebody has logged in: the maildrop is opened, or the refusal said and the login ended. */
SUSPENDS void pop_enter(struct pop *p);

/* auth.c */
SUSPENDS void pop_auth(struct pop *p, struct str args);
SUSPENDS void pop_say_mechanisms(struct pop *p); /* the line of CAPA */

/* transaction.c: the verbs of the TRANSACTION state. */
SUSPENDS void pop_stat(struct pop *p, struct str args);
SUSPENDS void pop_list(struct pop *p, struct str args);
SUSPENDS void pop_uidl(struct pop *p, struct str args);
SUSPENDS void pop_retr(struct pop *p, struct str args);
SUSPENDS void pop_top(struct pop *p, struct str args);
SUSPENDS void pop_dele(struct pop *p, struct str args);
SUSPENDS void pop_rset(struct pop *p, struct str args);

#endif
