/* relay/dial.c - a connection to one of several addresses. See the header.
 * Owns        the sockets of connections that are being made; all but the one that is given back are closed.
 * Suspends    while none has answered.
 */
#include "relay/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(DIAL_AT_ONCE <= WAIT_GATES_MAX, "each connection that is being made has a gate to wait at");
_Static_assert(ADDRESSES_MAX <= 32, "a bit for each");

struct trial {
	bool on;
	int fd;
	size_t at;
	int64_t until_ms;
	struct watch watch;
};

struct dialling {
	const struct dial *dial;
	const struct address *v;
	size_t n;
	unsigned *used;
	struct trial trials[DIAL_AT_ONCE];
	int64_t next_ms; /* when another is begun beside those that run */
	struct dialled *out;
};

static bool bind_to(int fd, const struct dial *d, const struct address *to)
{
	const struct conf_address *from = to->family == AF_INET ? &d->source->address4 : &d->source->address6;
	struct sockaddr_storage at;
	struct address own;
	int on = 1;

	if (from->family == 0 || !address_make(to->family, from->bytes, 0, &own))
		return false;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on); /* the port is chosen with the other end: more of them are free */
	return bind(fd, (struct sockaddr *)&at, address_socket(&own, &at)) == 0;
}

static void failed(struct dialling *x, size_t at, int error)
{
	const struct address *a = &x->v[at];

	bad_note(x->dial->bad, address_key(a), sched_now_ms(x->dial->sched));
	snprintf(x->out->why, sizeof x->out->why, "[%s]:%u: %s", a->text, a->port, error == ETIMEDOUT ? "no answer" : strerror(error));
}

static void trial_end(struct trial *t, bool keep)
{
	watch_close(&t->watch);
	if (!keep)
		close(t->fd);
	t->on = false;
}

static void begin(struct dialling *x, struct trial *t, size_t at)
{
	struct sockaddr_storage to;
	socklen_t n = address_socket(&x->v[at], &to);
	int fd = socket(x->v[at].family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	*x->used |= 1u << at;
	if (fd < 0 || (x->dial->source && !bind_to(fd, x->dial, &x->v[at])) ||
		(connect(fd, (struct sockaddr *)&to, n) != 0 && errno != EINPROGRESS)) {
		failed(x, at, errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	*t = (struct trial){ .on = true, .fd = fd, .at = at, .until_ms = sched_now_ms(x->dial->sched) + x->dial->timeout_ms };
	watch_open(&t->watch, x->dial->sched, fd, WATCH_READ | WATCH_WRITE);
	x->next_ms = sched_now_ms(x->dial->sched) + DIAL_HEAD_START_MS;
}

static bool is_running(const struct dialling *x)
{
	for (size_t i = 0; i < DIAL_AT_ONCE; i++)
		if (x->trials[i].on)
			return true;
	return false;
}

/* The next address is begun when nothing runs, or when those that run have had their head start. */
static void begin_next(struct dialling *x)
{
	struct trial *free_one = NULL;

	for (size_t i = 0; i < DIAL_AT_ONCE; i++)
		if (!x->trials[i].on)
			free_one = &x->trials[i];
	if (!free_one || (is_running(x) && sched_now_ms(x->dial->sched) < x->next_ms))
		return;
	for (size_t at = 0; at < x->n && !free_one->on; at++)
		if (!(*x->used & 1u << at))
			begin(x, free_one, at);
}

/* 0: connected; EINPROGRESS: not known; or why not. */
static int state_of(const struct dialling *x, const struct trial *t)
{
	struct pollfd p = { .fd = t->fd, .events = POLLOUT };
	int error = EINPROGRESS;
	socklen_t n = sizeof error;

	if (poll(&p, 1, 0) > 0 && getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0)
		return error;
	return sched_now_ms(x->dial->sched) >= t->until_ms ? ETIMEDOUT : EINPROGRESS;
}

/* The one that is connected, or NULL. */
static struct trial *look(struct dialling *x)
{
	for (size_t i = 0; i < DIAL_AT_ONCE; i++) {
		struct trial *t = &x->trials[i];
		int state = t->on ? state_of(x, t) : EINPROGRESS;

		if (state == 0)
			return t;
		if (state != EINPROGRESS) {
			trial_end(t, false);
			failed(x, t->at, state);
			x->next_ms = 0;
		}
	}
	return NULL;
}

static bool is_more(const struct dialling *x)
{
	return x->n > 0 && (*x->used & ((1u << x->n) - 1)) != (1u << x->n) - 1;
}

/* False: stopped. */
static SUSPENDS bool wait(struct dialling *x)
{
	struct gate *gates[DIAL_AT_ONCE];
	int64_t until = is_more(x) ? x->next_ms : NEVER_MS;
	size_t n = 0;

	for (size_t i = 0; i < DIAL_AT_ONCE; i++)
		if (x->trials[i].on) {
			gates[n++] = &x->trials[i].watch.write_gate;
			if (x->trials[i].until_ms < until)
				until = x->trials[i].until_ms;
		}
	if (n == DIAL_AT_ONCE && until == x->next_ms) { /* no place for another: only the ends of these count */
		until = NEVER_MS;
		for (size_t i = 0; i < DIAL_AT_ONCE; i++)
			until = x->trials[i].until_ms < until ? x->trials[i].until_ms : until;
	}
	return task_wait(x->dial->sched, gates, n, until) != WAIT_STOP;
}

static void tell_source(int fd, char out[46])
{
	struct sockaddr_storage at;
	socklen_t n = sizeof at;

	out[0] = 0;
	if (getsockname(fd, (struct sockaddr *)&at, &n) != 0)
		return;
	if (at.ss_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&at)->sin_addr, out, 46);
	else
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&at)->sin6_addr, out, 46);
}

SUSPENDS bool dial(const struct dial *d, const struct address *v, size_t n, unsigned *used, struct dialled *out)
{
	struct dialling x = { .dial = d, .v = v, .n = n, .used = used, .out = out };
	struct trial *found = NULL;

	*out = (struct dialled){ .fd = -1 };
	while (!found) {
		begin_next(&x);
		found = look(&x);
		if (!found && !is_running(&x) && !is_more(&x))
			break;
		if (!found && is_running(&x) && !wait(&x))
			break;
	}
	if (found) {
		out->fd = found->fd;
		out->at = found->at;
		trial_end(found, true);
		tell_source(out->fd, out->source);
		bad_forget(d->bad, address_key(&v[out->at]));
	}
	for (size_t i = 0; i < DIAL_AT_ONCE; i++)
		if (x.trials[i].on) {
			*used &= ~(1u << x.trials[i].at); /* it was not through: nothing is known of it */
			trial_end(&x.trials[i], false);
		}
	return found != NULL;
}
