/* TLS on a stream whose key is elsewhere: EC and RSA, resumption, refusals. The other side is OpenSSL's own client on a thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/die.h"
#include "net/tls.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
#include <unistd.h>

struct identity {
	struct str chain, key;
};

static struct str pem_of(BIO *b)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);
	struct str s = str_of(mem_dup(p, (size_t)n), (size_t)n);

	BIO_free(b);
	return s;
}

static struct identity make_identity(EVP_PKEY *key)
{
	X509 *x = X509_new();
	BIO *cert = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"mail.test", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	PEM_write_bio_X509(cert, x);
	PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
	X509_free(x);
	EVP_PKEY_free(key);
	return (struct identity){ pem_of(cert), pem_of(pem) };
}

static void free_identity(struct identity *i)
{
	free((void *)(uintptr_t)i->chain.p);
	free((void *)(uintptr_t)i->key.p);
}

struct world {
	struct sched *s;
	struct tls_server *server;
	struct tls_key *key;
	int fds[2], n_signed;
	bool accepted, sign_fails;
	char why[256], text[96];
	int max_version; /* the client's; 0: any */
	SSL_SESSION *session;
	bool resumed, client_ok;
	char echo[64];
	struct tls_wish wish;
	struct identity *client; /* the client's certificate; NULL: none */
	struct binding { unsigned char bytes[64]; size_t n; } seen[3], theirs[3]; /* exporter, unique, end point */
	bool has_cert;
	unsigned char cert[32];
	struct tls_key *second; /* of an identity by name */
	const char *ask; /* the name the client asks for */
};

static const char *const binding_types[] = { "tls-exporter", "tls-unique", "tls-server-end-point" };

static enum outcome sign(void *ctx, struct str key, int padding, struct str digest, struct buf *signature)
{
	struct world *w = ctx;
	struct tls_key *with = str_eq(key, STR("second")) ? w->second : w->key;

	w->n_signed++;
	return w->sign_fails ? TRY_LATER : tls_key_sign(with, padding, digest, signature);
}

static void use_client_certificate(SSL *ssl, const struct identity *i)
{
	BIO *cert = BIO_new_mem_buf(i->chain.p, (int)i->chain.n), *key = BIO_new_mem_buf(i->key.p, (int)i->key.n);
	X509 *x = PEM_read_bio_X509(cert, NULL, NULL, NULL);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);

	SSL_use_certificate(ssl, x);
	SSL_use_PrivateKey(ssl, k);
	X509_free(x);
	EVP_PKEY_free(k);
	BIO_free(cert);
	BIO_free(key);
}

/* What RFC 5929 and RFC 9266 say of this connection, seen from the client's end. */
static void note_bindings(struct world *w, SSL *ssl)
{
	X509 *server = SSL_get1_peer_certificate(ssl);
	unsigned n = 0;

	memset(w->theirs, 0, sizeof w->theirs);
	if (SSL_version(ssl) == TLS1_3_VERSION) {
		SSL_export_keying_material(ssl, w->theirs[0].bytes, 32, "EXPORTER-Channel-Binding", 24, (const unsigned char *)"", 0, 1);
		w->theirs[0].n = 32;
	} else {
		w->theirs[1].n = SSL_session_reused(ssl) ? SSL_get_peer_finished(ssl, w->theirs[1].bytes, 64) :
							   SSL_get_finished(ssl, w->theirs[1].bytes, 64);
	}
	X509_digest(server, EVP_sha256(), w->theirs[2].bytes, &n);
	w->theirs[2].n = n;
	X509_free(server);
}

