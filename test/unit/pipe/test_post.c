/* test/unit/pipe/test_post.c - post between an edge, a store and scans, all in one process over real channels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/die.h"
#include "base/vec.h"
#include "ipc/words.h"
#include "ipc_gen.h"
#include "mail/index.h"
#include "pipe/post.h"
#include "pipe/scan_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct delivered {
	uint64_t account;
	char delivery[40], prefix[1600], body[4000];
	size_t n_index;
};

struct world {
	struct sched *s;
	struct log log;
	struct conf *conf;
	struct post *post;
	struct scan *scan;
	struct link store, scans[2], user, stranger, relay;
	struct peer *edge_ends[2]; /* post's */
	uint32_t life;
	/* the fake store */
	struct ipc_service service, dying;
	ipc_handler *handlers[IPC_TYPE_COUNT], *dying_handlers[IPC_TYPE_COUNT];
	struct VEC(struct delivered) got;
	unsigned deliver_failures, n_owns, n_deaths, copy_failures, n_copies;
	bool sent_copy;
	char copy[3001], copy_id[33];
	size_t queued_rcpts, n_puts;
	char queue_prefix[1600];
	struct VEC(uint64_t) queue;
	unsigned queue_failures, n_queue_calls;
	struct ipc_append_to appended;
	void (*test)(struct world *w);
};

/* ---- the store */

static void on_owns(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_owns *m = msg;
	struct world *w = ctx;

	w->n_owns++;
	assert_int_equal(m->edge, 3);
	assert_int_equal(m->edge_life, 5);
	ipc_owns_reply_send(c, m->handle == 7 && (!m->from.local.n || str_eq(m->from.local, STR("alice"))) ? OK : DENIED,
		&(struct ipc_owns_reply){ .account = 1, .sent_copy = w->sent_copy });
}

/* "a3" is account 3, "x3" too; "all" is 1, 2 and 3. */
static void on_resolve(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_resolve *m = msg;
	struct ipc_target t[3] = { { 1, m->rcpt }, { 2, m->rcpt }, { 3, m->rcpt } };
	struct ipc_resolve_reply r = { .targets = t, .n_targets = 1 };
	enum outcome o = OK;

	(void)ctx;
	if (!str_eq(m->rcpt.domain, STR("demo.test")))
		o = DENIED;
	else if (str_eq(m->rcpt.local, STR("all")))
		r.n_targets = 3;
	else if (m->rcpt.local.n >= 2 && str_starts(m->rcpt.local, STR("many")))
		t[0].account = strtoul(m->rcpt.local.p + 4, NULL, 10) + 100;
	else if (m->rcpt.local.n == 2)
		t[0].account = (uint64_t)(m->rcpt.local.p[1] - '0');
	else
		o = NO_SUCH;
	ipc_resolve_reply_send(c, o, o == OK ? &r : &(struct ipc_resolve_reply){ 0 });
}

static void keep(char *to, size_t size, struct str s)
{
	assert_true(s.n < size);
	memcpy(to, s.p, s.n);
	to[s.n] = 0;
}

static void on_sent_copy(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_sent_copy *m = msg;
	struct world *w = ctx;
	struct body_map map;

	assert_int_equal(m->account, 1);
	assert_true(w->got.n == 1); /* the letter comes first */
	w->n_copies++;
	if (w->copy_failures) {
		w->copy_failures--;
		ipc_sent_copy_reply_send(c, TRY_LATER, NULL);
		return;
	}
	keep(w->copy_id, sizeof w->copy_id, m->delivery);
	assert_int_equal(body_map(&m->body, &map), OK);
	keep(w->copy, sizeof w->copy, str_sub(map.bytes, 0, 3000));
	body_unmap(&map);
	assert_true(m->index.n > 0);
	ipc_sent_copy_reply_send(c, OK, &(struct ipc_sent_copy_reply){ .uid = 1 });
}

static void on_deliver(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_deliver *m = msg;
	struct world *w = ctx;
	struct delivered *d;
	struct body_map map;

	if (m->account == 9) { /* full */
		ipc_deliver_reply_send(c, OVER_QUOTA, NULL);
		return;
	}
	if (w->deliver_failures) {
		w->deliver_failures--;
		ipc_deliver_reply_send(c, TRY_LATER, NULL);
		return;
	}
	d = vec_push(&w->got);
	d->account = m->account;
	keep(d->delivery, sizeof d->delivery, m->delivery);
	keep(d->prefix, sizeof d->prefix, m->prefix);
	d->n_index = m->index.n;
	assert_int_equal(body_map(&m->body, &map), OK);
	keep(d->body, sizeof d->body, str_sub(map.bytes, 0, 3000));
	body_unmap(&map);
	ipc_deliver_reply_send(c, OK, &(struct ipc_deliver_reply){ .uid = 1 });
}

