/* ctl/probe.c - a client's connection to a door. See the header.
 * Trust       the other side is this server, or whoever sits where it should: its lines are bounded and shown escaped.
 * Suspends    wherever the header says.
 */
#include "ctl/probe.h"

#include "base/cidr.h"
#include "ctl/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REPLY_LINES_MAX 200
#define TEXT_MAX ((size_t)64 * 1024)

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void probe_init(struct probe *p, struct sched *sched)
{
	*p = (struct probe){ .sched = sched, .began_us = now_us() };
	buf_init(&p->text, TEXT_MAX);
}

void probe_fini(struct probe *p)
{
	if (p->open)
		stream_close(&p->stream);
	buf_fini(&p->text);
}

void probe_step(struct probe *p)
{
	p->began_us = now_us();
}

double probe_ms(const struct probe *p)
{
	return (double)(now_us() - p->began_us) / 1000;
}

void probe_fail(struct probe *p, const char *way_out, const char *fmt, ...)
{
	va_list ap;

	if (p->failed)
		return;
	p->failed = true;
	va_start(ap, fmt);
	vsnprintf(p->why, sizeof p->why, fmt, ap);
	va_end(ap);
	snprintf(p->way_out, sizeof p->way_out, "%s", way_out);
}

/* ---- where to */

void probe_target(const struct conf_listener *l, struct conf_address *out, char text[160])
{
	*out = l->address;
	if (l->path.n) {
		snprintf(text, 160, "%.*s", STR_ARG(l->path));
		return;
	}
	if (address_is_any(out))
		address_parse(out->family == AF_INET ? STR("127.0.0.1") : STR("::1"), out);
	snprintf(text, 160, out->family == AF_INET6 ? "[%s]:%u" : "%s:%u", out->text, l->port);
}

bool probe_is_let_in(struct probe *p, const struct conf_listener *l)
{
	struct conf_address a;
	char text[160];

	if (l->path.n)
		return true;
	probe_target(l, &a, text);
	if (l->proxy_protocol && !cidr_any_has(l->proxy_networks.v, l->proxy_networks.n, str_z(a.text)))
		probe_fail(p, "try it through the proxy", "it lets in its proxies alone, and this machine is none");
	else if (l->networks.n && !cidr_any_has(l->networks.v, l->networks.n, str_z(a.text)))
		probe_fail(p, "try it from one of its networks", "it lets in its networks alone, and %s is in none", a.text);
	return !p->failed;
}

/* ---- connecting */

static void explain_connect(struct probe *p, const char *where, int err)
{
	if (err == ECONNREFUSED || err == ENOENT)
		probe_fail(p, "is the server running (sallyport status), and has it read this configuration (reload it)?",
			"%s: nothing listens there", where);
	else if (err == ETIMEDOUT)
		probe_fail(p, "a firewall may drop it; compare it with: sallyport firewall", "%s: no answer", where);
	else if (err == EAFNOSUPPORT || err == EADDRNOTAVAIL || err == ENETUNREACH)
		probe_fail(p, "give this machine such an address, or leave the listener out", "%s: this machine cannot reach that address (%s)", where,
			strerror(err));
	else if (err == EACCES)
		probe_fail(p, "run this as root, or as a member of the socket's group", "%s: may not be opened by this user", where);
	else
		probe_fail(p, "see the system's log", "%s: %s", where, strerror(err));
}

/* A connected socket, or -1 with errno. */
static SUSPENDS int connect_socket(struct probe *p, const struct sockaddr *a, socklen_t n, int64_t timeout_ms)
{
	int fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err = 0;
	int64_t until = sched_now_ms(p->sched) + timeout_ms;
	socklen_t n_err = sizeof err;
	struct watch watch;
	struct gate *g;

	if (fd < 0)
		return -1;
	if (connect(fd, a, n) != 0) {
		err = errno;
		if (err == EINPROGRESS) {
			watch_open(&watch, p->sched, fd, WATCH_READ | WATCH_WRITE);
			g = &watch.write_gate;
			err = task_wait(p->sched, &g, 1, until) == 0 ? 0 : ETIMEDOUT;
			watch_close(&watch);
			if (err == 0)
				getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n_err);
		}
	}
	if (err == 0)
		return fd;
	close(fd);
	errno = err;
	return -1;
}

static bool take_socket(struct probe *p, int fd, const char *where, int64_t timeout_ms)
{
	if (fd < 0) {
		explain_connect(p, where, errno);
		return false;
	}
	stream_open_fd(&p->stream, p->sched, fd);
	stream_deadline(&p->stream, timeout_ms);
	p->open = true;
	return true;
}

SUSPENDS bool probe_connect_to(struct probe *p, const struct conf_address *a, uint16_t port, int64_t timeout_ms)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	char where[80];
	int fd;

	memcpy(&v4.sin_addr, a->bytes, 4);
	memcpy(&v6.sin6_addr, a->bytes, 16);
	snprintf(where, sizeof where, a->family == AF_INET6 ? "[%s]:%u" : "%s:%u", a->text, port);
	if (a->family == AF_INET6)
		fd = connect_socket(p, (struct sockaddr *)&v6, sizeof v6, timeout_ms);
	else
		fd = connect_socket(p, (struct sockaddr *)&v4, sizeof v4, timeout_ms);
	return take_socket(p, fd, where, timeout_ms);
}