static void *client_main(void *arg)
{
	struct world *w = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;
	int n;

	if (w->max_version)
		SSL_CTX_set_max_proto_version(ctx, w->max_version);
	SSL_CTX_set_min_proto_version(ctx, 0);
	SSL_CTX_set_security_level(ctx, 0);
	ssl = SSL_new(ctx);
	if (w->session)
		SSL_set_session(ssl, w->session);
	if (w->ask)
		SSL_set_tlsext_host_name(ssl, w->ask);
	if (w->client)
		use_client_certificate(ssl, w->client);
	SSL_set_fd(ssl, w->fds[1]);
	w->client_ok = SSL_connect(ssl) == 1;
	if (w->client_ok) {
		note_bindings(w, ssl);
		SSL_write(ssl, "hello\r\n", 7);
		n = SSL_read(ssl, w->echo, sizeof w->echo - 1);
		w->echo[n > 0 ? n : 0] = 0;
		w->resumed = SSL_session_reused(ssl);
		SSL_SESSION_free(w->session);
		w->session = SSL_get1_session(ssl);
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(w->fds[1]);
	return NULL;
}

static void note_server(struct world *w, struct stream *s)
{
	struct buf out;

	w->has_cert = tls_client_cert(s, w->cert);
	for (int i = 0; i < 3; i++) {
		buf_init(&out, 64);
		w->seen[i].n = tls_channel_binding(s, binding_types[i], &out) ? out.n : 0;
		memcpy(w->seen[i].bytes, out.p ? out.p : "", w->seen[i].n);
		buf_fini(&out);
	}
	buf_init(&out, 64);
	assert_false(tls_channel_binding(s, "tls-unheard-of", &out));
	buf_fini(&out);
}

static void server_main(void *arg)
{
	struct world *w = arg;
	struct stream s;
	struct str line;

	stream_open_fd(&s, w->s, w->fds[0]);
	stream_deadline(&s, 10000);
	w->accepted = tls_accept(&s, w->server, &w->wish, w->why);
	if (w->accepted) {
		note_server(w, &s);
		tls_describe(&s, w->text, sizeof w->text);
		if (stream_line(&s, &line, 100) == LINE_OK)
			stream_printf(&s, "<%.*s>", STR_ARG(line));
		stream_flush(&s);
		stream_peek(&s); /* its goodbye */
	}
	stream_close(&s);
}

static void converse(struct world *w)
{
	pthread_t t;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, w->fds), 0);
	assert_int_equal(fcntl(w->fds[0], F_SETFL, O_NONBLOCK), 0);
	pthread_create(&t, NULL, client_main, w);
	task_spawn(w->s, "server", server_main, w);
	sched_run(w->s);
	pthread_join(t, NULL);
}

static struct world *make_world(struct identity *i, const struct tls_signer *signer, struct str ticket_key, enum conf_tls_version least)
{
	struct world *w = mem_new(struct world);

	((struct tls_signer *)(uintptr_t)signer)->ctx = w;
	w->s = sched_new(NULL);
	w->key = tls_key_new(i->key, w->why);
	assert_non_null(w->key);
	assert_true(tls_key_fits(w->key, i->chain));
	w->server = tls_server_new(&(struct tls_identity){ .chain = i->chain }, 1, ticket_key, least, signer, w->why);
	assert_non_null(w->server);
	return w;
}

static void end_world(struct world *w)
{
	SSL_SESSION_free(w->session);
	tls_server_put(w->server);
	tls_key_free(w->key);
	sched_free(w->s);
	free(w);
}

static void handshake_with(EVP_PKEY *key, int max_version, const char *version)
{
	struct identity i = make_identity(key);
	struct tls_signer signer = { sign, NULL };
	struct world *w = make_world(&i, &signer, (struct str){ 0 }, CONF_TLS_1_2);

	w->max_version = max_version;
	converse(w);
	assert_true(w->accepted && w->client_ok);
	assert_string_equal(w->echo, "<hello>");
	assert_int_equal(w->n_signed, 1);
	assert_true(str_starts(str_z(w->text), str_z(version)));
	end_world(w);
	free_identity(&i);
}

static void ec_and_rsa_keys_sign_from_elsewhere(void **state)
{
	(void)state;
	handshake_with(EVP_EC_gen("P-256"), 0, "TLSv1.3 ");
	handshake_with(EVP_EC_gen("P-256"), TLS1_2_VERSION, "TLSv1.2 ");
	handshake_with(EVP_RSA_gen(2048), 0, "TLSv1.3 ");
	handshake_with(EVP_RSA_gen(2048), TLS1_2_VERSION, "TLSv1.2 ");
}

static void a_ticket_saves_the_signature(void **state)
{
	struct identity i = make_identity(EVP_EC_gen("P-256"));
	struct tls_signer signer = { sign, NULL };
	char key[TLS_TICKET_KEY_SIZE] = "a key that all edges of a pool share";
	struct world *w = make_world(&i, &signer, str_of(key, sizeof key), CONF_TLS_1_2);

	(void)state;
	converse(w);
	assert_true(w->client_ok && !w->resumed);
	converse(w);
	assert_true(w->client_ok && w->resumed);
	assert_int_equal(w->n_signed, 1);
	end_world(w);
	free_identity(&i);
}

