/* test/unit/ctl/test_queue_show.c - letters of the queue as lines and as JSON: whatever a server replied stays within its field. */
#include "ctl/queue_show.h"

#include "ctl/json.h"
#include "ctl/text.h"
#include "ipc/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const char hostile[] = "no\n\x1b[2J\t\"\\,{\"x\":1}\x7f\xc2\x9b\xff\xe2\x80";

static void is(struct buf *b, const char *z)
{
	buf_addc(b, '\0');
	assert_string_equal(b->p, z);
	buf_fini(b);
}

static void test_text(void **state)
{
	static const struct {
		struct str in;
		const char *out;
	} rows[] = {
		{ { "plain", 5 }, "plain" },
		{ { "a\tb\nc\\d", 7 }, "a\\x09b\\x0ac\\x5cd" },
		{ { "\x1b[2J\x7f", 5 }, "\\x1b[2J\\x7f" },
		{ { "gr\xc3\xbc\xc3\x9f", 6 }, "gr\xc3\xbc\xc3\x9f" },
		{ { "\xc2\x9b" "1m\xc2\xa0", 6 }, "\\xc2\\x9b" "1m\xc2\xa0" },
		{ { "\xc3\x9b\xe2\x82\xac", 5 }, "\xc3\x9b\xe2\x82\xac" },
		{ { "a\xff\xc3\xbc", 4 }, "a\\xff\\xc3\\xbc" },
		{ { "\xc2", 1 }, "\\xc2" },
		{ { "a\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa9\xe2\x80\xa6", 13 }, "a\\xe2\\x80\\xa8\\xe2\\x80\\xae\\xe2\\x81\\xa9\xe2\x80\xa6" },
		{ { "\xf0\x9f\x93\xa8\xc2\x85", 6 }, "\xf0\x9f\x93\xa8\\xc2\\x85" },
		{ { "\0", 1 }, "\\x00" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b;

		buf_init(&b, 1000);
		text_add(&b, rows[i].in);
		is(&b, rows[i].out);
	}
}

static void test_times(void **state)
{
	struct buf b;
	int64_t s, before = time(NULL);

	(void)state;
	buf_init(&b, 1000);
	text_time(&b, 1795341600);
	text_time_or_dash(&b, 0);
	is(&b, "2026-11-22T10:00:00Z-");
	assert_true(text_parse_time("--older", "2026-11-22T10:00:00Z", &s));
	assert_int_equal(s, 1795341600);
	assert_true(text_parse_time("--older", "2h", &s));
	assert_true(s >= before - 7200 && s <= time(NULL) - 7200);
	assert_true(text_parse_time("--older", "2026-11-22", &s));
	assert_false(text_parse_time("--older", "2026-11-22x", &s));
	assert_false(text_parse_time("--older", "h", &s));
	assert_false(text_parse_time("--older", "2y", &s));
}

static void test_json(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	json_open(&b, NULL, '{');
	json_str(&b, "a", STR("x\"\\\n"));
	json_str(&b, "l", STR("\xc2\x85\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa6\xc2\xa9"));
	json_num(&b, "n", UINT64_MAX);
	json_open(&b, "list", '[');
	json_str(&b, NULL, STR("{["));
	json_str(&b, NULL, STR(""));
	json_close(&b, ']');
	json_open(&b, "none", '[');
	json_close(&b, ']');
	json_bool(&b, "yes", true);
	json_time(&b, "t", 0);
	json_open(&b, "in", '{');
	json_close(&b, '}');
	json_close(&b, '}');
	is(&b, "{\"a\":\"x\\\"\\\\\\u000a\",\"l\":\"\\u0085\\u2028\\u2029\xe2\x80\xa6\xc2\xa9\",\"n\":18446744073709551615,"
	       "\"list\":[\"{[\",\"\"],\"none\":[],\"yes\":true,\"t\":null,\"in\":{}}");
}

static const struct ipc_queue_shown_rcpt rcpts[] = {
	{ .number = 0, .to = { .local = { "bob", 3 }, .domain = { "far.test", 8 } }, .state = RCPT_WAITING, .code = 451,
		.status = { "4.3.0", 5 }, .text = { hostile, sizeof hostile - 1 } },
	{ .number = 1, .to = { .local = { "a b", 3 }, .domain = { "far.test", 8 } }, .state = RCPT_WAITING },
};

static struct ipc_queue_shown shown(void)
{
	return (struct ipc_queue_shown){ .id = 17, .group = 2, .trace = STR("abc"), .from = { .local = STR("alice"), .domain = STR("here.test") },
		.domain = STR("far.test"), .state = QUEUE_WAITING, .attempts = 3, .due_s = 1795341600, .date_s = 1795338000, .until_s = 1795770000,
		.priority = PRIORITY_OF_NORMAL + 3, .flags = OUT_REPORT | OUT_8BIT_BODY, .size = 1234, .rcpts = (void *)rcpts, .n_rcpts = 2 };
}

static void test_line(void **state)
{
	struct ipc_queue_shown e = shown();
	struct buf b;

	(void)state;
	buf_init(&b, QUEUE_TEXT_MAX);
	queue_show_line(&e, &b);
	is(&b, "17.2\twaiting\tfar.test\t<alice@here.test>\t2\t3\t2026-11-22T10:00:00Z\t2026-11-22T09:00:00Z\t1234\tabc\t"
	       "451 4.3.0 no\\x0a\\x1b[2J\\x09\"\\x5c,{\"x\":1}\\x7f\\xc2\\x9b\\xff\\xe2\\x80\n");
	e.state = QUEUE_HELD;
	e.from_null = true;
	e.rcpts = &(struct ipc_queue_shown_rcpt){ .code = 550, .status = STR("5.1.1"), .text = STR("mx.far.test[192.0.2.1]:25: 550 5.1.1 nobody") };
	e.n_rcpts = 1;
	buf_init(&b, QUEUE_TEXT_MAX);
	queue_last_reply(&e, &b);
	is(&b, "mx.far.test[192.0.2.1]:25: 550 5.1.1 nobody");
	e.n_rcpts = 0;
	buf_init(&b, QUEUE_TEXT_MAX);
	queue_show_line(&e, &b);
	is(&b, "17.2\theld\tfar.test\t<>\t0\t3\t-\t2026-11-22T09:00:00Z\t1234\tabc\t-\n");
}

static void test_group(void **state)
{
	struct ipc_queue_shown e = shown();
	struct buf b;

	(void)state;
	e.route = STR("[hop.test]:26");
	buf_init(&b, QUEUE_TEXT_MAX);
	queue_show_group(&e, true, &b);
	is(&b, "letter 17\n  trace     abc\n  from      <alice@here.test>\n  accepted  2026-11-22T09:00:00Z\n  size      1234\n  priority  3\n"
	       "  marks     report 8bit-body\n"
	       "group 17.2 to far.test, waiting, 3 attempts, next 2026-11-22T10:00:00Z, until 2026-11-27T09:00:00Z, by way of [hop.test]:26\n"
	       "    <bob@far.test>  waiting  451 4.3.0 no\\x0a\\x1b[2J\\x09\"\\x5c,{\"x\":1}\\x7f\\xc2\\x9b\\xff\\xe2\\x80\n"
	       "    <\"a b\"@far.test>  waiting  -\n");
}

/* Nothing that a server said ends a line, and every object is closed. */
static void one_line(struct buf *b)
{
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < b->n; i++) {
		unsigned char c = (unsigned char)b->p[i];

		assert_true(c >= 0x20 || (c == '\n' && i + 1 == b->n));
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted)
			depth += (c == '{' || c == '[') - (c == '}' || c == ']');
	}
	assert_int_equal(depth, 0);
	assert_false(quoted);
	assert_false(b->full);
}

