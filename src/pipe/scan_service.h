/* pipe/scan_service.h - the scan role's service: reads what letters contain, and nothing else.
 *
 * Every call is pure and never waits: bytes in, a record out.
 */
#ifndef SALLYPORT_PIPE_SCAN_SERVICE_H
#define SALLYPORT_PIPE_SCAN_SERVICE_H

#include "base/log.h"
#include "co/sched.h"
#include "conf/conf.h"
#include "ipc/peer.h"

#define SCAN_INDEX_MAX 98304 /* bytes of an encoded part index: with a letter of BODY_INLINE_MAX it fits a record */

struct scan;
struct scan *scan_new(struct sched *s, struct log *l, const struct conf *c);
const struct ipc_service *scan_service(struct scan *s);
/* From now on a call that takes more processor time than this ends the process (SIGVTALRM). 0: none. */
void scan_limit(struct scan *s, int64_t cpu_ms);
uint64_t scan_count(const struct scan *s); /* letters read since the start */
void scan_free(struct scan *s);

#endif
