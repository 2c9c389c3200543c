/* unit/store/test_outgoing.c - the queue of letters that leave: in, tried, settled, reported, steered, and what is kept of them. */
#include "unit/store/fixture.h"

#define NOW 1795341600

/* "a@far.test b@far.test c@near.test": groups are made of the domains in their order. */
struct out_opts {
	const char *trace, *from, *to;
	uint64_t account;
	uint8_t attempt;
	int64_t hold_until_s;
	size_t size;
};

static size_t group_of(struct str *domains, size_t *n, struct str domain)
{
	for (size_t i = 0; i < *n; i++)
		if (str_eq(domains[i], domain))
			return i;
	domains[*n] = domain;
	return (*n)++;
}

static enum outcome try_send(struct fx *f, const struct out_opts *o, struct ipc_queue_send_reply *r)
{
	struct str *domains = arena_array(&f->a, 200, sizeof *domains), letter = fx_letter(f, o->trace, o->size ? o->size : 700);
	struct ipc_out_rcpt *rcpts = arena_array(&f->a, 200, sizeof *rcpts);
	struct ipc_queue_send q = { .domains = domains, .rcpts = rcpts, .attempt = o->attempt,
		.prefix = STR("Received: from a by b\r\n"), .body = body_of(letter) };
	char *copy = arena_dupz(&f->a, str_z(o->to)), *save = NULL;

	q.facts = (struct ipc_out_facts){ .trace = str_z(o->trace), .account = o->account, .login = STR("alice@x.test"), .date_s = NOW,
		.until_s = NOW + 86400, .from_null = !o->from, .size = letter.n };
	q.facts.wishes.hold_until_s = o->hold_until_s;
	q.facts.wishes.envid = STR("envelope");
	if (o->from)
		q.facts.from = fx_addr(o->from);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		struct ipc_out_rcpt *x = &rcpts[q.n_rcpts++];

		x->to = fx_addr(w);
		x->dsn.notify = NOTIFY_FAILURE;
		x->group = (uint32_t)group_of(domains, &q.n_domains, x->to.domain);
	}
	return ipc_queue_send(&f->post, &q, r, &f->a);
}

static uint64_t put(struct fx *f, const char *trace, const char *to, uint8_t attempt)
{
	struct out_opts o = { .trace = trace, .from = "alice@x.test", .to = to, .account = 7, .attempt = attempt };
	struct ipc_queue_send_reply r = { 0 };

	assert_int_equal(try_send(f, &o, &r), OK);
	assert_int_equal(r.again, 0);
	return r.id;
}

static struct ipc_queue_load_reply load(struct fx *f, uint64_t id, uint32_t group)
{
	struct ipc_queue_load q = { id, group };
	struct ipc_queue_load_reply r = { 0 };

	assert_int_equal(ipc_queue_load(&f->post, &q, &r, &f->a), OK);
	return r;
}

static enum outcome try_read(struct fx *f, uint64_t id, uint32_t group, struct ipc_queue_read_reply *r)
{
	struct ipc_queue_read q = { id, group };

	*r = (struct ipc_queue_read_reply){ 0 };
	return ipc_queue_read(&f->post, &q, r, &f->a);
}

static enum outcome begin(struct fx *f, uint64_t id, uint32_t group, uint32_t attempt)
{
	struct ipc_queue_begin q = { id, group, attempt };

	return ipc_queue_begin(&f->post, &q);
}

static struct ipc_rcpt_result result(uint32_t number, uint8_t state, uint8_t report, uint16_t code, const char *text)
{
	return (struct ipc_rcpt_result){ number, state, report, code, STR("4.2.1"), str_z(text) };
}

static enum outcome settle(struct fx *f, uint64_t id, uint32_t group, uint32_t attempt, const struct ipc_rcpt_result *v, size_t n,
	uint32_t *left)
{
	struct ipc_queue_settle q = { .id = id, .group = group, .attempt = attempt, .at_s = NOW + attempt, .due_s = NOW + 1000 * (attempt + 1),
		.delivery = { .host = STR("mx.far.test"), .ip = STR("192.0.2.1"), .port = 25, .tls = STR("TLSv1.3"), .lock = LOCK_DANE,
			.total_ms = 12, .rcpts = v, .n_rcpts = n } };
	struct ipc_queue_settle_reply r = { 0 };
	enum outcome o = ipc_queue_settle(&f->post, &q, &r, &f->a);

	*left = r.left;
	return o;
}

