/* unit/store/test_search.c - search programs: their form, three-valued logic, columns, part index, and content by a scan of our own. */
#include "unit/store/fixture.h"

#include "mail/match.h"
#include "store/search.h"

/* ---- scan's part, in this process */

struct scanner {
	unsigned n_calls;
	bool lost;
};

static void match_letter(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_match_letter *q = msg;
	struct ipc_match_letter_reply r = { 0 };
	struct mail_match_term terms[64];
	struct scanner *s = ctx;
	struct body_map map;
	struct buf whole;
	bool results[64];

	s->n_calls++;
	if (s->lost) {
		call_reply(c, FAILED, NULL);
		return;
	}
	for (size_t i = 0; i < q->n_terms; i++)
		terms[i] = (struct mail_match_term){ .kind = q->terms[i].where == MATCH_HEADER ? MAIL_MATCH_HEADER
							     : q->terms[i].where == MATCH_BODY ? MAIL_MATCH_BODY
											       : MAIL_MATCH_TEXT,
			.field = q->terms[i].field,
			.needle = q->terms[i].needle };
	assert_int_equal(body_map(&q->body, &map), OK);
	buf_init(&whole, 1 << 24);
	buf_add(&whole, q->prefix);
	buf_add(&whole, map.bytes);
	mail_match(buf_str(&whole), terms, q->n_terms, results, &mail_match_limits_default);
	for (size_t i = 0; i < q->n_terms; i++)
		r.found |= (uint64_t)results[i] << i;
	ipc_match_letter_reply_send(c, OK, &r);
	buf_fini(&whole);
	body_unmap(&map);
}

static ipc_handler *const scan_handlers[IPC_TYPE_COUNT] = { [IPC_MATCH_LETTER] = match_letter };

/* ---- programs */

#define KEY(o, ...)                                                                                                    \
	{                                                                                                              \
		.op = SEARCH_##o, __VA_ARGS__                                                                          \
	}

static enum outcome compile(const struct ipc_search_key *keys, size_t n)
{
	struct search s;
	struct arena a;
	enum outcome o;

	arena_init(&a, "test", 1 << 20);
	o = search_compile(&s, keys, n, 0, &a);
	arena_fini(&a);
	return o;
}

#define COMPILES(...)                                                                                                  \
	compile((const struct ipc_search_key[]){ __VA_ARGS__ },                                                        \
		sizeof((const struct ipc_search_key[]){ __VA_ARGS__ }) / sizeof(struct ipc_search_key))

static void forms(void **state)
{
	struct ipc_search_key many[256];

	(void)state;
	assert_int_equal(compile(NULL, 0), BAD_SYNTAX);
	assert_int_equal(COMPILES(KEY(ALL)), OK);
	assert_int_equal(COMPILES(KEY(ALL), KEY(ALL)), BAD_SYNTAX);
	assert_int_equal(COMPILES(KEY(AND, .number = 2), KEY(ALL), KEY(ALL)), OK);
	assert_int_equal(COMPILES(KEY(AND, .number = 3), KEY(ALL), KEY(ALL)), BAD_SYNTAX);
	assert_int_equal(COMPILES(KEY(AND, .number = 0)), OK);
	assert_int_equal(COMPILES(KEY(AND, .number = INT64_MAX), KEY(ALL)), BAD_SYNTAX);
	assert_int_equal(COMPILES(KEY(AND, .number = -1)), BAD_SYNTAX);
	assert_int_equal(COMPILES(KEY(OR), KEY(ALL)), BAD_SYNTAX);
	assert_int_equal(COMPILES(KEY(NOT), KEY(OR), KEY(ALL), KEY(NOT), KEY(ALL)), OK);
	assert_int_equal(COMPILES(KEY(NOT)), BAD_SYNTAX);
	assert_int_equal(COMPILES({ .op = SEARCH_OP_COUNT }), BAD_SYNTAX);
	for (size_t i = 0; i < 256; i++)
		many[i] = (struct ipc_search_key)KEY(NOT);
	assert_int_equal(compile(many, 256), BAD_SYNTAX);
	many[255] = (struct ipc_search_key)KEY(ALL);
	assert_int_equal(compile(many, 256), OK);
	for (size_t i = 0; i < 65; i++)
		many[i + 1] = (struct ipc_search_key)KEY(TEXT, .text = STR("x"));
	many[0] = (struct ipc_search_key)KEY(AND, .number = 65);
	assert_int_equal(compile(many, 66), OVER_LIMIT);
	many[0] = (struct ipc_search_key)KEY(AND, .number = 64);
	assert_int_equal(compile(many, 65), OK);
}

