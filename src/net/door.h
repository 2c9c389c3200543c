/* net/door.h - what an edge gives to the session of one accepted connection, and what a session may ask of it.
 *
 * A protocol's session function gets a door, speaks until its stream ends, and returns; the edge closes and frees.
 * The door is the only way from protocol code to other roles' links, the configuration and the TLS context.
 */
#ifndef SALLYPORT_NET_DOOR_H
#define SALLYPORT_NET_DOOR_H

#include "base/arena.h"
#include "base/log.h"
#include "base/outcome.h"
#include "co/stream.h"
#include "conf/conf.h"
#include "ipc/body.h"
#include "ipc/peer.h"
#include "ipc/words.h"

struct edge; /* the role's own state; role/edge.c */

/* A login, as long as it lasts. */
struct door_account {
	uint64_t handle;      /* 0: nobody is logged in */
	uint64_t account;
	struct str address;   /* "alice@demo.test", in the session arena */
	struct link *store;   /* the shard that serves the account */
	struct gate news;     /* opens when changed or revoked becomes true */
	bool changed;         /* store has news for the selected mailbox: sync, and set it false before */
	bool revoked;         /* the login ended from the other side: say goodbye */
};

struct door {
	struct edge *edge;
	struct sched *sched;
	const struct conf *conf;             /* stays the same for the whole session */
	const struct conf_listener *listener;
	enum service service;
	struct log *log;
	struct stream stream;
	struct arena arena;                  /* session's: at most 1 MiB */
	struct body_budget *budget;          /* of this edge */
	struct link *post, *auth;            /* auth is NULL at strangers' edges */
	char session_id[16];                 /* in log lines and greetings' traces */
	char ip[46];                         /* peer, canonical text; IPv6 without brackets */
	uint16_t port;
	char local_ip[46];
	uint16_t local_port;
	bool secured;                        /* TLS is on */
	char tls_text[96];                   /* "TLSv1.3 TLS_AES_256_GCM_SHA384", empty without */
	bool has_client_cert;                /* the listener asked for one and the client proved that it holds its key */
	unsigned char client_cert[32];       /* SHA-256 of its DER; nobody has checked who signed it */
	struct gate *stopping_gate;          /* opens when the server winds down or the session should end at its next command */
	const bool *stopping;
	struct door_account account;
};

/* TLS may be started: a certificate is there and it is not on already. */
bool door_can_tls(const struct door *d);
/* The handshake, with its own deadline; forgets buffered plain input first. False: the stream ended. */
SUSPENDS bool door_start_tls(struct door *d) MUST_USE;
/* Appends what binds a login to this TLS connection. type: "tls-exporter" (RFC 9266; TLS 1.3), "tls-unique" (RFC 5929 3; TLS 1.2 with an
 * extended master secret), "tls-server-end-point" (RFC 5929 4). False: this connection has none of that type. */
bool door_channel_binding(struct door *d, const char *type, struct buf *out) MUST_USE;
/* A password may be sent now: TLS is on, or the listener allows it without (auth_without_tls). */
bool door_may_login(const struct door *d);
/* OK fills d->account; DENIED, TRY_LATER, OVER_LIMIT (too many failures: wait). A refusal comes after a delay. The secret is wiped in the message;
 * the caller wipes its own copy. Logs the result. */
SUSPENDS enum outcome door_login(struct door *d, struct str user, struct str secret) MUST_USE;
/* A step of an exchange that auth does: all but PLAIN and LOGIN. mechanism is set, all else zero but an initialised challenge. OK with an id: send the
 * challenge and come again with the response; OK without: d->account is logged in. Else as door_login, or BAD_SYNTAX. */
struct door_sasl {
	enum sasl_mechanism mechanism;
	uint64_t id;
	struct buf challenge;
};
SUSPENDS enum outcome door_sasl(struct door *d, struct door_sasl *x, struct str response) MUST_USE;
void door_sasl_end(struct door *d, struct door_sasl *x); /* the exchange is given up, unless it has ended */
void door_logout(struct door *d); /* gives the handle back; harmless when nobody is logged in */
/* Counts one letter of this peer against the rate limits (letter_rate). False: over. */
bool door_may_send_letter(struct door *d);
/* A new trace id: 12 characters of [a-z0-9], unique within the server's life and beyond with overwhelming odds. */
void door_trace(struct door *d, char out[16]);
/* A line about this session: adds session, ip and login fields. */
void door_log(struct door *d, enum log_level level, const char *event, const struct log_field *fields);

/* What the whole server counts, in Prometheus' text format 0.0.4, in the arena (IPC_REPLY_MEMORY). */
SUSPENDS enum outcome door_metrics(struct door *d, struct arena *a, struct str *text) MUST_USE;

/* The sessions. Each greets, serves and returns when the stream has ended or it has said goodbye (flushed). With implicit
 * TLS the handshake is done before. */
SUSPENDS void smtp_session(struct door *d);
SUSPENDS void imap_session(struct door *d);
SUSPENDS void pop_session(struct door *d);
SUSPENDS void pop2_session(struct door *d);
SUSPENDS void metrics_session(struct door *d);

#endif
