/* net/tls.c - TLS sessions without a private key (RFC 8446, 5246; settings of RFC 9325).
 * Purpose     an SSL_CTX whose key object signs by asking a signer; streams that read and write through SSL.
 * Trust       runs in edge; the peer's handshake is hostile and is OpenSSL's to parse.
 * Owns        contexts are counted; an SSL belongs to its stream.
 * Suspends    never inside OpenSSL: calls run to their end on the scheduler's stack and say what they want.
 *
 * The key object is an EC_KEY or RSA with a method of ours, the one way that OpenSSL 3.0 to 3.5 have to move a private
 * key out of the process without a provider of one's own; the calls are marked deprecated.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "net/tls_impl.h"

#include "base/die.h"
#include "base/map.h"
#include "base/rng.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIGNATURE_MAX 1024

/* One identity: OpenSSL's context of it. */
struct shown {
	SSL_CTX *ctx;
	EC_KEY_METHOD *ec_method;
	RSA_METHOD *rsa_method;
	const struct tls_signer *signer;
	char key[TLS_KEY_NAME_SIZE];
};

struct tls_server {
	struct shown *shown; /* the first is the default */
	size_t n_shown;
	struct map by_name; /* of server names and "*." patterns */
	unsigned n_users;
};

static void explain(char why[256], const char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	snprintf(why, 256, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
	ERR_clear_error();
}

/* ---- a key object that asks the signer */

static enum outcome ask(const struct shown *x, int padding, struct str digest, struct buf *signature)
{
	buf_init(signature, SIGNATURE_MAX);
	return x && x->signer ? x->signer->sign(x->signer->ctx, str_z(x->key), padding, digest, signature) : FAILED;
}

static int ec_sign(int type, const unsigned char *digest, int n, unsigned char *sig, unsigned *n_sig, const BIGNUM *kinv,
	const BIGNUM *r, EC_KEY *key)
{
	struct buf out;
	int ok;

	(void)type;
	(void)kinv;
	(void)r;
	ok = ask(EC_KEY_get_ex_data(key, 0), 0, str_of(digest, (size_t)n), &out) == OK && out.n <= (size_t)ECDSA_size(key);
	if (ok) {
		memcpy(sig, out.p, out.n);
		*n_sig = (unsigned)out.n;
	}
	buf_fini(&out);
	return ok;
}

static ECDSA_SIG *ec_sign_sig(const unsigned char *digest, int n, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
	struct buf out;
	ECDSA_SIG *sig = NULL;

	(void)kinv;
	(void)r;
	if (ask(EC_KEY_get_ex_data(key, 0), 0, str_of(digest, (size_t)n), &out) == OK) {
		const unsigned char *p = (const unsigned char *)out.p;

		sig = d2i_ECDSA_SIG(NULL, &p, (long)out.n);
	}
	buf_fini(&out);
	return sig;
}

static int rsa_sign(int n, const unsigned char *from, unsigned char *to, RSA *key, int padding)
{
	struct buf out;
	int made = -1;

	if (ask(RSA_get_ex_data(key, 0), padding, str_of(from, (size_t)n), &out) == OK && out.n <= (size_t)RSA_size(key)) {
		memcpy(to, out.p, out.n);
		made = (int)out.n;
	}
	buf_fini(&out);
	return made;
}

static EVP_PKEY *ec_key_object(struct shown *t, EVP_PKEY *public)
{
	EC_KEY *key = EVP_PKEY_get1_EC_KEY(public);
	EVP_PKEY *made = EVP_PKEY_new();

	t->ec_method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
	EC_KEY_METHOD_set_sign(t->ec_method, ec_sign, NULL, ec_sign_sig);
	EC_KEY_set_method(key, t->ec_method);
	EC_KEY_set_ex_data(key, 0, t);
	EVP_PKEY_assign_EC_KEY(made, key);
	return made;
}

static EVP_PKEY *rsa_key_object(struct shown *t, EVP_PKEY *public)
{
	RSA *key = EVP_PKEY_get1_RSA(public);
	EVP_PKEY *made = EVP_PKEY_new();

	t->rsa_method = RSA_meth_dup(RSA_get_default_method());
	RSA_meth_set_priv_enc(t->rsa_method, rsa_sign);
	RSA_set_method(key, t->rsa_method);
	RSA_set_ex_data(key, 0, t);
	EVP_PKEY_assign_RSA(made, key);
	return made;
}

/* ---- the context */

static bool use_chain(struct shown *t, struct str chain, char why[256])
{
	BIO *bio = BIO_new_mem_buf(chain.p, (int)chain.n);
	X509 *own = PEM_read_bio_X509(bio, NULL, NULL, NULL), *next;
	EVP_PKEY *key = NULL, *public;
	bool ok = false;

	if (!own) {
		explain(why, "no certificate in the PEM file");
		goto out;
	}
	SSL_CTX_use_certificate(t->ctx, own);
	while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		SSL_CTX_add0_chain_cert(t->ctx, next);
	ERR_clear_error();
	public = X509_get0_pubkey(own);
	if (public && EVP_PKEY_get_base_id(public) == EVP_PKEY_EC)
		key = ec_key_object(t, public);
	else if (public && EVP_PKEY_get_base_id(public) == EVP_PKEY_RSA)
		key = rsa_key_object(t, public);
	if (!key)
		explain(why, "the certificate's key is neither EC nor RSA");
	else if (SSL_CTX_use_PrivateKey(t->ctx, key) != 1)
		explain(why, "the certificate's key cannot be used");
	else
		ok = true;
out:
	EVP_PKEY_free(key);
	X509_free(own);
	BIO_free(bio);
	return ok;
}

/* Who signed a client's certificate does not matter: accounts name certificates by their fingerprints. */
static int any_certificate(X509_STORE_CTX *store, void *arg)
{
	(void)store;
	(void)arg;
	return 1;
}

static bool shown_open(struct shown *t, const struct tls_identity *id, struct str ticket_key, enum conf_tls_version least, char why[256])
{
	snprintf(t->key, sizeof t->key, "%.*s", STR_ARG(id->key));
	t->ctx = SSL_CTX_new(TLS_server_method());
	if (!t->ctx)
		die("net/tls: no SSL context");
	SSL_CTX_set_min_proto_version(t->ctx, least == CONF_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
		SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_cipher_list(t->ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL");
	SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(t->ctx, 1);
	SSL_CTX_set_read_ahead(t->ctx, 1);
	SSL_CTX_set_cert_verify_callback(t->ctx, any_certificate, NULL);
	SSL_CTX_set_session_id_context(t->ctx, (const unsigned char *)"sallyport", 9);
	if (ticket_key.n == TLS_TICKET_KEY_SIZE)
		SSL_CTX_set_tlsext_ticket_keys(t->ctx, (void *)(uintptr_t)ticket_key.p, TLS_TICKET_KEY_SIZE);
	else
		SSL_CTX_set_options(t->ctx, SSL_OP_NO_TICKET);
	return use_chain(t, id->chain, why);
}

/* ---- identities by name (RFC 6066 3) */

static struct shown *find_shown(struct tls_server *t, const char *name)
{
	char lowered[256];
	struct str s = str_of(lowered, 0);
	struct shown *x;
	ssize_t dot;

	while (s.n < sizeof lowered && name[s.n]) {
		lowered[s.n] = ascii_lower(name[s.n]);
		s.n++;
	}
	if (s.n == sizeof lowered)
		return NULL;
	x = map_get(&t->by_name, s);
	dot = str_find(s, '.');
	if (x || dot < 1)
		return x;
	lowered[dot - 1] = '*'; /* the end of what has become "mai*.example.org" */
	return map_get(&t->by_name, str_from(s, (size_t)dot - 1));
}

static int choose_identity(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct shown *x = name ? find_shown(arg, name) : NULL;

	(void)alert;
	if (x)
		SSL_set_SSL_CTX(ssl, x->ctx);
	return SSL_TLSEXT_ERR_OK;
}

struct tls_server *tls_server_new(const struct tls_identity *identities, size_t n, struct str ticket_key, enum conf_tls_version least,
	const struct tls_signer *signer, char why[256])
{
	struct tls_server *t = mem_new(struct tls_server);

	die_unless(n > 0, "net/tls: a server without a certificate");
	t->n_users = 1;
	t->n_shown = n;
	t->shown = mem_array(n, sizeof *t->shown);
	map_init(&t->by_name, rng_u64());
	for (size_t i = 0; i < n; i++) {
		t->shown[i].signer = signer;
		if (!shown_open(&t->shown[i], &identities[i], ticket_key, least, why)) {
			tls_server_put(t);
			return NULL;
		}
		for (size_t k = 0; k < identities[i].n_names; k++)
			map_put(&t->by_name, identities[i].names[k], &t->shown[i]);
	}
	SSL_CTX_set_tlsext_servername_callback(t->shown[0].ctx, choose_identity);
	SSL_CTX_set_tlsext_servername_arg(t->shown[0].ctx, t);
	return t;
}

struct tls_server *tls_server_get(struct tls_server *t)
{
	t->n_users++;
	return t;
}

static void shown_close(struct shown *x)
{
	SSL_CTX_free(x->ctx);
	if (x->ec_method) /* OpenSSL 3.0 takes no NULL here */
		EC_KEY_METHOD_free(x->ec_method);
	if (x->rsa_method)
		RSA_meth_free(x->rsa_method);
}

void tls_server_put(struct tls_server *t)
{
	if (!t || --t->n_users)
		return;
	for (size_t i = 0; i < t->n_shown; i++)
		shown_close(&t->shown[i]);
	map_fini(&t->by_name);
	free(t->shown);
	free(t);
}

/* ---- facts of a chain */

static bool key_name_of(EVP_PKEY *public, char out[TLS_KEY_NAME_SIZE])
{
	unsigned char *der = NULL, digest[32];
	int n = i2d_PUBKEY(public, &der);
	bool ok = n > 0 && EVP_Digest(der, (size_t)n, digest, NULL, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; ok && i < sizeof digest; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	OPENSSL_free(der);
	return ok;
}

static int64_t end_of(const X509 *x)
{
	struct tm tm;

	return ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1 ? timegm(&tm) : 0;
}

bool tls_chain_facts(struct str chain, char key[TLS_KEY_NAME_SIZE], int64_t *ends_s, char why[256])
{
	struct tls_identity id = { .chain = chain };
	struct tls_server *t = tls_server_new(&id, 1, (struct str){ 0 }, CONF_TLS_1_2, NULL, why);
	BIO *bio = BIO_new_mem_buf(chain.p, (int)chain.n);
	X509 *x;
	bool ok = t && key_name_of(X509_get0_pubkey(SSL_CTX_get0_certificate(t->shown[0].ctx)), key);

	*ends_s = INT64_MAX;
	while (ok && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		*ends_s = end_of(x) < *ends_s ? end_of(x) : *ends_s;
		X509_free(x);
	}
	ERR_clear_error();
	BIO_free(bio);
	tls_server_put(t);
	return ok;
}

/* ---- the stream */

struct tls_stream {
	SSL *ssl;
	struct tls_server *server;
};

enum tls_step { STEP_HANDSHAKE, STEP_READ, STEP_WRITE, STEP_CLOSE };

struct tls_job {
	SSL *ssl;
	enum tls_step step;
	void *p;
	size_t n;
	int result, error;
};

static void run_job(void *arg)
{
	struct tls_job *j = arg;
	int n = j->n > INT32_MAX ? INT32_MAX : (int)j->n;

	ERR_clear_error();
	switch (j->step) {
	case STEP_HANDSHAKE:
		j->result = SSL_do_handshake(j->ssl);
		break;
	case STEP_READ:
		j->result = SSL_read(j->ssl, j->p, n);
		break;
	case STEP_WRITE:
		j->result = SSL_write(j->ssl, j->p, n);
		break;
	case STEP_CLOSE:
		if (SSL_is_init_finished(j->ssl))
			SSL_shutdown(j->ssl);
		SSL_free(j->ssl);
		return;
	}
	j->error = j->result > 0 ? SSL_ERROR_NONE : SSL_get_error(j->ssl, j->result);
}

static ssize_t step(struct stream *s, enum tls_step what, void *p, size_t n)
{
	struct tls_stream *x = s->impl;
	struct tls_job j = { .ssl = x->ssl, .step = what, .p = p, .n = n };

	sched_call(s->sched, run_job, &j);
	switch (j.error) {
	case SSL_ERROR_NONE:
		return j.result;
	case SSL_ERROR_WANT_READ:
		return STREAM_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return STREAM_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return STREAM_EOF;
	default:
		return STREAM_ERROR;
	}
}

static ssize_t tls_read(struct stream *s, char *p, size_t n)
{
	return step(s, STEP_READ, p, n);
}

static ssize_t tls_write(struct stream *s, const char *p, size_t n)
{
	return step(s, STEP_WRITE, (void *)(uintptr_t)p, n);
}

static void tls_close(struct stream *s)
{
	struct tls_stream *x = s->impl;
	struct tls_job j = { .ssl = x->ssl, .step = STEP_CLOSE };

	sched_call(s->sched, run_job, &j);
	tls_server_put(x->server);
	free(x);
	s->impl = NULL;
	watch_close(&s->watch);
	close(s->fd);
	s->fd = -1;
}

static const struct stream_ops tls_ops = { tls_read, tls_write, tls_close };

static SUSPENDS bool handshake(struct stream *s, char why[256])
{
	for (;;) {
		ssize_t r = step(s, STEP_HANDSHAKE, NULL, 0);
		struct gate *g;
		int w;

		if (r > 0)
			return true;
		if (r == STREAM_ERROR || r == STREAM_EOF) {
			explain(why, "handshake failed");
			stream_fail(s, STREAM_RESET);
			return false;
		}
		g = r == STREAM_WANT_WRITE ? &s->watch.write_gate : &s->watch.read_gate;
		w = task_wait(s->sched, &g, 1, s->deadline_ms);
		if (w < 0) {
			snprintf(why, 256, "%s", w == WAIT_TIMEOUT ? "handshake timed out" : "stopped");
			stream_fail(s, w == WAIT_TIMEOUT ? STREAM_EXPIRED : STREAM_STOPPED);
			return false;
		}
	}
}

SUSPENDS bool tls_start(struct stream *s, SSL *ssl, struct tls_server *server, char why[256])
{
	struct tls_stream *x = mem_new(struct tls_stream);

	why[0] = 0;
	stream_drop_input(s);
	x->server = server;
	x->ssl = ssl;
	SSL_set_fd(ssl, s->fd);
	s->impl = x;
	s->ops = &tls_ops;
	return handshake(s, why);
}

SSL *tls_ssl(const struct stream *s)
{
	const struct tls_stream *x = s->impl;

	return x->ssl;
}

SUSPENDS bool tls_accept(struct stream *s, struct tls_server *t, const struct tls_wish *wish, char why[256])
{
	SSL *ssl = SSL_new(t->shown[0].ctx);

	if (!ssl)
		die("net/tls: no SSL");
	SSL_set_accept_state(ssl);
	if (wish->client_cert) {
		SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
		/* A session of a listener that did not ask is not resumed here. */
		SSL_set_session_id_context(ssl, (const unsigned char *)"sallyport with certificate", 26);
	}
	return tls_start(s, ssl, tls_server_get(t), why);
}

void tls_describe(const struct stream *s, char *out, size_t size)
{
	const struct tls_stream *x = s->impl;

	snprintf(out, size, "%s %s", SSL_get_version(x->ssl), SSL_get_cipher_name(x->ssl));
}

bool tls_client_cert(const struct stream *s, unsigned char out[32])
{
	const struct tls_stream *x = s->impl;
	X509 *cert = SSL_get0_peer_certificate(x->ssl);
	unsigned n = 32;

	return cert && X509_digest(cert, EVP_sha256(), out, &n) == 1;
}

/* ---- channel bindings */

struct binding {
	SSL *ssl;
	bool (*make)(SSL *ssl, unsigned char *out, size_t *n); /* out: EVP_MAX_MD_SIZE bytes */
	unsigned char bytes[EVP_MAX_MD_SIZE];
	size_t n;
	bool ok;
};

/* RFC 9266 2. In TLS 1.2 no context and an empty one are not the same, and clients differ in which they take. */
static bool make_exporter(SSL *ssl, unsigned char *out, size_t *n)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	*n = 32;
	return SSL_version(ssl) == TLS1_3_VERSION &&
		SSL_export_keying_material(ssl, out, *n, label, sizeof label - 1, (const unsigned char *)"", 0, 1) == 1;
}

/* RFC 5929 3.1: the first Finished of the handshake, which is ours when a session was resumed. Without an extended master secret
 * (RFC 7627) two connections can be made to have the same. */
static bool make_unique(SSL *ssl, unsigned char *out, size_t *n)
{
	if (SSL_version(ssl) != TLS1_2_VERSION || SSL_get_extms_support(ssl) != 1)
		return false;
	*n = SSL_session_reused(ssl) ? SSL_get_finished(ssl, out, EVP_MAX_MD_SIZE) : SSL_get_peer_finished(ssl, out, EVP_MAX_MD_SIZE);
	return *n > 0;
}

/* RFC 5929 4.1: the certificate hashed as its own signature hashes; MD5 and SHA-1 become SHA-256. */
static bool make_end_point(SSL *ssl, unsigned char *out, size_t *n)
{
	X509 *own = SSL_get_certificate(ssl);
	const EVP_MD *md;
	unsigned size = 0;
	int nid;

	if (!own || X509_get_signature_info(own, &nid, NULL, NULL, NULL) != 1 || nid == NID_undef)
		return false;
	md = nid == NID_md5 || nid == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(nid);
	if (!md || X509_digest(own, md, out, &size) != 1)
		return false;
	*n = size;
	return true;
}

static void make_binding(void *arg)
{
	struct binding *b = arg;

	b->ok = b->make(b->ssl, b->bytes, &b->n);
	ERR_clear_error();
}

bool tls_channel_binding(const struct stream *s, const char *type, struct buf *out)
{
	static const struct {
		const char *type;
		bool (*make)(SSL *ssl, unsigned char *out, size_t *n);
	} makers[] = {
		{ "tls-exporter", make_exporter },
		{ "tls-unique", make_unique },
		{ "tls-server-end-point", make_end_point },
	};
	const struct tls_stream *x = s->impl;

	for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
		struct binding b = { .ssl = x->ssl, .make = makers[i].make };

		if (strcmp(makers[i].type, type) != 0)
			continue;
		sched_call(s->sched, make_binding, &b);
		if (b.ok)
			buf_add(out, str_of(b.bytes, b.n));
		return b.ok;
	}
	return false;
}

/* ---- private keys, for role keys */

struct tls_key {
	EVP_PKEY *pkey;
};

struct tls_key *tls_key_new(struct str pem, char why[256])
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	struct tls_key *k = mem_new(struct tls_key);
	int type;

	k->pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t)"");
	BIO_free(bio);
	type = k->pkey ? EVP_PKEY_get_base_id(k->pkey) : 0;
	if (!k->pkey)
		explain(why, "no private key in the PEM file");
	else if (type == EVP_PKEY_RSA && EVP_PKEY_get_bits(k->pkey) < 2048)
		snprintf(why, 256, "an RSA key of %d bits is too short; make one of 2048 or an EC key", EVP_PKEY_get_bits(k->pkey));
	else if (type != EVP_PKEY_RSA && type != EVP_PKEY_EC)
		snprintf(why, 256, "the private key is neither EC nor RSA");
	else
		return k;
	tls_key_free(k);
	return NULL;
}

