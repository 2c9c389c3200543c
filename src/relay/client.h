/* relay/client.h - the client's side of SMTP (RFC 5321) and LMTP (RFC 2033) on a connected stream: one session, any number of letters.
 *
 * The order of calls: client_init, client_open; where TLS is wanted client_starttls, the caller's handshake on the same stream, client_hello;
 * client_login where the route has one; client_send for each letter; client_quit. The stream stays the caller's: it closes it, after client_quit or at
 * once. client_fini frees what the session held.
 *
 * Nothing here dies of what a peer says: every reply is bounded (CLIENT_REPLY_*), and what is kept of it is printable ASCII.
 */
#ifndef SALLYPORT_RELAY_CLIENT_H
#define SALLYPORT_RELAY_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "co/stream.h"
#include "conf/conf.h"
#include "ipc/words.h"
#include "ipc_gen.h"

#define CLIENT_REPLY_LINE_MAX 2048   /* a line with its end; RFC 5321 4.5.3.1.5 has 512 */
#define CLIENT_REPLY_LINES_MAX 200   /* of one reply */
#define CLIENT_TEXT_MAX 500	     /* of a reply's text that is kept; more is cut */
#define CLIENT_FLIGHT_MAX 16384	     /* bytes of commands sent before their replies are read (RFC 2920 3.1: no deadlock) */
#define CLIENT_BDAT_SIZE 262144	     /* a chunk (RFC 3030) */
#define CLIENT_BDAT_FLIGHT_MAX 32768 /* a letter up to here rides with its envelope */

/* What the other server has said it can do. */
enum {
	CLIENT_PIPELINING = 1 << 0,	 /* RFC 2920 */
	CLIENT_SIZE = 1 << 1,		 /* 1870 */
	CLIENT_8BITMIME = 1 << 2,	 /* 6152 */
	CLIENT_BINARYMIME = 1 << 3,	 /* 3030 */
	CLIENT_CHUNKING = 1 << 4,	 /* 3030 */
	CLIENT_SMTPUTF8 = 1 << 5,	 /* 6531 */
	CLIENT_DSN = 1 << 6,		 /* 3461 */
	CLIENT_STATUS_CODES = 1 << 7,	 /* 2034 */
	CLIENT_STARTTLS = 1 << 8,	 /* 3207 */
	CLIENT_REQUIRETLS = 1 << 9,	 /* 8689 */
	CLIENT_MT_PRIORITY = 1 << 10,	 /* 6710 */
	CLIENT_DELIVERBY = 1 << 11,	 /* 2852 */
	CLIENT_FUTURERELEASE = 1 << 12,	 /* 4865 */
	CLIENT_AUTH_PLAIN = 1 << 13,	 /* 4616 */
	CLIENT_AUTH_LOGIN = 1 << 14,
	CLIENT_AUTH_SCRAM = 1 << 15,	 /* SCRAM-SHA-256, 7677 */
	CLIENT_EXTENDED = 1 << 16,	 /* it knows EHLO (or LHLO) at all */
};

/* How a step ended. What was said, or what happened, is in client.reply. */
enum client_end {
	CLIENT_OK,
	CLIENT_LATER,  /* 4xx, or a reply that is none: try again some time */
	CLIENT_NEVER,  /* 5xx */
	CLIENT_LOST,   /* the connection ended, or its time was over */
};

struct client_reply {
	uint16_t code;	 /* 0: none came; text is ours then */
	char status[12]; /* RFC 3463, its class that of the code; "4.0.0" and the like where the server gave none */
	char text[CLIENT_TEXT_MAX + 1]; /* without codes, the lines joined by a blank; printable ASCII */
};

struct client {
	struct stream *s;
	const struct conf_timeouts *timeouts;
	bool lmtp;
	struct str helo; /* our name, borrowed */

	uint32_t can;	       /* CLIENT_* bits, of the last hello */
	uint64_t size_max;     /* SIZE: of a letter; 0: not said */
	uint32_t rcpt_max;     /* LIMITS (RFC 9422): recipients of a letter, 0: not said */
	uint32_t domain_max;   /* their domains, likewise */
	uint32_t mail_max;     /* letters of a session, likewise */
	uint32_t by_min_s;     /* DELIVERBY's least time */
	char name[256];	       /* as it calls itself in the reply to hello: our own is a loop */
	struct client_reply reply; /* the last */

	uint32_t n_letters; /* MAIL commands so far */
	bool broken;	    /* nothing more can be said on this connection */
	bool dirty;	    /* a transaction stands open: RSET comes before the next */
	struct buf line;    /* of a reply, while it is read */
};

/* helo is borrowed for the session's life; protocol: LMTP says LHLO and answers once a recipient. */
void client_init(struct client *c, struct stream *s, enum conf_route_protocol protocol, struct str helo, const struct conf_timeouts *timeouts);
void client_fini(struct client *c);

/* Waits for the greeting and says hello. A greeting of 4xx is LATER, of 5xx NEVER (RFC 5321 3.1: 554; the next host may still take letters). */
SUSPENDS enum client_end client_open(struct client *c) MUST_USE;
/* EHLO, or HELO where it is refused; LHLO. Forgets what earlier ones said (RFC 3207 4.2). */
SUSPENDS enum client_end client_hello(struct client *c) MUST_USE;
/* The command and its reply. OK: the handshake is next, and then client_hello; what came before it has been dropped. */
SUSPENDS enum client_end client_starttls(struct client *c) MUST_USE;
/* The strongest mechanism that both know of SCRAM-SHA-256, PLAIN, LOGIN. tls: the connection is locked, so a password may be shown to the other
 * side; without, SCRAM alone unless bare_ok. NEVER with code 0: no mechanism. What is made of the password is wiped. */
SUSPENDS enum client_end client_login(struct client *c, struct str login, struct str password, bool tls, bool bare_ok) MUST_USE;

struct client_letter {
	const struct ipc_out_facts *facts;
	struct str prefix; /* header fields of ours, put before the body */
	struct str body;   /* mapped: header and body as submitted */
	const struct ipc_queue_rcpt *rcpts; /* all of them are sent to, whatever their state */
	size_t n_rcpts;	   /* 1 to 200 */
	int64_t now_s;	   /* wall clock, for BY */
};

struct client_sent {
	enum feedback feedback;
	bool usable;   /* another letter may be sent here */
	bool again;    /* WAITING recipients are so only because this connection takes no more: another one may at once */
	bool unknown;  /* WAITING recipients may have it: the connection ended behind the letter's last byte. No other host is asked then */
	bool unsuited; /* nothing was sent: this host lacks what the letter demands (REQUIRETLS, SMTPUTF8 ...); another host may have it */
};
/* One letter to n recipients, in as many transactions as the other side's limits ask for. results: one for each recipient, in their order: number,
 * state, code, status, text (both in the arena); report is 0. code 0: the text is ours and no server's. Without DSN at the peer, recipients with
 * NOTIFY=SUCCESS become RELAYED (RFC 3461 5.2.2). A connection that ends behind the letter's last byte leaves WAITING with a text that
 * says so: it may have arrived. */
SUSPENDS void client_send(struct client *c, const struct client_letter *l, struct arena *a, struct ipc_rcpt_result *results,
	struct client_sent *out);

/* RSET: whether a connection that was kept is still alive. */
SUSPENDS enum client_end client_reset(struct client *c) MUST_USE;
/* QUIT; waits for its reply a second at most. */
SUSPENDS void client_quit(struct client *c);

#endif