static uint32_t settle_one(struct fx *f, uint64_t id, uint32_t group, uint32_t attempt, struct ipc_rcpt_result v)
{
	uint32_t left;

	assert_int_equal(settle(f, id, group, attempt, &v, 1, &left), OK);
	return left;
}

static uint32_t reported(struct fx *f, uint64_t id, uint32_t group, uint8_t report, uint32_t number)
{
	struct ipc_queue_reported q = { id, group, report, &number, 1 };
	struct ipc_queue_reported_reply r = { 0 };

	assert_int_equal(ipc_queue_reported(&f->post, &q, &r, &f->a), OK);
	return r.left;
}

static enum outcome change(struct fx *f, uint64_t id, uint32_t group, uint8_t what, const char *text)
{
	struct ipc_queue_change q = { id, group, what, NOW + 5, str_z(text) };

	return ipc_queue_change(&f->post, &q);
}

static struct ipc_history_find_reply history(struct fx *f, struct ipc_queue_filter filter)
{
	struct ipc_history_find q = { .filter = filter };
	struct ipc_history_find_reply r = { 0 };

	assert_int_equal(ipc_history_find(&f->ctl, &q, &r, &f->a), OK);
	return r;
}

static struct ipc_queue_page_reply page(struct fx *f, struct ipc_queue_filter filter)
{
	struct ipc_queue_page q = { .filter = filter };
	struct ipc_queue_page_reply r = { 0 };

	assert_int_equal(ipc_queue_page(&f->ctl, &q, &r, &f->a), OK);
	return r;
}

static void keep_history(struct fx *f)
{
	f->store->limits.keep_history_ms = 7 * 86400 * 1000LL;
}

/* ---- a letter's life */

static void sent_at_once(struct fx *f)
{
	struct ipc_queue_read_reply r;
	uint64_t id;

	keep_history(f);
	id = put(f, "t1", "bob@far.test", 1);
	fx_verified(f);
	assert_int_equal(try_read(f, id, 0, &r), OK);
	assert_int_equal(r.attempts, 1);
	assert_int_equal(r.n_rcpts, 1);
	assert_true(str_eq(r.rcpts[0].to.local, STR("bob")));
	assert_int_equal(r.rcpts[0].dsn.notify, NOTIFY_FAILURE);
	assert_true(str_eq(r.domain, STR("far.test")));
	assert_true(str_eq(r.prefix, STR("Received: from a by b\r\n")));
	assert_true(str_eq(r.facts.wishes.envid, STR("envelope")));
	assert_true(str_eq(r.facts.from.local, STR("alice")));
	assert_int_equal(settle_one(f, id, 0, 1, result(0, RCPT_SENT, REPORT_NONE, 250, "2.0.0 taken")), 0);
	assert_int_equal(load(f, 0, 0).n_entries, 0);
	assert_int_equal(try_read(f, id, 0, &r), NO_SUCH);
	assert_int_equal(begin(f, id, 0, 2), NO_SUCH);
	fx_verified(f);
	f->store->limits.keep_expunged_ms = 0;
	assert_int_equal(store_collect(f->store), 1);
	fx_verified(f);
}

static void groups(struct fx *f)
{
	struct ipc_rcpt_result v[2] = { result(0, RCPT_SENT, REPORT_NONE, 250, "ok"), result(2, RCPT_WAITING, REPORT_NONE, 450, "later") };
	struct ipc_queue_load_reply l;
	struct ipc_queue_read_reply r;
	uint32_t left;
	uint64_t id;

	id = put(f, "t2", "a@far.test b@near.test c@far.test", 0);
	l = load(f, 0, 0);
	assert_int_equal(l.n_entries, 2);
	assert_true(l.entries[0].id == id && l.entries[0].group == 0 && l.entries[0].n_rcpts == 2);
	assert_true(l.entries[1].group == 1 && str_eq(l.entries[1].domain, STR("near.test")));
	assert_int_equal(l.entries[1].due_s, NOW);
	assert_int_equal(load(f, id, 0).n_entries, 1);
	assert_int_equal(load(f, id, 1).n_entries, 0);
	assert_int_equal(begin(f, id, 0, 2), BAD_STATE);
	assert_int_equal(begin(f, id, 0, 1), OK);
	assert_int_equal(begin(f, id, 0, 1), BAD_STATE);
	assert_int_equal(settle(f, id, 0, 2, v, 2, &left), BAD_STATE);
	assert_int_equal(settle(f, id, 0, 1, v, 2, &left), OK);
	assert_int_equal(left, 1);
	assert_int_equal(try_read(f, id, 0, &r), OK);
	assert_true(r.n_rcpts == 1 && r.rcpts[0].number == 2 && r.rcpts[0].code == 450 && str_eq(r.rcpts[0].text, STR("later")));
	assert_int_equal(r.due_s, NOW + 2000);
	v[1] = result(2, RCPT_FAILED, REPORT_NONE, 550, "no");
	assert_int_equal(settle(f, id, 0, 1, v, 2, &left), OK); /* settled before: nothing changes */
	assert_int_equal(left, 1);
	fx_verified(f);
	assert_int_equal(settle_one(f, id, 1, 0, result(1, RCPT_EXPIRED, REPORT_NONE, 0, "expired")), 0);
	fx_verified(f);
	assert_int_equal(load(f, 0, 0).n_entries, 1);
	assert_int_equal(begin(f, id, 0, 2), OK);
	assert_int_equal(settle_one(f, id, 0, 2, result(2, RCPT_SENT, REPORT_NONE, 250, "ok")), 0);
	assert_int_equal(load(f, 0, 0).n_entries, 0);
	assert_int_equal(settle(f, id, 0, 2, v, 2, &left), OK);
	assert_int_equal(left, 0);
	fx_verified(f);
}