static void on_queue_put(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_queue_put *m = msg;
	struct world *w = ctx;
	uint64_t id = 1000 + w->n_puts++;

	w->queued_rcpts += m->n_rcpts;
	keep(w->queue_prefix, sizeof w->queue_prefix, m->rcpts[m->n_rcpts - 1].prefix);
	*vec_push(&w->queue) = id;
	ipc_queue_put_reply_send(c, OK, &(struct ipc_queue_put_reply){ .id = id });
}

static void on_queue_list(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_queue_list *m = msg;
	struct world *w = ctx;
	bool from_start = m->after == 0;

	ipc_queue_list_reply_send(c, OK,
		&(struct ipc_queue_list_reply){ .ids = w->queue.v, .n_ids = from_start ? w->queue.n : 0 });
}

static void on_queue_deliver(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_queue_deliver *m = msg;
	struct world *w = ctx;
	uint32_t left = w->queue_failures ? 1 : 0;

	w->n_queue_calls++;
	w->queue_failures -= w->queue_failures > 0;
	for (size_t i = 0; !left && i < w->queue.n; i++)
		if (w->queue.v[i] == m->id)
			vec_remove(&w->queue, i);
	ipc_queue_deliver_reply_send(c, OK, &(struct ipc_queue_deliver_reply){ .left = left });
}

static void on_append_to(void *ctx, struct ipc_call *c, const void *msg)
{
	struct world *w = ctx;

	w->appended = *(const struct ipc_append_to *)msg;
	ipc_append_to_reply_send(c, OK, &(struct ipc_append_to_reply){ .uidvalidity = 4, .uid = 9 });
}

/* A scan process that a letter kills. */
static void on_dying(void *ctx, struct ipc_call *c, const void *msg)
{
	struct world *w = ctx;

	(void)msg;
	w->n_deaths++;
	peer_close(call_peer(c));
}

/* ---- wiring */

struct wire {
	enum role caller, callee;
	uint16_t index;
	uint32_t life;
	const struct ipc_service *service;
	struct link *link;
};

/* Connects a caller's link with a callee's service; returns the callee's end. */
static struct peer *wire(struct world *w, const struct wire *x)
{
	struct peer_opts caller = { .sched = w->s, .log = &w->log, .self = x->caller, .other = x->callee, .life = ++w->life };
	struct peer_opts callee = { .sched = w->s, .log = &w->log, .service = x->service, .self = x->callee, .other = x->caller,
		.index = x->index, .life = x->life };
	int fds[2];

	ipc_channel(fds);
	caller.fd = fds[0];
	callee.fd = fds[1];
	link_set(x->link, peer_open(&caller));
	return peer_open(&callee);
}

static void wire_store(struct world *w)
{
	wire(w, &(struct wire){ ROLE_POST, ROLE_STORE, 0, 1, &w->service, &w->store });
}

static void world_main(void *arg)
{
	struct world *w = arg;

	w->test(w);
	post_stop(w->post);
	while (!post_stopped(w->post))
		task_sleep(w->s, 1);
	link_set(&w->user, NULL);
	link_set(&w->stranger, NULL);
	link_set(&w->store, NULL);
	link_set(&w->scans[0], NULL);
	link_set(&w->scans[1], NULL);
}

static void world_serve(struct world *w)
{
	w->handlers[IPC_OWNS] = on_owns;
	w->handlers[IPC_SENT_COPY] = on_sent_copy;
	w->handlers[IPC_RESOLVE] = on_resolve;
	w->handlers[IPC_DELIVER] = on_deliver;
	w->handlers[IPC_QUEUE_PUT] = on_queue_put;
	w->handlers[IPC_QUEUE_LIST] = on_queue_list;
	w->handlers[IPC_QUEUE_DELIVER] = on_queue_deliver;
	w->handlers[IPC_APPEND_TO] = on_append_to;
	w->service = (struct ipc_service){ .ctx = w, .handlers = w->handlers };
	w->dying_handlers[IPC_INDEX_LETTER] = on_dying;
	w->dying = (struct ipc_service){ .ctx = w, .handlers = w->dying_handlers };
}

