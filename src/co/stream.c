/* co/stream.c - byte streams over sockets and memory.
 * Purpose     lines, blocks and replies for protocol code that never looks at errno; see the header.
 * Trust       input is hostile: every read is bounded by the caller's max.
 * Owns        in, out and the descriptor. Both buffers are given back while the session waits with nothing in them.
 * Suspends    wherever the header says SUSPENDS.
 */
#include "co/stream.h"

#include "base/die.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE ((size_t)16 * 1024)
#define READS_A_TURN 4 /* that found bytes, before the other tasks have a turn */
#define IN_MAX ((size_t)2 * 1024 * 1024)
#define OUT_HIGH ((size_t)64 * 1024)
#define OUT_MAX ((size_t)64 * 1024 * 1024)

/* ---- a socket */

static ssize_t fd_read(struct stream *s, char *p, size_t n)
{
	ssize_t r = recv(s->fd, p, n, 0);

	if (r >= 0)
		return r;
	return errno == EAGAIN || errno == EINTR ? STREAM_WANT_READ : STREAM_ERROR;
}

static ssize_t fd_write(struct stream *s, const char *p, size_t n)
{
	ssize_t r = send(s->fd, p, n, MSG_NOSIGNAL);

	if (r > 0)
		return r;
	return r < 0 && (errno == EAGAIN || errno == EINTR) ? STREAM_WANT_WRITE : STREAM_ERROR;
}

static void fd_close(struct stream *s)
{
	watch_close(&s->watch);
	close(s->fd);
	s->fd = -1;
}

static const struct stream_ops fd_ops = { fd_read, fd_write, fd_close };

void stream_open_fd(struct stream *s, struct sched *sched, int fd)
{
	*s = (struct stream){ .sched = sched, .ops = &fd_ops, .fd = fd, .deadline_ms = NEVER_MS };
	buf_init(&s->in, IN_MAX);
	buf_init(&s->out, OUT_MAX);
	watch_open(&s->watch, sched, fd, WATCH_READ | WATCH_WRITE);
}

/* ---- memory */

struct script {
	struct str left;
	size_t chunk;
};

static ssize_t memory_read(struct stream *s, char *p, size_t n)
{
	struct script *m = s->impl;

	if (m->chunk && n > m->chunk)
		n = m->chunk;
	if (n > m->left.n)
		n = m->left.n;
	if (n)
		memcpy(p, m->left.p, n);
	m->left = str_from(m->left, n);
	return (ssize_t)n;
}

static void memory_close(struct stream *s)
{
	free(s->impl);
}

static const struct stream_ops memory_ops = { memory_read, NULL, memory_close };

void stream_open_memory(struct stream *s, struct str input, size_t chunk)
{
	struct script *m = mem_new(struct script);

	m->left = input;
	m->chunk = chunk;
	*s = (struct stream){ .ops = &memory_ops, .impl = m, .fd = -1, .deadline_ms = NEVER_MS };
	buf_init(&s->in, IN_MAX);
	buf_init(&s->out, OUT_MAX);
}

void stream_close(struct stream *s)
{
	if (s->ops)
		s->ops->close(s);
	s->ops = NULL;
	buf_fini(&s->in);
	buf_fini(&s->out);
	s->in_at = 0;
	if (s->end == STREAM_OPEN)
		s->end = STREAM_CLOSED;
}

/* ---- state */

bool stream_ok(const struct stream *s)
{
	return s->end == STREAM_OPEN;
}

void stream_deadline(struct stream *s, int64_t in_ms)
{
	s->deadline_ms = in_ms == NEVER_MS || !s->sched ? NEVER_MS : sched_now_ms(s->sched) + in_ms;
}

void stream_fail(struct stream *s, enum stream_end end)
{
	if (s->end == STREAM_OPEN)
		s->end = end;
}

static size_t in_left(const struct stream *s)
{
	return s->in.n - s->in_at;
}

bool stream_has_input(const struct stream *s)
{
	return in_left(s) > 0;
}

static struct str in_view(const struct stream *s)
{
	return str_from(buf_str(&s->in), s->in_at);
}

void stream_take(struct stream *s, size_t n)
{
	die_unless(n <= in_left(s), "stream_take past the input");
	s->in_at += n;
	if (s->in_at == s->in.n) {
		buf_reset(&s->in);
		s->in_at = 0;
	}
}

