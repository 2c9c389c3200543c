/* conf/schema.c - every setting once: its type, default, bounds and meaning
 * Purpose     parsing, checking, showing and the reference documentation all read this table.
 * Invariants  I1 a default obeys its own bounds (tested).
 *             I2 the type fits the field at the offset (the comment of enum conf_type).
 */
#include "conf/schema.h"

#include <string.h>

const struct conf_choice conf_services[] = {
	{ "smtp", CONF_SMTP },
	{ "submission", CONF_SUBMISSION },
	{ "submissions", CONF_SUBMISSIONS },
	{ "imap", CONF_IMAP },
	{ "imaps", CONF_IMAPS },
	{ "pop3", CONF_POP3 },
	{ "pop3s", CONF_POP3S },
	{ "lmtp", CONF_LMTP },
	{ "pop2", CONF_POP2 },
	{ "metrics", CONF_METRICS },
	{ 0 },
};

static const struct conf_choice levels[] = {
	{ "debug", LOG_LEVEL_DEBUG },
	{ "info", LOG_LEVEL_INFO },
	{ "warning", LOG_LEVEL_WARNING },
	{ "error", LOG_LEVEL_ERROR },
	{ 0 },
};
static const struct conf_choice formats[] = { { "text", CONF_LOG_TEXT }, { "json", CONF_LOG_JSON }, { 0 } };
static const struct conf_choice versions[] = { { "1.2", CONF_TLS_1_2 }, { "1.3", CONF_TLS_1_3 }, { 0 } };
/* Mutt and NeoMutt with GNU SASL pick -PLUS wherever they see it and have no channel binding for it: in SMTP and POP3 they give up then, in IMAP
 * they log in otherwise. */
static const struct conf_choice plus[] = { { "by_service", CONF_PLUS_BY_SERVICE }, { "yes", CONF_PLUS_YES }, { "no", CONF_PLUS_NO }, { 0 } };
static const struct conf_choice remember[] = { { "warn", CONF_REMEMBER_WARN }, { "yes", CONF_REMEMBER_YES }, { "no", CONF_REMEMBER_NO }, { 0 } };
static const struct conf_choice engines[] = { { "rocks", CONF_ENGINE_ROCKS }, { "memory", CONF_ENGINE_MEMORY }, { 0 } };
static const struct conf_choice modes[] = {
	{ "none", CONF_TLS_NONE },
	{ "starttls", CONF_TLS_STARTTLS },
	{ "implicit", CONF_TLS_IMPLICIT },
	{ 0 },
};

static const struct conf_choice protocols[] = { { "smtp", CONF_ROUTE_SMTP }, { "lmtp", CONF_ROUTE_LMTP }, { 0 } };
static const struct conf_choice route_tls[] = {
	{ "auto", CONF_ROUTE_TLS_AUTO },
	{ "none", CONF_ROUTE_TLS_NONE },
	{ "require", CONF_ROUTE_TLS_REQUIRE },
	{ "verify", CONF_ROUTE_TLS_VERIFY },
	{ "dane", CONF_ROUTE_TLS_DANE },
	{ 0 },
};

const struct conf_block conf_blocks[] = {
	{ "log", "What is logged and where." },
	{ "tls", "The certificate that all services show. Without it there is no TLS." },
	{ "certificate", "`certificate NAME ... { }` is shown to clients that ask for one of its names, the certificate of `tls` to all others. A name "
			 "may begin with `*.` for any one label. The block may be repeated; SIGHUP reads the files again." },
	{ "listen", "`listen SERVICE { }` opens a service; SERVICE is `smtp`, `submission`, `submissions`, `imap`, `imaps`, "
		    "`pop3`, `pop3s`, `lmtp`, `pop2` or `metrics` (counters for Prometheus). The block may be repeated; at least one is needed." },
	{ "dns", "How names are looked up." },
	{ "pools", "How many processes of a kind run." },
	{ "store", "Where and how mail is kept." },
	{ "queue", "How letters leave for other servers." },
	{ "route", "`route DOMAIN ... { }` says how letters for some domains leave; the first block in the file that fits a domain counts. `*.example.org` "
		   "fits every domain below example.org, at any depth, and not itself; `*` fits all. Domains without a route are found by their "
		   "MX records. The block may be repeated." },
	{ "source", "`source NAME { }` is an address that letters leave from. A letter leaves from a source that lists its sender's domain; when none "
		    "does, from one that lists no domains; when there is none of these either, from the address that the system chooses. Several that "
		    "fit take turns. A route may name one for all its letters. The block may be repeated." },
	{ "dkim", "How letters of users are signed." },
	{ "limits", "What a single letter, session, address or account may use." },
	{ "timeouts", "How long is waited." },
};
const size_t conf_n_blocks = sizeof conf_blocks / sizeof *conf_blocks;

