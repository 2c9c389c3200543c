/* ipc/body.c - the bytes of a letter on their way between roles.
 * Purpose     small ones stay in memory; larger ones go to a memfd that is sealed before it is passed on.
 * Owns        a writer: its buffer, its memfd and its share of the budget, until body_writer_close().
 * Invariants  I1 budget->used counts each open writer's size once. I2 after a sticky failure a writer holds nothing.
 */
#include "ipc/body.h"

#include "base/die.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

bool body_budget_has(const struct body_budget *b, uint64_t n)
{
	return b->used <= b->max && n <= b->max - b->used;
}

void body_writer_open(struct body_writer *w, struct body_budget *budget, uint64_t size_max)
{
	*w = (struct body_writer){ .budget = budget, .fd = -1, .size_max = size_max };
	buf_init(&w->head, BODY_INLINE_MAX);
}

void body_writer_close(struct body_writer *w)
{
	buf_fini(&w->head);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	w->budget->used -= w->size;
	w->size = 0;
}

static bool is_failed(const struct body_writer *w)
{
	return w->over_size || w->over_budget || w->failed;
}

static bool write_all(int fd, struct str bytes)
{
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno != EINTR)
			return false;
		bytes = str_from(bytes, n > 0 ? (size_t)n : 0);
	}
	return true;
}

/* What does not fit into memory goes to the memfd, in pieces of at least the buffer's size. */
static bool spill(struct body_writer *w, struct str bytes)
{
	if (w->fd < 0)
		w->fd = memfd_create("letter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (w->fd < 0 || !write_all(w->fd, buf_str(&w->head)))
		return false;
	buf_reset(&w->head);
	if (bytes.n >= BODY_INLINE_MAX)
		return write_all(w->fd, bytes);
	buf_add(&w->head, bytes);
	return true;
}

void body_writer_add(struct body_writer *w, struct str bytes)
{
	if (is_failed(w) || bytes.n == 0)
		return;
	if (bytes.n > w->size_max - w->size) {
		w->over_size = true;
	} else if (!body_budget_has(w->budget, bytes.n)) {
		w->over_budget = true;
	} else {
		w->budget->used += bytes.n;
		w->size += bytes.n;
		if (w->head.n + bytes.n <= BODY_INLINE_MAX)
			buf_add(&w->head, bytes);
		else
			w->failed = !spill(w, bytes);
	}
	if (is_failed(w))
		body_writer_close(w);
}

static bool seal(struct body_writer *w)
{
	if (w->head.n && !spill(w, (struct str){ 0 }))
		return false;
	return fcntl(w->fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

enum outcome body_writer_seal(struct body_writer *w, struct body *out)
{
	*out = (struct body){ .fd = -1 };
	if (!is_failed(w) && w->fd >= 0 && !seal(w)) {
		w->failed = true;
		body_writer_close(w);
	}
	if (is_failed(w))
		return w->over_size ? OVER_LIMIT : TRY_LATER;
	*out = (struct body){ .size = w->size, .fd = w->fd };
	if (w->fd < 0)
		out->inl = buf_str(&w->head);
	return OK;
}

enum outcome body_map(const struct body *b, struct body_map *out)
{
	*out = (struct body_map){ .bytes = b->fd < 0 ? b->inl : (struct str){ 0 } };
	if (b->fd < 0 || b->size == 0)
		return OK;
	if (b->size > SIZE_MAX)
		return FAILED;
	/* Private: a shared mapping of a memfd sealed against writing is refused by older kernels, read-only or not. */
	void *p = mmap(NULL, (size_t)b->size, PROT_READ, MAP_PRIVATE, b->fd, 0);
	if (p == MAP_FAILED)
		return FAILED;
	*out = (struct body_map){ .bytes = str_of(p, (size_t)b->size), .mapped = p, .n_mapped = (size_t)b->size };
	return OK;
}

void body_unmap(struct body_map *m)
{
	if (m->mapped)
		munmap(m->mapped, m->n_mapped);
	*m = (struct body_map){ 0 };
}

struct body body_of(struct str bytes)
{
	die_unless(bytes.n <= BODY_INLINE_MAX, "body_of: too many bytes to ride in a record");
	return (struct body){ .size = bytes.n, .inl = bytes, .fd = -1 };
}