static void reports(struct fx *f)
{
	struct ipc_queue_read_reply r;
	uint64_t id = put(f, "t3", "a@far.test", 1);

	assert_int_equal(settle_one(f, id, 0, 1, result(0, RCPT_WAITING, REPORT_NONE, 450, "busy")), 1);
	assert_int_equal(settle_one(f, id, 0, 0, result(0, RCPT_WAITING, REPORT_DELAY, 0, "")), 1);
	assert_int_equal(load(f, 0, 0).entries[0].owed, 1 << REPORT_DELAY);
	assert_int_equal(begin(f, id, 0, 2), OK);
	assert_int_equal(settle_one(f, id, 0, 2, result(0, RCPT_WAITING, REPORT_NONE, 451, "busy still")), 1);
	assert_int_equal(try_read(f, id, 0, &r), OK);
	assert_true(r.rcpts[0].report == REPORT_DELAY && r.rcpts[0].code == 451);
	assert_int_equal(reported(f, id, 0, REPORT_DELAY, 0), 1);
	assert_int_equal(try_read(f, id, 0, &r), OK);
	assert_true(r.rcpts[0].report == REPORT_NONE && r.rcpts[0].delayed == 1);
	assert_int_equal(begin(f, id, 0, 3), OK);
	assert_int_equal(settle_one(f, id, 0, 3, result(0, RCPT_FAILED, REPORT_FAILURE, 550, "unknown")), 1);
	assert_int_equal(load(f, 0, 0).entries[0].n_rcpts, 0);
	assert_int_equal(begin(f, id, 0, 4), BAD_STATE);
	assert_int_equal(settle_one(f, id, 0, 0, result(0, RCPT_SENT, REPORT_NONE, 250, "no")), 1); /* what is final stays */
	assert_int_equal(try_read(f, id, 0, &r), OK);
	assert_int_equal(r.rcpts[0].state, RCPT_FAILED);
	assert_int_equal(reported(f, id, 0, REPORT_RELAYED, 0), 1);
	fx_verified(f);
	assert_int_equal(reported(f, id, 0, REPORT_FAILURE, 0), 0);
	assert_int_equal(reported(f, id, 0, REPORT_FAILURE, 0), 0);
	assert_int_equal(load(f, 0, 0).n_entries, 0);
	fx_verified(f);
}

static void once_by_trace(struct fx *f)
{
	struct out_opts o = { .trace = "t4", .to = "a@far.test" };
	struct ipc_queue_send_reply r = { 0 }, again = { 0 };

	assert_int_equal(try_send(f, &o, &r), OK);
	assert_int_equal(try_send(f, &o, &again), OK);
	assert_true(again.again == 1 && again.id == r.id);
	assert_int_equal(load(f, 0, 0).n_entries, 1);
	assert_int_equal(begin(f, r.id, 0, 1), OK);
	assert_int_equal(settle_one(f, r.id, 0, 1, result(0, RCPT_SENT, REPORT_NONE, 250, "ok")), 0);
	assert_int_equal(try_send(f, &o, &again), OK); /* through, and remembered */
	assert_true(again.again == 1 && again.id == r.id);
	assert_int_equal(load(f, 0, 0).n_entries, 0);
	fx_verified(f);
}

