/* pipe/tlsrpt_impl.h - what the files of pipe/tlsrpt share. */
#ifndef SALLYPORT_PIPE_TLSRPT_IMPL_H
#define SALLYPORT_PIPE_TLSRPT_IMPL_H

#include "base/map.h"
#include "pipe/tlsrpt.h"

struct pending {
	uint32_t day;
	struct ipc_tls_count count; /* texts in tls_reports.arena */
};

struct tls_reports {
	struct post *post;
	struct link *relay;
	struct arena arena; /* of pending */
	struct map by_fact;
	struct VEC(struct pending *) pending;
	struct task *counting, *daily, *telling;
	unsigned n_tasks;
	bool sending;
	struct gate sent; /* opens when sending ends */
};

int64_t tls_now_s(const struct tls_reports *t);
/* Sends what there is of days before that one; a line each into lines, which may be NULL. today: the current day is among them. */
SUSPENDS void tls_send_before(struct tls_reports *t, uint32_t before_day, bool today, struct buf *lines);
SUSPENDS void tls_count_pending(struct tls_reports *t);
void tls_telling_main(void *arg);

#endif
