/* conf/conf.h - the configuration: text in, one plain struct out.
 *
 * The grammar is statements of words, ended by a newline or ';', and blocks in braces one deep. Values are bare words
 * or "quoted" with \" and \\. Every setting stands once, in the table of conf/schema.c, with its type, default, bounds
 * and help; this struct is what the table fills. Nothing here opens a file: the caller reads the text and checks that
 * certificates exist. Units are in the names: _size bytes, _ms milliseconds, n_ and _max counts.
 * Every struct str below is followed by a NUL byte, so that .p serves as a C string.
 */
#ifndef SALLYPORT_CONF_CONF_H
#define SALLYPORT_CONF_CONF_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cidr.h"
#include "base/log.h"
#include "base/str.h"

enum conf_service {
	CONF_SMTP,
	CONF_SUBMISSION,
	CONF_SUBMISSIONS,
	CONF_IMAP,
	CONF_IMAPS,
	CONF_POP3,
	CONF_POP3S,
	CONF_LMTP,
	CONF_POP2,
	CONF_METRICS,
	CONF_SERVICE_COUNT
};

enum conf_tls_mode { CONF_TLS_NONE, CONF_TLS_STARTTLS, CONF_TLS_IMPLICIT };
enum conf_plus { CONF_PLUS_BY_SERVICE, CONF_PLUS_YES, CONF_PLUS_NO };
enum conf_tls_version { CONF_TLS_1_2, CONF_TLS_1_3 };
enum conf_log_format { CONF_LOG_TEXT, CONF_LOG_JSON };
enum conf_remember { CONF_REMEMBER_WARN, CONF_REMEMBER_YES, CONF_REMEMBER_NO };
enum conf_engine { CONF_ENGINE_ROCKS, CONF_ENGINE_MEMORY };

struct conf_address {
	int family;         /* AF_INET or AF_INET6; AF_UNIX: none, the listener has a path */
	uint8_t bytes[16];  /* network order; the first 4 for AF_INET */
	char text[46];      /* canonical, as inet_ntop writes it */
};

#define CONF_PERCENTS_MAX 8
struct conf_percents {
	uint8_t v[CONF_PERCENTS_MAX]; /* ascending, 1 to 100 */
	uint8_t n;
};

struct conf_networks {
	struct cidr *v;
	size_t n; /* 0: none are given */
};

/* One socket to listen on: a listen block with several addresses gives one of these for each. */
struct conf_listener {
	enum conf_service service;
	struct conf_address address;
	bool address_given; /* false: by default; a family the kernel does not have may then be left out */
	uint16_t port;
	struct str path;  /* of a unix socket, in place of address and port */
	struct str group; /* of that socket's file; empty: the one it is made with */
	struct conf_networks networks; /* clients from elsewhere are not let in; none: everybody is */
	bool proxy_protocol;           /* each connection begins with a PROXY header */
	struct conf_networks proxy_networks; /* who may send one */
	enum conf_tls_mode tls;
	bool auth_without_tls;
	bool client_certificate; /* asked for when TLS starts */
	enum conf_plus scram_plus; /* ask conf_announces_plus */
	unsigned block; /* number of its listen block, from 0 */
	unsigned line;  /* where that began, for later messages */
};

struct conf_log {
	enum log_level level;
	enum conf_log_format format;
	struct str file; /* "stderr" or an absolute path */
};

struct conf_tls {
	struct str certificate; /* absolute paths; both empty: no TLS */
	struct str key;
	struct str authorities; /* trusted in other servers besides those of this machine; empty: none */
	enum conf_tls_version min_version;
};

#define CONF_RESOLVERS_MAX 4
struct conf_resolver {
	struct conf_address address;
	uint16_t port;
};
struct conf_resolvers {
	struct conf_resolver v[CONF_RESOLVERS_MAX];
	size_t n; /* 0: those of /etc/resolv.conf */
};

#define CONF_NAMES_MAX 16
struct conf_names {
	struct str v[CONF_NAMES_MAX];
	size_t n;
};

struct conf_dns {
	struct conf_resolvers resolvers;
	struct conf_names blocklists; /* zones that sallyport doctor asks about this server's addresses */
};