static void world_open(struct world *w)
{
	struct conf_errors errs;

	w->s = sched_new(NULL);
	log_init(&w->log, getenv("UNIT_LOG") ? 2 : -1, "test");
	conf_errors_init(&errs);
	assert_true(conf_parse(STR("hostname mx.demo.test\nlisten smtp { }\n"), "test", &w->conf, &errs));
	conf_errors_fini(&errs);
	world_serve(w);
	link_init(&w->store, w->s);
	link_init(&w->scans[0], w->s);
	link_init(&w->scans[1], w->s);
	link_init(&w->user, w->s);
	link_init(&w->stranger, w->s);
	link_init(&w->relay, w->s);
	w->post = post_new(&(struct post_opts){ .sched = w->s, .log = &w->log, .conf = w->conf, .stores = &w->store,
		.n_stores = 1, .scans = w->scans, .n_scans = 2, .relay = &w->relay });
	w->scan = scan_new(w->s, &w->log, w->conf);
	wire_store(w);
	wire(w, &(struct wire){ ROLE_POST, ROLE_SCAN, 0, 1, scan_service(w->scan), &w->scans[0] });
	wire(w, &(struct wire){ ROLE_POST, ROLE_SCAN, 1, 1, scan_service(w->scan), &w->scans[1] });
	wire(w, &(struct wire){ ROLE_EDGE_USER, ROLE_POST, 3, 5, post_service(w->post), &w->user });
	wire(w, &(struct wire){ ROLE_EDGE_IN, ROLE_POST, 2, 1, post_service(w->post), &w->stranger });
}

static void in_world(void (*test)(struct world *w))
{
	static struct world w;

	w = (struct world){ .test = test };
	world_open(&w);
	task_spawn(w.s, "test", world_main, &w);
	sched_run(w.s);
	post_free(w.post);
	scan_free(w.scan);
	sched_free(w.s);
	conf_free(w.conf);
	vec_free(&w.got);
	vec_free(&w.queue);
}

/* ---- letters */

static struct ipc_letter stranger_letter(const struct ipc_addr *rcpts, size_t n, struct str text)
{
	return (struct ipc_letter){ .trace = STR("trace1"), .service = SERVICE_SMTP, .ip = STR("2001:db8::1"), .port = 25,
		.helo = STR("mail.x.test"), .tls = STR("TLSv1.3 AES"), .from = { STR("bob"), STR("x.test") }, .rcpts = rcpts,
		.n_rcpts = n, .wire = WIRE_EXTENDED, .body = body_of(text) };
}

static enum outcome send_by(struct link *l, const struct ipc_letter *m)
{
	struct ipc_letter_reply r;
	struct arena a;
	enum outcome o;

	arena_init(&a, "test", 1 << 22);
	o = ipc_letter(l, m, &r, &a);
	assert_true(o != OK || str_eq(r.text, m->trace));
	arena_fini(&a);
	return o;
}

#define TEXT STR("From: bob@x.test\r\nBcc: secret@x.test\r\nSubject: hi\r\n\r\ntext\r\n")

static void one_account(struct world *w)
{
	struct ipc_addr rcpts[] = { { STR("a1"), STR("demo.test") }, { STR("x1"), STR("demo.test") } };
	struct ipc_letter m = stranger_letter(rcpts, 2, TEXT);
	const struct delivered *d;

	w->deliver_failures = 1; /* asked again under the same delivery id */
	assert_int_equal(send_by(&w->stranger, &m), OK);
	assert_int_equal(w->got.n, 1);
	d = &w->got.v[0];
	assert_int_equal(d->account, 1);
	assert_string_equal(d->delivery, "trace1");
	assert_true(str_eq(str_z(d->body), TEXT)); /* a stranger's letter is kept as it came */
	assert_true(d->n_index > 0);
	assert_true(str_starts(str_z(d->prefix),
		STR("Return-Path: <bob@x.test>\r\nDelivered-To: <a1@demo.test>\r\n"
		    "Received: from mail.x.test ([IPv6:2001:db8::1])\r\n\tby mx.demo.test with ESMTPS id trace1\r\n\t(TLSv1.3 AES);\r\n\t")));
}