static void unsound_letters(struct fx *f)
{
	struct out_opts o = { .trace = "", .to = "a@far.test" };
	struct ipc_queue_send_reply r = { 0 };
	struct ipc_out_rcpt rcpt = { .to = fx_addr("a@far.test"), .group = 1 };
	struct str domains[2] = { STR("far.test"), STR("near.test") };
	struct ipc_queue_send q = { .facts = { .trace = STR("t") }, .domains = domains, .n_domains = 1, .rcpts = &rcpt, .n_rcpts = 1,
		.body = body_of(STR("x")) };

	assert_int_equal(try_send(f, &o, &r), BAD_SYNTAX);
	o = (struct out_opts){ .trace = "t", .to = "" };
	assert_int_equal(try_send(f, &o, &r), BAD_SYNTAX);
	assert_int_equal(ipc_queue_send(&f->post, &q, &r, &f->a), BAD_SYNTAX);
	q.n_domains = 2; /* the first has nobody */
	assert_int_equal(ipc_queue_send(&f->post, &q, &r, &f->a), BAD_SYNTAX);
	o = (struct out_opts){ .trace = "t", .to = "a@far.test", .size = 2000 };
	f->store->limits.message_size_max = 1000;
	assert_int_equal(try_send(f, &o, &r), OVER_LIMIT);
	assert_int_equal(load(f, 0, 0).n_entries, 0);
	fx_verified(f);
}

static void full_disk(struct fx *f)
{
	struct out_opts o = { .trace = "t6", .to = "a@far.test" };
	struct ipc_queue_send_reply r = { 0 };
	uint64_t id = put(f, "t5", "a@far.test", 0);

	f->store->limits.disk_reserve = UINT64_MAX;
	assert_int_equal(try_send(f, &o, &r), NO_ROOM);
	o.trace = "t5"; /* it is in already */
	assert_int_equal(try_send(f, &o, &r), OK);
	assert_int_equal(begin(f, id, 0, 1), OK);
	assert_int_equal(settle_one(f, id, 0, 1, result(0, RCPT_FAILED, REPORT_FAILURE, 550, "no")), 1);
	assert_int_equal(reported(f, id, 0, REPORT_FAILURE, 0), 0);
}

static void held_and_more(struct fx *f)
{
	struct ipc_queue_read_reply r;
	struct ipc_queue_load_reply l;
	uint64_t id = put(f, "t6", "a@far.test", 0);

	assert_int_equal(change(f, id, 0, QUEUE_HOLD, ""), OK);
	assert_int_equal(begin(f, id, 0, 1), BAD_STATE);
	l = load(f, 0, 0);
	assert_true(l.entries[0].state == QUEUE_HELD && l.entries[0].due_s == NOW);
	assert_int_equal(change(f, id, 0, QUEUE_REROUTE, "relay"), OK);
	assert_int_equal(change(f, id, 0, QUEUE_RELEASE, ""), OK);
	assert_int_equal(try_read(f, id, 0, &r), OK);
	assert_true(r.state == QUEUE_WAITING && str_eq(r.route, STR("relay")) && r.due_s == NOW + 5);
	assert_int_equal(change(f, id, 0, 99, ""), BAD_SYNTAX);
	assert_int_equal(change(f, id, 1, QUEUE_HOLD, ""), NO_SUCH);
	assert_int_equal(change(f, id, 0, QUEUE_DELETE, ""), OK);
	assert_int_equal(change(f, id, 0, QUEUE_DELETE, ""), NO_SUCH);
	assert_int_equal(load(f, 0, 0).n_entries, 0);
	fx_verified(f);
}

static void bodies(struct fx *f)
{
	struct ipc_queue_body q = { .id = put(f, "t7", "a@far.test", 0), .n = 10 };
	struct ipc_queue_body_reply r = { 0 };

	assert_int_equal(ipc_queue_body(&f->post, &q, &r, &f->a), OK);
	assert_true(str_eq(r.bytes, STR("From: Bob ")));
	q.at = 6;
	q.n = UINT32_MAX;
	assert_int_equal(ipc_queue_body(&f->post, &q, &r, &f->a), OK);
	assert_true(r.bytes.n > 600 && str_starts(r.bytes, STR("Bob ")));
	q.at = 1 << 20;
	assert_int_equal(ipc_queue_body(&f->post, &q, &r, &f->a), OK);
	assert_int_equal(r.bytes.n, 0);
	q.id++;
	assert_int_equal(ipc_queue_body(&f->post, &q, &r, &f->a), NO_SUCH);
}

