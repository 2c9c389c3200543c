/* dns/dns.c - c-ares on a scheduler. See the header.
 * Trust       what the network sends goes to c-ares, which compares ids and questions, and then to dns/answer.
 * Owns        its sockets, each with a task that hands readiness to c-ares; one task for its timeouts. The memory goes with the last task.
 * Suspends    in dns_ask(). c-ares runs on the scheduler's stack and never waits.
 * Invariants  I1 a question's struct lives until c-ares has called back, whether its asker still waits or not.
 *             I2 a descriptor is closed by its own task, so that its number is not used again while that task waits for it.
 */
#include "dns/dns.h"

#include "base/die.h"
#include "base/file.h"
#include "base/list.h"
#include "base/rng.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_CONF_MAX ((size_t)64 * 1024)
#define TRIES 2
#define LOOK_AGAIN_MS 20
#define PACKET_MAX ((size_t)65535)
#define STEPS_A_TURN 64 /* of one socket, before others have a turn */

struct dns {
	struct sched *sched;
	ares_channel channel; /* NULL: closed */
	struct conf_resolvers resolvers;
	int64_t timeout_ms;
	bool loopback;
	unsigned n_tasks, n_pending;
	struct task *timer;
	struct node sockets;
	struct gate asked; /* opens when there is a new question: the next timeout may be nearer */
	struct gate ended; /* opens when one is answered */
};

struct dns_socket {
	struct node node;
	struct dns *dns;
	struct task *task;
	struct watch watch;
	int fd;
	bool closed;
};

struct question {
	struct dns *dns;
	struct gate gate;
	struct buf query, answer;
	bool done, abandoned;
	int status; /* of c-ares */
};

static void task_gone(struct dns *d)
{
	if (--d->n_tasks == 0 && !d->channel)
		free(d);
}

/* ---- c-ares, on the scheduler's stack */

struct job {
	ares_channel channel;
	int fd;
};

static void run_process(void *arg)
{
	struct job *j = arg;

	ares_process_fd(j->channel, j->fd, j->fd);
}

static void process(struct dns *d, int fd)
{
	struct job j = { d->channel, fd };

	if (d->channel)
		sched_call(d->sched, run_process, &j);
}

/* ---- sockets */

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* While something is asked a socket is looked at now and then besides: the library opens TCP connections and writes to them on its own time,
 * and readiness that came before it was ready is not told again. */
static int64_t look_again_ms(struct dns *d)
{
	struct timeval tv;

	return d->channel && ares_timeout(d->channel, NULL, &tv) ? sched_now_ms(d->sched) + LOOK_AGAIN_MS : NEVER_MS;
}

static SUSPENDS void socket_main(void *arg)
{
	struct dns_socket *x = arg;
	struct dns *d = x->dns;

	while (!x->closed) {
		struct gate *gates[2] = { &x->watch.read_gate, &x->watch.write_gate };

		unsigned n = 0;

		do
			process(d, x->fd);
		while (!x->closed && ++n < STEPS_A_TURN && is_readable(x->fd)); /* readiness is told once; a TCP answer is read in several steps */
		if (x->closed || task_wait(d->sched, gates, 2, n < STEPS_A_TURN ? look_again_ms(d) : sched_now_ms(d->sched)) == WAIT_STOP)
			break;
	}
	watch_close(&x->watch);
	close(x->fd);
	list_del(&x->node);
	free(x);
	task_gone(d);
}

static ares_socket_t open_socket(int family, int type, int protocol, void *ctx)
{
	struct dns *d = ctx;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	struct dns_socket *x;

	if (fd < 0)
		return ARES_SOCKET_BAD;
	x = mem_new(struct dns_socket);
	x->dns = d;
	x->fd = fd;
	list_add_last(&d->sockets, &x->node);
	watch_open(&x->watch, d->sched, fd, WATCH_READ | WATCH_WRITE);
	x->task = task_spawn(d->sched, "resolver", socket_main, x);
	d->n_tasks++;
	return fd;
}

static int close_socket(ares_socket_t fd, void *ctx)
{
	struct dns *d = ctx;

	list_each(it, next, &d->sockets)
	{
		struct dns_socket *x = list_entry(it, struct dns_socket, node);

		if (x->fd == fd && !x->closed) { /* I2 */
			x->closed = true;
			task_cancel(x->task);
			return 0;
		}
	}
	errno = EBADF;
	return -1;
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t n, void *ctx)
{
	(void)ctx;
	return connect(fd, address, n);
}

