/* ctl/keep_file.c - files of a backup. See the header.
 * Trust       what is read may be damaged or made by another: every length is checked against the file.
 * Invariants  F1 a file has its name only when all of it is on the disk.
 */
#include "ctl/keep_file.h"

#include "base/crc.h"
#include "base/cur.h"
#include "base/die.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x6b427053u /* "SpBk" */
#define PIECE ((size_t)1 << 20)

struct head {
	uint32_t magic, crc;
	uint64_t id;
	uint32_t n, m;
};
_Static_assert(sizeof(struct head) == KEEP_HEAD, "a record's head");

/* ---- writing */

static bool fail(struct keep_out *o, const char *what)
{
	if (!o->failed)
		fprintf(stderr, "sallyport: %s/%s: %s: %s\n", o->dir, o->name, what, strerror(errno));
	o->failed = true;
	return false;
}

static EVP_MD_CTX *sha_new(void)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	die_unless(c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1, "SHA-256");
	return c;
}

static void new_name(const struct keep_out *o, char out[KEEP_NAME_SIZE + 4])
{
	snprintf(out, KEEP_NAME_SIZE + 4, "%s.new", o->name);
}

bool keep_out_open(struct keep_out *o, int dir_fd, const char *dir, const char *name)
{
	char temp[KEEP_NAME_SIZE + 4];

	*o = (struct keep_out){ .dir_fd = dir_fd, .dir = dir };
	snprintf(o->name, sizeof o->name, "%s", name);
	new_name(o, temp);
	o->fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (o->fd < 0)
		return fail(o, "cannot be made");
	o->sha = sha_new();
	buf_init(&o->gather, SIZE_MAX);
	return true;
}

static void flush(struct keep_out *o)
{
	struct str s = buf_str(&o->gather);

	EVP_DigestUpdate(o->sha, s.p, s.n);
	while (s.n && !o->failed) {
		ssize_t n = write(o->fd, s.p, s.n);

		if (n < 0 && errno != EINTR)
			fail(o, "cannot be written");
		s = str_from(s, n > 0 ? (size_t)n : 0);
	}
	buf_reset(&o->gather);
}

void keep_out_raw(struct keep_out *o, struct str bytes)
{
	buf_add(&o->gather, bytes);
	o->size += bytes.n;
	if (o->gather.n >= PIECE)
		flush(o);
}

static uint32_t crc_of(const struct head *h, struct str a, struct str b)
{
	return crc32c(crc32c(crc32c(0, str_of((const char *)h + 8, KEEP_HEAD - 8)), a), b);
}

uint64_t keep_out_record(struct keep_out *o, uint64_t id, struct str a, struct str b)
{
	struct head h = { htole32(MAGIC), 0, htole64(id), htole32((uint32_t)a.n), htole32((uint32_t)b.n) };
	uint64_t at = o->size;

	h.crc = htole32(crc_of(&h, a, b));
	keep_out_raw(o, str_of(&h, sizeof h));
	keep_out_raw(o, a);
	keep_out_raw(o, b);
	return at;
}

static void out_close(struct keep_out *o)
{
	close(o->fd);
	EVP_MD_CTX_free(o->sha);
	buf_fini(&o->gather);
}

void keep_out_drop(struct keep_out *o)
{
	char temp[KEEP_NAME_SIZE + 4];

	out_close(o);
	new_name(o, temp);
	unlinkat(o->dir_fd, temp, 0);
}

bool keep_out_end(struct keep_out *o, struct keep_ref *ref)
{
	char temp[KEEP_NAME_SIZE + 4];

	flush(o);
	if (!o->failed && fsync(o->fd) != 0)
		fail(o, "cannot be synced");
	if (o->failed) {
		keep_out_drop(o);
		return false;
	}
	EVP_DigestFinal_ex(o->sha, ref->sha, NULL);
	ref->size = o->size;
	memcpy(ref->name, o->name, sizeof ref->name);
	posix_fadvise(o->fd, 0, 0, POSIX_FADV_DONTNEED); /* what is read back comes from the disk */
	out_close(o);
	new_name(o, temp);
	return renameat(o->dir_fd, temp, o->dir_fd, o->name) == 0 || fail(o, "cannot get its name");
}

/* ---- reading */

bool keep_in_open(struct keep_in *in, int dir_fd, const char *dir, const char *name)
{
	struct stat st;

	*in = (struct keep_in){ .dir = dir, .name = name, .fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC) };
	if (in->fd < 0 || fstat(in->fd, &st) != 0) {
		fprintf(stderr, "sallyport: %s/%s: %s\n", dir, name, strerror(errno));
		if (in->fd >= 0)
			close(in->fd);
		return false;
	}
	in->size = (uint64_t)st.st_size;
	in->sha = sha_new();
	buf_init(&in->buf, SIZE_MAX);
	posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return true;
}

void keep_in_close(struct keep_in *in)
{
	posix_fadvise(in->fd, 0, 0, POSIX_FADV_DONTNEED);
	close(in->fd);
	EVP_MD_CTX_free(in->sha);
	buf_fini(&in->buf);
}

