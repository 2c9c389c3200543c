/* relay/lock_impl.h - what the files of relay/lock share. */
#ifndef SALLYPORT_RELAY_LOCK_IMPL_H
#define SALLYPORT_RELAY_LOCK_IMPL_H

#include "base/list.h"
#include "base/map.h"
#include "relay/lock.h"
#include "relay/sts_parse.h"

#define LOCK_POLICY_TEXT_MAX 2000 /* tls_fact.policy_text */
#define STS_CACHE_MAX 5000	  /* policies; the one used longest ago goes first */

/* What is asked of the world; tests answer themselves. */
typedef void lock_ask_dns(void *ctx, struct str name, enum dns_type type, struct arena *a, struct dns_answer *out);
struct lock_page {
	unsigned status; /* 0: why */
	bool certificate_bad;
	struct str content_type, bytes, why;
};
typedef void lock_get_page(void *ctx, struct str host, struct str path, struct arena *a, struct lock_page *out);

/* Hosts that have offered STARTTLS. */
struct remembered {
	struct map by_host; /* of struct memory */
	struct node oldest; /* the one heard of longest ago first */
};

struct sts_cache {
	struct map by_domain; /* of struct sts_entry */
	struct node oldest;
};

struct locks {
	struct sched *sched;
	struct dns *dns;
	struct link *fetch;
	struct log *log;
	const struct tls_authorities *authorities;
	bool sts;
	enum conf_remember remember;
	int64_t https_ms;
	bool private_addresses;
	bool trusts_ad;
	lock_ask_dns *ask;
	void *ask_ctx;
	lock_get_page *get;
	void *get_ctx;
	struct remembered remembered;
	struct sts_cache cache;
	bool closing;
	unsigned n_refreshing; /* tasks */
};

#define LOCK_ADDRESSES_MAX 16 /* https_get.addresses */
/* Addresses of a host that HTTPS may go to. */
SUSPENDS size_t lock_find_addresses(struct locks *l, struct str host, struct arena *a, struct str *out);
void locks_free_when_idle(struct locks *l);
int64_t lock_now_s(const struct locks *l);
/* Counts a session, or that there could be none. */
void lock_note(struct lock_host *h, const struct lock_session *who, enum tlsrpt_result result, const char *text);
void lock_note_plan(struct lock_plan *plan, struct str host, enum tlsrpt_policy policy, struct str policy_text, enum tlsrpt_result result,
	const char *text);
/* code, status as "4.7.4", and a text of printf. */
void lock_say(struct lock_said *said, unsigned code, const char *status, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* ---- lock_memory.c */
void remembered_init(struct remembered *r);
void remembered_fini(struct remembered *r);
void remembered_add(struct remembered *r, struct str host, int64_t now_s);
bool remembered_has(const struct remembered *r, struct str host, int64_t now_s);

/* ---- sts.c */
struct sts_found {
	const struct sts_policy *policy; /* in the arena; NULL: none */
	enum tlsrpt_result trouble;	 /* TLSRPT_SUCCESS: nothing was wrong */
	struct str why;
	struct ipc_sts_known *fresh; /* fetched just now, to be kept for relay's next life; or NULL */
};
void sts_cache_init(struct sts_cache *c);
void sts_cache_fini(struct sts_cache *c);
SUSPENDS void sts_find(struct locks *l, struct str domain, struct arena *a, struct sts_found *out);
bool sts_is_known(const struct locks *l, struct str domain);
SUSPENDS bool sts_is_there(struct locks *l, struct str domain, struct arena *a); /* known, announced, or DNS does not say that it is not */
void sts_remember(struct locks *l, const struct ipc_sts_known *k);

#endif
