/* test/unit/net/test_tls_client.c - both sides of TLS as two tasks: whom the client trusts, and what it says of others. */
#include "net/tls_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "net/tls.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
	struct sched *sched;
	struct tls_server *server;
	struct tls_key *key;
	struct str chain;
	struct tls_client client;
	int fds[2];
	bool connected, accepted;
	char why[256], line[20];
	struct tls_peer peer;
};

static enum outcome sign(void *ctx, struct str key, int padding, struct str digest, struct buf *signature)
{
	struct world *w = ctx;

	(void)key;
	return tls_key_sign(w->key, padding, digest, signature);
}

static struct str pem_of(BIO *b)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);
	char *copy = malloc((size_t)n);

	memcpy(copy, p, (size_t)n);
	BIO_free(b);
	return str_of(copy, (size_t)n);
}

static void make_identity(struct world *w)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *cert = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:mail.a.test,DNS:*.b.test");
	struct str text;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"mail.a.test", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	X509_add_ext(x, san, -1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	PEM_write_bio_X509(cert, x);
	PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
	X509_EXTENSION_free(san);
	X509_free(x);
	EVP_PKEY_free(key);
	w->chain = pem_of(cert);
	text = pem_of(pem);
	w->key = tls_key_new(text, w->why);
	assert_non_null(w->key);
	free((void *)(uintptr_t)text.p);
}

static SUSPENDS void server_main(void *arg)
{
	struct world *w = arg;
	struct stream s;
	struct str line;
	char why[256];

	stream_open_fd(&s, w->sched, w->fds[0]);
	stream_deadline(&s, 5000);
	w->accepted = tls_accept(&s, w->server, &(struct tls_wish){ 0 }, why);
	if (w->accepted && stream_line(&s, &line, 100) == LINE_OK)
		stream_printf(&s, "got %.*s\r\n", STR_ARG(line));
	stream_flush(&s);
	stream_close(&s);
}

static SUSPENDS void client_main(void *arg)
{
	struct world *w = arg;
	struct stream s;
	struct str line;

	stream_open_fd(&s, w->sched, w->fds[1]);
	stream_deadline(&s, 5000);
	w->connected = tls_connect(&s, &w->client, w->why);
	if (w->connected) {
		tls_peer(&s, w->client.name, &w->peer);
		stream_printf(&s, "hello\r\n");
		if (stream_line(&s, &line, 100) == LINE_OK)
			snprintf(w->line, sizeof w->line, "%.*s", STR_ARG(line));
	}
	stream_close(&s);
}

static void converse(struct world *w, enum tls_trust trust, const char *name)
{
	static const struct tls_signer none = { sign, NULL };
	struct tls_signer signer = none;

	w->connected = false;
	w->why[0] = w->line[0] = 0;
	w->client.trust = trust;
	w->client.name = name;
	signer.ctx = w;
	w->server = tls_server_new(&(struct tls_identity){ .chain = w->chain }, 1, (struct str){ 0 }, CONF_TLS_1_2, &signer, w->why);
	assert_non_null(w->server);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, w->fds), 0);
	w->sched = sched_new(NULL);
	task_spawn(w->sched, "server", server_main, w);
	task_spawn(w->sched, "client", client_main, w);
	sched_run(w->sched);
	sched_free(w->sched);
	tls_server_put(w->server);
}

static void records_that_can_be_used_come_first(void **state)
{
	static const char digest[64];
	const struct world *w = *state;
	struct tls_tlsa v[] = { { 1, 1, 1, { digest, 32 } }, { 3, 1, 1, { digest, 32 } }, { 0, 0, 1, { digest, 32 } }, { 3, 1, 1, { digest, 31 } },
		{ 3, 1, 2, { digest, 64 } }, { 2, 0, 1, { digest, 32 } }, { 3, 2, 1, { digest, 32 } }, { 3, 1, 3, { digest, 32 } }, { 2, 0, 0, { digest, 64 } },
		{ 3, 1, 0, w->chain } };

	assert_int_equal(tls_tlsa_keep_usable(v, sizeof v / sizeof *v), 3);
	assert_true(v[0].usage == 3 && v[0].matching == 1);
	assert_true(v[1].usage == 3 && v[1].matching == 2);
	assert_true(v[2].usage == 2 && v[2].matching == 1);
	assert_int_equal(tls_tlsa_keep_usable(v, 0), 0);
}

