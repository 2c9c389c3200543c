/* ipc/counters.c - names and meanings of what is counted. See the header. */
#include "ipc/counters.h"

const struct counter_info service_counters[SERVICE_COUNTERS] = {
	[COUNT_SESSIONS] = { "sessions", "Sessions that are open.", true },
	[COUNT_CONNECTIONS] = { "connections_total", "Connections that were accepted.", false },
	[COUNT_TURNED_AWAY] = { "connections_turned_away_total", "Connections closed at once: a limit on them was met, or their address may not come.", false },
	[COUNT_TLS] = { "tls_handshakes_total", "TLS handshakes that succeeded.", false },
	[COUNT_TLS_FAILED] = { "tls_handshakes_failed_total", "TLS handshakes that failed.", false },
	[COUNT_LOGINS] = { "logins_total", "Logins that succeeded.", false },
	[COUNT_LOGINS_REFUSED] = { "logins_refused_total", "Logins that were refused.", false },
	[COUNT_BYTES_IN] = { "received_bytes_total", "Bytes received, as the protocol sees them, in sessions that have ended.", false },
	[COUNT_BYTES_OUT] = { "sent_bytes_total", "Bytes sent, as the protocol sees them, in sessions that have ended.", false },
};

const struct counter_info server_counters[COUNTERS] = {
	[COUNT_LETTERS_ACCEPTED] = { "letters_accepted_total", "Letters that were accepted by SMTP or LMTP.", false },
	[COUNT_LETTERS_REFUSED] = { "letters_refused_total", "Letters that were refused after they had come in.", false },
	[COUNT_LETTERS_APPENDED] = { "letters_appended_total", "Letters that clients put into mailboxes themselves.", false },
	[COUNT_LETTERS_FANNED_OUT] = { "letters_fanned_out_total", "Deliveries of letters for several accounts.", false },
	[COUNT_LETTERS_UNDER_WAY] = { "letters_under_way", "Letters being handled now.", true },
	[COUNT_LANE_WAITING] = { "queue_waiting", "Letters for several accounts that are being delivered.", true },
	[COUNT_OUT_WAITING] = { "outgoing_waiting", "Letters that wait to leave, each once for each destination.", true },
	[COUNT_OUT_HELD] = { "outgoing_held", "Letters that an operator holds back, likewise.", true },
	[COUNT_OUT_RUNNING] = { "outgoing_running", "Letters being sent now, likewise.", true },
	[COUNT_OUT_DESTINATIONS] = { "outgoing_destinations", "Destinations that are remembered: something waits for them, or was sent there lately.", true },
	[COUNT_OUT_ATTEMPTS] = { "outgoing_attempts_total", "Attempts to send a letter to a destination.", false },
	[COUNT_OUT_SENT] = { "outgoing_sent_total", "Recipients that another server has taken a letter for.", false },
	[COUNT_OUT_DEFERRED] = { "outgoing_deferred_total", "Recipients for whom an attempt ended with another to come.", false },
	[COUNT_OUT_FAILED] = { "outgoing_failed_total", "Recipients that were refused for good, or whose time was over.", false },
	[COUNT_OUT_REPORTS] = { "outgoing_reports_total", "Reports to senders about what became of their letters.", false },
	[COUNT_OUT_LOCKS + LOCK_NONE] = { "outgoing_lock_none_total", "Attempts that reached a server without TLS.", false },
	[COUNT_OUT_LOCKS + LOCK_OPPORTUNISTIC] = { "outgoing_lock_opportunistic_total", "Attempts over TLS to whomever it was.", false },
	[COUNT_OUT_LOCKS + LOCK_REQUIRED] = { "outgoing_lock_required_total", "Attempts over TLS that a route demands.", false },
	[COUNT_OUT_LOCKS + LOCK_VERIFIED] = { "outgoing_lock_verified_total", "Attempts over TLS with a certificate that a route demands.", false },
	[COUNT_OUT_LOCKS + LOCK_STS] = { "outgoing_lock_sts_total", "Attempts over TLS as an MTA-STS policy demands (RFC 8461).", false },
	[COUNT_OUT_LOCKS + LOCK_DANE] = { "outgoing_lock_dane_total", "Attempts over TLS as DANE demands (RFC 7672).", false },
	[COUNT_RELAY_CONNECTIONS] = { "relay_connections", "Connections to other servers that are open.", true },
	[COUNT_RELAY_CONNECTED] = { "relay_connections_total", "Connections to other servers that were made.", false },
	[COUNT_RELAY_REUSED] = { "relay_connections_reused_total", "Letters that went over a connection which was there already.", false },
	[COUNT_RELAY_FAILED] = { "relay_connections_failed_total", "Connections to other servers that could not be made.", false },
	[COUNT_RELAY_RESULTS_KEPT] = { "relay_results_kept", "Attempts and results that the queue has not recorded yet.", true },
	[COUNT_PASSWORDS_RIGHT] = { "credentials_right_total", "Credentials that were right.", false },
	[COUNT_PASSWORDS_WRONG] = { "credentials_wrong_total", "Credentials that were wrong, or not allowed here.", false },
	[COUNT_PASSWORDS_REMEMBERED] = { "credentials_remembered_total", "Credentials that had been right lately and were not hashed again.", false },
	[COUNT_SIGNATURES] = { "signatures_total", "Signatures made by private keys.", false },
	[COUNT_DKIM_SIGNATURES] = { "dkim_signatures_total", "DKIM signatures made.", false },
	[COUNT_SCANS] = { "scans_total", "Letters read for their part index or searched.", false },
	[COUNT_DELIVERIES] = { "deliveries_total", "Letters put into accounts.", false },
	[COUNT_DELIVERIES_REPEATED] = { "deliveries_repeated_total", "Deliveries that an account had already and did not take twice.", false },
	[COUNT_COMMITS] = { "store_commits_total", "Commits of partitions.", false },
	[COUNT_COMMITS_FAILED] = { "store_commits_failed_total", "Commits that failed.", false },
	[COUNT_COMMIT_GROUPS] = { "store_groups_total", "Synced writes that merged commits.", false },
	[COUNT_SYNCS] = { "store_syncs_total", "Syncs to the disk.", false },
	[COUNT_ROW_BYTES_WRITTEN] = { "store_row_bytes_written_total", "Bytes of rows written.", false },
	[COUNT_BODY_BYTES_WRITTEN] = { "store_body_bytes_written_total", "Bytes of bodies written.", false },
	[COUNT_BODIES] = { "store_bodies", "Bodies kept.", true },
	[COUNT_BODY_BYTES_LIVE] = { "store_body_bytes_live", "Bytes of bodies in use.", true },
	[COUNT_BODY_BYTES_DEAD] = { "store_body_bytes_dead", "Bytes of bodies that wait to be given back.", true },
	[COUNT_SEGMENTS] = { "store_segments", "Files of bodies.", true },
	[COUNT_DISK_BYTES_FREE] = { "disk_bytes_free", "Free bytes where mail is kept.", true },
	[COUNT_ACCOUNTS_LOADED] = { "accounts_loaded", "Accounts held in memory.", true },
	[COUNT_CACHE_BYTES] = { "cache_bytes", "Bytes of accounts and views held in memory.", true },
	[COUNT_HANDLES] = { "handles", "Logins that are open.", true },
};

static void add(uint64_t *sum, const uint64_t *one, const struct counter_info *info, size_t n, bool alive)
{
	for (size_t i = 0; i < n; i++)
		if (alive || !info[i].gauge)
			sum[i] += one[i];
}

void counters_add(struct counters *sum, const struct counters *one, bool alive)
{
	add(sum->server, one->server, server_counters, COUNTERS, alive);
	for (size_t s = 0; s < SERVICE_COUNT; s++)
		add(sum->service[s], one->service[s], service_counters, SERVICE_COUNTERS, alive);
}