#define CONF_CERTIFICATES_MAX 200
#define CONF_CERTIFICATE_NAMES_MAX 16

/* A certificate for clients that ask for one of its names (SNI). */
struct conf_certificate {
	struct str names[CONF_CERTIFICATE_NAMES_MAX]; /* host names in lower case, or "*." and one */
	size_t n_names;
	struct str certificate, key; /* absolute paths */
	unsigned line;
};

struct conf_pools {
	uint32_t n_strangers, n_users, n_scan; /* processes */
};

struct conf_store {
	enum conf_engine engine;
	int64_t keep_expunged_ms;
	int64_t sent_window_ms;
	int64_t keep_audit_ms; /* 0: for ever */
	uint64_t segment_size;
	bool sync;
};

/* How letters leave. */
struct conf_queue {
	int64_t retry_first_ms, retry_max_ms; /* doubled, and spread by a quarter */
	int64_t lifetime_ms, report_lifetime_ms; /* of letters; of reports, whose sender is null */
	int64_t warn_after_ms;                /* a report of delay; 0: none */
	int64_t keep_history_ms;
	int64_t hold_max_ms;                  /* FUTURERELEASE (RFC 4865) */
	uint32_t connections_max;             /* all destinations together */
	uint32_t connections_destination_max; /* one destination */
	uint32_t connection_letters_max;      /* over one connection */
	uint32_t destination_rate_max;        /* letters to one destination in a minute; 0: any */
	uint32_t source_rate_max;             /* letters from one source address in a minute; 0: any */
	uint32_t account_rate_max;            /* recipients of one account in an hour; 0: any */
	uint32_t suppress_after;              /* permanent failures of an address before it is refused; 0: never */
	int64_t suppress_ms;
	bool forwarding;                      /* aliases may lead to addresses elsewhere */
	bool private_addresses;               /* of other domains' hosts are gone to */
	bool sts;                             /* MTA-STS is asked for */
	bool dsn_for_strangers;               /* other servers may ask for reports of success and delay */
	enum conf_remember remember_starttls; /* hosts that have offered STARTTLS and no longer do */
	struct str report_from;               /* of TLS reports: an address of ours; empty: none are sent */
};

enum conf_route_tls {
	CONF_ROUTE_TLS_AUTO,    /* DANE, MTA-STS, or what the other side offers */
	CONF_ROUTE_TLS_NONE,
	CONF_ROUTE_TLS_REQUIRE, /* any TLS */
	CONF_ROUTE_TLS_VERIFY,  /* a certificate for the host's name */
	CONF_ROUTE_TLS_DANE,    /* DANE or nothing */
};
enum conf_route_protocol { CONF_ROUTE_SMTP, CONF_ROUTE_LMTP };

#define CONF_HOPS_MAX 8
struct conf_hop {
	struct str host; /* a host name in lower case, or an address as inet_ntop writes it */
	uint16_t port;
	bool mx; /* its MX records, not itself */
};
struct conf_hops {
	struct conf_hop v[CONF_HOPS_MAX];
	size_t n; /* 0: the destination's own MX */
};

#define CONF_ROUTES_MAX 500
#define CONF_ROUTE_DOMAINS_MAX 16
/* Where letters for some domains go. */
struct conf_route {
	struct str domains[CONF_ROUTE_DOMAINS_MAX]; /* "example.org", "*.example.org" or "*", in A-labels and lower case */
	size_t n_domains;
	struct conf_hops hops; /* tried in this order */
	enum conf_route_protocol protocol;
	enum conf_route_tls tls;
	bool implicit_tls;      /* TLS begins with the connection (RFC 8314 3.3) */
	struct str login, password_file; /* AUTH there; master reads the file for relay alone */
	struct str source;      /* name of a source block; empty: any */
	bool relay;             /* letters for these domains are taken from strangers too: we are their backup MX, or their gateway */
	uint32_t connections_max; /* 0: as in queue */
	uint32_t rate_max;        /* letters in a minute; 0: as in queue */
	unsigned line;
};