void stream_drop_input(struct stream *s)
{
	stream_take(s, in_left(s));
}

/* Moves what is left to the front before more is read behind it. */
static void in_compact(struct stream *s)
{
	if (s->in_at) {
		buf_consume(&s->in, s->in_at);
		s->in_at = 0;
	}
}

/* ---- waiting */

/* A session that waits with nothing buffered holds no buffers. */
static void give_back(struct stream *s)
{
	if (in_left(s) == 0) {
		s->in_at = 0;
		buf_reset(&s->in);
		buf_trim(&s->in);
	}
	buf_trim(&s->out);
}

static SUSPENDS void wait_for(struct stream *s, ssize_t want)
{
	struct gate *g = want == STREAM_WANT_WRITE ? &s->watch.write_gate : &s->watch.read_gate;
	int r;

	s->n_reads = 0;
	if (want == STREAM_WANT_READ)
		give_back(s);
	r = task_wait(s->sched, &g, 1, s->deadline_ms);
	if (r == WAIT_TIMEOUT)
		stream_fail(s, STREAM_EXPIRED);
	else if (r == WAIT_STOP)
		stream_fail(s, STREAM_STOPPED);
}

/* A peer that sends as fast as it is read never lets its reader wait: without this no other session, no deadline and no stop
 * would ever come before it. */
static SUSPENDS void give_turn(struct stream *s)
{
	if (!s->sched || ++s->n_reads < READS_A_TURN)
		return;
	s->n_reads = 0;
	if (task_wait(s->sched, NULL, 0, sched_now_ms(s->sched)) == WAIT_STOP)
		stream_fail(s, STREAM_STOPPED);
	else if (sched_now_ms(s->sched) >= s->deadline_ms)
		stream_fail(s, STREAM_EXPIRED);
}

/* One attempt: bytes > 0 read into in, or what is wanted, or the end. A peer that closed its side still gets the replies
 * to what it said before. */
static SUSPENDS ssize_t try_read(struct stream *s)
{
	char *room;
	ssize_t r;

	in_compact(s);
	room = buf_room(&s->in, READ_SIZE);
	if (!room) {
		stream_fail(s, STREAM_RESET); /* nobody takes what comes: the caller's bound is above ours */
		return STREAM_ERROR;
	}
	r = s->ops->read(s, room, READ_SIZE);
	if (r > 0) {
		buf_grew(&s->in, (size_t)r);
		s->n_received += (uint64_t)r;
		give_turn(s);
	} else if (r == STREAM_EOF) {
		stream_flush(s);
		stream_fail(s, STREAM_CLOSED);
	} else if (r == STREAM_ERROR) {
		stream_fail(s, STREAM_RESET);
	}
	return r;
}

/* Reads at least one byte more, or the stream ends. */
static SUSPENDS void fill(struct stream *s)
{
	while (s->end == STREAM_OPEN) {
		ssize_t r = try_read(s);

		if (r > 0 || s->end != STREAM_OPEN)
			return;
		if (s->out.n) { /* somebody may be waiting for our reply before saying more */
			stream_flush(s);
			continue;
		}
		wait_for(s, r);
	}
}

/* ---- input */

SUSPENDS struct str stream_peek(struct stream *s)
{
	if (in_left(s) == 0)
		fill(s);
	return in_view(s);
}

SUSPENDS bool stream_read(struct stream *s, size_t n, struct buf *out)
{
	while (n) {
		struct str got = str_sub(stream_peek(s), 0, n);

		if (got.n == 0)
			return false;
		buf_add(out, got);
		stream_take(s, got.n);
		n -= got.n;
	}
	return !out->full;
}

/* Drops input up to and with the next LF. */
static SUSPENDS void skip_line(struct stream *s)
{
	for (;;) {
		struct str v = stream_peek(s);
		ssize_t lf = str_find(v, '\n');

		if (v.n == 0)
			return;
		stream_take(s, lf < 0 ? v.n : (size_t)lf + 1);
		if (lf >= 0)
			return;
	}
}

