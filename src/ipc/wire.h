/* ipc/wire.h - one record to or from a channel's descriptor, with at most one descriptor beside it. */
#ifndef SALLYPORT_IPC_WIRE_H
#define SALLYPORT_IPC_WIRE_H

#include "base/outcome.h"
#include "base/str.h"
#include "ipc/codec.h"

/* 0, or errno. EAGAIN, ENOBUFS and ENOMEM mean later. Never raises SIGPIPE, never blocks. */
int wire_send(int fd, const struct ipc_out *o) MUST_USE;

enum wire_got {
	WIRE_RECORD,
	WIRE_NOTHING, /* not now */
	WIRE_END,     /* the other end is closed, or lost */
	WIRE_BAD,     /* longer than the room, or with more than one descriptor (which are closed) */
};
struct wire_record {
	struct str bytes;
	int fd;            /* the receiver's from now on; -1: none */
	bool short_of_fds; /* one was sent, but our table of descriptors is full */
};
/* Reads into p[0..max). Never blocks. */
enum wire_got wire_receive(int fd, char *p, size_t max, struct wire_record *out) MUST_USE;
/* Length of the next record, which stays; 0: none now, -1: none ever again. */
ssize_t wire_next_size(int fd);

/* A hello of ours as a whole record; what is wrong with the other end's (NULL: nothing). */
void wire_hello(char out[IPC_HEADER_SIZE], int self);
const char *wire_check_hello(struct str record, int other);
/* The body's descriptor is what it must be: a memfd that nobody can change any more, of just this size. */
bool wire_body_sound(int fd, uint64_t size);

#endif
