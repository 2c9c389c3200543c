/* net/tls_client.c - the client's side of TLS. See the header.
 * Trust       the server's certificate is hostile until it is compared; OpenSSL parses it.
 * Suspends    in tls_connect().
 */
#include "net/tls_client.h"

#include "base/die.h"
#include "net/tls_impl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- authorities */

struct tls_authorities {
	X509_STORE *store;
};

/* Where systems keep them in one file; OpenSSL's own place, often a directory that is searched at need, comes first. */
static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem" };

static bool load_machine(X509_STORE *store)
{
	const char *own = getenv(X509_get_default_cert_file_env());

	if (X509_STORE_load_file(store, own ? own : X509_get_default_cert_file()) == 1)
		return true;
	for (size_t i = 0; !own && i < sizeof bundles / sizeof *bundles; i++)
		if (X509_STORE_load_file(store, bundles[i]) == 1)
			return true;
	return false;
}

struct tls_authorities *tls_authorities_open(struct str extra, char why[256])
{
	struct tls_authorities *a = mem_new(struct tls_authorities);

	why[0] = 0;
	a->store = X509_STORE_new();
	if (!a->store)
		die("net/tls: no store of authorities");
	if (!load_machine(a->store))
		snprintf(why, 256, "this machine has no authorities that certificates could lead to");
	if (extra.n && X509_STORE_load_file(a->store, extra.p) != 1) {
		snprintf(why, 256, "the authorities in %.200s cannot be read", extra.p);
		tls_authorities_close(a);
		a = NULL;
	}
	ERR_clear_error();
	return a;
}

void tls_authorities_close(struct tls_authorities *a)
{
	if (!a)
		return;
	X509_STORE_free(a->store);
	free(a);
}

void tls_authorities_use(const struct tls_authorities *a, void *ssl_ctx)
{
	SSL_CTX_set1_cert_store(ssl_ctx, a->store);
}

/* ---- TLSA records */

static SSL_CTX *new_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		die("net/tls: no SSL context");
	return ctx;
}

static SSL *new_dane(SSL_CTX *ctx, const char *name)
{
	SSL *ssl;

	SSL_CTX_dane_enable(ctx);
	SSL_CTX_dane_set_flags(ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS); /* RFC 7672 3.1.1 */
	ssl = SSL_new(ctx);
	if (!ssl || SSL_dane_enable(ssl, name) != 1)
		die("net/tls: DANE cannot be had");
	return ssl;
}

static bool add_tlsa(SSL *ssl, const struct tls_tlsa *t)
{
	return SSL_dane_tlsa_add(ssl, t->usage, t->selector, t->matching, (const unsigned char *)t->data.p, t->data.n) == 1;
}

size_t tls_tlsa_keep_usable(struct tls_tlsa *v, size_t n)
{
	SSL_CTX *ctx = new_ctx();
	SSL *ssl = new_dane(ctx, "localhost");
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if ((v[i].usage == 2 || v[i].usage == 3) && add_tlsa(ssl, &v[i]))
			v[kept++] = v[i];
	ERR_clear_error();
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return kept;
}

/* ---- sessions */

struct start {
	const struct tls_client *client;
	SSL *ssl;
};

static SSL_CTX *make_ctx(const struct tls_client *c)
{
	SSL_CTX *ctx = new_ctx();

	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_read_ahead(ctx, 1);
	if (c->authorities)
		SSL_CTX_set1_cert_store(ctx, c->authorities->store);
	else if (c->trust != TLS_TRUST_FINGERPRINT && c->trust != TLS_TRUST_DANE) /* the authorities' file takes its time */
		SSL_CTX_set_default_verify_paths(ctx);
	return ctx;
}

static SSL *make_session(SSL_CTX *ctx, const struct tls_client *c)
{
	SSL *ssl = c->trust == TLS_TRUST_DANE ? new_dane(ctx, c->name) : SSL_new(ctx);
	size_t n = 0;

	if (!ssl)
		die("net/tls: no SSL");
	for (size_t i = 0; c->trust == TLS_TRUST_DANE && i < c->n_tlsa; i++)
		n += add_tlsa(ssl, &c->tlsa[i]);
	/* Without a record that counts OpenSSL would go by authorities. */
	die_unless(c->trust != TLS_TRUST_DANE || n > 0, "net/tls: DANE without a usable record");
	return ssl;
}

