/* relay/client_impl.h - client.h and what the client's files share. */
#ifndef SALLYPORT_RELAY_CLIENT_IMPL_H
#define SALLYPORT_RELAY_CLIENT_IMPL_H

#include "relay/client.h"

#include "mail/downgrade.h"

/* ---- client_reply.c */

/* One line of a reply (RFC 5321 4.2), without its end. Pure. */
struct client_reply_line {
	uint16_t code;
	bool more;	   /* "250-": another line follows */
	struct str status; /* "5.1.1" (RFC 2034), or empty */
	struct str text;   /* what follows code and status */
	struct str whole;  /* what follows the code: extensions have no status */
};
/* False: it is no line of a reply. */
bool client_reply_line(struct str line, struct client_reply_line *out) MUST_USE;

typedef void client_on_line(struct client *c, size_t number, struct str whole);

/* Reads one reply, of class want (2 or 3) or a refusal, into c->reply; on_line (may be NULL) sees its lines. what names the command in texts: "RCPT
 * TO". Another class and what is no reply at all end the use of the connection: LATER. */
SUSPENDS enum client_end client_hear_lines(struct client *c, unsigned want, int64_t within_ms, const char *what, client_on_line *on_line) MUST_USE;
SUSPENDS enum client_end client_hear(struct client *c, unsigned want, int64_t within_ms, const char *what) MUST_USE;
/* The last line of the reply that was heard, behind its code: as it came, valid until the next. */
struct str client_heard(const struct client *c);
/* The peer said something that nobody asked for, or went: what is sent now would not be answered in order. Only seen on sockets. */
SUSPENDS bool client_spoke(struct client *c) MUST_USE;

/* Makes the reply one of ours: code 0. */
void client_explain(struct client *c, const char *status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The stream has ended: why, in the reply. behind: the letter's end was sent before. */
enum client_end client_lost(struct client *c, const char *what);

/* ---- client_words.c: commands as they are sent, with their CRLF */

void client_add_xtext(struct buf *out, struct str s); /* RFC 3461 4 */
/* An address between brackets; utf8: as it is, else with its domain in A-labels. a holds what that takes for a moment. */
void client_add_path(struct buf *out, struct ipc_addr addr, bool utf8, struct arena *a);

/* How a letter goes over this connection. */
struct client_form {
	const struct client_letter *l;
	bool utf8;	   /* SMTPUTF8 */
	bool binary;	   /* BODY=BINARYMIME */
	bool eight_bit;	   /* BODY=8BITMIME */
	bool chunked;	   /* BDAT */
	bool converted;	   /* by down */
	uint64_t size;	   /* of what is sent, about */
	struct mail_downgrade head, down; /* of prefix and body, when converted */
};
void client_add_mail(struct buf *out, const struct client *c, const struct client_form *f, struct arena *a);
void client_add_rcpt(struct buf *out, const struct client *c, const struct client_form *f, const struct ipc_queue_rcpt *r, struct arena *a);

/* ---- client_form.c */

struct client_refusal {
	enum rcpt_state state;
	bool unsuited;
};
/* False: it cannot go this way; the reply says why. */
bool client_form_make(struct client *c, const struct client_letter *l, struct client_form *f, struct client_refusal *why) MUST_USE;
void client_form_free(struct client_form *f);
bool client_ascii(struct ipc_addr addr); /* its local part is ASCII: the domain can be made so */

/* ---- client_body.c */

/* A writer of lines: what it is given comes out with CRLF at every line's end and, for DATA, dots doubled (RFC 5321 4.5.2). Pure. */
struct client_lines {
	bool binary, dots;
	bool at_start, cr; /* at a line's first byte; the last was a CR */
};
void client_lines_init(struct client_lines *x, bool binary, bool dots);
void client_lines_add(struct client_lines *x, struct str in, struct buf *out);
void client_lines_end(struct client_lines *x, struct buf *out); /* a last line without its end gets one */

enum client_body_end {
	CLIENT_BODY_SENT,
	CLIENT_BODY_LOST,  /* the connection ended before the letter did; the reply says how */
	CLIENT_BODY_SPOKE, /* the peer answered before the end: its reply is next, and the letter's end was not sent */
};
/* The letter behind a 354, without the last dot. */
SUSPENDS enum client_body_end client_body_data(struct client *c, struct client_form *f) MUST_USE;
/* All of a letter into out, or what out takes: false. */
bool client_body_small(struct client_form *f, struct buf *out) MUST_USE;
/* The letter as chunks; the replies to all but the last are heard here. end: of the first that refused. *last: the one that ends it was sent. */
SUSPENDS enum client_end client_body_chunks(struct client *c, struct client_form *f, bool *last) MUST_USE;

#endif
