/* test/unit/move/test_far.c - what another IMAP server says, in pieces of any size; where it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ipc/words.h"
#include "move/far_client.h"

#include <string.h>

static void open_in(struct far_in *in, struct stream *s, struct str said, size_t chunk)
{
	stream_open_memory(s, said, chunk);
	far_in_open(in, s);
}

static void close_in(struct far_in *in, struct stream *s)
{
	far_in_close(in);
	stream_close(s);
}

static void add(void *ctx, struct str piece)
{
	buf_add(ctx, piece);
}

static void test_tokens(void **state)
{
	struct str said = STR("* 1 FETCH (UID 7 BODY[] {5}\r\nab\r\nc X \"a \\\"b\\\\\" () NIL)\r\n* OK [UIDNEXT 5] free ( text\r\n");
	static const enum far_tok want[] = { TOK_ATOM, TOK_ATOM, TOK_ATOM, TOK_OPEN, TOK_ATOM, TOK_ATOM, TOK_ATOM, TOK_LITERAL, TOK_ATOM,
		TOK_STRING, TOK_OPEN, TOK_CLOSE, TOK_ATOM, TOK_CLOSE, TOK_EOL, TOK_ATOM, TOK_ATOM };

	(void)state;
	for (size_t chunk = 0; chunk < 9; chunk++) {
		struct far_in in;
		struct stream s;
		struct str text;
		struct buf got;

		buf_init(&got, 100);
		open_in(&in, &s, said, chunk);
		for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
			assert_int_equal(far_token(&in, &text), want[i]);
			if (want[i] == TOK_LITERAL && chunk % 2)
				far_literal(&in, add, &got); /* else it is passed over */
			if (want[i] == TOK_STRING)
				assert_true(str_eq(text, STR("a \"b\\")));
		}
		if (chunk % 2)
			assert_true(str_eq(buf_str(&got), STR("ab\r\nc")));
		assert_true(str_eq(far_text(&in), STR("[UIDNEXT 5] free ( text")));
		assert_int_equal(far_token(&in, &text), TOK_BAD);
		buf_fini(&got);
		close_in(&in, &s);
	}
}

static void test_bad(void **state)
{
	static const char *const said[] = { "\"open", "\"a\r\n\"", "{12", "{99999999999999999999}\r\n", "{5}x\r\n", "{}\r\n", "\x01", "a\n", "{4000}\r\nabc" };

	(void)state;
	for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
		struct far_in in;
		struct stream s;

		open_in(&in, &s, str_z(said[i]), 0);
		far_skip(&in);
		assert_true(in.bad);
		close_in(&in, &s);
	}
}

/* Depth and length are bounded. */
static void test_limits(void **state)
{
	static char said[2 * FAR_WORD_MAX + 100];
	struct far_in in;
	struct stream s;
	struct str text;
	bool nil;

	(void)state;
	memset(said, '(', FAR_DEPTH_MAX);
	memset(said + FAR_DEPTH_MAX, ')', FAR_DEPTH_MAX);
	open_in(&in, &s, str_of(said, 2 * FAR_DEPTH_MAX), 0);
	far_skip_value(&in, far_token(&in, &text));
	assert_false(in.bad);
	close_in(&in, &s);
	memset(said, '(', FAR_DEPTH_MAX + 1);
	open_in(&in, &s, str_of(said, 2 * FAR_DEPTH_MAX + 2), 0);
	far_skip_value(&in, far_token(&in, &text));
	assert_true(in.bad);
	close_in(&in, &s);
	memset(said, 'a', sizeof said);
	said[FAR_WORD_MAX] = ' ';
	open_in(&in, &s, str_of(said, sizeof said), 0);
	assert_true(far_string(&in, &text, &nil));
	assert_int_equal(text.n, FAR_WORD_MAX);
	assert_false(far_string(&in, &text, &nil));
	close_in(&in, &s);
}

static void test_place(void **state)
{
	struct far_place p;
	struct arena a;

	(void)state;
	arena_init(&a, "test", 65536);
	assert_true(far_place_parse(&a, STR("imaps://alice%40x.test@mail.test"), &p));
	assert_true(p.tls && p.port == 993 && str_eq(p.user, STR("alice@x.test")) && str_eq(p.host, STR("mail.test")));
	assert_true(far_place_parse(&a, STR("imap://alice@x.test@mail.test:1143/"), &p));
	assert_true(!p.tls && p.port == 1143 && str_eq(p.user, STR("alice@x.test")));
	assert_true(far_place_parse(&a, STR("imaps://a@[::1]"), &p));
	assert_true(p.port == 993 && str_eq(p.host, STR("::1")));
	assert_true(far_place_parse(&a, STR("imaps://a@[::1]:10993"), &p));
	assert_int_equal(p.port, 10993);
	assert_false(far_place_parse(&a, STR("imaps://mail.test"), &p));
	assert_false(far_place_parse(&a, STR("imaps://a@"), &p));
	assert_false(far_place_parse(&a, STR("imaps://a@h:0"), &p));
	assert_false(far_place_parse(&a, STR("imaps://a@h:65536"), &p));
	assert_false(far_place_parse(&a, STR("http://a@h"), &p));
	arena_fini(&a);
}

static void test_flags(void **state)
{
	(void)state;
	assert_int_equal(far_flag_of(STR("\\seen")), MSG_SEEN);
	assert_int_equal(far_flag_of(STR("\\Recent")), 0);
	assert_int_equal(far_flag_of(STR("$Forwarded")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