/* Reading the machine's authorities takes room, so it runs on the scheduler's stack. */
static void make_ssl(void *arg)
{
	struct start *t = arg;
	const struct tls_client *c = t->client;
	SSL_CTX *ctx = make_ctx(c);

	t->ssl = make_session(ctx, c);
	SSL_CTX_free(ctx); /* the SSL holds it */
	SSL_set_connect_state(t->ssl);
	if (c->name)
		SSL_set_tlsext_host_name(t->ssl, c->name);
	if (c->trust == TLS_TRUST_CHAIN || c->trust == TLS_TRUST_DANE) {
		SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		if (c->name)
			SSL_set1_host(t->ssl, c->name);
		for (size_t i = 0; i < c->n_names; i++)
			SSL_add1_host(t->ssl, c->names[i]);
		SSL_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
	}
	ERR_clear_error();
}

static bool fingerprint_of(X509 *cert, unsigned char out[32])
{
	unsigned n = 32;

	return cert && X509_digest(cert, EVP_sha256(), out, &n) == 1;
}

SUSPENDS bool tls_connect(struct stream *s, const struct tls_client *c, char why[256])
{
	struct start t = { .client = c };
	unsigned char shown[32];

	sched_call(s->sched, make_ssl, &t);
	if (!tls_start(s, t.ssl, NULL, why)) {
		if ((c->trust == TLS_TRUST_CHAIN || c->trust == TLS_TRUST_DANE) && SSL_get_verify_result(t.ssl) != X509_V_OK)
			snprintf(why, 256, "its certificate is not trusted: %s", X509_verify_cert_error_string(SSL_get_verify_result(t.ssl)));
		return false;
	}
	if (c->trust == TLS_TRUST_FINGERPRINT && (!fingerprint_of(SSL_get0_peer_certificate(t.ssl), shown) || memcmp(shown, c->fingerprint, 32) != 0)) {
		snprintf(why, 256, "it shows another certificate than the one expected");
		stream_fail(s, STREAM_RESET);
		return false;
	}
	return true;
}

enum tls_trouble tls_trouble(const struct stream *s)
{
	switch (SSL_get_verify_result(tls_ssl(s))) {
	case X509_V_OK:
		return TLS_TROUBLE_HANDSHAKE;
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return TLS_TROUBLE_NAME;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_TROUBLE_TIME;
	case X509_V_ERR_DANE_NO_MATCH:
		return TLS_TROUBLE_TLSA;
	default:
		return TLS_TROUBLE_TRUST;
	}
}

static bool covers(X509 *cert, const char *name)
{
	return cert && name && X509_check_host(cert, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

void tls_peer(const struct stream *s, const char *name, struct tls_peer *out)
{
	SSL *ssl = tls_ssl(s);
	X509 *cert = SSL_get0_peer_certificate(ssl);
	long result = SSL_get_verify_result(ssl);

	*out = (struct tls_peer){ .name_fits = covers(cert, name), .chain_ok = result == X509_V_OK };
	fingerprint_of(cert, out->fingerprint);
	snprintf(out->chain_why, sizeof out->chain_why, "%s", out->chain_ok ? "" : X509_verify_cert_error_string(result));
}

/* ---- certificate files */

static int64_t seconds_of(const ASN1_TIME *t)
{
	struct tm tm;

	return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static X509 *read_one(BIO *bio)
{
	return PEM_read_bio_X509(bio, NULL, NULL, NULL);
}

static void check_chain(X509 *own, STACK_OF(X509) *rest, struct tls_certificate *out)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	X509_STORE_set_default_paths(store);
	X509_STORE_CTX_init(ctx, store, own, rest);
	out->chain_ok = X509_verify_cert(ctx) == 1;
	snprintf(out->chain_why, sizeof out->chain_why, "%s",
		out->chain_ok ? "" : X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
}

bool tls_certificate_read(struct str pem, struct tls_certificate *out, char why[256])
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *own = read_one(bio), *next;
	STACK_OF(X509) *rest = sk_X509_new_null();

	*out = (struct tls_certificate){ 0 };
	if (own) {
		while ((next = read_one(bio)))
			sk_X509_push(rest, next);
		out->n_chain = 1 + (size_t)sk_X509_num(rest);
		fingerprint_of(own, out->fingerprint);
		out->not_before_s = seconds_of(X509_get0_notBefore(own));
		out->not_after_s = seconds_of(X509_get0_notAfter(own));
		out->self_signed = X509_NAME_cmp(X509_get_subject_name(own), X509_get_issuer_name(own)) == 0;
		X509_NAME_oneline(X509_get_subject_name(own), out->subject, sizeof out->subject);
		check_chain(own, rest, out);
	} else {
		snprintf(why, 256, "no certificate in the PEM file");
	}
	ERR_clear_error();
	sk_X509_pop_free(rest, X509_free);
	X509_free(own);
	BIO_free(bio);
	return own != NULL;
}

bool tls_certificate_covers(struct str pem, const char *name)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *own = read_one(bio);
	bool ok = covers(own, name);

	ERR_clear_error();
	X509_free(own);
	BIO_free(bio);
	return ok;
}
