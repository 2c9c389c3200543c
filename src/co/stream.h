/* co/stream.h - a byte stream with a deadline and a sticky end, over TCP, TLS or memory.
 *
 * Protocol code reads lines and blocks and writes replies without looking at errors; it asks stream_ok() once a command.
 * Written bytes are kept until the reader must wait for input, so replies to pipelined commands leave in one packet.
 * The first of peer's close, error, deadline or stop ends the stream for good; later reads return nothing, writes vanish.
 */
#ifndef SALLYPORT_CO_STREAM_H
#define SALLYPORT_CO_STREAM_H

#include "base/buf.h"
#include "co/sched.h"

enum stream_end {
	STREAM_OPEN,
	STREAM_CLOSED,  /* the peer closed */
	STREAM_RESET,   /* error below */
	STREAM_EXPIRED, /* the deadline passed */
	STREAM_STOPPED, /* the task was cancelled */
};

/* What read and write give besides a count of bytes > 0. */
enum { STREAM_EOF = 0, STREAM_WANT_READ = -1, STREAM_WANT_WRITE = -2, STREAM_ERROR = -3 };

struct stream;
struct stream_ops {
	ssize_t (*read)(struct stream *s, char *p, size_t n);
	ssize_t (*write)(struct stream *s, const char *p, size_t n);
	void (*close)(struct stream *s); /* frees impl and closes the descriptor */
};

struct stream {
	struct sched *sched; /* NULL for memory streams: they never wait */
	const struct stream_ops *ops;
	void *impl; /* of ops: TLS state, memory script; NULL for plain sockets */
	struct watch watch;
	int fd; /* -1 for memory */
	struct buf in; /* received, not yet taken: bytes in_at.. */
	size_t in_at;
	struct buf out;
	enum stream_end end;
	int64_t deadline_ms; /* on sched_now_ms; NEVER_MS: none */
	uint64_t n_received, n_sent;
	unsigned n_reads; /* that found bytes, since the task last waited */
};

/* Takes over a connected, non-blocking socket. */
void stream_open_fd(struct stream *s, struct sched *sched, int fd);
/* A stream over given input; what is written is kept in out (max 64 MiB) for the test to read. Never suspends: the
 * "truly blocking" implementation for unit tests and fuzzers. chunk: bytes a read at most (0: all). */
void stream_open_memory(struct stream *s, struct str input, size_t chunk);
void stream_close(struct stream *s); /* without flushing; frees all */

bool stream_ok(const struct stream *s);
void stream_deadline(struct stream *s, int64_t in_ms); /* from now, for all reads and writes until set again; NEVER_MS */
void stream_fail(struct stream *s, enum stream_end end); /* ends it; for layers below */

enum line_result {
	LINE_OK,
	LINE_TOO_LONG, /* the line was read to its end and dropped */
	LINE_BARE,     /* a CR or LF that is not of a CRLF: the line up to it was dropped */
	LINE_GONE,     /* the stream ended */
};
/* One line without its CRLF (RFC 5321 2.3.8: nothing else ends a line); at most max bytes with CRLF, max < 1 MiB. The view is valid until the
 * next call on the stream that reads. Flushes before it waits. */
SUSPENDS enum line_result stream_line(struct stream *s, struct str *line, size_t max);

/* What is buffered, at least one byte; reads (and flushes before waiting) only when nothing is. Empty when the stream ended. */
SUSPENDS struct str stream_peek(struct stream *s);
void stream_take(struct stream *s, size_t n); /* drops n bytes of what stream_peek showed */
bool stream_has_input(const struct stream *s); /* bytes are buffered here (not: in the kernel) */
/* Exactly n bytes appended to out; false when the stream ended first or out is full. */
SUSPENDS bool stream_read(struct stream *s, size_t n, struct buf *out);
void stream_drop_input(struct stream *s); /* forgets what was received (STARTTLS: RFC 3207 4.2) */

/* Adds to the output; suspends while more than 64 KiB wait. */
SUSPENDS void stream_write(struct stream *s, struct str bytes);
SUSPENDS void stream_printf(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
SUSPENDS void stream_flush(struct stream *s);

enum stream_event {
	STREAM_EV_INPUT,    /* bytes can be taken, or the stream ended */
	STREAM_EV_GATE,     /* gate opened */
	STREAM_EV_DEADLINE, /* until_ms passed; the stream itself is well */
};
/* The wait of a session that has nothing to say: input (buffered anywhere, also inside TLS), gate (may be NULL), or until_ms
 * (on sched_now_ms). Flushes first and gives its buffers back while it waits. */
SUSPENDS enum stream_event stream_wait(struct stream *s, struct gate *gate, int64_t until_ms);

#endif