static void many_pages(struct fx *f)
{
	uint64_t id = 0, last = 0;
	uint32_t group = 0;
	size_t n = 0;
	char trace[20];

	for (int i = 0; i < 220; i++) {
		snprintf(trace, sizeof trace, "m%d", i);
		put(f, trace, "a@far.test b@near.test c@mid.test", 0);
	}
	for (bool more = true; more;) {
		struct ipc_queue_load_reply l = load(f, id, group);

		assert_true(l.n_entries <= IPC_QUEUE_LOAD_ENTRIES_MAX && l.n_entries > 0);
		for (size_t i = 0; i < l.n_entries; i++, n++) {
			uint64_t at = l.entries[i].id * 3 + l.entries[i].group;

			assert_true(n == 0 || at == last + 1);
			last = at;
		}
		id = l.entries[l.n_entries - 1].id;
		group = l.entries[l.n_entries - 1].group;
		more = l.more;
	}
	assert_int_equal(n, 660);
}

static void survives_reopening(struct fx *f)
{
	struct ipc_queue_read_reply r;
	uint64_t id, next;

	id = put(f, "t8", "a@far.test b@near.test", 1);
	assert_int_equal(settle_one(f, id, 0, 1, result(0, RCPT_SENT, REPORT_NONE, 250, "ok")), 0);
	fx_reopen(f);
	assert_int_equal(load(f, 0, 0).n_entries, 1);
	assert_int_equal(try_read(f, id, 1, &r), OK);
	assert_int_equal(r.attempts, 1);
	next = put(f, "t9", "a@far.test", 1);
	assert_true(next > id);
	fx_verified(f);
}

/* As many recipients with as long addresses, wishes and replies as messages have room for: what is read fits its record. */
static void the_largest(struct fx *f)
{
	static char local[64], domain[255], orcpt[400], text[500], prefix[16384];
	struct ipc_out_rcpt *rcpts = arena_array(&f->a, 200, sizeof *rcpts);
	struct ipc_rcpt_result *v = arena_array(&f->a, 200, sizeof *v);
	struct str where = str_of(domain, sizeof domain);
	struct ipc_queue_send q = { .facts = { .trace = STR("largest"), .from = { str_of(local, sizeof local), where } }, .domains = &where,
		.n_domains = 1, .rcpts = rcpts, .n_rcpts = 200, .attempt = 1, .prefix = str_of(prefix, sizeof prefix), .body = body_of(STR("x: y\r\n\r\n")) };
	struct ipc_queue_send_reply r = { 0 };
	struct ipc_queue_read_reply read;
	uint32_t left;

	keep_history(f);
	memset(local, 'l', sizeof local);
	memset(domain, 'd', sizeof domain);
	memset(orcpt, 'o', sizeof orcpt);
	memset(text, 't', sizeof text);
	memset(prefix, 'p', sizeof prefix);
	for (uint32_t i = 0; i < 200; i++) {
		rcpts[i] = (struct ipc_out_rcpt){ .to = { str_of(local, sizeof local), where }, .dsn.orcpt = str_of(orcpt, sizeof orcpt) };
		v[i] = (struct ipc_rcpt_result){ .number = i, .state = RCPT_WAITING, .code = 450, .status = STR("4.2.1"), .text = str_of(text, sizeof text) };
	}
	assert_int_equal(ipc_queue_send(&f->post, &q, &r, &f->a), OK);
	assert_int_equal(settle(f, r.id, 0, 1, v, 200, &left), OK);
	assert_int_equal(left, 200);
	assert_int_equal(try_read(f, r.id, 0, &read), OK);
	assert_true(read.n_rcpts == 200 && read.rcpts[199].text.n >= 100);
	assert_true(page(f, (struct ipc_queue_filter){ 0 }).entries[0].rcpts[199].text.n == sizeof text);
	assert_true(history(f, (struct ipc_queue_filter){ 0 }).entries[0].rcpts[199].text.n == sizeof text);
	put(f, "small", "a@far.test", 0);
	assert_int_equal(page(f, (struct ipc_queue_filter){ 0 }).n_entries, 2);
	fx_verified(f);
}

/* ---- what commands see */