static void refusals(struct world *w)
{
	struct ipc_addr rcpts[] = { { STR("a1"), STR("demo.test") }, { STR("nobody"), STR("demo.test") },
		{ STR("a1"), STR("other.test") } };
	struct ipc_letter m = stranger_letter(rcpts + 1, 1, TEXT);

	assert_int_equal(send_by(&w->stranger, &m), NO_SUCH);
	m.rcpts = rcpts + 2;
	assert_int_equal(send_by(&w->stranger, &m), DENIED);
	m.rcpts = rcpts; /* one of two: the client shall ask again for each */
	m.n_rcpts = 2;
	assert_int_equal(send_by(&w->stranger, &m), TRY_LATER);
	m.n_rcpts = 0;
	assert_int_equal(send_by(&w->stranger, &m), BAD_SYNTAX);
	m.n_rcpts = 1;
	m.service = SERVICE_SUBMISSION; /* without a login */
	assert_int_equal(send_by(&w->user, &m), DENIED);
	w->deliver_failures = 2;
	m.service = SERVICE_SMTP;
	assert_int_equal(send_by(&w->stranger, &m), TRY_LATER);
	assert_int_equal(w->got.n, 0);
	m.from_null = 1;
	m.helo = STR("evil)\r\nX: y");
	assert_int_equal(send_by(&w->stranger, &m), OK);
	assert_true(str_starts(str_z(w->got.v[0].prefix), STR("Return-Path: <>\r\n")));
	assert_true(str_search(str_z(w->got.v[0].prefix), STR("from evil___X:_y ([")) > 0);
}

/* "with" what (RFC 3848, RFC 6531 4.3). */
static void protocol_names(struct world *w)
{
	static const struct {
		uint8_t service, wire;
		const char *tls, *name;
	} cases[] = {
		{ SERVICE_SMTP, 0, "", " with SMTP id " }, { SERVICE_SMTP, WIRE_EXTENDED, "", " with ESMTP id " },
		{ SERVICE_SMTP, WIRE_EXTENDED, "TLS", " with ESMTPS id " }, { SERVICE_SMTP, WIRE_EXTENDED | WIRE_UTF8, "", " with UTF8SMTP id " },
		{ SERVICE_SMTP, WIRE_EXTENDED | WIRE_UTF8, "TLS", " with UTF8SMTPS id " }, { SERVICE_LMTP, WIRE_EXTENDED, "", " with LMTP id " },
		{ SERVICE_LMTP, WIRE_EXTENDED, "TLS", " with LMTPS id " }, { SERVICE_LMTP, WIRE_EXTENDED | WIRE_UTF8, "", " with UTF8LMTP id " },
	};
	struct ipc_addr rcpt = { STR("a1"), STR("demo.test") };

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ipc_letter m = stranger_letter(&rcpt, 1, TEXT);

		m.service = cases[i].service;
		m.wire = cases[i].wire;
		m.tls = str_z(cases[i].tls);
		if (m.service == SERVICE_LMTP)
			m.ip = STR(LOCAL_IP);
		assert_int_equal(send_by(&w->stranger, &m), OK);
		assert_true(str_search(str_z(w->got.v[i].prefix), str_z(cases[i].name)) > 0);
	}
	assert_true(str_search(str_z(w->got.v[7].prefix), STR("Received: from mail.x.test (unix socket)\r\n\tby mx")) > 0);
}

/* Each recipient has an outcome; nothing goes to a lane; an account gets one letter however many of its names were given. */
static void lmtp(struct world *w)
{
	struct ipc_addr rcpts[] = { { STR("a1"), STR("demo.test") }, { STR("nobody"), STR("demo.test") }, { STR("a9"), STR("demo.test") },
		{ STR("x1"), STR("demo.test") }, { STR("a2"), STR("other.test") }, { STR("all"), STR("demo.test") }, { STR("x9"), STR("demo.test") } };
	static const enum outcome want[] = { OK, NO_SUCH, OVER_QUOTA, OK, DENIED, OK, OVER_QUOTA };
	struct ipc_letter m = stranger_letter(rcpts, 7, TEXT);
	struct ipc_letter_reply r;
	struct arena a;

	m.service = SERVICE_LMTP;
	arena_init(&a, "test", 1 << 22);
	w->deliver_failures = 1;
	assert_int_equal(ipc_letter(&w->stranger, &m, &r, &a), OK);
	assert_int_equal(r.n_outcomes, 7);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(r.outcomes[i], want[i]);
	assert_int_equal(w->got.n, 3);
	assert_int_equal(w->n_puts, 0);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(w->got.v[i].delivery, "trace1");
	m.rcpts = rcpts + 1; /* for nobody at all */
	m.n_rcpts = 1;
	assert_int_equal(ipc_letter(&w->stranger, &m, &r, &a), OK);
	assert_true(r.n_outcomes == 1 && r.outcomes[0] == NO_SUCH);
	m.handle = 1; /* nobody is logged in by LMTP */
	assert_int_equal(ipc_letter(&w->user, &m, &r, &a), DENIED);
	arena_fini(&a);
}

