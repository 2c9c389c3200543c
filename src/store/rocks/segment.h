/* store/rocks/segment.h - files of bodies: append-only, checksummed, 8-byte aligned.
 *
 * A file begins with a header {magic, version, number} and holds records {magic, crc32c, id, length, flags, bytes}. Nothing in it
 * is ever changed; what lies behind the last record that a row points to is a torn tail and ignored. Numbers are little-endian.
 */
#ifndef SALLYPORT_STORE_ROCKS_SEGMENT_H
#define SALLYPORT_STORE_ROCKS_SEGMENT_H

#include "base/buf.h"
#include "base/crc.h"
#include "base/outcome.h"
#include "base/vec.h"

#include <sys/uio.h>

#define SEGMENT_HEADER_SIZE 4096 /* so that records begin on a page */
#define SEGMENT_RECORD_HEADER 24
#define SEGMENT_NAME_SIZE 16
#define SEGMENT_BODY_MAX UINT32_MAX

void segment_name(uint32_t number, char out[SEGMENT_NAME_SIZE]); /* "00000001.seg" */
bool segment_name_parse(const char *name, uint32_t *number);

/* Makes the file, durable with its name; dies on an I/O error. Returns the descriptor. */
int segment_create(int dir_fd, uint32_t number, bool sync);
/* Room from one offset to another: keeps the file in one piece, and most syncs from growing it. False: the file system cannot, or has none. */
bool segment_reserve(int fd, uint64_t from, uint64_t to);
/* For reading, the header checked; -1 with errno (EBADMSG: no segment of that number and a known version). */
int segment_open(int dir_fd, uint32_t number);

/* Where a record's body lies. */
struct segment_place {
	uint64_t at;   /* of the record */
	uint32_t size; /* of the body */
	uint32_t crc;
};

/* Gathers records and writes them with few calls. Bodies are borrowed until segment_flush. */
struct segment_writer {
	int fd;
	uint64_t at;   /* next record */
	uint64_t from; /* of what is gathered */
	struct VEC(struct iovec) parts;
	struct VEC(struct segment_head *) heads;
};
void segment_writer_init(struct segment_writer *w, int fd, uint64_t at);
struct segment_place segment_add(struct segment_writer *w, uint64_t id, struct str body);
/* 0, or errno: then nothing of what was gathered may be used. */
int segment_flush(struct segment_writer *w) MUST_USE;
void segment_writer_fini(struct segment_writer *w);

/* Bytes that a body takes with all around it. */
uint64_t segment_footprint(uint64_t body_size);

/* Appends n bytes of the body from at to out, checking the record's header, and the checksum when all of it is read. FAILED: damaged or
 * unreadable. */
enum outcome segment_read(
	int fd, uint64_t id, const struct segment_place *p, uint64_t at, size_t n, struct buf *out) MUST_USE;

/* The record at *at, which moves to the next; false at the end of the records, or where something else stands. */
struct segment_record {
	uint64_t id;
	struct segment_place place;
};
bool segment_next(int fd, uint64_t *at, struct segment_record *out);

#endif