static void pages(struct fx *f)
{
	struct out_opts null = { .trace = "p3", .to = "x@far.test" };
	struct ipc_queue_send_reply sent = { 0 };
	struct ipc_queue_page_reply r;
	uint64_t one = put(f, "p1", "a@far.test b@near.test", 0), two = put(f, "p2", "c@near.test", 0);

	assert_int_equal(try_send(f, &null, &sent), OK);
	assert_int_equal(change(f, two, 0, QUEUE_HOLD, ""), OK);
	assert_int_equal(page(f, (struct ipc_queue_filter){ 0 }).n_entries, 4);
	r = page(f, (struct ipc_queue_filter){ .domain = STR("Near.test") });
	assert_true(r.n_entries == 2 && r.entries[0].id == one && r.entries[0].group == 1 && r.entries[1].id == two && !r.more);
	assert_true(str_eq(r.entries[0].rcpts[0].to.local, STR("b")) && r.entries[0].rcpts[0].number == 1);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .id = one }).n_entries, 2);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .trace = STR("p2") }).n_entries, 1);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .trace = STR("p") }).n_entries, 0);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .sender = STR("<>") }).n_entries, 1);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .sender = STR("ALICE@x.test") }).n_entries, 3);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .sender = STR("@x.test"), .domain = STR("far.test") }).n_entries, 1);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .sender = STR("bob@x.test") }).n_entries, 0);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .rcpt = STR("c@near.test") }).n_entries, 1);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .rcpt = STR("@far.test") }).n_entries, 2);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .account = 7 }).n_entries, 3);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .account = 8 }).n_entries, 0);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .state = 1 + QUEUE_HELD }).n_entries, 1);
	assert_int_equal(page(f, (struct ipc_queue_filter){ .since_s = NOW + 1 }).n_entries, 0);
}

static void past(struct fx *f)
{
	struct ipc_history_find_reply r;
	uint64_t id;

	keep_history(f);
	id = put(f, "h1", "a@far.test b@near.test", 1);
	settle_one(f, id, 0, 1, result(0, RCPT_WAITING, REPORT_NONE, 450, "busy"));
	r = history(f, (struct ipc_queue_filter){ .id = id });
	assert_true(r.n_entries == 1 && r.entries[0].left == 1 && r.entries[0].attempt == 1);
	assert_true(str_eq(r.entries[0].delivery.host, STR("mx.far.test")) && r.entries[0].delivery.lock == LOCK_DANE);
	assert_true(str_eq(r.entries[0].rcpts[0].text, STR("busy")) && r.entries[0].rcpts[0].code == 450);
	assert_int_equal(begin(f, id, 0, 2), OK);
	settle_one(f, id, 0, 2, result(0, RCPT_SENT, REPORT_NONE, 250, "ok"));
	assert_int_equal(change(f, id, 1, QUEUE_DELETE, ""), OK);
	r = history(f, (struct ipc_queue_filter){ .trace = STR("h1") });
	assert_int_equal(r.n_entries, 3);
	assert_true(r.entries[1].rcpts[0].state == RCPT_SENT && r.entries[1].left == 0);
	assert_true(r.entries[2].group == 1 && r.entries[2].attempt == 0 && r.entries[2].rcpts[0].state == RCPT_REMOVED);
	assert_int_equal(history(f, (struct ipc_queue_filter){ .domain = STR("near.test") }).n_entries, 1);
	assert_int_equal(history(f, (struct ipc_queue_filter){ .rcpt = STR("a@far.test"), .sender = STR("alice@x.test") }).n_entries, 2);
	assert_int_equal(history(f, (struct ipc_queue_filter){ .account = 8 }).n_entries, 0);
	assert_int_equal(history(f, (struct ipc_queue_filter){ .trace = STR("h2") }).n_entries, 0);
	fx_verified(f);
}

BOTH(sent_at_once)
BOTH(groups)
BOTH(reports)
BOTH(once_by_trace)
BOTH(unsound_letters)
ON(rocks, full_disk)
BOTH(held_and_more)
BOTH(bodies)
BOTH(many_pages)
ON(rocks, survives_reopening)
BOTH(the_largest)
BOTH(pages)
BOTH(past)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(sent_at_once), TESTS(groups), TESTS(reports), TESTS(once_by_trace), TESTS(unsound_letters),
		cmocka_unit_test(rocks_full_disk), TESTS(held_and_more), TESTS(bodies), TESTS(many_pages), cmocka_unit_test(rocks_survives_reopening),
		TESTS(the_largest), TESTS(pages), TESTS(past) };

	return cmocka_run_group_tests_name("store/outgoing", tests, NULL, NULL);
}
