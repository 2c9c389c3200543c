/* move/far_client.h - a connection to another IMAP server: TLS, login, commands and their responses. */
#ifndef SALLYPORT_MOVE_FAR_CLIENT_H
#define SALLYPORT_MOVE_FAR_CLIENT_H

#include "move/far_wire.h"
#include "move/mover.h"

/* imaps://USER@HOST[:PORT], imap://USER@HOST[:PORT]; %xx in USER stands for a byte. */
struct far_place {
	bool tls; /* from the first byte */
	struct str user, host;
	uint16_t port;
};
/* Strings are in the arena. False: it is none. */
bool far_place_parse(struct arena *a, struct str url, struct far_place *out);

enum { CAP_STARTTLS = 1, CAP_PLAIN = 2, CAP_LOGINDISABLED = 4, CAP_SPECIAL_USE = 8, CAP_NAMESPACE = 16, CAP_LITERAL_PLUS = 32 };

struct far_client {
	struct mover *m;
	struct arena *a;
	struct far_place place;
	struct stream s;
	bool open;
	struct far_in in;
	uint32_t caps;
	bool is_dovecot;
	uint32_t sent, answered; /* numbers of tags */
	struct buf why;		 /* text of the last tagged response */
};

/* Connected and logged in, or why not is said. */
SUSPENDS bool far_open(struct far_client *c, struct mover *m, struct arena *a);
SUSPENDS void far_close(struct far_client *c); /* LOGOUT, when the connection is well */

/* An untagged response: number (or 0) and keyword were read, the rest was not. True: all of it has been read now. */
typedef bool far_untagged(void *ctx, struct far_client *c, uint32_t number, struct str keyword);
/* A command's text without tag and line end; may be sent before the ones before it are answered. */
SUSPENDS void far_send(struct far_client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Reads up to the oldest unanswered command's tagged response. on may be NULL. FAILED: the connection is of no use any more (it was said, m is
 * stopped); NO_SUCH: NO or BAD was answered, c->why says what; OK. */
SUSPENDS enum outcome far_answer(struct far_client *c, far_untagged *on, void *ctx) MUST_USE;
/* Reads untagged responses up to a continuation request. */
SUSPENDS enum outcome far_go_ahead(struct far_client *c) MUST_USE;
/* Appended as a quoted string; false: it has bytes that no quoted string may have. */
bool far_quote(struct buf *out, struct str s);

#endif
