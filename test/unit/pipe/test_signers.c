/* test/unit/pipe/test_signers.c - which keys sign, between a keys and a relay of the test's own, over real channels and in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/die.h"
#include "base/vec.h"
#include "dns/answer.h"
#include "ipc_gen.h"
#include "pipe/signers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD(n) "v=DKIM1; k=ed25519; p=" n "1qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define HOUR_MS ((int64_t)3600000)

struct world {
	struct sched *s;
	struct log log;
	struct conf *conf;
	struct signers *signers;
	struct link keys, relay, post; /* post: keys' towards it */
	struct ipc_service keys_service, relay_service, post_service;
	ipc_handler *keys_handlers[IPC_TYPE_COUNT], *relay_handlers[IPC_TYPE_COUNT], *post_handlers[IPC_TYPE_COUNT];
	struct VEC(struct ipc_dkim_entry) entries;
	struct VEC(struct str) published; /* names and texts in turn */
	uint8_t result; /* DNS_OK, or what is answered to everything */
	uint32_t ttl_s, life;
	int64_t delay_ms;
	unsigned n_questions;
	void (*test)(struct world *w);
};

static void on_list(void *ctx, struct ipc_call *c, const void *msg)
{
	struct world *w = ctx;
	const struct ipc_dkim_list *m = msg;
	struct ipc_dkim_list_reply r = { .entries = w->entries.v + m->after };

	r.n_entries = w->entries.n - m->after < 2 ? w->entries.n - m->after : 2; /* two a page */
	r.more = m->after + r.n_entries < w->entries.n;
	ipc_dkim_list_reply_send(c, OK, &r);
}

static SUSPENDS void on_texts(void *ctx, struct ipc_call *c, const void *msg)
{
	struct world *w = ctx;
	const struct ipc_dns_texts *m = msg;
	struct str texts[2];
	struct ipc_dns_texts_reply r = { .texts = texts, .result = w->result, .ttl_s = w->ttl_s };

	w->n_questions++;
	if (w->delay_ms)
		task_sleep(w->s, w->delay_ms);
	for (size_t i = 0; i + 1 < w->published.n && w->result == DNS_OK; i += 2)
		if (str_eq(w->published.v[i], m->name))
			texts[r.n_texts++] = w->published.v[i + 1];
	if (w->result == DNS_OK && r.n_texts == 0)
		r.result = DNS_NXDOMAIN;
	ipc_dns_texts_reply_send(c, OK, &r);
}

static void on_changed(void *ctx, struct ipc_call *c, const void *msg)
{
	(void)c;
	(void)msg;
	signers_changed(((struct world *)ctx)->signers);
}

/* ---- the world */

static void wire(struct world *w, enum role other, const struct ipc_service *theirs, struct link *link, struct link *back)
{
	int fds[2];
	struct peer *far;

	ipc_channel(fds);
	far = peer_open(&(struct peer_opts){ .sched = w->s, .log = &w->log, .service = theirs, .self = other, .other = ROLE_POST, .life = 1, .fd = fds[0] });
	if (back)
		link_set(back, far);
	link_set(link, peer_open(&(struct peer_opts){ .sched = w->s, .log = &w->log, .service = &w->post_service, .self = ROLE_POST, .other = other,
		.life = ++w->life, .fd = fds[1] }));
}

static void add_key(struct world *w, const char *domain, const char *selector, unsigned algorithm, int64_t made_s, const char *record)
{
	*vec_push(&w->entries) = (struct ipc_dkim_entry){ str_z(domain), str_z(selector), (uint8_t)algorithm, made_s, str_z(record) };
}

static void publish(struct world *w, const char *name, const char *text)
{
	*vec_push(&w->published) = str_z(name);
	*vec_push(&w->published) = str_z(text);
}

static void keys_have_changed(struct world *w)
{
	ipc_dkim_changed_cast(w->post.peer);
	task_sleep(w->s, 10);
}

