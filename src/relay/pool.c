/* relay/pool.c - connections that are kept. See the header.
 * Owns        the idle connections, and those that say good-bye.
 * Suspends    in its own tasks only.
 */
#include "relay/pool.h"

#include "base/die.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- one connection */

static struct str put(char **at, struct str s)
{
	struct str copy = str_of(*at, s.n);

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n + 1; /* a NUL behind each */
	return copy;
}

struct wire *wire_new(struct pool *p, struct str key, struct str helo, struct str host, const struct conf_timeouts *timeouts)
{
	struct wire *w = mem_alloc(sizeof *w + key.n + helo.n + host.n + 3);
	char *at = (char *)(w + 1);

	list_init(&w->idle);
	w->key = put(&at, key);
	w->helo = put(&at, helo);
	w->host = put(&at, host);
	w->timeouts = *timeouts;
	w->opened_ms = sched_now_ms(p->sched);
	w->generation = p->generation;
	w->sched = p->sched;
	w->pool = p;
	p->n_wires++;
	return w;
}

void wire_free(struct wire *w)
{
	client_fini(&w->client);
	stream_close(&w->stream);
	w->pool->n_wires--;
	free(w);
}

static SUSPENDS void leave_main(void *arg)
{
	struct wire *w = arg;
	struct pool *p = w->pool;

	client_quit(&w->client);
	wire_free(w);
	p->n_leaving--;
	gate_open(p->sched, &p->ended);
}

static void leave(struct pool *p, struct wire *w)
{
	if (!stream_ok(&w->stream) || w->client.broken || p->closed) {
		wire_free(w);
		return;
	}
	p->n_leaving++;
	task_spawn(p->sched, "good-bye", leave_main, w);
}

/* ---- those that wait */

static void take_out(struct pool *p, struct wire *w)
{
	list_del(&w->idle);
	p->n_idle--;
}

/* Until the one that has waited longest is to go. */
static SUSPENDS void keeper_main(void *arg)
{
	struct pool *p = arg;
	struct gate *g = &p->changed;

	while (!p->closed) {
		struct wire *w = list_first(&p->idle, struct wire, idle);

		if (w && sched_now_ms(p->sched) >= w->idle_ms + p->keep_ms) {
			take_out(p, w);
			leave(p, w);
		} else if (task_wait(p->sched, &g, 1, w ? w->idle_ms + p->keep_ms : NEVER_MS) == WAIT_STOP) {
			break;
		}
	}
	p->keeper = NULL;
	gate_open(p->sched, &p->ended);
}

void pool_init(struct pool *p, struct sched *s)
{
	*p = (struct pool){ .sched = s };
	list_init(&p->idle);
	gate_init(&p->changed);
	gate_init(&p->ended);
	p->keeper = task_spawn(s, "connections", keeper_main, p);
}

static void empty(struct pool *p)
{
	list_each(it, next, &p->idle)
	{
		struct wire *w = list_entry(it, struct wire, idle);

		take_out(p, w);
		leave(p, w);
	}
}

void pool_configure(struct pool *p, const struct conf *c)
{
	p->generation++;
	p->keep_ms = c->timeouts.relay_idle_ms;
	p->letters_max = c->queue.connection_letters_max;
	p->idle_max = c->queue.connections_max;
	empty(p);
}

void pool_close(struct pool *p)
{
	p->closed = true;
	empty(p);
	if (p->keeper)
		task_cancel(p->keeper);
}

bool pool_ended(const struct pool *p)
{
	return !p->keeper && p->n_leaving == 0;
}

/* Without TLS nothing comes while nothing is asked, but for the end. Under TLS there may be tickets: then it is tried. */
static bool is_alive(const struct wire *w)
{
	char byte;
	ssize_t n = recv(w->stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n < 0 || (n > 0 && w->tls[0]);
}

struct wire *pool_take(struct pool *p, struct str key)
{
	for (struct node *it = p->idle.prev, *next; it != &p->idle; it = next) { /* the one that was used last: it is the likeliest to be there */
		struct wire *w = list_entry(it, struct wire, idle);

		next = it->prev;
		if (!str_eq(w->key, key))
			continue;
		take_out(p, w);
		if (is_alive(w))
			return w;
		wire_free(w);
	}
	return NULL;
}

void pool_give(struct pool *p, struct wire *w, bool usable)
{
	int64_t now = sched_now_ms(p->sched);

	if (!usable || p->closed || w->generation != p->generation || w->n_letters >= p->letters_max || now - w->opened_ms >= POOL_AGE_MS || !p->keep_ms) {
		leave(p, w);
		return;
	}
	if (p->n_idle >= p->idle_max) {
		struct wire *oldest = list_first(&p->idle, struct wire, idle);

		take_out(p, oldest);
		leave(p, oldest);
	}
	w->idle_ms = now;
	list_add_last(&p->idle, &w->idle);
	p->n_idle++;
	gate_open(p->sched, &p->changed);
}