#define CONF_SOURCES_MAX 64
#define CONF_SOURCE_NAME_MAX 40
/* An address that we connect from, and the name that goes with it. */
struct conf_source {
	struct str name;
	struct conf_address address4, address6; /* family 0: none given */
	struct str helo;                        /* empty: hostname */
	struct conf_names domains;              /* senders of these domains leave from here; none: anybody's */
	unsigned line;
};

struct conf_limits {
	uint64_t message_size_max;
	uint64_t header_size_max;
	uint32_t recipients_max;      /* per letter */
	uint32_t recipient_domains_max; /* per letter; 0: any */
	uint32_t received_max;        /* Received fields of a letter: more are a loop */
	uint32_t mime_parts_max;      /* per letter */
	uint32_t mime_depth_max;
	uint32_t local_part_size_max; /* octets, RFC 5321 4.5.3.1.1 */
	uint32_t domain_size_max;     /* octets, RFC 5321 4.5.3.1.2 */

	uint64_t smtp_line_size_max;      /* a command with its CRLF */
	uint64_t smtp_auth_line_size_max; /* a line of an AUTH exchange with its CRLF */
	uint64_t smtp_text_line_size_max; /* a line of DATA with its CRLF; 0: any */
	uint32_t smtp_errors_max;         /* a session */
	uint32_t smtp_commands_max;       /* a session */
	uint32_t smtp_letters_max;        /* a session */

	uint64_t proxy_header_size_max; /* of version 2 with its TLVs */

	uint32_t connections_strangers_max; /* all addresses together */
	uint32_t connections_users_max;
	uint32_t connections_per_address_strangers_max; /* IPv6: a /64 */
	uint32_t connections_per_address_users_max;
	uint32_t connection_rate_max; /* an address a minute; 0: any */
	uint32_t letter_rate_max;     /* an address a minute; 0: any */
	uint32_t login_failures_max;  /* an address in login_window; 0: any */
	uint32_t login_failures_login_max; /* a login likewise */
	uint32_t scram_iterations;    /* of passwords; 0: none are made */

	uint64_t imap_line_size_max; /* a command without its literals */
	uint64_t imap_literal_command_size_max; /* the literals of a command other than APPEND together */
	uint32_t imap_set_ranges_max;
	uint32_t imap_search_keys_max;
	uint32_t imap_list_patterns_max;
	uint32_t imap_saved_ranges_max;
	uint32_t imap_append_messages_max;
	uint64_t imap_append_size_max;
	uint32_t imap_errors_max; /* BAD answers a session */

	uint32_t mailbox_name_size_max; /* UTF-8 bytes of the whole path */
	uint32_t mailbox_depth_max;
	uint32_t mailboxes_max; /* an account */
	uint32_t keywords_max;  /* a mailbox */

	uint64_t pop_line_size_max;
	uint32_t pop_errors_max;
	uint32_t pop_messages_max;   /* of a maildrop */
	int64_t pop_login_delay_ms; /* between two logins to a maildrop; 0: none */
	uint64_t pop2_line_size_max;

	uint64_t http_line_size_max; /* of a request or field line */
	uint32_t http_fields_max;    /* of a request */

	uint32_t codes_max; /* authorization codes of an account */
	uint64_t quota_size;     /* an account without one of its own; 0: none */
	uint32_t quota_messages; /* likewise */
		struct conf_percents quota_warnings;
};

struct conf_timeouts {
	int64_t smtp_greeting_ms; /* from the connection to the first command */
	int64_t smtp_command_ms;
	int64_t smtp_data_ms;
	int64_t login_window_ms, login_ban_ms, login_delay_ms, login_delay_max_ms;
	int64_t imap_login_ms;
	int64_t imap_idle_ms;
	int64_t pop_ms;
	int64_t pop2_ms;
	int64_t http_ms; /* a request and its reply, or waiting for the next */
	int64_t tls_handshake_ms;
	int64_t proxy_ms;
	int64_t call_ms;
	int64_t scan_ms; /* of processor time */
	int64_t command_ms;
	int64_t stop_ms;
	int64_t dns_ms;
	/* Of the client (RFC 5321 4.5.3.2): connection, greeting, a reply, to DATA, a part of a letter, to its end; an idle connection kept for more. */
	int64_t relay_connect_ms, relay_greeting_ms, relay_reply_ms, relay_data_ms, relay_part_ms, relay_end_ms, relay_idle_ms;
	int64_t https_ms;
};

