/* relay/pool.h - connections to other servers that are kept a while for the next letter.
 *
 * A connection serves letters of one key (relay/target.h): the same destination or route, the same address of ours, the same demands on its
 * lock. Two domains whose mail goes to the same hosts do not share any: what vouches for a host (DANE, MTA-STS) does so for one domain.
 */
#ifndef SALLYPORT_RELAY_POOL_H
#define SALLYPORT_RELAY_POOL_H

#include "relay/address.h"
#include "relay/client.h"

#define POOL_AGE_MS ((int64_t)300000) /* a connection carries letters for so long, whatever comes: what it was locked by may have changed */

/* A connection and its session. */
struct wire {
	struct node idle; /* the one that has been waiting longest first */
	struct stream stream;
	struct client client;
	struct conf_timeouts timeouts;
	struct str key, helo, host; /* what follows in memory */
	struct address address;
	char source[46], tls[96], lock_text[200];
	enum lock lock;
	unsigned n_letters;
	int64_t opened_ms, idle_ms;
	unsigned generation;
	struct sched *sched;
	struct pool *pool;
};

struct pool {
	struct sched *sched;
	struct node idle;
	size_t n_idle, n_wires; /* of all connections */
	unsigned generation;	/* of the configuration: connections of earlier ones are not kept */
	int64_t keep_ms;
	uint32_t letters_max, idle_max;
	struct task *keeper;	/* ends those that have waited long enough */
	struct gate changed, ended;
	unsigned n_leaving;	/* saying good-bye */
	bool closed;
};

void pool_init(struct pool *p, struct sched *s);
/* Connections of before end. */
void pool_configure(struct pool *p, const struct conf *c);
/* All connections end; no new ones are kept. Its tasks end in the scheduler's next turns: pool_ended. */
void pool_close(struct pool *p);
bool pool_ended(const struct pool *p);

/* The stream is not open yet, and the client not made. */
struct wire *wire_new(struct pool *p, struct str key, struct str helo, struct str host, const struct conf_timeouts *timeouts);
/* Closes at once. */
void wire_free(struct wire *w);

struct wire *pool_take(struct pool *p, struct str key); /* NULL: there is none */
/* After a letter: it is kept, or it says good-bye in a task of its own. */
void pool_give(struct pool *p, struct wire *w, bool usable);

#endif
