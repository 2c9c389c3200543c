/* pipe/tlsrpt.h - TLS reports (RFC 8460) that this server sends, and MTA-STS policies kept for relay's next life.
 *
 * relay says with each delivery what became of its TLS sessions. post adds them up for a few seconds and has store count them; after midnight, UTC, at
 * a time that differs from day to day, each domain that wants a report gets one about the day before. What could not be sent is tried again
 * every hour, for two days. Nothing is counted where queue.report_from is not set.
 */
#ifndef SALLYPORT_PIPE_TLSRPT_H
#define SALLYPORT_PIPE_TLSRPT_H

#include "ipc_gen.h"
#include "pipe/post_impl.h"

#define TLSRPT_PENDING_MAX 500	   /* kinds of sessions that wait to be counted; more are not */
#define TLSRPT_REPORT_COUNTS_MAX 2000 /* kinds in one report */

struct tls_reports;
struct tls_reports *tls_reports_open(struct post *p, struct link *relay);
/* What came with a delivery. */
void tls_reports_note(struct tls_reports *t, const struct ipc_tls_fact *facts, size_t n);
void tls_reports_keep(struct tls_reports *t, const struct ipc_sts_known *policies, size_t n);
/* The call of a command. */
SUSPENDS void tls_reports_send(struct tls_reports *t, struct ipc_call *c, const struct ipc_tlsrpt_send *m);
void tls_reports_stop(struct tls_reports *t);
bool tls_reports_stopped(const struct tls_reports *t);
void tls_reports_free(struct tls_reports *t);

#endif