/* Signatures of letters that our users send. */
struct conf_dkim {
	bool sign;
	bool published_only; /* a key signs once its record is in DNS */
	int64_t expire_ms;   /* x=; 0: none */
};

struct conf {
	struct arena arena; /* owns all below */
	struct str hostname;
	struct str data_dir;
	struct str run_dir;
	struct str keys_dir;
	struct str user;
	uint64_t body_budget_size; /* 0: a quarter of the memory, at most 2G */
	uint64_t disk_reserve_size;
	struct conf_log log;
	struct conf_tls tls;
	struct conf_dns dns;
	struct conf_pools pools;
	struct conf_store store;
	struct conf_queue queue;
	struct conf_dkim dkim;
	struct conf_limits limits;
	struct conf_timeouts timeouts;
	struct conf_listener *listeners; /* in the order of the file */
	size_t n_listeners;
	struct conf_certificate *certificates; /* besides that of tls, which is the default */
	size_t n_certificates;
	struct conf_route *routes; /* in the order of the file: the first that fits counts */
	size_t n_routes;
	struct conf_source *sources;
	size_t n_sources;
};

/* The route of a destination (a domain in A-labels and lower case, or an address literal, which only "*" fits): the first that fits, or NULL. */
const struct conf_route *conf_route_find(const struct conf *c, struct str domain);
/* A next hop as a route has it: "[host]:port", or "domain:port" for its MX; 25 when no port is given. False: it is none. */
bool conf_hop_parse(struct str text, struct arena *a, struct conf_hop *out);
/* NULL when there is none of this name. */
const struct conf_source *conf_source_find(const struct conf *c, struct str name);
/* The sources that a letter may leave from, in the order of the file: that of its route (which may be NULL) if it names one; else those that list the
 * sender's domain; else those that list none. Fills their indexes in c->sources; how many there are, 0: the system chooses the address.
 * sender_domain in A-labels; empty for reports, whose sender is null. */
size_t conf_sources_for(const struct conf *c, const struct conf_route *route, struct str sender_domain, uint16_t out[CONF_SOURCES_MAX]);

/* What is wrong with a text: lines "file:line: what; suggestion\n". */
struct conf_errors {
	struct buf text; /* the first CONF_ERRORS_MAX of them */
	unsigned n;      /* all that were found */
};
#define CONF_ERRORS_MAX 20
#define CONF_TEXT_MAX ((size_t)1 << 20) /* a longer text is refused */
#define CONF_LISTENERS_MAX 64

void conf_errors_init(struct conf_errors *errs);
void conf_errors_fini(struct conf_errors *errs);

/* Parses and checks. True: *out is the caller's, to be freed with conf_free, and borrows nothing from text. False: *out
 * is NULL and errs (initialised by the caller) holds what is wrong. file_name is used in the messages only. Pure. */
bool conf_parse(struct str text, const char *file_name, struct conf **out, struct conf_errors *errs);
void conf_free(struct conf *c); /* NULL is allowed */

/* Appends the configuration in canonical form, which parses back to the same; without defaults, only what differs. */
void conf_show(const struct conf *c, struct buf *out, bool with_defaults);

/* Appends the reference of all settings as Markdown, for the documentation. */
void conf_schema_markdown(struct buf *out);

const char *conf_service_name(enum conf_service s); /* "submission" */
/* The port a service has by default (RFC 5321, 6409, 8314, 9051, 1939, 2033, 937), and whether its TLS begins with the connection. */
uint16_t conf_service_port(enum conf_service s);
bool conf_service_implicit(enum conf_service s);
bool conf_service_has_tls(enum conf_service s);    /* its protocol knows TLS at all */
bool conf_service_has_logins(enum conf_service s);
bool conf_announces_plus(const struct conf_listener *l); /* SCRAM-...-PLUS, under TLS; whoever asks for it gets it in any case */
bool conf_service_is_served(enum conf_service s);  /* sessions of it exist; what is not served may not be configured */

#endif