#define KB ((uint64_t)1 << 10)
#define MB ((uint64_t)1 << 20)
#define GB ((uint64_t)1 << 30)
#define TB ((uint64_t)1 << 40)
#define SECOND ((uint64_t)1000)
#define DAY (86400 * SECOND)
#define MANY 1000000000u

#define AT(field) offsetof(struct conf, field)
#define IN_ROUTE(field) offsetof(struct conf_route, field)
#define IN_LISTEN(field) offsetof(struct conf_listen_block, field)
#define SIZE(name, field, text, min, max, about) { B, name, CONF_TYPE_SIZE, AT(field), text, min, max, .help = about }
#define SIZE_OR_0(name, field, text, min, max, about) \
	{ B, name, CONF_TYPE_SIZE, AT(field), text, min, max, .zero = true, .help = about }
#define COUNT(name, field, text, min, max, about) { B, name, CONF_TYPE_COUNT, AT(field), text, min, max, .help = about }
#define COUNT_OR_0(name, field, text, max, about) \
	{ B, name, CONF_TYPE_COUNT, AT(field), text, 1, max, .zero = true, .help = about }
#define WAIT(name, field, text, about) \
	{ B, name, CONF_TYPE_DURATION, AT(timeouts.field), text, 10, 7 * DAY, .help = about }