/* The first CR or LF of v that is not of a CRLF; a CR at the very end is not yet known. -1: none. */
static ssize_t find_bare(struct str v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\n')
			return (ssize_t)i;
		if (v.p[i] == '\r' && i + 1 < v.n && v.p[i + 1] != '\n')
			return (ssize_t)i;
		if (v.p[i] == '\r')
			i++;
	}
	return -1;
}

SUSPENDS enum line_result stream_line(struct stream *s, struct str *line, size_t max)
{
	size_t seen = 0; /* bytes of the view that hold no LF */

	*line = (struct str){ 0 };
	for (;;) {
		struct str v = in_view(s);
		ssize_t lf = str_find(str_from(v, seen), '\n');
		size_t end = lf < 0 ? v.n : seen + (size_t)lf + 1;

		if (end > max) {
			if (lf >= 0)
				stream_take(s, end);
			else
				skip_line(s);
			return stream_ok(s) || lf >= 0 ? LINE_TOO_LONG : LINE_GONE;
		}
		if (lf >= 0) {
			struct str whole = str_sub(v, 0, end);

			stream_take(s, end); /* the bytes stay where they are until the next read */
			if (end < 2 || whole.p[end - 2] != '\r' || find_bare(str_sub(whole, 0, end - 2)) >= 0 ||
				(end > 2 && whole.p[end - 3] == '\r'))
				return LINE_BARE;
			*line = str_sub(whole, 0, end - 2);
			return LINE_OK;
		}
		seen = v.n;
		fill(s);
		if (in_left(s) == seen)
			return LINE_GONE;
	}
}

/* ---- output */

SUSPENDS void stream_flush(struct stream *s)
{
	size_t at = 0;

	if (!s->ops || s->ops->write == NULL)
		return; /* memory: the test reads s->out */
	while (at < s->out.n && s->end == STREAM_OPEN) {
		ssize_t r = s->ops->write(s, s->out.p + at, s->out.n - at);

		if (r > 0) {
			at += (size_t)r;
			s->n_sent += (uint64_t)r;
		} else if (r == STREAM_ERROR || r == STREAM_EOF) {
			stream_fail(s, STREAM_RESET);
		} else {
			wait_for(s, r);
		}
	}
	buf_reset(&s->out);
	if (s->out.cap > OUT_HIGH * 2)
		buf_trim(&s->out);
}

SUSPENDS void stream_write(struct stream *s, struct str bytes)
{
	while (bytes.n && s->end == STREAM_OPEN) {
		struct str piece = str_sub(bytes, 0, OUT_HIGH);

		buf_add(&s->out, piece);
		bytes = str_from(bytes, piece.n);
		if (s->out.n >= OUT_HIGH)
			stream_flush(s);
	}
}

SUSPENDS void stream_printf(struct stream *s, const char *fmt, ...)
{
	va_list ap;

	if (s->end != STREAM_OPEN)
		return;
	va_start(ap, fmt);
	buf_vaddf(&s->out, fmt, ap);
	va_end(ap);
	if (s->out.n >= OUT_HIGH)
		stream_flush(s);
}

SUSPENDS enum stream_event stream_wait(struct stream *s, struct gate *gate, int64_t until_ms)
{
	uint64_t opened = gate ? gate->n_opened : 0;

	stream_flush(s);
	while (in_left(s) == 0 && s->end == STREAM_OPEN) {
		ssize_t r = try_read(s);
		struct gate *gates[2];
		int w;

		if (r > 0 || s->end != STREAM_OPEN)
			break;
		if (gate && gate->n_opened != opened)
			return STREAM_EV_GATE;
		give_back(s);
		gates[0] = r == STREAM_WANT_WRITE ? &s->watch.write_gate : &s->watch.read_gate;
		gates[1] = gate;
		w = task_wait(s->sched, gates, gate ? 2 : 1, until_ms < s->deadline_ms ? until_ms : s->deadline_ms);
		if (w == 1)
			return STREAM_EV_GATE;
		if (w == WAIT_STOP)
			stream_fail(s, STREAM_STOPPED);
		if (w == WAIT_TIMEOUT && sched_now_ms(s->sched) >= s->deadline_ms)
			stream_fail(s, STREAM_EXPIRED);
		else if (w == WAIT_TIMEOUT)
			return STREAM_EV_DEADLINE;
	}
	return STREAM_EV_INPUT;
}