/* ---- over the channel */

static const char *run(struct fx *f, uint32_t sel, bool by_uid, const struct ipc_search_key *keys, size_t n)
{
	static char text[4000]; /* of the test: shown and compared at once */
	uint32_t after = 0;

	text[0] = 0;
	for (bool more = true; more;) {
		struct ipc_search q = {
			.handle = f->handle, .sel = sel, .by_uid = by_uid, .after = after, .keys = keys, .n_keys = n
		};
		struct ipc_search_reply r = { 0 };

		assert_int_equal(ipc_search(&f->edge[0], &q, &r, &f->a), OK);
		for (size_t i = 0; i < r.n_found; i++) {
			size_t at = strlen(text);

			snprintf(text + at, sizeof text - at, r.found[i].lo == r.found[i].hi ? "%u " : "%u-%u ",
				r.found[i].lo, r.found[i].hi);
		}
		assert_true(!r.more || r.next > after);
		after = r.next;
		more = r.more;
	}
	return text;
}

#define SEARCHES(f, sel, want, ...)                                                                                    \
	assert_string_equal(                                                                                           \
		run(f, sel, false, (const struct ipc_search_key[]){ __VA_ARGS__ },                                     \
			sizeof((const struct ipc_search_key[]){ __VA_ARGS__ }) / sizeof(struct ipc_search_key)),       \
		want)

static struct scanner *scanner(struct fx *f)
{
	return f->scan_service->ctx;
}

static void letters(struct fx *f)
{
	static const char *const subjects[] = { "Hello world", "=?utf-8?Q?Caf=C3=A9_au_lait?=", "Invoice 17",
		"hello again", "Large one" };
	char id[8];

	fx_account(f);
	for (int i = 0; i < 5; i++) {
		snprintf(id, sizeof id, "d%d", i);
		assert_int_equal(
			fx_deliver_to(f, f->account, id, "", fx_letter(f, subjects[i], i == 4 ? 200000 : 400), NULL),
			OK);
	}
}

static void by_columns(struct fx *f)
{
	struct ipc_select_reply sel;
	struct ipc_range set = { 2, 3 }, star = { 0, 0 };
	int64_t day = 1795341600 / 86400;

	letters(f);
	sel = fx_select(f, "INBOX");
	fx_flags(f, sel.sel, 2, 3, 1, MSG_SEEN);
	SEARCHES(f, sel.sel, "1-5 ", KEY(ALL));
	SEARCHES(f, sel.sel, "2-3 ", KEY(FLAG, .number = MSG_SEEN));
	SEARCHES(f, sel.sel, "1 4-5 ", KEY(NOT), KEY(FLAG, .number = MSG_SEEN));
	SEARCHES(f, sel.sel, "1-5 ", KEY(FLAG, .number = MSG_RECENT));
	SEARCHES(f, sel.sel, "5 ", KEY(LARGER, .number = 1000));
	SEARCHES(f, sel.sel, "1-4 ", KEY(SMALLER, .number = 1000));
	SEARCHES(f, sel.sel, "2-3 ", KEY(SEQ, .set = &set, .n_set = 1));
	SEARCHES(f, sel.sel, "5 ", KEY(UID, .set = &star, .n_set = 1));
	SEARCHES(f, sel.sel, "2-3 5 ", KEY(OR), KEY(LARGER, .number = 1000), KEY(SEQ, .set = &set, .n_set = 1));
	SEARCHES(f, sel.sel, "1-5 ", KEY(ON, .number = day));
	SEARCHES(f, sel.sel, "", KEY(BEFORE, .number = day));
	SEARCHES(f, sel.sel, "1-5 ", KEY(SINCE, .number = day));
	SEARCHES(f, sel.sel, "", KEY(KEYWORD, .text = STR("nothing")));
	SEARCHES(f, sel.sel, "1-5 ", KEY(AND, .number = 0));
	SEARCHES(f, sel.sel, "2-3 ",
		KEY(MODSEQ, .number = (int64_t)fx_fetch(f, sel.sel, false, 2, 2, 0).rows[0].modseq));
	fx_expunge(f, sel.sel, 3, 3);
	fx_sync(f, sel.sel, true);
	SEARCHES(f, sel.sel, "2 ", KEY(FLAG, .number = MSG_SEEN));
	SEARCHES(f, sel.sel, "1-4 ", KEY(ALL));
	assert_int_equal(scanner(f)->n_calls, 0);
}

