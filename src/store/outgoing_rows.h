/* store/outgoing_rows.h - rows of letters that leave, in a queue lane's partition; their keys stand in store/rows.h.
 *
 * A letter's row and those of its groups lie together, so that one walk sees both; its prefix lies apart, since only a delivery wants it.
 */
#ifndef SALLYPORT_STORE_OUTGOING_ROWS_H
#define SALLYPORT_STORE_OUTGOING_ROWS_H

#include "ipc_gen.h"
#include "store/rows.h"

#define OUT_RCPTS_MAX IPC_QUEUE_READ_RCPTS_MAX /* of a letter */

struct out_letter_row {
	uint32_t n_groups; /* that are still there; never 0 */
	uint64_t blob, body_size;
	struct ipc_out_facts facts;
};

struct out_trace_row {
	uint64_t id;
	int64_t finished_s; /* of its f row; 0: the letter is in the queue */
};

struct out_group_row {
	uint8_t state; /* QUEUE_* */
	uint8_t owed;  /* bits 1 << REPORT_*: of its recipients */
	uint32_t attempts, settled; /* numbers of the last attempt begun, and of the last whose result is known */
	uint32_t n_events;	    /* history rows made of it so far */
	uint32_t n_rcpts, n_waiting;
	int64_t due_s;
	struct str domain, route;
	struct str rcpts; /* encoded; out_rcpts_decode */
};

/* What happened to a group, once: an attempt, or an end without one. */
struct out_event_row {
	uint32_t attempt, left;
	int64_t at_s;
	struct str trace;
	uint64_t account;
	uint8_t from_null;
	struct ipc_addr from;
	int64_t date_s;
	uint64_t size;
	struct str domain;
	struct ipc_delivery delivery; /* without its rcpts */
	const struct ipc_queue_shown_rcpt *rcpts;
	size_t n_rcpts;
};

struct key key_out_letter(uint64_t id);
struct key key_out_group(uint64_t id, uint32_t group);
struct key key_out_prefix(uint64_t id);
struct key key_out_trace(struct str trace);
struct key key_out_event(uint64_t id, uint32_t group, uint32_t number);
struct key key_out_finished(int64_t time_s, uint64_t id);

void out_letter_row_encode(const struct out_letter_row *r, struct buf *out);
bool out_letter_row_decode(struct str v, struct out_letter_row *out); /* views into v, here and below */
void out_trace_row_encode(const struct out_trace_row *r, struct buf *out);
bool out_trace_row_decode(struct str v, struct out_trace_row *out);
/* Counts and owed are made of the recipients. */
void out_group_row_encode(struct out_group_row *r, const struct ipc_queue_rcpt *rcpts, struct buf *out);
void out_group_row_encode_as(const struct out_group_row *r, struct buf *out); /* its recipients as they are */
bool out_group_row_decode(struct str v, struct out_group_row *out); /* without looking at its recipients */
/* n_rcpts of them, in the arena. NULL: they do not decode. */
struct ipc_queue_rcpt *out_rcpts_decode(const struct out_group_row *r, struct arena *a);
void out_event_row_encode(const struct out_event_row *r, struct buf *out);
bool out_event_row_decode(struct str v, struct arena *a, struct out_event_row *out);

#endif