void tls_key_free(struct tls_key *k)
{
	if (k)
		EVP_PKEY_free(k->pkey);
	free(k);
}

enum outcome tls_key_sign(struct tls_key *k, int padding, struct str digest, struct buf *signature)
{
	char *room = buf_room(signature, (size_t)EVP_PKEY_get_size(k->pkey));
	unsigned n = 0;
	int r;

	if (!room)
		return FAILED;
	if (EVP_PKEY_get_base_id(k->pkey) == EVP_PKEY_EC) {
		/* 20 to 64 bytes: the digests of TLS; anything else is no digest. */
		if (digest.n < 20 || digest.n > 64 ||
			ECDSA_sign(0, (const unsigned char *)digest.p, (int)digest.n, (unsigned char *)room, &n,
				(EC_KEY *)(uintptr_t)EVP_PKEY_get0_EC_KEY(k->pkey)) != 1)
			return FAILED;
	} else {
		if (digest.n > (size_t)EVP_PKEY_get_size(k->pkey) || (padding != RSA_PKCS1_PADDING && padding != RSA_NO_PADDING))
			return FAILED;
		r = RSA_private_encrypt((int)digest.n, (const unsigned char *)digest.p, (unsigned char *)room,
			(RSA *)(uintptr_t)EVP_PKEY_get0_RSA(k->pkey), padding);
		if (r <= 0)
			return FAILED;
		n = (unsigned)r;
	}
	buf_grew(signature, n);
	return OK;
}

bool tls_key_fits(struct tls_key *k, struct str chain)
{
	BIO *bio = BIO_new_mem_buf(chain.p, (int)chain.n);
	X509 *own = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	bool fits = own && X509_check_private_key(own, k->pkey) == 1;

	ERR_clear_error();
	X509_free(own);
	BIO_free(bio);
	return fits;
}