static bool read_more(struct keep_in *in, size_t n)
{
	char *room;
	ssize_t got;

	if (in->used) {
		buf_consume(&in->buf, in->used);
		in->used = 0;
	}
	room = buf_room(&in->buf, n);
	do
		got = read(in->fd, room, n);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		fprintf(stderr, "sallyport: %s/%s at %llu: %s\n", in->dir, in->name, (unsigned long long)(in->at + in->buf.n),
			strerror(errno));
		in->io_failed = true;
	}
	if (got <= 0)
		return false;
	EVP_DigestUpdate(in->sha, room, (size_t)got);
	buf_grew(&in->buf, (size_t)got);
	return true;
}

struct str keep_in_peek(struct keep_in *in, size_t n)
{
	while (in->buf.n - in->used < n && read_more(in, n > PIECE ? n : PIECE))
		;
	return str_sub(buf_str(&in->buf), in->used, n);
}

void keep_in_skip(struct keep_in *in, size_t n)
{
	in->used += n;
	in->at += n;
}

static bool head_fits(const struct keep_in *in, const struct head *h)
{
	return le32toh(h->magic) == MAGIC && (uint64_t)le32toh(h->n) + le32toh(h->m) + KEEP_HEAD <= in->size - in->at;
}

enum keep_got keep_in_next(struct keep_in *in, struct keep_record *out, const char **why)
{
	struct str s = keep_in_peek(in, KEEP_HEAD);
	struct head h;
	size_t n, m;

	*out = (struct keep_record){ .at = in->at };
	if (s.n == 0 && !in->io_failed)
		return KEEP_END;
	*why = in->io_failed ? "it cannot be read" : s.n < KEEP_HEAD ? "the file ends within a record" : "no record begins here";
	if (s.n < KEEP_HEAD)
		return KEEP_DAMAGED;
	memcpy(&h, s.p, sizeof h);
	if (!head_fits(in, &h))
		return KEEP_DAMAGED;
	n = le32toh(h.n);
	m = le32toh(h.m);
	s = keep_in_peek(in, KEEP_HEAD + n + m);
	out->id = le64toh(h.id);
	out->a = str_sub(s, KEEP_HEAD, n);
	out->b = str_from(s, KEEP_HEAD + n < s.n ? KEEP_HEAD + n : s.n);
	*why = "a record does not match its checksum";
	if (s.n < KEEP_HEAD + n + m || crc_of(&h, out->a, out->b) != le32toh(h.crc))
		return KEEP_DAMAGED;
	keep_in_skip(in, KEEP_HEAD + n + m);
	return KEEP_RECORD;
}

/* A place where a whole record begins. */
static bool record_here(struct keep_in *in)
{
	struct str s = keep_in_peek(in, KEEP_HEAD);
	struct head h;
	size_t n;

	if (s.n < KEEP_HEAD)
		return false;
	memcpy(&h, s.p, sizeof h);
	if (!head_fits(in, &h))
		return false;
	n = le32toh(h.n);
	s = keep_in_peek(in, KEEP_HEAD + n + le32toh(h.m));
	return crc_of(&h, str_sub(s, KEEP_HEAD, n), str_from(s, KEEP_HEAD + n < s.n ? KEEP_HEAD + n : s.n)) == le32toh(h.crc);
}

void keep_in_resync(struct keep_in *in)
{
	uint32_t magic = htole32(MAGIC);

	do {
		struct str s;

		keep_in_skip(in, 1);
		while ((s = keep_in_peek(in, 4)).n == 4 && memcmp(s.p, &magic, 4) != 0)
			keep_in_skip(in, 1);
		if (s.n < 4) {
			keep_in_skip(in, s.n);
			return;
		}
	} while (!record_here(in));
}

bool keep_in_matches(struct keep_in *in, const struct keep_ref *ref)
{
	unsigned char sha[KEEP_SHA];

	keep_in_skip(in, in->buf.n - in->used);
	while (read_more(in, PIECE))
		keep_in_skip(in, in->buf.n - in->used);
	EVP_DigestFinal_ex(in->sha, sha, NULL);
	return !in->io_failed && in->size == ref->size && memcmp(sha, ref->sha, KEEP_SHA) == 0;
}

bool keep_record_read(int fd, uint64_t at, uint64_t id, uint32_t size, struct buf *buf, struct str *body)
{
	size_t want = KEEP_HEAD + (size_t)size, got = 0;
	struct head h;
	char *room;

	buf_reset(buf);
	room = buf_room(buf, want);
	while (got < want) {
		ssize_t n = pread(fd, room + got, want - got, (off_t)(at + got));

		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		got += n > 0 ? (size_t)n : 0;
	}
	buf_grew(buf, want);
	memcpy(&h, room, sizeof h);
	*body = str_of(room + KEEP_HEAD, size);
	return le32toh(h.magic) == MAGIC && le64toh(h.id) == id && le32toh(h.n) == size && h.m == 0 &&
	       crc_of(&h, *body, STR("")) == le32toh(h.crc);
}
