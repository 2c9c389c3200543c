/* relay/lock.h - how the way to another server is locked: DANE (RFC 7671, 7672), MTA-STS (RFC 8461), REQUIRETLS (RFC 8689), what a route demands,
 * and STARTTLS that a host is known to offer.
 *
 * One plan an attempt at a destination, in it one struct lock_host for each host that is tried. The order for a host:
 *   lock_host_make       TLSA records, patterns: go on with it, or skip it
 *   (connect, EHLO)      no STARTTLS there: lock_plain(h, LOCK_NOT_OFFERED) says whether to go on without
 *   (STARTTLS)           refused or the connection lost: lock_plain(h, LOCK_REFUSED), on a new connection
 *   lock_close           the handshake; failed: the stream is over, lock_plain(h, LOCK_BROKEN) says whether to try without TLS on a new connection
 * lock_plain and lock_close count for TLS reports (RFC 8460); lock_plan.facts is what goes into the reply to post.
 */
#ifndef SALLYPORT_RELAY_LOCK_H
#define SALLYPORT_RELAY_LOCK_H

#include "base/log.h"
#include "co/stream.h"
#include "conf/conf.h"
#include "dns/dns.h"
#include "ipc/peer.h"
#include "ipc/words.h"
#include "ipc_gen.h"
#include "net/tls_client.h"

#define LOCK_FACTS_MAX 12	     /* sessions of one attempt that are reported; more are not */
#define LOCK_TLSA_MAX 32	     /* usable records of a host; the others are not looked at */
#define LOCK_STARTTLS_MAX 10000	     /* hosts known to offer STARTTLS; the one heard of longest ago goes first */
#define LOCK_STARTTLS_DAYS 30	     /* for so long */

struct locks;
struct locks_opts {
	struct sched *sched;
	struct dns *dns;
	struct link *fetch;				  /* for MTA-STS policies; NULL: none are asked for */
	struct log *log;
	const struct conf *conf;			  /* read now and not kept */
	const struct tls_authorities *authorities;	  /* borrowed */
};
struct locks *locks_open(const struct locks_opts *o);
void locks_close(struct locks *l); /* no plan may be in use; its tasks end in the scheduler's next turns */
void locks_reconfigured(struct locks *l, const struct conf *conf);
void locks_set_dns(struct locks *l, struct dns *dns);
/* A policy that an earlier life of this role has fetched. */
void locks_remember(struct locks *l, const struct ipc_sts_remember *m);

/* The call that takes a TLS report to an HTTPS address. */
SUSPENDS void locks_answer_report(struct locks *l, struct ipc_call *call, const struct ipc_tlsrpt_post *m);

enum lock_verdict {
	LOCK_GO,
	LOCK_LATER, /* not now: what stands in the way may go */
	LOCK_NEVER, /* the letter can never go this way */
};
/* Why not, for the recipients' replies. */
struct lock_said {
	uint16_t code;	 /* 451, 550 ... */
	char status[12]; /* RFC 3463 */
	char text[200];
};

struct lock_ask {
	struct str domain;	 /* whose MX records are used, or that has none and is the host; A-labels, lower case. Of a route: the hop's host */
	enum conf_route_tls tls; /* of the route; AUTO without one */
	bool mx;		 /* MX records of domain were looked for; false: a route names this host, or an address literal */
	bool mx_secure;		 /* their answer (or that there are none) was secure */
	bool require_tls;	 /* wishes.require_tls (RFC 8689 2) */
	bool tls_optional;	 /* OUT_TLS_OPTIONAL: TLS-Required: No (RFC 8689 5); without meaning when require_tls */
};

struct sts_policy;
/* Fields are for reading. Views are in the arena. */
struct lock_plan {
	struct arena *arena;
	struct lock_ask ask;
	const struct sts_policy *sts;	  /* NULL: there is none, or it is not to be kept to */
	uint8_t sts_trouble;		  /* TLSRPT_* when a policy is announced and cannot be had; 0: none */
	struct ipc_tls_fact *facts;	  /* of finished handshakes, for delivery.tls_facts */
	size_t n_facts;
	const struct ipc_sts_known *fresh; /* a policy that was fetched for this plan, for the reply's sts; NULL: none was */
};

/* Looks for the MTA-STS policy. LATER and NEVER fill said. */
SUSPENDS enum lock_verdict lock_plan_make(struct locks *l, const struct lock_ask *ask, struct arena *a, struct lock_plan *out, struct lock_said *said)
	MUST_USE;

/* There is an MTA-STS policy of the domain: what vouches for its hosts does so for it alone. Nothing is fetched. */
SUSPENDS bool lock_has_policy(struct locks *l, struct str domain, struct arena *a);
bool lock_knows_policy(const struct locks *l, struct str domain); /* without asking anybody */

struct lock_host_ask {
	struct str host;	/* of the MX record, or the route's; lower case, without final dot; an address literal's: empty */
	struct str expanded;	/* where CNAMEs of it led to, in the answer with its addresses; host itself without any */
	bool addresses_secure;	/* the answers about A and AAAA that were had were secure */
	uint16_t port;
};
/* Fields are for reading; it lives as long as its plan. */
struct lock_host {
	struct lock_plan *plan;
	const char *host; /* "" for an address */
	uint16_t port;
	enum lock aim;		 /* what the session will be when the handshake is as demanded */
	bool tls_wanted;	 /* false: a route says not to begin TLS even where it is offered */
	bool tls_demanded;	 /* no letter goes without TLS */
	bool needs_requiretls;	 /* the server must announce REQUIRETLS (RFC 8689 4.2.1) and MAIL FROM carries it */
	bool sts_tested;	 /* the policy's mode is testing: what fails is reported and forgiven */
	bool alone;		 /* what is asked for is of the plan's domain: a session so locked is none for another domain with this host */
	struct tls_client client;
	struct str policy_text; /* TLSA records, for reports */
	uint8_t policy;		/* TLSRPT_POLICY_* */
};
/* LOCK_GO; or the host is to be passed over: LATER, or NEVER, which holds for the letter only when it is said of all hosts. */
SUSPENDS enum lock_verdict lock_host_make(struct locks *l, struct lock_plan *plan, const struct lock_host_ask *ask, struct lock_host *out,
	struct lock_said *said) MUST_USE;

/* Who is at the other end, for reports. */
struct lock_session {
	struct str ip;	   /* the other side's */
	struct str source; /* ours */
	struct str helo;   /* what it calls itself in its greeting; may be empty */
};
struct lock_closed {
	enum lock lock;
	char tls[96];  /* version and cipher */
	char why[256]; /* when it failed */
};
/* The handshake, with what h demands, under the stream's deadline. False: it failed, and the stream with it. */
SUSPENDS bool lock_close(struct locks *l, struct lock_host *h, const struct lock_session *who, struct stream *s, struct lock_closed *out) MUST_USE;

enum lock_lack {
	LOCK_NOT_OFFERED, /* EHLO named no STARTTLS, or there was only HELO */
	LOCK_REFUSED,	  /* STARTTLS was answered with something else than 220 */
	LOCK_BROKEN,	  /* lock_close was false */
};
/* Whether the letter may go without TLS. False: said. */
bool lock_plain(struct locks *l, struct lock_host *h, const struct lock_session *who, enum lock_lack lack, struct lock_said *said) MUST_USE;

/* After EHLO under TLS: the server knows REQUIRETLS or h does not need it. False: said (550 5.7.30). */
bool lock_requiretls(const struct lock_host *h, bool announced, struct lock_said *said) MUST_USE;

#endif
