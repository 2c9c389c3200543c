/* ipc/wire.c - records on a SOCK_SEQPACKET socket.
 * Purpose     sendmsg(2) and recvmsg(2) with SCM_RIGHTS (unix(7)), hello records, the check of a passed memfd's seals.
 * Trust       the other end is another role, perhaps taken over: what it sends is bounded here and decoded elsewhere.
 * Invariants  I1 every descriptor that arrives is either given to the caller or closed.
 */
#include "ipc/wire.h"

#include "base/die.h"
#include "ipc/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(4 * sizeof(int))]; /* for more than is allowed, so that too many are seen as such */
};

int wire_send(int fd, const struct ipc_out *o)
{
	struct iovec iov[2] = { { o->p, o->n }, { (void *)(uintptr_t)o->tail.p, o->tail.n } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = o->tail.n ? 2 : 1 };
	union control control;

	if (o->fd >= 0) {
		memset(&control, 0, sizeof control);
		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &o->fd, sizeof(int));
	}
	for (;;) {
		if (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return errno;
	}
}

/* Keeps the first descriptor, closes the others. Returns how many there were. */
static size_t take_fds(struct msghdr *msg, int *kept)
{
	size_t n_all = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++, n_all++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (n_all == 0)
				*kept = fd;
			else
				close(fd);
		}
	}
	return n_all;
}

enum wire_got wire_receive(int fd, char *p, size_t max, struct wire_record *out)
{
	struct iovec iov = { p, max };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room
	};
	ssize_t n;

	*out = (struct wire_record){ .fd = -1 };
	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? WIRE_NOTHING : WIRE_END;
	size_t n_fds = msg.msg_controllen ? take_fds(&msg, &out->fd) : 0;
	/* The kernel cuts the list when a descriptor finds no place; a list that is too long for our room holds several. */
	out->short_of_fds = msg.msg_flags & MSG_CTRUNC && n_fds == 0;
	if (n_fds > 1 || (msg.msg_flags & MSG_CTRUNC && n_fds) || msg.msg_flags & MSG_TRUNC) {
		if (out->fd >= 0)
			close(out->fd);
		out->fd = -1;
		return WIRE_BAD;
	}
	out->bytes = str_of(p, (size_t)n);
	if (n == 0 && out->fd >= 0)
		close(out->fd);
	return n == 0 ? WIRE_END : WIRE_RECORD;
}

ssize_t wire_next_size(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return n == 0 ? -1 : n;
}

void wire_hello(char out[IPC_HEADER_SIZE], int self)
{
	struct ipc_out o = { .p = out, .max = IPC_HEADER_SIZE, .fd = -1, .message = "hello" };

	ipc_put_header(
		&o, &(struct ipc_header){ .id = ipc_schema_hash, .type = (uint16_t)self, .kind = IPC_KIND_HELLO });
}

const char *wire_check_hello(struct str record, int other)
{
	struct cur c = cur_of(record);
	struct ipc_header h = ipc_get_header(&c);

	if (!cur_done(&c) || h.kind != IPC_KIND_HELLO || h.outcome != 0)
		return "something else came before its hello";
	if (h.id != ipc_schema_hash)
		return "it is of another version";
	return h.type == other ? NULL : "it claims another role";
}

bool wire_body_sound(int fd, uint64_t size)
{
	int want = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && (seals & want) == want && fstat(fd, &st) == 0 && (uint64_t)st.st_size == size;
}

void ipc_channel(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
		die_errno("ipc: socketpair");
	for (int i = 0; i < 2; i++)
		ipc_channel_room(fds[i]);
}

void ipc_channel_room(int fd)
{
	int want = 2 * IPC_RECORD_MAX, got = 0;
	socklen_t n = sizeof got;

	/* The forced form passes net.core.wmem_max, for who may. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof want) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof want);
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &n) != 0 || got < IPC_RECORD_MAX + 4096)
		die("ipc: a socket holds %d bytes, a record needs %d: raise net.core.wmem_max", got,
			IPC_RECORD_MAX + 4096);
}