static void tlsa_of_the_key(const struct world *w, unsigned char out[32])
{
	BIO *b = BIO_new_mem_buf(w->chain.p, (int)w->chain.n);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(X509_get0_pubkey(x), &der);

	assert_true(n > 0 && EVP_Digest(der, (size_t)n, out, NULL, EVP_sha256(), NULL) == 1);
	OPENSSL_free(der);
	X509_free(x);
	BIO_free(b);
}

static void a_record_stands_for_authority_and_name(void **state)
{
	struct world *w = *state;
	unsigned char digest[32];
	struct tls_tlsa tlsa = { 3, 1, 1, { (const char *)digest, 32 } };

	tlsa_of_the_key(w, digest);
	w->client.tlsa = &tlsa;
	w->client.n_tlsa = 1;
	converse(w, TLS_TRUST_DANE, "another.name.test");
	assert_true(w->connected);
	digest[0] ^= 1;
	converse(w, TLS_TRUST_DANE, "mail.a.test");
	assert_false(w->connected);
	assert_non_null(strstr(w->why, "TLSA"));
	w->client.tlsa = NULL;
	w->client.n_tlsa = 0;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	make_identity(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	tls_key_free(w->key);
	free((void *)(uintptr_t)w->chain.p);
	free(w);
	return 0;
}

static void any_certificate_is_taken_and_told(void **state)
{
	struct world *w = *state;

	converse(w, TLS_TRUST_ANY, "mail.a.test");
	assert_true(w->connected);
	assert_string_equal(w->line, "got hello");
	assert_true(w->peer.name_fits);
	assert_false(w->peer.chain_ok);
	assert_string_equal(w->peer.chain_why, "self-signed certificate");
	converse(w, TLS_TRUST_ANY, "mail.c.test");
	assert_false(w->peer.name_fits);
	converse(w, TLS_TRUST_ANY, NULL);
	assert_true(w->connected);
}

static void only_the_certificate_of_the_fingerprint_is_taken(void **state)
{
	struct world *w = *state;
	struct tls_certificate c;

	assert_true(tls_certificate_read(w->chain, &c, w->why));
	memcpy(w->client.fingerprint, c.fingerprint, 32);
	converse(w, TLS_TRUST_FINGERPRINT, "any.test");
	assert_true(w->connected);
	assert_memory_equal(w->peer.fingerprint, c.fingerprint, 32);
	w->client.fingerprint[31] ^= 1;
	converse(w, TLS_TRUST_FINGERPRINT, "mail.a.test");
	assert_false(w->connected);
	assert_string_equal(w->why, "it shows another certificate than the one expected");
}

static void an_unknown_authority_is_refused(void **state)
{
	struct world *w = *state;

	converse(w, TLS_TRUST_CHAIN, "mail.a.test");
	assert_false(w->connected);
	assert_string_equal(w->why, "its certificate is not trusted: self-signed certificate");
	converse(w, TLS_TRUST_CHAIN, "other.test");
	assert_false(w->connected);
}

static void a_file_is_read(void **state)
{
	struct world *w = *state;
	struct tls_certificate c;

	assert_true(tls_certificate_read(w->chain, &c, w->why));
	assert_true(c.self_signed);
	assert_false(c.chain_ok);
	assert_int_equal(c.n_chain, 1);
	assert_int_equal(c.not_after_s - c.not_before_s, 3660);
	assert_true(c.not_after_s > time(NULL));
	assert_string_equal(c.subject, "/CN=mail.a.test");
	assert_true(tls_certificate_covers(w->chain, "mail.a.test"));
	assert_true(tls_certificate_covers(w->chain, "x.b.test"));
	assert_false(tls_certificate_covers(w->chain, "a.test"));
	assert_false(tls_certificate_covers(w->chain, "x.y.b.test"));
	assert_false(tls_certificate_read(STR("nothing"), &c, w->why));
	assert_string_equal(w->why, "no certificate in the PEM file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_certificate_is_taken_and_told),
		cmocka_unit_test(only_the_certificate_of_the_fingerprint_is_taken),
		cmocka_unit_test(an_unknown_authority_is_refused),
		cmocka_unit_test(a_file_is_read),
		cmocka_unit_test(records_that_can_be_used_come_first),
		cmocka_unit_test(a_record_stands_for_authority_and_name),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("tls-client", tests, setup, teardown);
}
