/* store/view.h - the column view of a mailbox: what every command reads, in uid order.
 *
 * An expunged message stays as a tombstone until every selection of the mailbox has reported it. Sequence numbers belong to
 * a selection: its messages are those below the uid it knows, without the tombstones it has reported.
 */
#ifndef SALLYPORT_STORE_VIEW_H
#define SALLYPORT_STORE_VIEW_H

#include "store/rows.h"

#include "base/vec.h"
#include "ipc_gen.h"

#define VIEW_DEAD 128 /* in flags: a tombstone */

#define VIEW_COLUMNS(X)                                                                                                \
	X(uint32_t, uid)                                                                                               \
	X(uint64_t, modseq)                                                                                            \
	X(uint64_t, keywords)                                                                                          \
	X(uint64_t, blob)                                                                                              \
	X(uint64_t, email)                                                                                             \
	X(int64_t, date_s)                                                                                             \
	X(int64_t, saved_s)                                                                                            \
	X(uint32_t, size)                                                                                              \
	X(uint32_t, header_n)                                                                                          \
	X(uint16_t, prefix_n)                                                                                          \
	X(uint8_t, flags)

struct tombstone {
	uint32_t at; /* index of the row */
	uint64_t modseq;
};

struct view {
	uint32_t n, cap;
#define X(type, name) type *name;
	VIEW_COLUMNS(X)
#undef X
	struct VEC(struct tombstone) dead; /* by index */
	uint64_t modseq_max;		   /* of rows */
	uint64_t dead_modseq_max;	   /* of tombstones */
	uint64_t dead_modseq_min;	   /* none is lower */
};

void view_fini(struct view *v);
/* uid is above all others. */
void view_add(struct view *v, uint32_t uid, const struct message_row *r);
struct message_row view_row(const struct view *v, uint32_t at);
uint32_t view_lower(const struct view *v, uint32_t uid); /* the first index with a uid >= */
/* The index of a uid, tombstone or not; false: there is none. */
bool view_find(const struct view *v, uint32_t uid, uint32_t *at);
/* Rows at ascending indexes become tombstones with modseqs first, first + 1 ... */
void view_kill(struct view *v, const uint32_t *at, uint32_t n, uint64_t first);
/* Forgets tombstones of modseq <= upto, when they are many enough to be worth it. */
void view_purge(struct view *v, uint64_t upto);
size_t view_memory(const struct view *v);

/* The numbers of one selection at one moment. */
struct seqmap {
	const struct view *view;
	const uint32_t *gone; /* indexes of reported tombstones below limit, ascending */
	uint32_t n_gone;
	uint32_t limit; /* rows from here are not known to the selection */
};
/* seen: highest modseq of an expunge that was reported; known: uids below it are known. Arrays are in the arena. */
struct seqmap seqmap_make(const struct view *v, uint64_t seen, uint32_t known, struct arena *a);
uint32_t seqmap_count(const struct seqmap *m);
uint32_t seqmap_seq(const struct seqmap *m, uint32_t at);	   /* 0: not a message of the selection */
uint32_t seqmap_between(const struct seqmap *m, uint32_t lo, uint32_t hi); /* messages of the selection in rows [lo, hi), below limit */
uint32_t seqmap_at(const struct seqmap *m, uint32_t seq);	   /* seq from 1 to count */
static inline bool seqmap_has(const struct seqmap *m, uint32_t at) /* a message of the selection, perhaps a tombstone */
{
	return !(m->view->flags[at] & VIEW_DEAD) ? at < m->limit : seqmap_seq(m, at) != 0;
}

/* Spans of indexes [lo, hi), ascending and apart. */
struct span {
	uint32_t lo, hi;
};
struct spans {
	struct span *v;
	size_t n;
};
/* The rows that a set names, where 0 stands for "*" (they may contain rows that seqmap_has denies). Numbers beyond the mailbox name nothing. */
struct spans seqmap_resolve(
	const struct seqmap *m, bool by_uid, const struct ipc_range *set, size_t n, struct arena *a);
struct spans spans_all(const struct seqmap *m, struct arena *a);

#endif
