/* store/tlsrpt.h - what is counted for TLS reports (RFC 8460), and MTA-STS policies (RFC 8461) that outlive relay: rows of the queue's lane.
 *
 *   r day domain fact   tls_count: so many of one kind (domain and fact as hashes)
 *   n day               counter: r rows of that day
 *   s domain            sts_known (domain as a hash)
 */
#ifndef SALLYPORT_STORE_TLSRPT_H
#define SALLYPORT_STORE_TLSRPT_H

#include "ipc_gen.h"
#include "store/shard.h"

#define TLSRPT_ROWS_MAX 20000 /* kinds of a day; those that come first are counted on, later ones are not */

/* OK when durable. */
SUSPENDS enum outcome tlsrpt_add(struct shard *s, const struct ipc_tlsrpt_add *q, struct arena *a) MUST_USE;
enum outcome tlsrpt_list(struct shard *s, const struct ipc_tlsrpt_list *q, struct arena *a, struct ipc_tlsrpt_list_reply *r) MUST_USE;
/* next: where the next page begins, in the number of rows. */
enum outcome tlsrpt_read(struct shard *s, const struct ipc_tlsrpt_read *q, struct arena *a, struct ipc_tlsrpt_read_reply *r) MUST_USE;
SUSPENDS enum outcome tlsrpt_done(struct shard *s, const struct ipc_tlsrpt_done *q) MUST_USE;

SUSPENDS enum outcome sts_keep(struct shard *s, const struct ipc_sts_keep *q) MUST_USE;
/* Those in time; those that are over go. */
SUSPENDS enum outcome sts_list(struct shard *s, const struct ipc_sts_list *q, struct arena *a, struct ipc_sts_list_reply *r) MUST_USE;

#endif
