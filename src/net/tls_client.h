/* net/tls_client.h - the client's side of TLS: for commands that speak to a server, this one or another. */
#ifndef SALLYPORT_NET_TLS_CLIENT_H
#define SALLYPORT_NET_TLS_CLIENT_H

#include "base/buf.h"
#include "base/outcome.h"
#include "co/stream.h"

enum tls_trust {
	TLS_TRUST_ANY,         /* whatever certificate is shown; tls_peer says what it is */
	TLS_TRUST_FINGERPRINT, /* the certificate of this SHA-256 of its DER form and no other */
	TLS_TRUST_CHAIN,       /* one for name that leads to an authority this machine trusts (RFC 9525) */
};

struct tls_client {
	const char *name; /* of the server, told to it (SNI); NULL: none */
	enum tls_trust trust;
	unsigned char fingerprint[32];
};

/* The handshake on a plain stream, under the stream's deadline; TLS 1.2 at least. True: the stream is TLS from now on. False: it ended, why. */
SUSPENDS bool tls_connect(struct stream *s, const struct tls_client *c, char why[256]) MUST_USE;

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