static void by_index(struct fx *f)
{
	struct ipc_select_reply sel;
	int64_t day = 1795341600 / 86400;

	letters(f);
	sel = fx_select(f, "INBOX");
	SEARCHES(f, sel.sel, "1 4 ", KEY(SUBJECT, .text = STR("HELLO")));
	SEARCHES(f, sel.sel, "2 ", KEY(SUBJECT, .text = STR("CAF\xc3\x89 AU")));
	SEARCHES(f, sel.sel, "1-5 ", KEY(FROM, .text = STR("bob@Y.test")));
	SEARCHES(f, sel.sel, "", KEY(CC, .text = STR("bob")));
	SEARCHES(f, sel.sel, "2-3 5 ", KEY(NOT), KEY(SUBJECT, .text = STR("hello")));
	SEARCHES(f, sel.sel, "1-5 ", KEY(SENT_ON, .number = day));
	SEARCHES(f, sel.sel, "", KEY(SENT_BEFORE, .number = day));
	assert_int_equal(scanner(f)->n_calls, 0);
}

static void by_content(struct fx *f)
{
	struct ipc_select_reply sel;
	struct ipc_range one = { 2, 2 };

	letters(f);
	sel = fx_select(f, "INBOX");
	SEARCHES(f, sel.sel, "1-5 ", KEY(BODY, .text = STR("DULL letter")));
	assert_int_equal(scanner(f)->n_calls, 5);
	SEARCHES(f, sel.sel, "2 ", KEY(AND, .number = 2), KEY(SEQ, .set = &one, .n_set = 1),
		KEY(TEXT, .text = STR("dull")));
	assert_int_equal(scanner(f)->n_calls, 6); /* columns decided the others */
	SEARCHES(f, sel.sel, "1-5 ", KEY(HEADER, .field = STR("delivered-to"), .text = STR("alice")));
	SEARCHES(
		f, sel.sel, "1 3-5 ", KEY(OR), KEY(SUBJECT, .text = STR("o")), KEY(BODY, .text = STR("no such words")));
	scanner(f)->lost = true;
	f->log.least = (enum log_level)(LOG_LEVEL_ERROR + 1);
	SEARCHES(f, sel.sel, "", KEY(BODY, .text = STR("dull")));
}

static void in_steps(struct fx *f)
{
	struct ipc_select_reply sel;
	char id[16];

	fx_account(f);
	for (int i = 0; i < 700; i++) {
		snprintf(id, sizeof id, "n%d", i);
		assert_int_equal(
			fx_deliver_to(f, f->account, id, "", fx_letter(f, i % 2 ? "odd" : "even", 150), NULL), OK);
	}
	sel = fx_select(f, "INBOX");
	fx_expunge(f, sel.sel, 1, 10);
	fx_sync(f, sel.sel, true);
	SEARCHES(f, sel.sel, "1-690 ", KEY(BODY, .text = STR("dull")));
	assert_true(
		strstr(run(f, sel.sel, true, (const struct ipc_search_key[]){ KEY(SUBJECT, .text = STR("odd")) }, 1),
			"12 14 16 ") != NULL);
}

static void with_scan(bool rocks, fx_test *test)
{
	struct scanner s = { 0 };
	struct ipc_service service = { .ctx = &s, .handlers = scan_handlers };
	struct fx *f = mem_new(struct fx);

	fx_init(f, rocks);
	f->scan_service = &service;
	fx_run_all(f, test);
}

#define SCAN(engine, name)                                                                                             \
	static void engine##_##name(void **state)                                                                      \
	{                                                                                                              \
		(void)state;                                                                                           \
		with_scan(strcmp(#engine, "rocks") == 0, name);                                                        \
	}
SCAN(mem, by_columns)
SCAN(rocks, by_columns)
SCAN(mem, by_index)
SCAN(rocks, by_index)
SCAN(mem, by_content)
SCAN(rocks, by_content)
SCAN(mem, in_steps)
SCAN(rocks, in_steps)

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(forms), TESTS(by_columns), TESTS(by_index),
		TESTS(by_content), TESTS(in_steps) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