static void test_json_of_hostile(void **state)
{
	struct ipc_queue_shown e = shown();
	struct ipc_history_entry h = { .id = 17, .group = 2, .attempt = 1, .at_s = 1795341600, .domain = STR("far.test"), .rcpts = (void *)rcpts,
		.n_rcpts = 2, .delivery = { .host = str_of(hostile, sizeof hostile - 1), .ip = STR("192.0.2.1"), .port = 25, .lock = LOCK_DANE,
		.lock_text = STR("}{") } };
	struct buf b;

	(void)state;
	buf_init(&b, QUEUE_TEXT_MAX);
	queue_show_json(&e, &b);
	one_line(&b);
	assert_true(str_search(buf_str(&b), STR("\"text\":\"no\\u000a\\u001b[2J\\u0009\\\"\\\\,{\\\"x\\\":1}\\u007f?????\"")) > 0);
	buf_reset(&b);
	queue_event_json(&h, &b);
	one_line(&b);
	buf_fini(&b);
}

static void test_event(void **state)
{
	struct ipc_history_entry h = { .id = 17, .group = 2, .attempt = 1, .at_s = 1795341600, .domain = STR("far.test"), .rcpts = (void *)rcpts,
		.n_rcpts = 1, .from = { .local = STR("alice"), .domain = STR("here.test") },
		.delivery = { .feedback = FEEDBACK_SLOW, .host = STR("mx\n.far.test"), .ip = STR("192.0.2.1"), .port = 25, .source = STR("192.0.2.9"),
			.tls = STR("TLSv1.3 X"), .lock = LOCK_COUNT, .lock_text = STR("pinned"), .dns_ms = 1, .connect_ms = 2, .tls_ms = 3, .total_ms = 4,
			.retry_s = 60 } };
	struct buf b;

	(void)state;
	buf_init(&b, QUEUE_TEXT_MAX);
	queue_event_show(&h, &b);
	assert_true(str_starts(buf_str(&b), STR("2026-11-22T10:00:00Z 17.2 far.test attempt 1 to mx\\x0a.far.test[192.0.2.1]:25 from 192.0.2.9, "
						"destination slow\n    TLS TLSv1.3 X, lock ?: pinned\n    over a new connection; looked up after 1 ms, "
						"connected after 2 ms, TLS after 3 ms, over after 4 ms; to be tried again after 60 s\n"
						"    <bob@far.test>  waiting  451 ")));
	buf_reset(&b);
	queue_event_lines(&h, &b);
	assert_true(str_starts(buf_str(&b), STR("2026-11-22T10:00:00Z\t17.2\t1\t<alice@here.test>\t<bob@far.test>\twaiting\t"
						"mx\\x0a.far.test[192.0.2.1]:25\t?\t-\t451 4.3.0 no")));
	h.attempt = 0;
	h.delivery = (struct ipc_delivery){ 0 };
	buf_reset(&b);
	queue_event_show(&h, &b);
	assert_true(str_starts(buf_str(&b), STR("2026-11-22T10:00:00Z 17.2 far.test without an attempt\n    <bob")));
	buf_fini(&b);
}

