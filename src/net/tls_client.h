/* net/tls_client.h - the client's side of TLS: for commands that speak to a server, this one or another. */
#ifndef SALLYPORT_NET_TLS_CLIENT_H
#define SALLYPORT_NET_TLS_CLIENT_H

#include "base/buf.h"
#include "base/outcome.h"
#include "co/stream.h"

enum tls_trust {
	TLS_TRUST_ANY,         /* whatever certificate is shown; tls_peer says what it is */
	TLS_TRUST_FINGERPRINT, /* the certificate of this SHA-256 of its DER form and no other */
	TLS_TRUST_CHAIN,       /* one for name, or for one of names, that leads to an authority this machine trusts (RFC 9525) */
	TLS_TRUST_DANE,        /* one that a TLSA record fits; with usage 2 it is for name or one of names (RFC 7671, 7672 3) */
};

/* A TLSA record (RFC 6698 2.1). */
struct tls_tlsa {
	uint8_t usage, selector, matching;
	struct str data;
};
/* Keeps those that can be used for SMTP, in front: of usage 2 or 3, of a known selector and matching type, and whole (RFC 7672 3.1). How many they are.
 * Runs OpenSSL: through sched_call. */
size_t tls_tlsa_keep_usable(struct tls_tlsa *v, size_t n);

/* The authorities that this machine trusts, read once, as for a process that can open no file later. Counted by OpenSSL: sessions hold them. */
struct tls_authorities;
/* extra: a PEM file of more of them, or empty. NULL: extra cannot be read or holds none; why. A machine without any is not an error: why is not empty. */
struct tls_authorities *tls_authorities_open(struct str extra, char why[256]);
void tls_authorities_close(struct tls_authorities *a); /* NULL is allowed */
/* Makes an SSL_CTX of somebody else's (libcurl's), given as void, trust them. */
void tls_authorities_use(const struct tls_authorities *a, void *ssl_ctx);

struct tls_client {
	const char *name; /* of the server, told to it (SNI); NULL: none */
	enum tls_trust trust;
	unsigned char fingerprint[32];
	const char *const *names; /* that the certificate may be for, besides name */
	size_t n_names;
	const struct tls_tlsa *tlsa; /* at least one, all usable, when trust is TLS_TRUST_DANE */
	size_t n_tlsa;
	const struct tls_authorities *authorities; /* NULL: read from the machine's files now */
};

/* The handshake on a plain stream, under the stream's deadline; TLS 1.2 at least. True: the stream is TLS from now on. False: it ended, why. */
SUSPENDS bool tls_connect(struct stream *s, const struct tls_client *c, char why[256]) MUST_USE;

/* Why tls_connect was false. */
enum tls_trouble {
	TLS_TROUBLE_HANDSHAKE, /* the two did not agree, or the connection was lost */
	TLS_TROUBLE_NAME,      /* the certificate is for other names */
	TLS_TROUBLE_TIME,      /* it is over, or has not begun */
	TLS_TROUBLE_TRUST,     /* it leads to no authority that is trusted */
	TLS_TROUBLE_TLSA,      /* no TLSA record fits it */
	TLS_TROUBLE_COUNT
};
enum tls_trouble tls_trouble(const struct stream *s); /* before the stream is closed */

/* What the server has shown. */
struct tls_peer {
	unsigned char fingerprint[32];
	bool name_fits;     /* it is for tls_client.name */
	bool chain_ok;      /* it leads to an authority this machine trusts, in time */
	char chain_why[96]; /* when it does not */
};
void tls_peer(const struct stream *s, const char *name, struct tls_peer *out);

/* What a certificate file says of itself. */
struct tls_certificate {
	unsigned char fingerprint[32];
	int64_t not_before_s, not_after_s;
	bool self_signed;
	bool chain_ok;
	char chain_why[96];
	char subject[200];
	size_t n_chain; /* certificates in the file */
};
/* The first certificate of a PEM text. False: there is none, why says so. */
bool tls_certificate_read(struct str pem, struct tls_certificate *out, char why[256]) MUST_USE;
bool tls_certificate_covers(struct str pem, const char *name); /* it is for that host name */

#endif