/* "selector selector " in the order in which they were given. */
static void signs(struct world *w, const char *domain, const char *want)
{
	struct dkim_signer out[SIGNERS_OF_DOMAIN_MAX];
	struct buf b;
	struct arena a;
	size_t n;

	arena_init(&a, "test", 65536);
	buf_init(&b, 1000);
	n = signers_of(w->signers, str_z(domain), &a, out);
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%.*s ", STR_ARG(out[i].selector));
	buf_addc(&b, 0);
	assert_string_equal(b.p, want);
	buf_fini(&b);
	arena_fini(&a);
}

static SUSPENDS void world_main(void *arg)
{
	struct world *w = arg;

	w->test(w);
	signers_stop(w->signers);
	while (!signers_stopped(w->signers))
		task_sleep(w->s, 10);
	link_set(&w->keys, NULL);
	link_set(&w->relay, NULL);
	link_set(&w->post, NULL);
}

static void in_world(const char *dkim, void (*test)(struct world *w))
{
	static struct world w;
	struct conf_errors errs;
	char text[200];

	w = (struct world){ .test = test, .ttl_s = 600 };
	w.s = sched_new(&(struct sched_opts){ .virtual_time = true });
	log_init(&w.log, getenv("UNIT_LOG") ? 2 : -1, "test");
	conf_errors_init(&errs);
	snprintf(text, sizeof text, "hostname mx.demo.test\nlisten smtp { }\ndkim { %s }\n", dkim);
	assert_true(conf_parse(str_z(text), "test", &w.conf, &errs));
	conf_errors_fini(&errs);
	w.keys_handlers[IPC_DKIM_LIST] = on_list;
	w.relay_handlers[IPC_DNS_TEXTS] = on_texts;
	w.post_handlers[IPC_DKIM_CHANGED] = on_changed;
	w.keys_service = (struct ipc_service){ .ctx = &w, .handlers = w.keys_handlers };
	w.relay_service = (struct ipc_service){ .ctx = &w, .handlers = w.relay_handlers };
	w.post_service = (struct ipc_service){ .ctx = &w, .handlers = w.post_handlers };
	link_init(&w.keys, w.s);
	link_init(&w.relay, w.s);
	link_init(&w.post, w.s);
	wire(&w, ROLE_KEYS, &w.keys_service, &w.keys, &w.post);
	w.signers = signers_new(&(struct signers_opts){ w.s, &w.log, w.conf, &w.keys, &w.relay });
	task_spawn(w.s, "test", world_main, &w);
	sched_run(w.s);
	signers_free(w.signers);
	sched_free(w.s);
	conf_free(w.conf);
	vec_free(&w.entries);
	vec_free(&w.published);
}

static void relay_comes(struct world *w)
{
	wire(w, ROLE_RELAY, &w->relay_service, &w->relay, NULL);
}

/* ---- tests */

static void publishing(struct world *w)
{
	signs(w, "demo.test", "");
	add_key(w, "demo.test", "a", DKIM_ED25519_SHA256, 100, RECORD("1"));
	add_key(w, "demo.test", "r", DKIM_RSA_SHA256, 100, "v=DKIM1; k=rsa; p=AAAA");
	add_key(w, "zoo.test", "z", DKIM_ED25519_SHA256, 100, RECORD("3"));
	keys_have_changed(w);
	signs(w, "demo.test", ""); /* without a relay nobody asks */
	relay_comes(w);
	publish(w, "a._domainkey.demo.test", RECORD("1"));
	signs(w, "demo.test", "a "); /* the first letter waits for what DNS says */
	assert_int_equal(w->n_questions, 2);
	signs(w, "demo.test", "a ");
	signs(w, "none.test", "");
	signs(w, "", "");
	assert_int_equal(w->n_questions, 2);
	publish(w, "r._domainkey.demo.test", "v=DKIM1; p=AAAA");
	task_sleep(w->s, 61000); /* a key that is not there is asked about again after a minute */
	signs(w, "demo.test", "a ");
	task_sleep(w->s, 100);
	assert_int_equal(w->n_questions, 3);
	signs(w, "demo.test", "r a "); /* of one age: the last by name first */
	signs(w, "zoo.test", "");
}

