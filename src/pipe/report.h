/* pipe/report.h - delivery status notifications (RFC 3461, 3464): when one is owed, and making it. */
#ifndef SALLYPORT_PIPE_REPORT_H
#define SALLYPORT_PIPE_REPORT_H

#include "ipc_gen.h"
#include "pipe/post_impl.h"

/* What a recipient that has reached this RCPT_* state is owed (REPORT_*), by NOTIFY, the null sender and BY. RCPT_WAITING: asked when the time for a
 * warning has come; one is owed once. Pure. */
uint8_t report_owed(const struct ipc_out_facts *f, const struct ipc_queue_rcpt *r, uint8_t state);

/* One report about all recipients of the letter whose .report is that kind, to its sender: into the sender's mailbox, or into the queue. OK: durable, or
 * dropped for good, which is logged (its reader is nobody of ours, and no report is made about a report). The same letter, attempt and recipients make the
 * same report once. TRY_LATER: not now. letter has what store knows of them; the letter's bytes are read from its lane. */
SUSPENDS enum outcome report_send(struct post *p, uint64_t id, uint32_t group, const struct ipc_queue_read_reply *letter, uint8_t report,
	struct arena *a) MUST_USE;

#endif