static SUSPENDS bool connect_path(struct probe *p, struct str path, int64_t timeout_ms)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (path.n < sizeof a.sun_path)
		memcpy(a.sun_path, path.p, path.n);
	return take_socket(p, connect_socket(p, (struct sockaddr *)&a, sizeof a, timeout_ms), a.sun_path, timeout_ms);
}

SUSPENDS bool probe_connect(struct probe *p, const struct conf_listener *l, int64_t timeout_ms)
{
	struct conf_address a;
	char text[160];

	if (!probe_is_let_in(p, l))
		return false;
	probe_target(l, &a, text);
	if (l->path.n ? !connect_path(p, l->path, timeout_ms) : !probe_connect_to(p, &a, l->port, timeout_ms))
		return false;
	if (l->proxy_protocol) /* the connection's own addresses count */
		stream_printf(&p->stream, "PROXY UNKNOWN\r\n");
	return true;
}

SUSPENDS bool probe_tls(struct probe *p, const struct tls_client *client)
{
	char why[256];

	if (p->failed)
		return false;
	p->secured = tls_connect(&p->stream, client, why);
	if (!p->secured)
		probe_fail(p, "is the certificate newer than the server's start? reload it; is another program on this port?", "TLS: %s", why);
	return p->secured;
}

/* ---- lines */

SUSPENDS bool probe_line(struct probe *p, struct str *line)
{
	static const char *const ends[] = { "", "the server closed the connection", "the connection broke", "no answer in time", "stopped" };
	enum line_result r;

	if (p->failed)
		return false;
	while ((r = stream_line(&p->stream, line, PROBE_LINE_MAX)) == LINE_TOO_LONG || r == LINE_BARE)
		;
	if (r == LINE_OK)
		return true;
	probe_fail(p, "see the server's log for the reason", "%s", ends[p->stream.end]);
	return false;
}

SUSPENDS void probe_say(struct probe *p, const char *fmt, ...)
{
	struct buf line;
	va_list ap;

	if (p->failed)
		return;
	buf_init(&line, TEXT_MAX);
	va_start(ap, fmt);
	buf_vaddf(&line, fmt, ap);
	va_end(ap);
	buf_addz(&line, "\r\n");
	stream_write(&p->stream, buf_str(&line));
	stream_flush(&p->stream);
	buf_fini(&line);
}

static void keep_text(struct probe *p, struct str s)
{
	buf_reset(&p->text);
	buf_add(&p->text, s);
}

static void refused(struct probe *p, const char *what, struct str line)
{
	probe_fail(p, "see the server's log for the reason", "%s was answered: %.*s", what, (int)(line.n < 200 ? line.n : 200), line.p ? line.p : "");
}

SUSPENDS bool probe_smtp(struct probe *p, int want, const char *what)
{
	struct str line;
	uint32_t code;

	p->code = 0;
	for (int i = 0; i < REPLY_LINES_MAX; i++) {
		if (!probe_line(p, &line))
			return false;
		if (line.n < 3 || !str_to_u32(str_sub(line, 0, 3), &code) || (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')) {
			refused(p, what, line);
			return false;
		}
		if (line.n > 3 && line.p[3] == '-')
			continue;
		p->code = (int)code;
		keep_text(p, str_from(line, 4));
		if (p->code != want && want)
			refused(p, what, line);
		return !p->failed;
	}
	refused(p, what, STR("a reply without an end"));
	return false;
}

SUSPENDS bool probe_imap(struct probe *p, const char *what, const char *fmt, ...)
{
	char tag[16];
	struct buf command;
	struct str line;
	va_list ap;

	if (p->failed)
		return false;
	snprintf(tag, sizeof tag, "t%u ", ++p->n_tags);
	buf_init(&command, TEXT_MAX);
	va_start(ap, fmt);
	buf_vaddf(&command, fmt, ap);
	va_end(ap);
	probe_say(p, "%s%.*s", tag, STR_ARG(buf_str(&command)));
	buf_fini(&command);
	buf_reset(&p->text);
	for (;;) {
		if (!probe_line(p, &line))
			return false;
		if (str_istarts(line, STR("* SEARCH")))
			keep_text(p, str_trim(str_from(line, 8)));
		if (!str_starts(line, str_z(tag)))
			continue;
		if (!str_istarts(str_from(line, strlen(tag)), STR("OK")))
			refused(p, what, str_from(line, strlen(tag)));
		return !p->failed;
	}
}

SUSPENDS bool probe_pop(struct probe *p, char good, const char *what)
{
	struct str line;

	if (!probe_line(p, &line))
		return false;
	if (line.n == 0 || line.p[0] != good)
		refused(p, what, line);
	else
		keep_text(p, str_from(line, 1));
	return !p->failed;
}