static void test_publishing(void **state)
{
	(void)state;
	in_world("", publishing);
}

static void exchange(struct world *w)
{
	relay_comes(w);
	add_key(w, "demo.test", "old", DKIM_ED25519_SHA256, 100, RECORD("1"));
	publish(w, "old._domainkey.demo.test", RECORD("1"));
	keys_have_changed(w);
	signs(w, "demo.test", "old ");
	add_key(w, "demo.test", "new", DKIM_ED25519_SHA256, 200, RECORD("2"));
	add_key(w, "demo.test", "new2", DKIM_ED25519_SHA256, 200, RECORD("3"));
	keys_have_changed(w);
	w->n_questions = 0;
	signs(w, "demo.test", "old ");
	task_sleep(w->s, 100);
	assert_int_equal(w->n_questions, 2); /* what is known of the old one was kept */
	publish(w, "new._domainkey.demo.test", RECORD("2"));
	task_sleep(w->s, 61000);
	signs(w, "demo.test", "old ");
	task_sleep(w->s, 100);
	signs(w, "demo.test", "new ");
	publish(w, "new2._domainkey.demo.test", RECORD("3"));
	task_sleep(w->s, 61000);
	signs(w, "demo.test", "new ");
	task_sleep(w->s, 100);
	signs(w, "demo.test", "new2 "); /* of one age: the last by name */
	w->entries.n = 1;
	w->entries.v[0].record = STR(RECORD("9")); /* another key under an old name has to be seen again */
	keys_have_changed(w);
	signs(w, "demo.test", "");
	w->entries.n = 0;
	keys_have_changed(w);
	signs(w, "demo.test", "");
}

static void test_exchange(void **state)
{
	(void)state;
	in_world("", exchange);
}

/* DNS that cannot be asked changes nothing; what it says does. */
static void outages(struct world *w)
{
	relay_comes(w);
	add_key(w, "demo.test", "a", DKIM_ED25519_SHA256, 100, RECORD("1"));
	add_key(w, "far.test", "b", DKIM_ED25519_SHA256, 100, RECORD("2"));
	publish(w, "a._domainkey.demo.test", RECORD("1"));
	keys_have_changed(w);
	signs(w, "demo.test", "a ");
	for (uint8_t r = DNS_SERVFAIL; r <= DNS_BROKEN; r++) {
		w->result = r;
		task_sleep(w->s, HOUR_MS);
		signs(w, "demo.test", "a ");
		task_sleep(w->s, 100);
		signs(w, "demo.test", "a ");
		signs(w, "far.test", "");
	}
	w->result = DNS_OK;
	link_set(&w->relay, NULL);
	task_sleep(w->s, 48 * HOUR_MS);
	signs(w, "demo.test", "a ");
	relay_comes(w);
	w->published.n = 0;
	signs(w, "demo.test", ""); /* of another day: what DNS says now counts for this letter already */
}

static void test_outages(void **state)
{
	(void)state;
	in_world("", outages);
}

/* As after a start while DNS is away: what has been there for long signs, and what was made lately does not. */
static void blind(struct world *w)
{
	int64_t now_s = sched_wall_us(w->s) / 1000000;

	relay_comes(w);
	w->result = DNS_TIMEOUT;
	add_key(w, "demo.test", "new", DKIM_ED25519_SHA256, now_s - 86399, RECORD("3"));
	add_key(w, "demo.test", "old", DKIM_ED25519_SHA256, now_s - 90000, RECORD("2"));
	add_key(w, "demo.test", "older", DKIM_ED25519_SHA256, now_s - 900000, RECORD("1"));
	add_key(w, "far.test", "new", DKIM_ED25519_SHA256, now_s - 80000, RECORD("4"));
	keys_have_changed(w);
	signs(w, "demo.test", "older ");
	signs(w, "far.test", "");
	w->result = DNS_OK;
	publish(w, "old._domainkey.demo.test", RECORD("2"));
	task_sleep(w->s, HOUR_MS);
	signs(w, "demo.test", "old "); /* DNS has spoken */
}