/* clang-format off */
const struct conf_setting conf_settings[] = {
#define B NULL
	{ B, "hostname", CONF_TYPE_HOSTNAME, AT(hostname), NULL, 1, 255,
	  .help = "full name of this server, used in greetings, Received and Message-ID; must be set" },
	{ B, "data_dir", CONF_TYPE_PATH, AT(data_dir), "/var/lib/sallyport", 1, 1000,
	  .help = "directory of all mail and accounts" },
	{ B, "run_dir", CONF_TYPE_PATH, AT(run_dir), "/run/sallyport", 1, 90,
	  .help = "directory of the control socket; short, since a socket's path is" },
	{ B, "keys_dir", CONF_TYPE_PATH, AT(keys_dir), "/etc/sallyport/keys", 1, 1000,
	  .help = "directory of the private keys that sign letters, as dkim/DOMAIN/SELECTOR.pem" },
	{ B, "user", CONF_TYPE_WORD, AT(user), "sallyport", 1, 32,
	  .help = "system user that the processes become when started by root" },
	SIZE_OR_0("body_budget", body_budget_size, "0", 16 * MB, 64 * GB,
		"memory for all letters in flight; 0 takes a quarter of the memory, at most 2G; beyond it new letters are asked to come later"),
	SIZE_OR_0("disk_reserve", disk_reserve_size, "256M", MB, 64 * TB,
		"free space of data_dir below which new letters are asked to come later (452)"),
#undef B
#define B "log"
	{ B, "level", CONF_TYPE_ENUM, AT(log.level), "info", .choices = levels, .help = "lines below this level are not written" },
	{ B, "format", CONF_TYPE_ENUM, AT(log.format), "text", .choices = formats, .help = "`text` or one JSON object a line" },
	{ B, "file", CONF_TYPE_FILE, AT(log.file), "stderr", 1, 1000, .help = "`stderr` or the absolute path of a file" },
#undef B
#define B "tls"
	{ B, "certificate", CONF_TYPE_PATH, AT(tls.certificate), NULL, 1, 1000,
	  .help = "PEM file with the certificate chain, the server's own first" },
	{ B, "key", CONF_TYPE_PATH, AT(tls.key), NULL, 1, 1000, .help = "PEM file with the private key" },
	{ B, "authorities", CONF_TYPE_PATH, AT(tls.authorities), NULL, 1, 1000,
	  .help = "PEM file of authorities that are trusted in other servers' certificates besides those of this machine, as of a company; read when the "
		  "server starts" },
	{ B, "min_version", CONF_TYPE_ENUM, AT(tls.min_version), "1.2", .choices = versions,
	  .help = "oldest TLS version spoken (RFC 8997 forbids those before 1.2)" },
#undef B
#define B "certificate"
	{ B, "certificate", CONF_TYPE_PATH, offsetof(struct conf_certificate, certificate), NULL, 1, 1000,
	  .help = "PEM file with the certificate chain for these names, the server's own first" },
	{ B, "key", CONF_TYPE_PATH, offsetof(struct conf_certificate, key), NULL, 1, 1000, .help = "PEM file with its private key" },
#undef B
#define B "listen"
	{ B, "address", CONF_TYPE_ADDRESSES, IN_LISTEN(addresses), "0.0.0.0 ::", 1, 16,
	  .help = "IPv4 and IPv6 addresses to listen on; :: is IPv6 alone" },
	{ B, "port", CONF_TYPE_PORT, IN_LISTEN(common.port), NULL, 1, 65535,
	  .help = "default by service: smtp 25, submission 587, submissions 465, imap 143, imaps 993, pop3 110, pop3s 995, lmtp 24, pop2 109, metrics 9464" },
	{ B, "path", CONF_TYPE_PATH, IN_LISTEN(common.path), NULL, 1, 107,
	  .help = "lmtp: a unix socket (mode 0660) to listen on in place of address and port" },
	{ B, "group", CONF_TYPE_WORD, IN_LISTEN(common.group), NULL, 1, 32,
	  .help = "group of the unix socket's file, whose members may connect; by default that of the process" },
	{ B, "networks", CONF_TYPE_NETWORKS, IN_LISTEN(common.networks), NULL, 1, 32,
	  .help = "networks whose clients are let in, as `192.0.2.0/24 ::1`; by default all" },
	{ B, "proxy_protocol", CONF_TYPE_BOOL, IN_LISTEN(common.proxy_protocol), "no",
	  .help = "each connection begins with a PROXY header (version 1 or 2); the address it tells counts for networks, limits and logs" },
	{ B, "proxy_networks", CONF_TYPE_NETWORKS, IN_LISTEN(common.proxy_networks), NULL, 1, 32,
	  .help = "networks of the proxies, needed with proxy_protocol; nobody else is let in" },
	{ B, "tls", CONF_TYPE_ENUM, IN_LISTEN(tls), NULL, .choices = modes,
	  .help = "default by service: `implicit` for submissions, imaps and pop3s; otherwise `starttls` when there is a certificate" },
	{ B, "auth_without_tls", CONF_TYPE_BOOL, IN_LISTEN(common.auth_without_tls), "no",
	  .help = "accept passwords on a connection that anybody can read; for tests and trusted networks only" },
	{ B, "client_certificate", CONF_TYPE_BOOL, IN_LISTEN(common.client_certificate), "no",
	  .help = "ask clients for a certificate when TLS starts; one that an account has pinned may log in by AUTH EXTERNAL" },
	{ B, "scram_plus", CONF_TYPE_ENUM, IN_LISTEN(common.scram_plus), "by_service", .choices = plus,
	  .help = "announce SCRAM-SHA-256-PLUS and SCRAM-SHA-1-PLUS under TLS; `by_service`: in IMAP alone, since Mutt and NeoMutt, which cannot bind "
		  "to TLS, give up where SMTP or POP3 announces them. A client that asks for them gets them in any case" },
#undef B
#define B "dns"
	{ B, "resolver", CONF_TYPE_RESOLVERS, AT(dns.resolvers), NULL, 1, CONF_RESOLVERS_MAX,
	  .help = "addresses of resolvers, each with :PORT where it is not 53, as 127.0.0.1 or [::1]:5353; by default those of /etc/resolv.conf" },
	{ B, "blocklists", CONF_TYPE_NAMES, AT(dns.blocklists), "zen.spamhaus.org bl.spamcop.net psbl.surriel.com", 1, CONF_NAMES_MAX,
	  .help = "zones of block lists that `sallyport doctor` asks about this server's addresses; `none` for none" },
#undef B
#define B "pools"
	COUNT("strangers", pools.n_strangers, "1", 1, 64, "processes for port 25"),
	COUNT("users", pools.n_users, "2", 1, 64, "processes for submission, IMAP and POP"),
	COUNT("scan", pools.n_scan, "2", 1, 64, "processes that parse letters; one for each core is right"),
#undef B
#define B "store"
	{ B, "engine", CONF_TYPE_ENUM, AT(store.engine), "rocks", .choices = engines,
	  .help = "`rocks` keeps mail on disk; `memory` forgets it when the server stops, for tests" },
	{ B, "keep_expunged", CONF_TYPE_DURATION, AT(store.keep_expunged_ms), "7d", SECOND, 3650 * DAY, .zero = true,
	  .help = "how long bodies of expunged messages are kept for undelete" },
	{ B, "sent_window", CONF_TYPE_DURATION, AT(store.sent_window_ms), "1d", SECOND, 30 * DAY, .zero = true,
	  .help = "how long a letter that a client appends to Sent is taken for the copy that submission filed there; 0 keeps both" },
	{ B, "keep_audit", CONF_TYPE_DURATION, AT(store.keep_audit_ms), "400d", DAY, 36500 * DAY, .zero = true,
	  .help = "how long records of the audit log are kept; 0 keeps them for ever" },
	SIZE("segment_size", store.segment_size, "256M", MB, 4 * GB, "size at which a file of bodies is closed and a new one begun"),
	{ B, "sync", CONF_TYPE_BOOL, AT(store.sync), "yes",
	  .help = "wait for the disk before a letter is acknowledged; `no` loses mail when the power fails, for tests only" },
#undef B
#define B "queue"
	{ B, "retry_first", CONF_TYPE_DURATION, AT(queue.retry_first_ms), "5m", SECOND, DAY,
	  .help = "time to the second attempt; it doubles with each, and is spread by a quarter" },
	{ B, "retry_max", CONF_TYPE_DURATION, AT(queue.retry_max_ms), "4h", SECOND, 7 * DAY, .help = "longest time between two attempts" },
	{ B, "lifetime", CONF_TYPE_DURATION, AT(queue.lifetime_ms), "5d", SECOND, 100 * DAY,
	  .help = "time for which a letter is tried; then it goes back (RFC 5321 4.5.4.1: 4 to 5 days at least)" },
	{ B, "report_lifetime", CONF_TYPE_DURATION, AT(queue.report_lifetime_ms), "1d", SECOND, 100 * DAY,
	  .help = "time for which a report is tried, whose sender is null; then it is dropped" },
	{ B, "warn_after", CONF_TYPE_DURATION, AT(queue.warn_after_ms), "4h", SECOND, 100 * DAY, .zero = true,
	  .help = "time after which the sender is told of a delay; 0 tells nobody who has not asked for it" },
	{ B, "keep_history", CONF_TYPE_DURATION, AT(queue.keep_history_ms), "30d", SECOND, 3650 * DAY, .zero = true,
	  .help = "time for which it can be seen what became of a letter" },
	{ B, "hold_max", CONF_TYPE_DURATION, AT(queue.hold_max_ms), "30d", SECOND, 3650 * DAY, .zero = true,
	  .help = "how far ahead a letter may be handed in for a later time (FUTURERELEASE, RFC 4865); 0 does not offer it" },
	COUNT("connections", queue.connections_max, "200", 1, 10000, "connections to other servers at once"),
	COUNT("connections_destination", queue.connections_destination_max, "20", 1, 1000,
		"connections at once to one site, which is all domains whose mail goes to the same hosts; it begins with few, and goes up as letters are "
		"taken and down as they are deferred"),
	COUNT("connection_letters", queue.connection_letters_max, "100", 1, MANY, "letters over one connection"),
	COUNT_OR_0("destination_rate", queue.destination_rate_max, "0", MANY, "attempts at one site in a minute; 0 makes any"),
	COUNT_OR_0("source_rate", queue.source_rate_max, "0", MANY, "letters from one source address in a minute; 0 sends any"),
	COUNT_OR_0("account_rate", queue.account_rate_max, "1000", MANY,
		"recipients elsewhere of one account in an hour; more wait for their turn; 0 sends any"),
	COUNT_OR_0("suppress_after", queue.suppress_after, "3", 1000,
		"times that an address is refused for good before letters of that account to it are refused at once; 0 never does that"),
	{ B, "suppress", CONF_TYPE_DURATION, AT(queue.suppress_ms), "30d", SECOND, 3650 * DAY, .help = "time for which they are refused" },
	{ B, "forwarding", CONF_TYPE_BOOL, AT(queue.forwarding), "yes", .help = "aliases may lead to addresses elsewhere; the sender is rewritten (SRS)" },
	{ B, "private_addresses", CONF_TYPE_BOOL, AT(queue.private_addresses), "no",
	  .help = "letters go to private and loopback addresses that other domains' records name; routes go anywhere" },
	{ B, "dsn_for_strangers", CONF_TYPE_BOOL, AT(queue.dsn_for_strangers), "no",
	  .help = "DSN and DELIVERBY are offered on port 25 too: other servers may ask for reports of success, which a forged sender turns on others" },
	{ B, "sts", CONF_TYPE_BOOL, AT(queue.sts), "yes", .help = "other domains' MTA-STS policies are asked for and kept to (RFC 8461)" },
	{ B, "remember_starttls", CONF_TYPE_ENUM, AT(queue.remember_starttls), "warn", .choices = remember,
	  .help = "a host that has offered STARTTLS in the last 30 days and no longer does: `warn` logs it and sends without, `yes` keeps the letter until it "
		  "offers it again or the letter's time is over, `no` does not look. `yes` holds letters up where a host has given up TLS for good, and "
		  "keeps out only who can strike STARTTLS out but not show a certificate of their own: DANE and MTA-STS keep out both" },
	{ B, "report_from", CONF_TYPE_WORD, AT(queue.report_from), NULL, 3, 320,
	  .help = "address that daily TLS reports (RFC 8460) to other domains come from; without it none are sent" },
#undef B
#define B "route"
	{ B, "next_hop", CONF_TYPE_HOPS, IN_ROUTE(hops), NULL, 1, CONF_HOPS_MAX,
	  .help = "where they go, tried in this order: `[host]:port` or an address is that host, `name:port` without brackets the MX records of "
		  "that name (with `lmtp` the host itself); the port may be left out: 25, with implicit_tls 465, with lmtp 24. By default the "
		  "domain's own MX" },
	{ B, "protocol", CONF_TYPE_ENUM, IN_ROUTE(protocol), "smtp", .choices = protocols, .help = "what is spoken there (RFC 5321, RFC 2033)" },
	{ B, "tls", CONF_TYPE_ENUM, IN_ROUTE(tls), "auto", .choices = route_tls,
	  .help = "`auto`: DANE, MTA-STS, or what the other server offers; `none`; `require`: any TLS; `verify`: with a certificate for the host's name from "
		  "an authority that this machine trusts; `dane`: with DANE or not at all" },
	{ B, "implicit_tls", CONF_TYPE_BOOL, IN_ROUTE(implicit_tls), "no", .help = "TLS begins with the connection (RFC 8314 3.3)" },
	{ B, "login", CONF_TYPE_WORD, IN_ROUTE(login), NULL, 1, 320, .help = "name to log in with there; needs password_file, and `tls verify` or `dane`" },
	{ B, "password_file", CONF_TYPE_PATH, IN_ROUTE(password_file), NULL, 1, 1000, .help = "file with the password in its first line" },
	{ B, "source", CONF_TYPE_WORD, IN_ROUTE(source), NULL, 1, CONF_SOURCE_NAME_MAX, .help = "name of the source block that these letters leave from" },
	{ B, "relay", CONF_TYPE_BOOL, IN_ROUTE(relay), "no",
	  .help = "letters for these domains are taken from anybody: this server is their backup MX, or stands before theirs" },
	{ B, "connections", CONF_TYPE_COUNT, IN_ROUTE(connections_max), "0", 1, 1000, .zero = true,
	  .help = "connections at once to these domains' hosts, or to the next hops together; 0: as queue connections_destination says" },
	{ B, "rate", CONF_TYPE_COUNT, IN_ROUTE(rate_max), "0", 1, MANY, .zero = true,
	  .help = "attempts in a minute there; 0: as queue destination_rate says" },
#undef B
#define B "source"
	{ B, "address", CONF_TYPE_ADDRESSES, offsetof(struct conf_source_block, addresses), NULL, 1, 2,
	  .help = "an IPv4 address, an IPv6 address, or both, of this machine; must be set" },
	{ B, "helo", CONF_TYPE_HOSTNAME, offsetof(struct conf_source_block, common.helo), NULL, 1, 255,
	  .help = "name in EHLO, which the address's reverse name should be; by default hostname" },
	{ B, "domains", CONF_TYPE_NAMES, offsetof(struct conf_source_block, common.domains), "none", 1, CONF_NAMES_MAX,
	  .help = "domains whose senders leave from here; `none`: those that no other source lists" },
#undef B
#define B "dkim"
	{ B, "sign", CONF_TYPE_BOOL, AT(dkim.sign), "yes", .help = "letters of users are signed by the keys of their domain in keys_dir (RFC 6376, RFC 8463)" },
	{ B, "published_only", CONF_TYPE_BOOL, AT(dkim.published_only), "yes",
	  .help = "a key signs once its record is seen in DNS; `no` where this server's resolver sees another DNS than the world: the newest keys sign "
		  "at once" },
	{ B, "expire", CONF_TYPE_DURATION, AT(dkim.expire_ms), "21d", DAY, 3650 * DAY, .zero = true,
	  .help = "time after which a signature does not count any more, so that a letter cannot be sent on for ever; longer than a queue keeps letters, "
		  "here and at the others; 0 sets none" },
#undef B
#define B "limits"
	SIZE("message_size", limits.message_size_max, "50M", 64 * KB, GB,
		"largest letter, announced by SIZE and APPENDLIMIT (RFC 5321 4.5.3.1.7: 64K at least)"),
	COUNT("recipients", limits.recipients_max, "100", 100, 200, "recipients of a letter (RFC 5321 4.5.3.1.8: 100 at least)"),
	COUNT_OR_0("recipient_domains", limits.recipient_domains_max, "0", 200, "domains that the recipients of a letter are in; 0 takes any"),
	COUNT("received", limits.received_max, "60", 20, 1000, "Received fields of a letter, beyond which it is in a loop (RFC 5321 6.3: 100 is large enough)"),
	SIZE("header_size", limits.header_size_max, "256K", 4 * KB, 16 * MB, "header of a letter"),
	COUNT("mime_parts", limits.mime_parts_max, "1000", 1, 100000, "MIME parts of a letter; the rest is kept as text"),
	COUNT("mime_depth", limits.mime_depth_max, "32", 1, 256, "MIME parts within each other; deeper ones are kept as text"),
	COUNT("local_part", limits.local_part_size_max, "64", 1, 64, "octets before the @ of an address (RFC 5321 4.5.3.1.1)"),
	COUNT("domain", limits.domain_size_max, "255", 4, 255, "octets of a domain (RFC 5321 4.5.3.1.2)"),
	SIZE("smtp_line", limits.smtp_line_size_max, "2K", 512, 64 * KB,
		"octets of an SMTP command (RFC 5321 4.5.3.1.4: 512, and up to 1250 with extensions)"),
	SIZE("smtp_auth_line", limits.smtp_auth_line_size_max, "12K", 512, 64 * KB,
		"octets of a line of an AUTH exchange (RFC 4954 4: 12288)"),
	SIZE_OR_0("smtp_text_line", limits.smtp_text_line_size_max, "0", 1000, GB,
		"octets of a line within a letter; 0 takes any (RFC 5321 4.5.3.1.6: 1000 at least)"),
	COUNT("smtp_errors", limits.smtp_errors_max, "10", 1, MANY, "refused commands after which an SMTP session is closed"),
	COUNT("smtp_commands", limits.smtp_commands_max, "1000", 10, MANY, "commands after which an SMTP session is closed"),
	COUNT("smtp_letters", limits.smtp_letters_max, "100", 1, MANY, "letters after which an SMTP session is closed"),
	SIZE("proxy_header", limits.proxy_header_size_max, "4K", 536, 64 * KB, "octets of a PROXY header of version 2 with all it carries"),
	COUNT("connections_strangers", limits.connections_strangers_max, "1000", 1, 1000000, "connections to port 25 at once"),
	COUNT("connections_users", limits.connections_users_max, "15000", 1, 1000000, "connections to submission, IMAP and POP at once"),
	COUNT("connections_per_address_strangers", limits.connections_per_address_strangers_max, "50", 1, 1000000,
		"connections to port 25 from one address (IPv6: a /64), loopback included"),
	COUNT("connections_per_address_users", limits.connections_per_address_users_max, "50", 1, 1000000,
		"connections to submission, IMAP and POP from one address (IPv6: a /64), loopback included"),
	COUNT_OR_0("connection_rate", limits.connection_rate_max, "0", MANY, "new connections from one address in a minute; 0 takes any"),
	COUNT_OR_0("letter_rate", limits.letter_rate_max, "0", MANY, "letters from one address in a minute; 0 takes any"),
	COUNT_OR_0("login_failures", limits.login_failures_max, "20", MANY,
		"failed logins from one address (IPv6: a /64) within timeouts login_window, after which it is banned for login_ban; 0 bans none"),
	COUNT_OR_0("login_failures_login", limits.login_failures_login_max, "100", MANY,
		"failed logins with one name, likewise; addresses from which it has logged in before stay allowed; 0 bans none"),
	{ B, "scram_iterations", CONF_TYPE_COUNT, AT(limits.scram_iterations), "40000", 4096, 65536, .zero = true,
	  .help = "work of a SCRAM login, for passwords set from now on; Cyrus SASL's clients take 65536 at most; 0 keeps no SCRAM verifiers of passwords" },
	SIZE("imap_line", limits.imap_line_size_max, "64K", 8 * KB, MB,
		"octets of an IMAP command without its literals (RFC 7162 4: 8192 at least)"),
	SIZE("imap_literal_command", limits.imap_literal_command_size_max, "64K", KB, 16 * MB,
		"octets of the literals of a command other than APPEND together"),
	COUNT("imap_set", limits.imap_set_ranges_max, "8192", 1, 1000000, "ranges in a message set"),
	COUNT("imap_search_keys", limits.imap_search_keys_max, "256", 1, 65536, "keys of a SEARCH"),
	COUNT("imap_list_patterns", limits.imap_list_patterns_max, "50", 1, 1000, "patterns of a LIST"),
	COUNT("imap_saved", limits.imap_saved_ranges_max, "20000", 1, 1000000, "ranges of a search result that a session keeps for $"),
	COUNT("imap_append_messages", limits.imap_append_messages_max, "500", 1, 1000, "messages of one APPEND (RFC 3502)"),
	SIZE("imap_append", limits.imap_append_size_max, "256M", 64 * KB, 16 * GB,
		"octets of the messages of one APPEND together; one alone may be as large as message_size says"),
	COUNT("imap_errors", limits.imap_errors_max, "20", 1, MANY, "bad commands after which an IMAP session is closed"),
	COUNT("mailbox_name", limits.mailbox_name_size_max, "255", 32, 1000, "octets of the whole name of a mailbox, in UTF-8"),
	COUNT("mailbox_depth", limits.mailbox_depth_max, "32", 1, 100, "levels in the name of a mailbox"),
	COUNT("mailboxes", limits.mailboxes_max, "10000", 10, 1000000, "mailboxes of an account"),
	COUNT("keywords", limits.keywords_max, "56", 0, 56, "keywords in use in a mailbox"),
	SIZE("pop_line", limits.pop_line_size_max, "255", 255, 64 * KB, "octets of a POP3 command (RFC 2449 4)"),
	COUNT("pop_errors", limits.pop_errors_max, "10", 1, MANY, "refused commands after which a POP3 session is closed"),
	COUNT("pop_messages", limits.pop_messages_max, "1000000", 1, 10000000, "messages of a maildrop; POP opens no larger one"),
	{ B, "pop_login_delay", CONF_TYPE_DURATION, AT(limits.pop_login_delay_ms), "0s", SECOND, DAY, .zero = true,
	  .help = "time between two logins to a POP maildrop, announced by LOGIN-DELAY (RFC 2449 6.5); 0 asks for none" },
	SIZE("pop2_line", limits.pop2_line_size_max, "512", 512, 64 * KB, "octets of a POP2 command (RFC 937: 512)"),
	SIZE("http_line", limits.http_line_size_max, "8K", 512, 64 * KB, "octets of a line of an HTTP request's head (RFC 9112 3: 8000 at least)"),
	COUNT("http_fields", limits.http_fields_max, "64", 8, 1000, "fields of an HTTP request's head"),
	COUNT("codes", limits.codes_max, "20", 1, 50, "authorization codes of an account"),
	SIZE_OR_0("quota_bytes", limits.quota_size, "0", MB, 1024 * TB, "storage of an account that has no quota of its own; 0 sets none"),
	COUNT_OR_0("quota_messages", limits.quota_messages, "0", MANY, "messages of an account that has no quota of its own; 0 sets none"),
	{ B, "quota_warnings", CONF_TYPE_PERCENTS, AT(limits.quota_warnings), "80 95", 1, CONF_PERCENTS_MAX,
	  .help = "per cent of a quota: a delivery that reaches one puts a letter about it into INBOX, once until use has fallen 5 per cent below; none" },
#undef B
#define B "timeouts"
	WAIT("smtp_greeting", smtp_greeting_ms, "30s", "from the connection to the first SMTP command"),
	WAIT("smtp_command", smtp_command_ms, "5m", "for the next SMTP command (RFC 5321 4.5.3.2.7: 5m)"),
	WAIT("smtp_data", smtp_data_ms, "5m", "for the next part of a letter (RFC 5321 4.5.3.2.7: 5m)"),
	WAIT("login_window", login_window_ms, "10m", "in which failed logins are counted"),
	WAIT("login_ban", login_ban_ms, "15m", "for which an address or a login is banned"),
	WAIT("login_delay", login_delay_ms, "1s", "until a failed login is answered; twice that with each failure behind the third"),
	WAIT("login_delay_max", login_delay_max_ms, "8s", "until a failed login is answered at most"),
	WAIT("imap_login", imap_login_ms, "1m", "for an IMAP or POP3 session to log in"),
	WAIT("imap_idle", imap_idle_ms, "30m", "without a command in an IMAP session that is logged in (RFC 9051 5.4: 30m)"),
	WAIT("pop", pop_ms, "10m", "without a command in a POP3 session that is logged in (RFC 1939 3: 10m)"),
	WAIT("pop2", pop2_ms, "10m", "without a command in a POP2 session that is logged in (RFC 937: T2)"),
	WAIT("http", http_ms, "30s", "for an HTTP request to come in, from the one before"),
	WAIT("tls_handshake", tls_handshake_ms, "30s", "for a TLS handshake to end"),
	WAIT("proxy", proxy_ms, "5s", "for a whole PROXY header to come"),
	WAIT("call", call_ms, "10s", "for an answer from another process of this server"),
	WAIT("scan", scan_ms, "5s",
		"processor time for reading what one letter contains; a process that takes more is ended, and the letter is kept unparsed after a second time"),
	WAIT("dns", dns_ms, "5s", "for the answer of a resolver"),
	WAIT("command", command_ms, "10m",
		"without a word from a backup or restore, which keep store from collecting what was deleted; then it is ended"),
	WAIT("relay_connect", relay_connect_ms, "30s", "for a connection to another server"),
	WAIT("relay_greeting", relay_greeting_ms, "5m", "for its greeting (RFC 5321 4.5.3.2.1: 5m)"),
	WAIT("relay_reply", relay_reply_ms, "5m", "for its reply to a command (RFC 5321 4.5.3.2: 5m)"),
	WAIT("relay_data", relay_data_ms, "2m", "for its reply to DATA (RFC 5321 4.5.3.2.4: 2m)"),
	WAIT("relay_part", relay_part_ms, "3m", "for it to take the next part of a letter (RFC 5321 4.5.3.2.5: 3m)"),
	WAIT("relay_end", relay_end_ms, "10m", "for its reply to a letter's end (RFC 5321 4.5.3.2.6: 10m)"),
	WAIT("relay_idle", relay_idle_ms, "5s", "that a connection is kept for another letter"),
	WAIT("https", https_ms, "30s", "for a whole HTTPS request to another server"),
	WAIT("stop", stop_ms, "10s", "for sessions to end when the server stops"),
#undef B
};
/* clang-format on */
const size_t conf_n_settings = sizeof conf_settings / sizeof *conf_settings;