static void several_accounts(struct world *w)
{
	struct ipc_addr rcpts[] = { { STR("all"), STR("demo.test") }, { STR("a2"), STR("demo.test") } };
	struct ipc_letter m = stranger_letter(rcpts, 2, TEXT);

	w->queue_failures = 1; /* the fan-out comes back to it */
	assert_int_equal(send_by(&w->stranger, &m), OK);
	assert_int_equal(w->queued_rcpts, 3);
	assert_int_equal(w->n_puts, 1);
	task_sleep(w->s, 100);
	assert_int_equal(w->queue.n, 1);
	task_sleep(w->s, 1200);
	assert_int_equal(w->queue.n, 0);
	assert_int_equal(w->n_queue_calls, 2);
}

/* Two hundred accounts and the longest prefixes: several rows, none too large for a record. */
static void many_accounts(struct world *w)
{
	static struct ipc_addr rcpts[200];
	static char names[200][32], from[64], domain[200];
	static char big[60000];
	struct ipc_letter m;

	memset(from, 'f', sizeof from);
	memset(domain, 'd', sizeof domain);
	memset(big, 'x', sizeof big);
	for (size_t i = 0; i < 200; i++)
		rcpts[i] = (struct ipc_addr){ str_of(names[i], (size_t)snprintf(names[i], 32, "many%zu", i)), STR("demo.test") };
	m = stranger_letter(rcpts, 200, str_of(big, sizeof big));
	m.from = (struct ipc_addr){ str_of(from, sizeof from), str_of(domain, sizeof domain) };
	assert_int_equal(send_by(&w->stranger, &m), OK);
	assert_int_equal(w->queued_rcpts, 200);
	assert_true(w->n_puts >= 2);
	task_sleep(w->s, 50);
	assert_int_equal(w->queue.n, 0);
}

/* What lay in the lane when the store came is delivered, and again when it comes back. */
static void lane_resumes(struct world *w)
{
	*vec_push(&w->queue) = 5;
	*vec_push(&w->queue) = 6;
	link_set(&w->store, NULL);
	task_sleep(w->s, 10);
	wire_store(w);
	task_sleep(w->s, 50);
	assert_int_equal(w->queue.n, 0);
}

static void submission(struct world *w)
{
	struct ipc_addr rcpts[] = { { STR("a1"), STR("demo.test") } };
	struct ipc_letter m = stranger_letter(rcpts, 1, TEXT);
	const char *body;

	m.service = SERVICE_SUBMISSIONS;
	m.handle = 7;
	assert_int_equal(send_by(&w->user, &m), DENIED); /* bob is not hers */
	m.from.local = STR("alice");
	assert_int_equal(send_by(&w->user, &m), OK);
	assert_int_equal(w->n_owns, 2);
	body = w->got.v[0].body;
	assert_true(str_starts(str_z(body), STR("Date: ")));
	assert_true(str_search(str_z(body), STR("\r\nMessage-ID: <trace1@mx.demo.test>\r\nFrom: bob@x.test\r\nSubject: hi\r\n\r\ntext\r\n")) > 0);
	assert_true(str_ifind(str_z(body), STR("bcc")) < 0);
	assert_true(str_search(str_z(w->got.v[0].prefix), STR("\r\nReceived: by mx.demo.test with ESMTPSA id trace1")) > 0);
	assert_true(str_search(str_z(w->got.v[0].prefix), STR("2001")) < 0);
	assert_true(str_search(str_z(w->got.v[0].prefix), STR("mail.x.test")) < 0);
}

