/* ctl/queue_filter.h - which letters of the queue, or of its history, a command is about; inside ctl/ only. */
#ifndef SALLYPORT_CTL_QUEUE_FILTER_H
#define SALLYPORT_CTL_QUEUE_FILTER_H

#include "ctl/ctl_impl.h"

struct queue_ask {
	struct ctl *c;
	struct ipc_queue_filter filter; /* strings in the client's lines, or words of the command */
	int64_t older_s;		/* accepted then or before; 0: any */
	char **ids;			/* "17", "17.2" or a trace; none: all that the filter lets through */
	int n_ids;
	bool all, json;
	bool narrowed;			/* by an option or an id */
};

/* The words behind the command's name; of those that are no options, n_first are the command's own and stay in c->words. False: why not was said,
 * and *status is the exit status. */
bool queue_ask_parse(struct ctl *c, int n_first, struct queue_ask *q, int *status);

/* Calls each for every group that is meant, in pages; the entry lives until it returns. False from it ends the walk. */
typedef bool queue_each_fn(void *ctx, const struct ipc_queue_shown *e);
enum outcome queue_walk(const struct queue_ask *q, queue_each_fn *each, void *ctx) MUST_USE;
/* The same for what has happened; n_found counts what each was called for. */
typedef bool queue_event_fn(void *ctx, const struct ipc_history_entry *e);
enum outcome queue_history_walk(const struct queue_ask *q, queue_event_fn *each, void *ctx) MUST_USE;

int queue_count(struct ctl *c); /* the command, in queue_count.c */
int queue_sites(struct ctl *c); /* likewise */

#endif
