/* ctl/records.h - the DNS records that a domain served here needs. */
#ifndef SALLYPORT_CTL_RECORDS_H
#define SALLYPORT_CTL_RECORDS_H

#include "ctl/addresses.h"
#include "ctl/dkim_key.h"
#include "dns/answer.h"

#define RECORDS_MAX 64
#define RECORDS_AUTHORITY "letsencrypt.org" /* who may make certificates: that of ACME's default */

struct record {
	const char *purpose; /* "SPF", for comments and programs */
	enum dns_type type;
	struct str name;     /* full, without a final dot */
	struct str data;     /* TXT: the text, CAA: the value, A and AAAA: the address as text */
	struct str target;   /* MX, SRV, CNAME; empty in SRV: the service is not offered (RFC 2782) */
	uint16_t preference, weight, port;
};

struct records {
	struct record v[RECORDS_MAX];
	size_t n;
};

struct records_of {
	const struct conf *conf; /* hostname, listeners */
	struct str domain;
	const struct own_addresses *addresses; /* only public ones are taken */
	const struct dkim_key *keys;
	size_t n_keys;
	struct str policy_id; /* of MTA-STS: letters and digits (RFC 8461 3.1) */
};

/* Views are in the arena or those of what was given. */
void records_make(const struct records_of *of, struct arena *a, struct records *out);
/* "name. TTL IN TYPE data", long texts as strings of 255 bytes (RFC 1035 3.3.14), with a newline. */
void record_add_zone(const struct record *r, struct buf *out);
/* {"purpose":..., "name":..., "type":..., "value":...}; value as zone files have it, texts whole. */
void record_add_json(const struct record *r, struct buf *out);

/* The SRV records that mail clients ask for (RFC 6186, 8314). */
struct records_service {
	const char *label; /* "_imaps._tcp" */
	enum conf_service service;
};
extern const struct records_service records_services[];
extern const size_t records_n_services;
/* The port that a client from outside would find the service at; 0: no listener that takes others than loopback. */
uint16_t records_port(const struct conf *c, enum conf_service s);

#endif