static ares_ssize_t receive(ares_socket_t fd, void *p, size_t n, int flags, struct sockaddr *from, ares_socklen_t *n_from, void *ctx)
{
	(void)ctx;
	return recvfrom(fd, p, n, flags, from, n_from);
}

static ares_ssize_t send_parts(ares_socket_t fd, const struct iovec *parts, int n, void *ctx)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)n };

	(void)ctx;
	return sendmsg(fd, &m, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = { open_socket, close_socket, connect_socket, receive, send_parts };

/* ---- time */

static int64_t next_timeout(struct dns *d)
{
	struct timeval tv;

	if (!d->channel || !ares_timeout(d->channel, NULL, &tv))
		return NEVER_MS;
	return sched_now_ms(d->sched) + tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1;
}

static SUSPENDS void timer_main(void *arg)
{
	struct dns *d = arg;
	struct gate *g = &d->asked;
	int w = 0;

	while (d->channel && w != WAIT_STOP) {
		w = task_wait(d->sched, &g, 1, next_timeout(d));
		if (w == WAIT_TIMEOUT)
			process(d, ARES_SOCKET_BAD);
	}
	task_gone(d);
}

/* ---- questions */

static void question_free(struct question *q)
{
	buf_fini(&q->query);
	buf_fini(&q->answer);
	free(q);
}

static void answered(void *arg, int status, int timeouts, unsigned char *packet, int n)
{
	struct question *q = arg;
	struct dns *d = q->dns;

	(void)timeouts;
	d->n_pending--;
	gate_open(d->sched, &d->ended);
	q->done = true;
	q->status = status;
	if (q->abandoned) {
		question_free(q);
		return;
	}
	if (packet && n > 0)
		buf_add(&q->answer, str_of(packet, (size_t)n));
	gate_open(d->sched, &q->gate);
}

static void run_send(void *arg)
{
	struct question *q = arg;

	ares_send(q->dns->channel, (const unsigned char *)q->query.p, (int)q->query.n, answered, q);
}

static SUSPENDS bool await_turn(struct dns *d, int64_t until)
{
	struct gate *g = &d->ended;

	while (d->channel && d->n_pending >= DNS_PENDING_MAX)
		if (task_wait(d->sched, &g, 1, until) < 0)
			return false;
	return d->channel != NULL;
}

SUSPENDS void dns_ask(struct dns *d, struct str name, enum dns_type type, struct arena *a, struct dns_answer *out)
{
	int64_t until = sched_now_ms(d->sched) + d->timeout_ms;
	struct question *q;
	struct gate *g;

	*out = (struct dns_answer){ .result = DNS_TIMEOUT };
	if (!await_turn(d, until))
		return;
	q = mem_new(struct question);
	q->dns = d;
	gate_init(&q->gate);
	buf_init(&q->query, 600);
	buf_init(&q->answer, PACKET_MAX);
	if (!dns_query_make(name, type, (uint16_t)rng_u64(), &q->query)) {
		out->result = DNS_BAD_NAME;
		question_free(q);
		return;
	}
	d->n_pending++;
	sched_call(d->sched, run_send, q);
	gate_open(d->sched, &d->asked);
	g = &q->gate;
	while (!q->done && task_wait(d->sched, &g, 1, until) >= 0)
		;
	if (!q->done) { /* I1 */
		q->abandoned = true;
		return;
	}
	if (q->answer.n && (q->status == ARES_SUCCESS || q->status == ARES_ENODATA || q->status == ARES_ENOTFOUND)) {
		dns_answer_parse(buf_str(&q->answer), name, type, a, out);
		out->secure = out->secure && d->loopback;
	}
	question_free(q);
}

/* ---- resolvers */

void dns_resolv_conf_parse(struct str text, struct conf_resolvers *out)
{
	struct str line, word;

	out->n = 0;
	while (out->n < CONF_RESOLVERS_MAX && str_split(&text, '\n', &line)) {
		struct conf_resolver *r = &out->v[out->n];
		char z[INET6_ADDRSTRLEN] = "";

		line = str_trim(line);
		if (!str_starts(line, STR("nameserver")) || line.n < 12 || (line.p[10] != ' ' && line.p[10] != '\t'))
			continue;
		line = str_trim(str_from(line, 10));
		str_split(&line, ' ', &word);
		if (word.n >= sizeof z)
			continue;
		memcpy(z, word.p, word.n);
		*r = (struct conf_resolver){ .address.family = str_find(word, ':') >= 0 ? AF_INET6 : AF_INET, .port = 53 };
		if (inet_pton(r->address.family, z, r->address.bytes) != 1)
			continue;
		inet_ntop(r->address.family, r->address.bytes, r->address.text, sizeof r->address.text);
		out->n++;
	}
}

void dns_system_resolvers(struct conf_resolvers *out)
{
	struct str text;
	struct buf why;

	buf_init(&why, 1000);
	out->n = 0;
	if (file_read(RESOLV_CONF, RESOLV_CONF_MAX, &text, &why)) {
		dns_resolv_conf_parse(text, out);
		free((void *)(uintptr_t)text.p);
	}
	buf_fini(&why);
	if (out->n == 0)
		*out = (struct conf_resolvers){ .v[0] = { { AF_INET, { 127, 0, 0, 1 }, "127.0.0.1" }, 53 }, .n = 1 };
}

static bool is_loopback(const struct conf_address *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == AF_INET ? a->bytes[0] == 127 : memcmp(a->bytes, one, 16) == 0;
}

static void set_servers(struct dns *d)
{
	struct ares_addr_port_node nodes[CONF_RESOLVERS_MAX] = { 0 };

	for (size_t i = 0; i < d->resolvers.n; i++) {
		const struct conf_resolver *r = &d->resolvers.v[i];

		nodes[i].next = i + 1 < d->resolvers.n ? &nodes[i + 1] : NULL;
		nodes[i].family = r->address.family;
		nodes[i].udp_port = nodes[i].tcp_port = r->port;
		memcpy(&nodes[i].addr, r->address.bytes, r->address.family == AF_INET ? 4 : 16);
		d->loopback = d->loopback && is_loopback(&r->address);
	}
	if (ares_set_servers_ports(d->channel, nodes) != ARES_SUCCESS)
		die("dns: the resolvers cannot be set");
}

struct dns *dns_open(const struct dns_opts *opts)
{
	/* A refusal or failure is an answer, to be told as such: NOCHECKRESP. Nothing is read from files: they are given or read above. */
	struct ares_options o = { .flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_STAYOPEN | ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH, .tries = TRIES,
		.ednspsz = DNS_UDP_SIZE, .ndomains = 0, .lookups = (char *)(uintptr_t) "b", .resolvconf_path = (char *)(uintptr_t) "/dev/null" };
	struct dns *d = mem_new(struct dns);

	d->sched = opts->sched;
	d->timeout_ms = opts->timeout_ms;
	d->loopback = true;
	gate_init(&d->asked);
	gate_init(&d->ended);
	list_init(&d->sockets);
	if (opts->resolvers && opts->resolvers->n)
		d->resolvers = *opts->resolvers;
	else
		dns_system_resolvers(&d->resolvers);
	/* The second try waits twice as long as the first: both within timeout_ms. */
	o.timeout = (int)(opts->timeout_ms / ((1 << TRIES) - 1) / (int64_t)d->resolvers.n);
	if (ares_init_options(&d->channel, &o,
		    ARES_OPT_FLAGS | ARES_OPT_TRIES | ARES_OPT_TIMEOUTMS | ARES_OPT_EDNSPSZ | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF) !=
		ARES_SUCCESS)
		die("dns: c-ares does not start");
	ares_set_socket_functions(d->channel, &socket_functions, d);
	set_servers(d);
	d->n_tasks = 1;
	d->timer = task_spawn(d->sched, "dns time", timer_main, d);
	return d;
}

void dns_close(struct dns *d)
{
	ares_channel channel = d->channel;

	d->channel = NULL;
	ares_destroy(channel);
	gate_open(d->sched, &d->ended);
	task_cancel(d->timer);
}

const struct conf_resolvers *dns_resolvers(const struct dns *d)
{
	return &d->resolvers;
}

bool dns_trusts_ad(const struct dns *d)
{
	return d->loopback;
}
