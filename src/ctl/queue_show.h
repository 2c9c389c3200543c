/* ctl/queue_show.h - letters of the queue and what became of them, as lines and as JSON; inside ctl/ only. */
#ifndef SALLYPORT_CTL_QUEUE_SHOW_H
#define SALLYPORT_CTL_QUEUE_SHOW_H

#include "base/buf.h"
#include "ipc_gen.h"

#define QUEUE_TEXT_MAX ((size_t)2 << 20) /* a group of 200 recipients, each byte of their replies escaped */

/* A group as one line, with tabs between its fields. */
void queue_show_line(const struct ipc_queue_shown *e, struct buf *out);
/* All of it, for people; first: of its letter, which is shown before it then. */
void queue_show_group(const struct ipc_queue_shown *e, bool first, struct buf *out);
void queue_show_json(const struct ipc_queue_shown *e, struct buf *out);

/* What happened, a line a recipient; and all of it, for people. */
void queue_event_lines(const struct ipc_history_entry *e, struct buf *out);
void queue_event_show(const struct ipc_history_entry *e, struct buf *out);
void queue_event_json(const struct ipc_history_entry *e, struct buf *out);
/* The letter of an event, for one that is in the queue no more. */
void queue_event_letter(const struct ipc_history_entry *e, struct buf *out);

/* "mx.example.net[192.0.2.1]:25", or "-" when nobody was reached. */
void queue_peer(const struct ipc_delivery *d, struct buf *out);
/* What was said of a recipient: "mx.example.net[192.0.2.1]:25: 451 4.3.0 text"; "-" when nothing was. */
void queue_reply(const struct ipc_queue_shown_rcpt *r, struct buf *out);
/* What was said of the recipients last, "451 4.3.0 text"; "-" when nothing was. */
void queue_last_reply(const struct ipc_queue_shown *e, struct buf *out);

#endif