static void same_bindings(const struct world *w, int n_exporter, int n_unique)
{
	assert_true(w->accepted && w->client_ok);
	assert_int_equal(w->seen[0].n, n_exporter);
	assert_int_equal(w->seen[1].n, n_unique);
	assert_int_equal(w->seen[2].n, 32);
	for (int i = 0; i < 3; i++)
		assert_memory_equal(w->seen[i].bytes, w->theirs[i].bytes, w->seen[i].n);
}

static void both_ends_bind_to_the_same_bytes(void **state)
{
	struct identity i = make_identity(EVP_EC_gen("P-256"));
	struct tls_signer signer = { sign, NULL };
	char key[TLS_TICKET_KEY_SIZE] = "a key that all edges of a pool share";
	struct world *w = make_world(&i, &signer, str_of(key, sizeof key), CONF_TLS_1_2);
	struct binding first;

	(void)state;
	converse(w);
	same_bindings(w, 32, 0);
	SSL_SESSION_free(w->session);
	w->session = NULL;
	w->max_version = TLS1_2_VERSION;
	converse(w);
	same_bindings(w, 0, 12);
	first = w->seen[1];
	converse(w);
	assert_true(w->resumed);
	same_bindings(w, 0, 12);
	assert_memory_not_equal(first.bytes, w->seen[1].bytes, 12);
	end_world(w);
	free_identity(&i);
}

static void a_clients_certificate_is_known_by_its_fingerprint(void **state)
{
	struct identity i = make_identity(EVP_EC_gen("P-256")), c = make_identity(EVP_RSA_gen(2048));
	struct tls_signer signer = { sign, NULL };
	char key[TLS_TICKET_KEY_SIZE] = "a key that all edges of a pool share";
	struct world *w = make_world(&i, &signer, str_of(key, sizeof key), CONF_TLS_1_2);
	BIO *b = BIO_new_mem_buf(c.chain.p, (int)c.chain.n);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	unsigned char want[32];

	(void)state;
	X509_digest(x, EVP_sha256(), want, NULL);
	w->client = &c;
	converse(w);
	assert_true(w->accepted && !w->has_cert); /* not asked */
	w->wish.client_cert = true;
	converse(w); /* the session from before is of a listener that does not ask */
	assert_true(w->accepted && !w->resumed && w->has_cert);
	assert_memory_equal(w->cert, want, 32);
	converse(w);
	assert_true(w->accepted && w->resumed && w->has_cert);
	assert_memory_equal(w->cert, want, 32);
	w->client = NULL;
	SSL_SESSION_free(w->session);
	w->session = NULL;
	converse(w);
	assert_true(w->accepted && !w->has_cert); /* asked, and none given */
	X509_free(x);
	BIO_free(b);
	end_world(w);
	free_identity(&i);
	free_identity(&c);
}

static void shows(struct world *w, const char *ask, const struct identity *i)
{
	BIO *b = BIO_new_mem_buf(i->chain.p, (int)i->chain.n);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	unsigned char digest[32];

	w->ask = ask;
	SSL_SESSION_free(w->session);
	w->session = NULL;
	converse(w);
	assert_true(w->accepted && w->client_ok);
	X509_digest(x, EVP_sha256(), digest, NULL);
	assert_memory_equal(w->theirs[2].bytes, digest, 32); /* what the client saw */
	assert_memory_equal(w->seen[2].bytes, digest, 32);   /* and what the server binds to */
	X509_free(x);
	BIO_free(b);
}

static void certificates_by_name(void **state)
{
	struct identity first = make_identity(EVP_EC_gen("P-256")), second = make_identity(EVP_RSA_gen(2048));
	struct str names[] = { STR("mail.two.test"), STR("*.wild.test") };
	struct tls_signer signer = { sign, NULL };
	struct world *w = make_world(&first, &signer, (struct str){ 0 }, CONF_TLS_1_2);
	char long_name[260];

	(void)state;
	tls_server_put(w->server);
	w->second = tls_key_new(second.key, w->why);
	w->server = tls_server_new((struct tls_identity[]){ { .chain = first.chain, .key = STR("first") },
		{ .chain = second.chain, .key = STR("second"), .names = names, .n_names = 2 } }, 2, (struct str){ 0 }, CONF_TLS_1_2, &signer, w->why);
	assert_non_null(w->server);
	for (int version = 0; version < 2; version++) {
		w->max_version = version ? TLS1_2_VERSION : 0;
		shows(w, NULL, &first);
		shows(w, "mail.two.test", &second);
		shows(w, "MAIL.Two.Test", &second);
		shows(w, "a.wild.test", &second);
		shows(w, "wild.test", &first);
		shows(w, "a.b.wild.test", &first);
		shows(w, ".wild.test", &first);
		shows(w, "two.test", &first);
	}
	memset(long_name, 'a', sizeof long_name);
	long_name[255] = 0;
	shows(w, long_name, &first);
	tls_key_free(w->second);
	end_world(w);
	free_identity(&first);
	free_identity(&second);
}