/* The sender's copy has what the others may not see, and what was missing. */
static void sent_copy(struct world *w)
{
	struct ipc_addr rcpts[] = { { STR("a1"), STR("demo.test") } };
	struct ipc_letter m = stranger_letter(rcpts, 1, TEXT);

	m.service = SERVICE_SUBMISSION;
	m.handle = 7;
	m.from.local = STR("alice");
	w->sent_copy = true;
	w->copy_failures = 1; /* asked again */
	assert_int_equal(send_by(&w->user, &m), OK);
	assert_int_equal(w->n_copies, 2);
	assert_string_equal(w->copy_id, "trace1.sent");
	assert_true(str_ifind(str_z(w->got.v[0].body), STR("bcc")) < 0);
	assert_true(str_search(str_z(w->copy), STR("\r\nMessage-ID: <trace1@mx.demo.test>\r\nFrom: bob@x.test\r\nBcc: secret@x.test\r\n")) > 0);
	vec_free(&w->got);
	w->copy_failures = 2; /* the letter is not refused for it */
	assert_int_equal(send_by(&w->user, &m), OK);
	assert_int_equal(w->n_copies, 4);
	vec_free(&w->got);
	m.body = body_of(STR("Date: d\r\nMessage-ID: <m@x>\r\n\r\nx\r\n"));
	assert_int_equal(send_by(&w->user, &m), OK);
	assert_string_equal(w->copy, "Date: d\r\nMessage-ID: <m@x>\r\n\r\nx\r\n");
	vec_free(&w->got);
	w->sent_copy = false;
	assert_int_equal(send_by(&w->user, &m), OK);
	assert_int_equal(w->n_copies, 5);
}

/* A large letter: changed in a memfd. */
static void large_submission(struct world *w)
{
	struct ipc_addr rcpts[] = { { STR("a1"), STR("demo.test") } };
	struct ipc_letter m = stranger_letter(rcpts, 1, TEXT);
	struct body_budget budget = { .max = 10 << 20 };
	struct body_writer bw;
	char line[1000];

	memset(line, 'x', sizeof line);
	body_writer_open(&bw, &budget, 10 << 20);
	body_writer_add(&bw, STR("Date: d\r\nMessage-ID: <m@x>\r\nBcc: a@b,\r\n c@d\r\nX: y\r\n\r\n"));
	for (int i = 0; i < 3000; i++)
		body_writer_add(&bw, str_of(line, sizeof line));
	assert_int_equal(body_writer_seal(&bw, &m.body), OK);
	m.service = SERVICE_SUBMISSIONS;
	m.handle = 7;
	m.from.local = STR("alice");
	assert_int_equal(send_by(&w->user, &m), OK);
	body_writer_close(&bw);
	assert_true(str_starts(str_z(w->got.v[0].body), STR("Date: d\r\nMessage-ID: <m@x>\r\nX: y\r\n\r\nxxx")));
}

static void scan_dies(struct world *w)
{
	struct ipc_addr rcpts[] = { { STR("a1"), STR("demo.test") } };
	struct ipc_letter m = stranger_letter(rcpts, 1, TEXT);

	wire(w, &(struct wire){ ROLE_POST, ROLE_SCAN, 0, 2, &w->dying, &w->scans[0] });
	assert_int_equal(send_by(&w->stranger, &m), OK); /* by the other */
	assert_int_equal(w->n_deaths, 1);
	wire(w, &(struct wire){ ROLE_POST, ROLE_SCAN, 0, 3, &w->dying, &w->scans[0] });
	wire(w, &(struct wire){ ROLE_POST, ROLE_SCAN, 1, 3, &w->dying, &w->scans[1] });
	assert_int_equal(send_by(&w->stranger, &m), OK); /* unparsed */
	assert_int_equal(w->n_deaths, 3);
	assert_int_equal(w->got.n, 2);
}

static void append(struct world *w)
{
	struct ipc_append m = { .handle = 7, .mailbox = STR("Sent"), .flags = 1, .date_s = 77, .body = body_of(TEXT) };
	struct ipc_append_reply r;

	assert_int_equal(ipc_append(&w->user, &m, &r, NULL), OK);
	assert_int_equal(r.uid, 9);
	assert_int_equal(r.uidvalidity, 4);
	assert_int_equal(w->appended.edge, 3);
	assert_int_equal(w->appended.edge_life, 5);
	assert_int_equal(w->appended.handle, 7);
	assert_int_equal(w->appended.date_s, 77);
	assert_true(w->appended.index.n > 0);
}