enum { IMPLICIT = 1, TLS = 2, LOGINS = 4, SERVED = 8 };

static const struct {
	uint16_t port;
	unsigned traits;
} services[CONF_SERVICE_COUNT] = {
	[CONF_SMTP] = { 25, TLS | SERVED },
	[CONF_SUBMISSION] = { 587, TLS | LOGINS | SERVED },
	[CONF_SUBMISSIONS] = { 465, TLS | IMPLICIT | LOGINS | SERVED },
	[CONF_IMAP] = { 143, TLS | LOGINS | SERVED },
	[CONF_IMAPS] = { 993, TLS | IMPLICIT | LOGINS | SERVED },
	[CONF_POP3] = { 110, TLS | LOGINS | SERVED },
	[CONF_POP3S] = { 995, TLS | IMPLICIT | LOGINS | SERVED },
	[CONF_LMTP] = { 24, TLS | SERVED },
	[CONF_POP2] = { 109, LOGINS | SERVED },
	[CONF_METRICS] = { 9464, SERVED },
};

const char *conf_service_name(enum conf_service s)
{
	return conf_services[s].name;
}

uint16_t conf_service_port(enum conf_service s)
{
	return services[s].port;
}

bool conf_service_implicit(enum conf_service s)
{
	return services[s].traits & IMPLICIT;
}