static void facts_of_a_chain(void **state)
{
	struct identity a = make_identity(EVP_EC_gen("P-256")), b = make_identity(EVP_RSA_gen(2048));
	char key[TLS_KEY_NAME_SIZE], other[TLS_KEY_NAME_SIZE], why[256];
	int64_t ends_s, now = (int64_t)time(NULL);

	(void)state;
	assert_true(tls_chain_facts(a.chain, key, &ends_s, why));
	assert_true(ends_s > now + 3500 && ends_s <= now + 3601);
	assert_true(tls_chain_facts(b.chain, other, &ends_s, why));
	assert_int_equal(strlen(key), 64);
	assert_string_not_equal(key, other);
	assert_false(tls_chain_facts(a.key, key, &ends_s, why));
	free_identity(&a);
	free_identity(&b);
}

static void old_versions_and_failing_signers_end_the_handshake(void **state)
{
	struct identity i = make_identity(EVP_EC_gen("P-256"));
	struct tls_signer signer = { sign, NULL };
	struct world *w = make_world(&i, &signer, (struct str){ 0 }, CONF_TLS_1_3);

	(void)state;
	w->max_version = TLS1_2_VERSION;
	converse(w);
	assert_false(w->accepted);
	assert_true(w->why[0] != 0);
	w->max_version = 0;
	w->sign_fails = true;
	converse(w);
	assert_false(w->accepted);
	end_world(w);
	free_identity(&i);
}

static void bad_keys_and_chains_are_explained(void **state)
{
	struct identity a = make_identity(EVP_EC_gen("P-256")), b = make_identity(EVP_EC_gen("P-256")), weak = make_identity(EVP_RSA_gen(1024));
	struct tls_signer signer = { sign, NULL };
	char why[256] = "";
	struct tls_key *k;

	(void)state;
	assert_null(tls_key_new(STR("not a key"), why));
	assert_true(why[0] != 0);
	assert_null(tls_key_new(weak.key, why));
	assert_true(str_search(str_z(why), STR("1024")) >= 0);
	assert_null(tls_server_new(&(struct tls_identity){ .chain = STR("not a certificate") }, 1, (struct str){ 0 }, CONF_TLS_1_2, &signer, why));
	k = tls_key_new(b.key, why);
	assert_false(tls_key_fits(k, a.chain));
	tls_key_free(k);
	free_identity(&a);
	free_identity(&b);
	free_identity(&weak);
}

static void keys_sign_digests_only(void **state)
{
	struct identity i = make_identity(EVP_EC_gen("P-256"));
	char why[256], text[100] = "";
	struct tls_key *k = tls_key_new(i.key, why);
	struct buf out;

	(void)state;
	buf_init(&out, 1024);
	assert_int_equal(tls_key_sign(k, 0, str_of(text, 19), &out), FAILED);
	assert_int_equal(tls_key_sign(k, 0, str_of(text, 65), &out), FAILED);
	assert_int_equal(tls_key_sign(k, 0, str_of(text, 32), &out), OK);
	assert_true(out.n > 60);
	buf_fini(&out);
	tls_key_free(k);
	free_identity(&i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ec_and_rsa_keys_sign_from_elsewhere),
		cmocka_unit_test(a_ticket_saves_the_signature),
		cmocka_unit_test(both_ends_bind_to_the_same_bytes),
		cmocka_unit_test(a_clients_certificate_is_known_by_its_fingerprint),
		cmocka_unit_test(certificates_by_name),
		cmocka_unit_test(facts_of_a_chain),
		cmocka_unit_test(old_versions_and_failing_signers_end_the_handshake),
		cmocka_unit_test(bad_keys_and_chains_are_explained),
		cmocka_unit_test(keys_sign_digests_only),
	};

	signal(SIGPIPE, SIG_IGN); /* as every role does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
