/* pipe/report_impl.h - a report on its way, inside pipe/ only. */
#ifndef SALLYPORT_PIPE_REPORT_IMPL_H
#define SALLYPORT_PIPE_REPORT_IMPL_H

#include "mail/dsn.h"
#include "pipe/report.h"

struct report_job {
	struct str id;	    /* at most 24 bytes of [a-z0-9]: its trace, and the id of its delivery */
	struct str trace;   /* of the letter that it is about */
	struct ipc_addr to; /* its reader */
	int64_t now_s;
	struct arena *a;
};

/* Composes it and takes it to its reader. OK: durable, or dropped and logged; TRY_LATER. */
SUSPENDS enum outcome report_dispatch(struct post *p, const struct report_job *j, const struct mail_dsn *d) MUST_USE;

#endif