/* As large as the protocol lets it be, each byte of it to be escaped. */
static void test_largest(void **state)
{
	struct ipc_queue_shown_rcpt *many = calloc(IPC_QUEUE_SHOWN_RCPTS_MAX, sizeof *many);
	struct ipc_queue_shown e = shown();
	char local[64], domain[255], text[500];
	struct buf b;

	(void)state;
	memset(local, 1, sizeof local);
	memset(domain, 1, sizeof domain);
	memset(text, 1, sizeof text);
	for (size_t i = 0; i < IPC_QUEUE_SHOWN_RCPTS_MAX; i++)
		many[i] = (struct ipc_queue_shown_rcpt){ .to = { .local = str_of(local, sizeof local), .domain = str_of(domain, sizeof domain) }, .code = 999,
			.status = str_of(text, 12), .text = str_of(text, sizeof text), .report = REPORT_FAILURE };
	e.rcpts = many;
	e.n_rcpts = IPC_QUEUE_SHOWN_RCPTS_MAX;
	buf_init(&b, QUEUE_TEXT_MAX);
	queue_show_json(&e, &b);
	one_line(&b);
	buf_reset(&b);
	queue_show_group(&e, true, &b);
	assert_false(b.full);
	buf_fini(&b);
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_json_of_hostile),
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
