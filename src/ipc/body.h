/* ipc/body.h - the bytes of a letter on their way between roles, and the budget that all of them share.
 *
 * Up to BODY_INLINE_MAX bytes ride in the record itself; more in a sealed memfd whose seals and size the receiver checks
 * (so that it may be mapped without fear). A writer counts what it holds against a budget.
 */
#ifndef SALLYPORT_IPC_BODY_H
#define SALLYPORT_IPC_BODY_H

#include "base/buf.h"
#include "base/outcome.h"

#define BODY_INLINE_MAX 65536

struct body {
	uint64_t size;
	struct str inl; /* when fd < 0: all the bytes, borrowed */
	int fd;         /* sealed memfd, or -1 */
};

struct body_budget {
	uint64_t max, used; /* bytes */
};
bool body_budget_has(const struct body_budget *b, uint64_t n); /* n more bytes fit now */

struct body_writer {
	struct body_budget *budget;
	struct buf head; /* while small */
	int fd;          /* memfd once it is large, else -1 */
	uint64_t size, size_max;
	bool over_size, over_budget, failed; /* sticky; the bytes are gone, later additions vanish */
};
void body_writer_open(struct body_writer *w, struct body_budget *budget, uint64_t size_max);
void body_writer_add(struct body_writer *w, struct str bytes);
/* OK; OVER_LIMIT (over_size), TRY_LATER (over_budget or failed). The body borrows from the writer until it is closed. */
enum outcome body_writer_seal(struct body_writer *w, struct body *out) MUST_USE;
void body_writer_close(struct body_writer *w); /* gives memory, descriptor and budget back */

/* A view of all bytes: the inline ones, or a read-only mapping made here. */
struct body_map {
	struct str bytes;
	void *mapped; /* NULL: nothing to undo */
	size_t n_mapped;
};
enum outcome body_map(const struct body *b, struct body_map *out) MUST_USE; /* FAILED: the kernel refused */
void body_unmap(struct body_map *m);

struct body body_of(struct str bytes); /* inline; bytes.n <= BODY_INLINE_MAX */

#endif
