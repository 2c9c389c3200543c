/* store/rocks/segment.c - files of bodies. See the header.
 * Invariants  I1 a record's checksum covers its id, length, flags and bytes. I2 offsets are multiples of 8.
 */
#include "store/rocks/segment.h"

#include "base/cur.h"
#include "base/die.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAGIC "SPsegmnt"
#define FILE_VERSION 1
#define RECORD_MAGIC 0x6c626453u /* "Sdbl" */

struct file_head {
	char magic[8];
	uint32_t version, number;
};

struct segment_head {
	uint32_t magic, crc;
	uint64_t id;
	uint32_t length, flags;
};
_Static_assert(sizeof(struct segment_head) == SEGMENT_RECORD_HEADER, "record header");

/* ---- files */

void segment_name(uint32_t number, char out[SEGMENT_NAME_SIZE])
{
	snprintf(out, SEGMENT_NAME_SIZE, "%08u.seg", number);
}

bool segment_name_parse(const char *name, uint32_t *number)
{
	struct str s = str_z(name);

	return str_ends(s, STR(".seg")) && s.n >= 12 && str_to_u32(str_sub(s, 0, s.n - 4), number);
}

static struct file_head file_head(uint32_t number)
{
	struct file_head h = { .version = htole32(FILE_VERSION), .number = htole32(number) };

	memcpy(h.magic, FILE_MAGIC, 8);
	return h;
}

int segment_create(int dir_fd, uint32_t number, bool sync)
{
	char name[SEGMENT_NAME_SIZE];
	struct file_head h = file_head(number);
	int fd;

	segment_name(number, name);
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		die_errno("segment %s: create", name);
	if (pwrite(fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
		die_errno("segment %s: header", name);
	if (sync && (fsync(fd) != 0 || fsync(dir_fd) != 0))
		die_errno("segment %s: sync", name);
	return fd;
}

bool segment_reserve(int fd, uint64_t from, uint64_t to)
{
	return from >= to || fallocate(fd, 0, (off_t)from, (off_t)(to - from)) == 0;
}

int segment_open(int dir_fd, uint32_t number)
{
	char name[SEGMENT_NAME_SIZE];
	struct file_head want = file_head(number), h;
	int fd;

	segment_name(number, name);
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h || memcmp(&h, &want, sizeof h) != 0) {
		close(fd);
		errno = EBADMSG;
		return -1;
	}
	return fd;
}

/* ---- writing */

uint64_t segment_footprint(uint64_t body_size)
{
	return SEGMENT_RECORD_HEADER + (body_size + 7) / 8 * 8;
}

void segment_writer_init(struct segment_writer *w, int fd, uint64_t at)
{
	*w = (struct segment_writer){ .fd = fd, .at = at, .from = at };
}

static uint32_t record_crc(const struct segment_head *h, struct str body)
{
	return crc32c(crc32c(0, str_of(&h->id, 16)), body);
}

static void add_part(struct segment_writer *w, const void *p, size_t n)
{
	if (n)
		*vec_push(&w->parts) = (struct iovec){ (void *)(uintptr_t)p, n };
}

struct segment_place segment_add(struct segment_writer *w, uint64_t id, struct str body)
{
	static const char zeros[8];
	struct segment_head *h = mem_new(struct segment_head);
	struct segment_place place = { .at = w->at, .size = (uint32_t)body.n };

	die_unless(body.n <= SEGMENT_BODY_MAX, "segment: body of 4 GiB");
	*h = (struct segment_head){
		.magic = htole32(RECORD_MAGIC), .id = htole64(id), .length = htole32((uint32_t)body.n)
	};
	place.crc = record_crc(h, body);
	h->crc = htole32(place.crc);
	*vec_push(&w->heads) = h;
	add_part(w, h, sizeof *h);
	add_part(w, body.p, body.n);
	add_part(w, zeros, (8 - body.n % 8) % 8);
	w->at += segment_footprint(body.n);
	return place;
}

static void forget(struct segment_writer *w)
{
	for (size_t i = 0; i < w->heads.n; i++)
		free(w->heads.v[i]);
	w->heads.n = 0;
	w->parts.n = 0;
}

/* Writes may be short at 2 GiB and when the disk fills. */
static int write_parts(struct segment_writer *w)
{
	size_t i = 0;

	while (i < w->parts.n) {
		size_t left = w->parts.n - i;
		ssize_t n = pwritev(w->fd, w->parts.v + i, (int)(left < IOV_MAX ? left : IOV_MAX), (off_t)w->from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : ENOSPC;
		w->from += (uint64_t)n;
		for (; i < w->parts.n && (size_t)n >= w->parts.v[i].iov_len; i++)
			n -= (ssize_t)w->parts.v[i].iov_len;
		if (n > 0) {
			w->parts.v[i].iov_base = (char *)w->parts.v[i].iov_base + n;
			w->parts.v[i].iov_len -= (size_t)n;
		}
	}
	return 0;
}

int segment_flush(struct segment_writer *w)
{
	int error = write_parts(w);

	forget(w);
	return error;
}

void segment_writer_fini(struct segment_writer *w)
{
	forget(w);
	vec_free(&w->parts);
	vec_free(&w->heads);
}

/* ---- reading */

static bool read_all(int fd, void *p, size_t n, uint64_t at)
{
	char *q = p;

	while (n > 0) {
		ssize_t got = pread(fd, q, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		q += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return true;
}

static bool read_head(int fd, uint64_t at, struct segment_head *h)
{
	if (!read_all(fd, h, sizeof *h, at) || le32toh(h->magic) != RECORD_MAGIC)
		return false;
	return true;
}

enum outcome segment_read(int fd, uint64_t id, const struct segment_place *p, uint64_t at, size_t n, struct buf *out)
{
	struct segment_head h;
	size_t before = out->n;
	char *room;

	at = at < p->size ? at : p->size;
	n = n < p->size - at ? n : p->size - at;
	room = buf_room(out, n);
	if (!room || !read_head(fd, p->at, &h) || le64toh(h.id) != id || le32toh(h.length) != p->size ||
		le32toh(h.crc) != p->crc)
		return FAILED;
	if (!read_all(fd, room, n, p->at + sizeof h + at))
		return FAILED;
	if (n == p->size && record_crc(&h, str_of(room, n)) != p->crc)
		return FAILED;
	buf_grew(out, n);
	die_unless(out->n == before + n, "segment: lost count");
	return OK;
}

bool segment_next(int fd, uint64_t *at, struct segment_record *out)
{
	struct segment_head h;

	if (!read_head(fd, *at, &h))
		return false;
	out->id = le64toh(h.id);
	out->place = (struct segment_place){ *at, le32toh(h.length), le32toh(h.crc) };
	*at += segment_footprint(out->place.size);
	return true;
}