static void envelope(struct world *w)
{
	struct ipc_recipient rcpt = { .from = { STR("bob"), STR("x.test") }, .rcpt = { STR("a1"), STR("demo.test") } };
	struct ipc_sender from = { .handle = 7, .from = { STR("alice"), STR("demo.test") } };

	assert_int_equal(ipc_recipient(&w->stranger, &rcpt), OK);
	rcpt.rcpt.local = STR("nobody");
	assert_int_equal(ipc_recipient(&w->stranger, &rcpt), NO_SUCH);
	rcpt.rcpt.domain = STR("x.test");
	assert_int_equal(ipc_recipient(&w->stranger, &rcpt), DENIED);
	assert_int_equal(ipc_sender(&w->user, &from), OK);
	from.from.local = STR("bob");
	assert_int_equal(ipc_sender(&w->user, &from), DENIED);
	from.handle = 0;
	assert_int_equal(ipc_sender(&w->user, &from), DENIED);
}

/* What no edge of ours says: it costs post nothing. */
static void taken_over(struct world *w)
{
	struct ipc_addr rcpts[] = { { STR("a1"), STR("demo.test") } };
	struct ipc_letter m = stranger_letter(rcpts, 1, TEXT);
	struct ipc_append a = { .handle = 7, .mailbox = STR("INBOX") };
	struct ipc_append_reply r;

	w->conf->limits.message_size_max = m.body.size;
	m.tls = STR("TLS\0v1");
	assert_int_equal(send_by(&w->stranger, &m), OK);
	assert_true(str_search(str_z(w->got.v[0].prefix), STR("(TLS_v1)")) > 0);
	m.trace = STR("12345678901234567890123456789012");
	assert_int_equal(send_by(&w->stranger, &m), BAD_SYNTAX);
	m.trace = STR("trace2");
	w->conf->limits.message_size_max = m.body.size - 1;
	assert_int_equal(send_by(&w->stranger, &m), OVER_LIMIT);
	a.body = m.body;
	assert_int_equal(ipc_append(&w->user, &a, &r, NULL), OVER_LIMIT);
	assert_int_equal(w->got.n, 1);
}

/* It names nobody, and still is for those alone who are logged in; no copy of it is filed. */
static void null_sender(struct world *w)
{
	struct ipc_addr rcpts[] = { { STR("a1"), STR("demo.test") } };
	struct ipc_letter m = stranger_letter(rcpts, 1, TEXT);

	m.service = SERVICE_SUBMISSIONS;
	m.from_null = 1;
	m.handle = 8; /* has ended, or was never given */
	assert_int_equal(send_by(&w->user, &m), DENIED);
	assert_int_equal(w->got.n, 0);
	m.handle = 7;
	w->sent_copy = 1;
	assert_int_equal(send_by(&w->user, &m), OK);
	assert_int_equal(w->n_owns, 2);
	assert_int_equal(w->n_copies, 0);
}

/* A strangers' edge that shows a handle is not what it was. */
static void breach(struct world *w)
{
	struct ipc_sender from = { .handle = 7, .from = { STR("alice"), STR("demo.test") } };

	assert_true(ipc_sender(&w->stranger, &from) != OK);
	task_sleep(w->s, 10);
	assert_null(w->stranger.peer);
	assert_int_equal(w->n_owns, 0);
}

#define IN_WORLD(name)                     \
	static void test_##name(void **state) \
	{                                  \
		(void)state;               \
		in_world(name);            \
	}
IN_WORLD(one_account)
IN_WORLD(refusals)
IN_WORLD(several_accounts)
IN_WORLD(many_accounts)
IN_WORLD(lane_resumes)
IN_WORLD(submission)
IN_WORLD(large_submission)
IN_WORLD(sent_copy)
IN_WORLD(scan_dies)
IN_WORLD(append)
IN_WORLD(envelope)
IN_WORLD(breach)
IN_WORLD(null_sender)
IN_WORLD(taken_over)
IN_WORLD(protocol_names)
IN_WORLD(lmtp)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_account), cmocka_unit_test(test_refusals), cmocka_unit_test(test_several_accounts),
		cmocka_unit_test(test_many_accounts), cmocka_unit_test(test_lane_resumes), cmocka_unit_test(test_submission),
		cmocka_unit_test(test_sent_copy), cmocka_unit_test(test_large_submission), cmocka_unit_test(test_scan_dies), cmocka_unit_test(test_append),
		cmocka_unit_test(test_envelope), cmocka_unit_test(test_breach), cmocka_unit_test(test_null_sender), cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_protocol_names), cmocka_unit_test(test_lmtp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
