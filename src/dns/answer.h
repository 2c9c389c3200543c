/* dns/answer.h - questions to a resolver as packets, and packets as answers (RFC 1035, 2308, 2782, 3596, 6698, 6891, 8659). Pure. */
#ifndef SALLYPORT_DNS_ANSWER_H
#define SALLYPORT_DNS_ANSWER_H

#include "base/arena.h"
#include "base/buf.h"

enum dns_type {
	DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28, DNS_SRV = 33, DNS_TLSA = 52,
	DNS_CAA = 257
};

enum dns_result {
	DNS_OK,       /* there is at least one record of the type */
	DNS_NODATA,   /* the name exists and has none */
	DNS_NXDOMAIN, /* there is no such name */
	DNS_SERVFAIL, /* the resolver could not find out: the domain's servers fail, or its signatures do */
	DNS_REFUSED,  /* the resolver does not serve us */
	DNS_TIMEOUT,  /* no answer came */
	DNS_BROKEN,   /* the answer cannot be understood or passes a limit */
	DNS_BAD_NAME, /* the question cannot be asked */
	DNS_RESULT_COUNT
};

#define DNS_RECORDS_MAX 200   /* of an answer; more: DNS_BROKEN */
#define DNS_CNAMES_MAX 12     /* followed one after the other */
#define DNS_NAME_TEXT_MAX 1010 /* a name of 255 bytes, all of them escaped */
#define DNS_UDP_SIZE 1232     /* the answer we take without TCP: never cut into fragments */

/* Names are text without the final dot, ASCII lower case; the root is empty; other bytes than letters, digits, '-', '_', '*', '/' are \DDD. */
struct dns_record {
	uint32_t ttl_s;
	struct str name;               /* MX, SRV, PTR, NS, CNAME: what is pointed to; SOA: the primary server */
	uint16_t preference;           /* MX; SRV's priority */
	uint16_t weight, port;         /* SRV */
	uint8_t usage, selector, matching; /* TLSA */
	uint8_t flags;                 /* CAA */
	uint8_t address[16];           /* A: the first 4; AAAA */
	uint32_t serial, minimum_s;    /* SOA */
	struct str tag;                /* CAA */
	struct str data;               /* TXT: its strings joined; TLSA: the association data; CAA: the value */
};

struct dns_answer {
	enum dns_result result;
	bool secure;        /* the AD bit: believe it only of a resolver one trusts the way to (dns.h does) */
	struct str name;    /* where CNAMEs have led to; the name asked for without any */
	unsigned n_cnames;
	struct dns_record *records; /* all of the type that was asked for, in the order of the answer */
	size_t n;
	uint32_t ttl_s;     /* least of all that took part; of a negative answer as RFC 2308 5 says, 0 when it does not say */
};

const char *dns_result_name(enum dns_result r); /* "ok", "nxdomain" ... */
const char *dns_type_name(enum dns_type t);     /* "MX" */
bool dns_type_parse(struct str s, enum dns_type *out);

/* Appends a query with recursion, an AD bit (RFC 6840 5.7) and EDNS. False: name is no domain name. */
bool dns_query_make(struct str name, enum dns_type type, uint16_t id, struct buf *out);
/* The answer to that question. Views of out are in the arena. result is never DNS_TIMEOUT. */
void dns_answer_parse(struct str packet, struct str name, enum dns_type type, struct arena *a, struct dns_answer *out);

/* "4.3.2.1.zone" of 1.2.3.4, or 32 digits of an IPv6 address. */
struct str dns_reverse(int family, const uint8_t *address, const char *zone, struct arena *a);
/* The same in the tree of PTR records. */
struct str dns_ptr_name(int family, const uint8_t *address, struct arena *a);
bool dns_name_eq(struct str a, struct str b); /* case folded, with or without a final dot */

#endif
