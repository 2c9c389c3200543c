/* test/unit/http/test_request.c - the head of a request (RFC 9112 3, 5). */
#include "http/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void request_lines(void **state)
{
	struct http_request r;

	(void)state;
	assert_int_equal(http_request_line(STR("GET /metrics?a=b?c HTTP/1.1"), &r), OK);
	assert_true(r.method == HTTP_GET && r.minor == 1 && !r.close);
	assert_true(str_eq(r.path, STR("/metrics")) && str_eq(r.query, STR("a=b?c")));
	assert_int_equal(http_request_line(STR("OPTIONS * HTTP/1.0"), &r), OK);
	assert_true(r.method == HTTP_OPTIONS && r.close);
	assert_int_equal(http_request_line(STR("get / HTTP/1.1"), &r), OK);
	assert_int_equal(r.method, HTTP_UNKNOWN); /* methods tell cases apart */
	assert_int_equal(http_request_line(STR("GET / HTTP/2.0"), &r), NO_SUCH);
}

static void bad_request_lines(void **state)
{
	static const char *const bad[] = { "", "GET", "GET /", "GET / ", " GET / HTTP/1.1", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", "GET / HTTP/1",
		"GET / HTTP/1.12", "GET / http/1.1", "GET /a b HTTP/1.1", "GET /\x80 HTTP/1.1", "GET /#a HTTP/1.1", "GET a HTTP/1.1", "G\"T / HTTP/1.1",
		"GET http://x/ HTTP/1.1" };
	struct http_request r;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(http_request_line(str_z(bad[i]), &r), BAD_SYNTAX);
	assert_int_equal(http_request_line(str_of("GET /\0 HTTP/1.1", 15), &r), BAD_SYNTAX);
}

static void fields(void **state)
{
	struct http_request r = { 0 };

	(void)state;
	assert_int_equal(http_field_line(STR("Host: x"), &r), OK);
	assert_int_equal(http_field_line(STR("host:y"), &r), BAD_SYNTAX); /* twice */
	assert_int_equal(http_field_line(STR("Connection: upgrade , Close"), &r), OK);
	assert_true(r.has_host && r.close && !r.has_body);
	assert_int_equal(http_field_line(STR("Content-Length: 0"), &r), OK);
	assert_false(r.has_body);
	assert_int_equal(http_field_line(STR("Content-Length: 1"), &r), OK);
	assert_true(r.has_body);
	assert_int_equal(http_field_line(STR("Content-Length: +1"), &r), BAD_SYNTAX);
	assert_int_equal(http_field_line(STR("Content-Length: 99999999999999999999"), &r), BAD_SYNTAX);
	r.has_body = false;
	assert_int_equal(http_field_line(STR("Transfer-Encoding: chunked"), &r), OK);
	assert_true(r.has_body);
}

static void bad_fields(void **state)
{
	static const char *const bad[] = { "a", ":", ": b", "a : b", " a: b", "a: b\x01", "a: \x7f" };
	struct http_request r = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(http_field_line(str_z(bad[i]), &r), BAD_SYNTAX);
}

static void old_versions_stay_open_on_wish(void **state)
{
	struct http_request r;

	(void)state;
	assert_int_equal(http_request_line(STR("GET / HTTP/1.0"), &r), OK);
	assert_int_equal(http_field_line(STR("Connection: keep-alive"), &r), OK);
	assert_false(r.close);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(request_lines), cmocka_unit_test(bad_request_lines), cmocka_unit_test(fields),
		cmocka_unit_test(bad_fields), cmocka_unit_test(old_versions_stay_open_on_wish) };

	return cmocka_run_group_tests_name("http/request", tests, NULL, NULL);
}
