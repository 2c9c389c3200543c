/* smtp/session.h - one SMTP connection's state, inside smtp/ only. */
#ifndef SALLYPORT_SMTP_SESSION_H
#define SALLYPORT_SMTP_SESSION_H

#include "ipc_gen.h"
#include "net/door.h"
#include "smtp/data.h"
#include "smtp/grammar.h"

/* Where a session stands; a verb says in which of these it may come. */
enum smtp_state {
	SMTP_NEW = 1,    /* no HELO yet */
	SMTP_READY = 2,
	SMTP_MAIL = 4,   /* a sender, no recipient */
	SMTP_RCPTS = 8,
	SMTP_CHUNKS = 16, /* a BDAT has come, the last not yet */
	SMTP_ANY = 31,
};

struct smtp {
	struct door *d;
	struct arena command; /* reset after each command */
	struct arena letter;  /* reset after each transaction */
	enum smtp_state state;
	bool esmtp;           /* EHLO, not HELO */
	bool closing;         /* the last reply has been given */
	bool spoke;           /* the client has sent a command */
	uint32_t n_commands, n_errors, n_letters, n_accepted;
	char helo[256];
	size_t n_helo;
	/* The transaction: from, then recipients; all strings in the letter arena. */
	bool from_null;
	bool eight_bit, binary, utf8; /* as MAIL said */
	struct ipc_addr from;
	uint64_t size; /* as MAIL said, 0: it did not */
	struct ipc_wishes wishes;
	struct ipc_addr *rcpts;
	struct ipc_rcpt_dsn *dsn; /* of each of them */
	bool has_dsn;             /* somebody gave any */
	uint32_t n_rcpts;
	/* The text, while it comes: within DATA, or from the first BDAT to the last. */
	bool receiving;     /* writer is open */
	bool chunks_failed; /* a BDAT was refused: so are the others of this letter */
	struct body_writer writer;
	struct smtp_data data;
	char trace[16];
};

/* Gives the reply and counts it when it is a refusal; a 421 ends the session. */
SUSPENDS void smtp_say(struct smtp *s, enum smtp_reply r);
/* The same with other words. */
SUSPENDS void smtp_say_text(struct smtp *s, enum smtp_reply r, struct str text);
void smtp_end_letter(struct smtp *s); /* the transaction is over, or never was */
struct mail_path_limits smtp_path_limits(const struct smtp *s);
uint32_t smtp_rcpts_max(const struct smtp *s);
/* What EHLO announces here, and MAIL may ask for. */
struct smtp_offer smtp_offer(const struct smtp *s);

static inline bool smtp_is_submission(const struct smtp *s)
{
	return s->d->service == SERVICE_SUBMISSION || s->d->service == SERVICE_SUBMISSIONS;
}

static inline bool smtp_is_lmtp(const struct smtp *s)
{
	return s->d->service == SERVICE_LMTP;
}

/* "May this be done now", apart from doing it: SMTP_FINE, or why not. */
enum smtp_reply smtp_mail_check(struct smtp *s);
enum smtp_reply smtp_data_check(struct smtp *s);
enum smtp_reply smtp_auth_check(struct smtp *s);
SUSPENDS void smtp_mail_run(struct smtp *s, struct str args);
SUSPENDS void smtp_rcpt_run(struct smtp *s, struct str args);
SUSPENDS void smtp_data_run(struct smtp *s, struct str args);
SUSPENDS void smtp_bdat_run(struct smtp *s, struct str args); /* checks for itself: a refused chunk must be swallowed */
SUSPENDS void smtp_auth_run(struct smtp *s, struct str args);

#endif
