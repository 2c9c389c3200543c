/* ipc/counters.h - what the server counts, once: each role fills in what is its own, master sums over roles and lives, and the
 * command status and the metrics listener print the sums by the names given here.
 *
 * A counter only grows while its process lives; a gauge is how it is now. Names are those of Prometheus' exposition format 0.0.4
 * without the prefix "sallyport_".
 */
#ifndef SALLYPORT_IPC_COUNTERS_H
#define SALLYPORT_IPC_COUNTERS_H

#include "base/str.h"
#include "ipc/words.h"

/* By service. */
enum service_counter {
	COUNT_SESSIONS, /* gauge */
	COUNT_CONNECTIONS,
	COUNT_TURNED_AWAY,
	COUNT_TLS,
	COUNT_TLS_FAILED,
	COUNT_LOGINS,
	COUNT_LOGINS_REFUSED,
	COUNT_BYTES_IN,
	COUNT_BYTES_OUT,
	SERVICE_COUNTERS
};

/* Of the whole server. */
enum counter {
	COUNT_LETTERS_ACCEPTED,
	COUNT_LETTERS_REFUSED,
	COUNT_LETTERS_APPENDED,
	COUNT_LETTERS_FANNED_OUT,
	COUNT_LETTERS_UNDER_WAY,
	COUNT_LANE_WAITING,
	COUNT_OUT_WAITING, /* gauges: post's queue; a letter counts once for each destination */
	COUNT_OUT_HELD,
	COUNT_OUT_RUNNING,
	COUNT_OUT_DESTINATIONS,
	COUNT_OUT_ATTEMPTS,
	COUNT_OUT_SENT, /* recipients, this and the next two */
	COUNT_OUT_DEFERRED,
	COUNT_OUT_FAILED,
	COUNT_OUT_REPORTS,
	COUNT_OUT_LOCKS, /* attempts by enum lock: the first of LOCK_COUNT */
	COUNT_RELAY_CONNECTIONS = COUNT_OUT_LOCKS + LOCK_COUNT, /* gauge */
	COUNT_RELAY_CONNECTED,
	COUNT_RELAY_REUSED,
	COUNT_RELAY_FAILED,
	COUNT_RELAY_RESULTS_KEPT, /* gauge */
	COUNT_PASSWORDS_RIGHT,
	COUNT_PASSWORDS_WRONG,
	COUNT_PASSWORDS_REMEMBERED,
	COUNT_SIGNATURES,
	COUNT_DKIM_SIGNATURES,
	COUNT_SCANS,
	COUNT_DELIVERIES,
	COUNT_DELIVERIES_REPEATED,
	COUNT_COMMITS,
	COUNT_COMMITS_FAILED,
	COUNT_COMMIT_GROUPS,
	COUNT_SYNCS,
	COUNT_ROW_BYTES_WRITTEN,
	COUNT_BODY_BYTES_WRITTEN,
	COUNT_BODIES,
	COUNT_BODY_BYTES_LIVE,
	COUNT_BODY_BYTES_DEAD,
	COUNT_SEGMENTS,
	COUNT_DISK_BYTES_FREE,
	COUNT_ACCOUNTS_LOADED,
	COUNT_CACHE_BYTES,
	COUNT_HANDLES,
	COUNTERS
};

/* Of each process, filled by the skeleton of all roles. */
enum process_counter { COUNT_CPU_MS, COUNT_HEAP_BYTES, PROCESS_COUNTERS };

struct counters {
	uint64_t process[PROCESS_COUNTERS];
	uint64_t server[COUNTERS];
	uint64_t service[SERVICE_COUNT][SERVICE_COUNTERS];
};
#define COUNTER_VALUES (sizeof(struct counters) / sizeof(uint64_t))

struct counter_info {
	const char *name, *help;
	bool gauge;
};
extern const struct counter_info service_counters[SERVICE_COUNTERS], server_counters[COUNTERS];

/* Adds one process's counts to a sum; gauges only when it is alive. */
void counters_add(struct counters *sum, const struct counters *one, bool alive);

#endif