static void test_blind(void **state)
{
	(void)state;
	in_world("", blind);
}

/* A letter waits two seconds for the first answer, and not at all once something is known. */
static void waiting(struct world *w)
{
	int64_t at;

	relay_comes(w);
	w->delay_ms = 4000;
	add_key(w, "demo.test", "a", DKIM_ED25519_SHA256, 100, RECORD("1"));
	publish(w, "a._domainkey.demo.test", RECORD("1"));
	keys_have_changed(w);
	at = sched_now_ms(w->s);
	signs(w, "demo.test", "");
	assert_int_equal(sched_now_ms(w->s) - at, 2000);
	task_sleep(w->s, 4000);
	assert_int_equal(w->n_questions, 1);
	for (int i = 0; i < 5; i++) {
		task_sleep(w->s, HOUR_MS);
		at = sched_now_ms(w->s);
		signs(w, "demo.test", "a ");
		assert_int_equal(sched_now_ms(w->s) - at, 0);
	}
	task_sleep(w->s, 4000);
	assert_int_equal(w->n_questions, 6);
}

static void test_waiting(void **state)
{
	(void)state;
	in_world("", waiting);
}

static void at_once(struct world *w)
{
	relay_comes(w);
	add_key(w, "demo.test", "a", DKIM_ED25519_SHA256, 100, RECORD("1"));
	keys_have_changed(w);
	signs(w, "demo.test", "a ");
	assert_int_equal(w->n_questions, 0);
}

static void never(struct world *w)
{
	relay_comes(w);
	add_key(w, "demo.test", "a", DKIM_ED25519_SHA256, 100, RECORD("1"));
	publish(w, "a._domainkey.demo.test", RECORD("1"));
	keys_have_changed(w);
	signs(w, "demo.test", "");
	assert_false(signers_any(w->signers));
	assert_int_equal(w->n_questions, 0);
}

static void test_settings(void **state)
{
	(void)state;
	in_world("published_only no", at_once);
	in_world("sign no", never);
}

static void lines(struct world *w)
{
	struct str out[2];
	struct arena a;
	uint32_t at = 0;

	arena_init(&a, "test", 65536);
	relay_comes(w);
	add_key(w, "a.test", "k", DKIM_ED25519_SHA256, 100, RECORD("1"));
	add_key(w, "demo.test", "new", DKIM_ED25519_SHA256, 200, RECORD("2"));
	add_key(w, "demo.test", "old", DKIM_ED25519_SHA256, 100, RECORD("3"));
	publish(w, "old._domainkey.demo.test", RECORD("3"));
	keys_have_changed(w);
	assert_int_equal(signers_lines(w->signers, STR(""), &at, &a, out, 2), 2);
	assert_int_equal(at, 2);
	assert_true(str_eq(out[0], STR("a.test\tk\ted25519-sha256\twaits\tnot published\t" RECORD("1"))));
	assert_int_equal(signers_lines(w->signers, STR(""), &at, &a, out, 2), 1);
	assert_int_equal(at, 0);
	assert_true(str_eq(out[0], STR("demo.test\told\ted25519-sha256\tsigns\tpublished\t" RECORD("3"))));
	publish(w, "new._domainkey.demo.test", RECORD("2"));
	assert_int_equal(signers_lines(w->signers, STR("demo.test"), &at, &a, out, 2), 2);
	assert_int_equal(at, 0);
	assert_true(str_eq(out[0], STR("demo.test\tnew\ted25519-sha256\tsigns\tpublished\t" RECORD("2"))));
	assert_true(str_eq(out[1], STR("demo.test\told\ted25519-sha256\tready\tpublished\t" RECORD("3"))));
	assert_int_equal(signers_lines(w->signers, STR("b.test"), &at, &a, out, 2), 0);
	assert_int_equal(at, 0);
	arena_fini(&a);
}

static void test_lines(void **state)
{
	(void)state;
	in_world("", lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_publishing), cmocka_unit_test(test_exchange), cmocka_unit_test(test_outages), cmocka_unit_test(test_blind),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_settings), cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
