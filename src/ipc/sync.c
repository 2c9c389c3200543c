/* ipc/sync.c - the blocking way to use a channel, without a scheduler.
 * Purpose     for a program before its loop, for a command, for the one client that may block.
 * Trust       as peer.c: what arrives is decoded, and anything unexpected is FAILED.
 * Invariants  I1 a late reply to an earlier call is skipped: ids are random, so it is never taken for another's.
 */
#include "ipc/peer.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/rng.h"
#include "ipc/codec.h"
#include "ipc/wire.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static bool wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left_ms = deadline_ms - clock_monotonic_ms();
		int n = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);

		if (n > 0)
			return true;
		if (n == 0 || errno != EINTR)
			return false;
	}
}

static enum outcome send_out(int fd, const struct ipc_out *o, int64_t deadline_ms)
{
	for (;;) {
		int error = wire_send(fd, o);

		if (error == 0)
			return OK;
		if (error == ENOBUFS || error == ENOMEM)
			usleep(1000); /* poll(2) would say that there is room */
		else if (error != EAGAIN)
			return TRY_LATER;
		if (!wait_for(fd, POLLOUT, deadline_ms))
			return TRY_LATER;
	}
}

static enum outcome send_message(int fd, const struct ipc_header *h, const void *msg, int64_t deadline_ms)
{
	const struct ipc_desc *d = &ipc_descs[h->type];
	struct arena a;
	struct ipc_out o = { .max = ipc_size(h->type, false, msg), .fd = -1 };
	enum outcome result;

	arena_init(&a, "ipc-sync", IPC_RECORD_MAX);
	o.p = arena_alloc(&a, o.max);
	ipc_put_header(&o, h);
	ipc_encode(&o, d, &d->request, msg);
	result = send_out(fd, &o, deadline_ms);
	if (d->request.secret)
		explicit_bzero(o.p, o.n);
	arena_fini(&a);
	return result;
}

/* The record is in the arena. */
static enum outcome receive(int fd, struct wire_record *r, struct arena *a, int64_t deadline_ms)
{
	for (;;) {
		ssize_t n = wire_next_size(fd);

		if (n < 0)
			return TRY_LATER;
		if (n > IPC_RECORD_MAX)
			return FAILED;
		if (n > 0) {
			enum wire_got got = wire_receive(fd, arena_alloc(a, (size_t)n), (size_t)n, r);
			return got == WIRE_RECORD ? OK : got == WIRE_END ? TRY_LATER : FAILED;
		}
		if (!wait_for(fd, POLLIN, deadline_ms))
			return TRY_LATER;
	}
}

/* As receive; no descriptor may come along. */
static enum outcome receive_plain(int fd, struct str *record, struct arena *a, int64_t deadline_ms)
{
	struct wire_record r;
	enum outcome o = receive(fd, &r, a, deadline_ms);

	if (o != OK)
		return o;
	*record = r.bytes;
	if (r.fd >= 0)
		close(r.fd);
	return r.fd >= 0 || r.short_of_fds ? FAILED : OK;
}

enum outcome ipc_sync_hello(int fd, enum role self, enum role other, int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	char hello[IPC_HEADER_SIZE];
	struct str record;
	struct arena a;
	enum outcome o;

	wire_hello(hello, self);
	o = send_out(fd, &(struct ipc_out){ .p = hello, .n = sizeof hello, .fd = -1 }, deadline_ms);
	arena_init(&a, "ipc-sync", IPC_RECORD_MAX);
	if (o == OK)
		o = receive_plain(fd, &record, &a, deadline_ms);
	if (o == OK && wire_check_hello(record, other))
		o = FAILED;
	arena_fini(&a);
	return o;
}

/* The reply's outcome; OK with *mine false: it was another's. */
static enum outcome take_reply(
	struct str record, const struct ipc_header *asked, void *reply, struct arena *a, bool *mine)
{
	const struct ipc_shape *s = &ipc_descs[asked->type].reply;
	struct ipc_in in = { .cur = cur_of(record), .arena = a, .fd = -1 };
	struct ipc_header h = ipc_get_header(&in.cur);

