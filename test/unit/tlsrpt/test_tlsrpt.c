/* test/unit/tlsrpt/test_tlsrpt.c - TLS reports: records, writing and reading back, bounds. */
#include "tlsrpt/tlsrpt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void the_record_says_where(void **state)
{
	static const struct {
		const char *texts[2];
		const char *want; /* all that was found, joined */
	} cases[] = {
		{ { "v=TLSRPTv1; rua=mailto:reports@a.test" }, "reports@a.test " },
		{ { "v=TLSRPTv1;rua=mailto:a@b.test,https://c.test/v1/tlsrpt" }, "a@b.test c.test:443/v1/tlsrpt " },
		{ { "v=TLSRPTv1; ext=1; rua=https://c.test:8443 , mailto:x%2cy@b.test;" }, "c.test:8443/ " },
		{ { "v=TLSRPTv1; rua=mailto:x%21y@b.test?subject=z" }, "x!y@b.test " },
		{ { "v=spf1 -all", "v=TLSRPTv1; rua=mailto:a@b.test" }, "a@b.test " },
		{ { "v=TLSRPTv1; rua=mailto:a@b.test", "v=TLSRPTv1; rua=mailto:c@b.test" }, "" },
		{ { "v=TLSRPTv2; rua=mailto:a@b.test" }, "" },
		{ { "v=TLSRPTv1; rua=http://c.test/" }, "" },
		{ { "v=TLSRPTv1; rua=mailto:nobody" }, "" },
		{ { "v=TLSRPTv1; rua=mailto:a@b.test%0d%0aBcc:x@y" }, "" },
		{ { "v=TLSRPTv1; rua=https://u@c.test/" }, "" },
		{ { "v=TLSRPTv1; rua=https://c.test:0/" }, "" },
		{ { "v=TLSRPTv1" }, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tlsrpt_uri uris[TLSRPT_URIS_MAX];
		struct str texts[2];
		struct arena a;
		struct buf got;
		size_t n = 0, found;

		arena_init(&a, "test", 1 << 20);
		buf_init(&got, 1000);
		while (n < 2 && cases[i].texts[n]) {
			texts[n] = str_z(cases[i].texts[n]);
			n++;
		}
		found = tlsrpt_record_find(texts, n, &a, uris);
		for (size_t k = 0; k < found; k++)
			if (uris[k].https)
				buf_addf(&got, "%.*s:%u%.*s ", STR_ARG(uris[k].host), uris[k].port, STR_ARG(uris[k].path));
			else
				buf_addf(&got, "%.*s ", STR_ARG(uris[k].address));
		if (!str_eq(buf_str(&got), str_z(cases[i].want)))
			fail_msg("%s: %.*s", cases[i].texts[0], STR_ARG(buf_str(&got)));
		buf_fini(&got);
		arena_fini(&a);
	}
}

static void no_more_addresses_than_the_bound(void **state)
{
	struct tlsrpt_uri uris[TLSRPT_URIS_MAX];
	struct arena a;
	struct buf b;
	struct str text;

	(void)state;
	for (unsigned n = TLSRPT_URIS_MAX - 1; n <= TLSRPT_URIS_MAX + 1; n++) {
		arena_init(&a, "test", 1 << 20);
		buf_init(&b, 4000);
		buf_addz(&b, "v=TLSRPTv1; rua=");
		for (unsigned i = 0; i < n; i++)
			buf_addf(&b, "%smailto:r%u@a.test", i ? "," : "", i);
		text = buf_str(&b);
		assert_int_equal(tlsrpt_record_find(&text, 1, &a, uris), n < TLSRPT_URIS_MAX ? n : TLSRPT_URIS_MAX);
		buf_fini(&b);
		arena_fini(&a);
	}
}

#define STS "version: STSv1\nmode: enforce\nmax_age: 86400\nmx: mx.a.test\nmx: *.b.test\n"

static const struct ipc_tls_count counts[] = {
	{ .fact = { .policy = TLSRPT_POLICY_STS, .domain = STR("a.test"), .policy_text = STR(STS), .mx = STR("mx.a.test"), .ip = STR("192.0.2.1") }, .n = 5 },
	{ .fact = { .policy = TLSRPT_POLICY_STS, .domain = STR("a.test"), .policy_text = STR(STS), .result = TLSRPT_CERTIFICATE_EXPIRED,
		    .mx = STR("mx.a.test"), .helo = STR("h\"i\x01"), .ip = STR("192.0.2.1"), .source = STR("192.0.2.9"), .text = STR("it is over") }, .n = 3 },
	{ .fact = { .policy = TLSRPT_POLICY_TLSA, .domain = STR("a.test"), .policy_text = STR("3 1 1 abcd"), .mx = STR("mx.a.test") }, .n = 2 },
	{ .fact = { .policy = TLSRPT_POLICY_NONE, .domain = STR("a.test"), .mx = STR("\xff\xfe") }, .n = 1 },
};

static void write_report(struct buf *json)
{
	struct tlsrpt_head head = { STR("mail.us.test"), STR("tls@us.test"), STR("1.a.test@mail.us.test"), 20779 };

	buf_init(json, TLSRPT_JSON_MAX);
	assert_true(tlsrpt_write(&head, counts, 4, json));
}

static void a_report_is_written_as_the_RFC_has_it(void **state)
{
	static const char *const parts[] = {
		"\"organization-name\":\"mail.us.test\"", "\"start-datetime\":\"2026-11-22T00:00:00Z\"", "\"end-datetime\":\"2026-11-22T23:59:59Z\"",
		"\"contact-info\":\"tls@us.test\"", "\"report-id\":\"1.a.test@mail.us.test\"", "\"policy-type\":\"sts\"",
		"\"policy-string\":[\"version: STSv1\",\"mode: enforce\",\"max_age: 86400\",\"mx: mx.a.test\",\"mx: *.b.test\"]",
		"\"mx-host\":[\"mx.a.test\",\"*.b.test\"]", "\"policy-domain\":\"a.test\"",
		"\"total-successful-session-count\":5,\"total-failure-session-count\":3", "\"result-type\":\"certificate-expired\"",
		"\"sending-mta-ip\":\"192.0.2.9\"", "\"receiving-mx-hostname\":\"mx.a.test\"", "\"receiving-mx-helo\":\"h\\\"i\\u0001\"",
		"\"receiving-ip\":\"192.0.2.1\"", "\"failed-session-count\":3", "\"failure-reason-code\":\"it is over\"",
		"\"policy-type\":\"tlsa\",\"policy-string\":[\"3 1 1 abcd\"]", "\"policy-type\":\"no-policy-found\",\"policy-domain\":\"a.test\"",
	};
	struct buf json;

	(void)state;
	write_report(&json);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (str_search(buf_str(&json), str_z(parts[i])) < 0)
			fail_msg("%s is not in %.*s", parts[i], STR_ARG(buf_str(&json)));
	buf_fini(&json);
}

static void check_shown(struct str bytes)
{
	struct arena a;
	struct buf out;
	const char *why;

	arena_init(&a, "test", (size_t)64 << 20);
	buf_init(&out, 100000);
	if (!tlsrpt_show(bytes, &a, &out, &why))
		fail_msg("%s", why);
	assert_true(str_starts(buf_str(&out), STR("report\tby mail.us.test\tid 1.a.test@mail.us.test\tfrom 2026-11-22T00:00:00Z")));
	assert_true(str_search(buf_str(&out), STR("policy\ttype sts\tdomain a.test\tgood 5\tfailed 3\nfailure\tresult certificate-expired\tcount 3")) > 0);
	buf_fini(&out);
	arena_fini(&a);
}

static void a_report_is_read_back_in_each_of_its_forms(void **state)
{
	struct tlsrpt_letter letter = { STR("tls@us.test"), STR("reports@a.test"), STR("mail.us.test"), STR("a.test"), STR("1@us.test"),
		STR("us!a!1!2!3.json.gz"), 1795305600, { 0 } };
	struct buf json, packed, text;

	(void)state;
	write_report(&json);
	check_shown(buf_str(&json));
	buf_init(&packed, TLSRPT_JSON_MAX);
	assert_true(tlsrpt_gzip(buf_str(&json), &packed));
	check_shown(buf_str(&packed));
	letter.packed = buf_str(&packed);
	buf_init(&text, TLSRPT_JSON_MAX);
	tlsrpt_letter_write(&letter, &text);
	check_shown(buf_str(&text));
	assert_true(str_search(buf_str(&text), STR("report-type=\"tlsrpt\"")) > 0);
	buf_fini(&text);
	buf_fini(&packed);
	buf_fini(&json);
}

static bool shown(struct str bytes)
{
	struct arena a;
	struct buf out;
	const char *why = NULL;
	bool ok;

	arena_init(&a, "test", (size_t)64 << 20);
	buf_init(&out, 100000);
	ok = tlsrpt_show(bytes, &a, &out, &why);
	assert_true(ok || why[0]);
	buf_fini(&out);
	arena_fini(&a);
	return ok;
}

static void what_is_no_report_is_refused(void **state)
{
	struct buf b, packed;

	(void)state;
	assert_false(shown(STR("")));
	assert_false(shown(STR("{")));
	assert_false(shown(STR("{}")));
	assert_false(shown(STR("{\"policies\":1}")));
	assert_true(shown(STR("{\"policies\":[]}")));
	assert_true(shown(STR("{\"policies\":[1,{\"policy\":3,\"summary\":[],\"failure-details\":{\"a\":1}},{\"failure-details\":[null]}]}")));
	assert_false(shown(STR("From: a\r\n\r\nno report\r\n")));
	assert_false(shown(STR("\x1f\x8b\x08 broken")));
	buf_init(&b, TLSRPT_JSON_MAX * 2);
	buf_init(&packed, TLSRPT_JSON_MAX);
	for (int depth = 0; depth < TLSRPT_DEPTH_MAX - 1; depth++)
		buf_addc(&b, '[');
	for (int depth = 0; depth < TLSRPT_DEPTH_MAX - 1; depth++)
		buf_addc(&b, ']');
	buf_reset(&packed);
	buf_addf(&packed, "{\"policies\":[],\"x\":%.*s}", STR_ARG(buf_str(&b)));
	assert_true(shown(buf_str(&packed)));
	buf_reset(&packed);
	buf_addf(&packed, "{\"policies\":[],\"x\":[%.*s]}", STR_ARG(buf_str(&b)));
	assert_false(shown(buf_str(&packed)));
	buf_fini(&packed);
	buf_fini(&b);
}

static void a_bomb_goes_no_further_than_the_bound(void **state)
{
	struct buf plain, packed, out;
	char *room;

	(void)state;
	buf_init(&plain, TLSRPT_JSON_MAX);
	buf_init(&packed, TLSRPT_JSON_MAX);
	room = buf_room(&plain, TLSRPT_JSON_MAX);
	memset(room, ' ', TLSRPT_JSON_MAX);
	buf_grew(&plain, TLSRPT_JSON_MAX);
	assert_true(tlsrpt_gzip(buf_str(&plain), &packed));
	buf_init(&out, TLSRPT_JSON_MAX);
	assert_true(tlsrpt_gunzip(buf_str(&packed), &out));
	assert_int_equal(out.n, TLSRPT_JSON_MAX);
	buf_fini(&out);
	buf_init(&out, TLSRPT_JSON_MAX - 1);
	assert_false(tlsrpt_gunzip(buf_str(&packed), &out));
	buf_fini(&out);
	buf_init(&out, TLSRPT_JSON_MAX);
	assert_false(tlsrpt_gunzip(str_sub(buf_str(&packed), 0, packed.n - 1), &out));
	buf_fini(&out);
	buf_fini(&packed);
	buf_fini(&plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_record_says_where),
		cmocka_unit_test(no_more_addresses_than_the_bound),
		cmocka_unit_test(a_report_is_written_as_the_RFC_has_it),
		cmocka_unit_test(a_report_is_read_back_in_each_of_its_forms),
		cmocka_unit_test(what_is_no_report_is_refused),
		cmocka_unit_test(a_bomb_goes_no_further_than_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