bool conf_service_has_tls(enum conf_service s)
{
	return services[s].traits & TLS;
}

bool conf_service_has_logins(enum conf_service s)
{
	return services[s].traits & LOGINS;
}

bool conf_announces_plus(const struct conf_listener *l)
{
	if (l->scram_plus == CONF_PLUS_BY_SERVICE)
		return l->service == CONF_IMAP || l->service == CONF_IMAPS;
	return l->scram_plus == CONF_PLUS_YES;
}

bool conf_service_is_served(enum conf_service s)
{
	return services[s].traits & SERVED;
}

bool conf_setting_in(const struct conf_setting *s, const char *block)
{
	return s->block && block ? strcmp(s->block, block) == 0 : s->block == block;
}

const struct conf_setting *conf_setting_find(const char *block, struct str name)
{
	for (size_t i = 0; i < conf_n_settings; i++)
		if (conf_setting_in(&conf_settings[i], block) && str_eq(str_z(conf_settings[i].name), name))
			return &conf_settings[i];
	return NULL;
}

const struct conf_block *conf_block_find(struct str name)
{
	for (size_t i = 0; i < conf_n_blocks; i++)
		if (str_eq(str_z(conf_blocks[i].name), name))
			return &conf_blocks[i];
	return NULL;
}

#define NAME_MAX_BYTES 40 /* no name of ours is longer */