	*mine = h.id == asked->id;
	if (!cur_ok(&in.cur) || h.kind != IPC_KIND_REPLY || h.outcome >= OUTCOME_COUNT)
		return FAILED;
	if (!*mine)
		return OK;
	if (h.type != asked->type)
		return FAILED;
	if (cur_end(&in.cur) && (h.outcome != OK || !s->size))
		return (enum outcome)h.outcome;
	if (!ipc_decode(&in, s, reply)) {
		memset(reply, 0, s->size);
		return FAILED;
	}
	return (enum outcome)h.outcome;
}

static enum outcome await_reply(
	int fd, const struct ipc_header *asked, void *reply, struct arena *a, int64_t deadline_ms)
{
	for (;;) {
		struct str record;
		bool mine = true;
		enum outcome o = receive_plain(fd, &record, a, deadline_ms);

		if (o == OK)
			o = take_reply(record, asked, reply, a, &mine);
		if (o != OK || mine)
			return o;
	}
}

enum outcome ipc_sync_call(int fd, int type, const void *msg, void *reply, struct arena *a, int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	const struct ipc_desc *d = &ipc_descs[type];
	struct ipc_header h = { .id = rng_u64(), .type = (uint16_t)type, .kind = IPC_KIND_CALL };
	struct arena own; /* for a reply without views */
	enum outcome o;

	die_unless(!d->cast && !msg == !d->request.size && !reply == !d->reply.size && (a || !d->reply.views),
		"a call's fields");
	if (reply)
		memset(reply, 0, d->reply.size);
	o = send_message(fd, &h, msg, deadline_ms);
	if (o != OK)
		return o;
	arena_init(&own, "ipc-sync", (size_t)IPC_RECORD_MAX * IPC_UNFOLD);
	o = await_reply(fd, &h, reply, a ? a : &own, deadline_ms);
	arena_fini(&own);
	return o;
}

enum outcome ipc_sync_cast(int fd, int type, const void *msg, int timeout_ms)
{
	struct ipc_header h = { .type = (uint16_t)type, .kind = IPC_KIND_CAST };

	die_unless(ipc_descs[type].cast && !msg == !ipc_descs[type].request.size, "a cast's fields");
	return send_message(fd, &h, msg, clock_monotonic_ms() + timeout_ms);
}

static enum outcome take_cast(
	const struct wire_record *r, uint32_t from, uint32_t to, struct ipc_sync_got *out, struct arena *a)
{
	struct ipc_in in = { .cur = cur_of(r->bytes), .arena = a, .fd = r->fd };
	struct ipc_header h = ipc_get_header(&in.cur);
	const struct ipc_desc *d = &ipc_descs[h.type < ipc_n_descs ? h.type : 0];
	void *msg = NULL;

	if (!cur_ok(&in.cur) || h.kind != IPC_KIND_CAST || h.type >= ipc_n_descs || !d->cast || !(d->from & from) ||
		!(d->to & to))
		return FAILED;
	if (d->request.size)
		msg = arena_alloc(a, d->request.size);
	if (r->short_of_fds || !ipc_decode(&in, &d->request, msg))
		return FAILED;
	*out = (struct ipc_sync_got){ .type = h.type, .msg = msg, .fd = r->fd };
	return OK;
}

enum outcome ipc_sync_next(
	int fd, enum role self, enum role other, struct ipc_sync_got *out, struct arena *a, int timeout_ms)
{
	struct wire_record r;
	enum outcome o = receive(fd, &r, a, clock_monotonic_ms() + timeout_ms);

	*out = (struct ipc_sync_got){ .fd = -1 };
	if (o != OK)
		return o;
	o = take_cast(&r, 1u << other, 1u << self, out, a);
	if (o != OK && r.fd >= 0)
		close(r.fd);
	return o;
}