static size_t smallest(size_t a, size_t b, size_t c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

/* Edit distance where '-' and '_' and both cases are the same letter; names longer than ours are far away. */
static size_t distance(struct str a, struct str b)
{
	size_t row[NAME_MAX_BYTES + 1];

	if (a.n > NAME_MAX_BYTES || b.n > NAME_MAX_BYTES)
		return NAME_MAX_BYTES;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		char x = a.p[i - 1] == '-' ? '_' : ascii_lower(a.p[i - 1]);
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t above = row[j];

			row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (x != ascii_lower(b.p[j - 1])));
			diagonal = above;
		}
	}
	return row[b.n];
}

struct nearest {
	struct str wanted;
	const char *name;
	size_t distance;
};

static struct nearest nearest_to(struct str s)
{
	return (struct nearest){ .wanted = s, .distance = s.n < 4 ? 2 : s.n / 3 + 2 }; /* farther is not a slip of the hand */
}

static void nearest_try(struct nearest *near, const char *name)
{
	size_t d = distance(near->wanted, str_z(name));

	if (d < near->distance && d < near->wanted.n) {
		near->distance = d;
		near->name = name;
	}
}

const char *conf_setting_near(const char *block, struct str s)
{
	struct nearest near = nearest_to(s);

	for (size_t i = 0; i < conf_n_settings; i++)
		if (conf_setting_in(&conf_settings[i], block))
			nearest_try(&near, conf_settings[i].name);
	for (size_t i = 0; !block && i < conf_n_blocks; i++)
		nearest_try(&near, conf_blocks[i].name);
	return near.name;
}

const char *conf_block_near(struct str s)
{
	struct nearest near = nearest_to(s);

	for (size_t i = 0; i < conf_n_blocks; i++)
		nearest_try(&near, conf_blocks[i].name);
	return near.name;
}

const char *conf_choice_near(const struct conf_choice *choices, struct str s)
{
	struct nearest near = nearest_to(s);

	for (; choices->name; choices++)
		nearest_try(&near, choices->name);
	return near.name;
}

const char *conf_name_near(struct str s, const struct str *names, size_t n, size_t step)
{
	struct nearest near = nearest_to(s);

	for (size_t i = 0; i < n; i++)
		nearest_try(&near, ((const struct str *)(const void *)((const char *)names + i * step))->p);
	return near.name;
}
