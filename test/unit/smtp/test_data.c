/* test/unit/smtp/test_data.c - the text of a letter: dots, ends, and how letters are smuggled; cut at every place. */
#include "smtp/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

struct result {
	bool ended, bare, nul, long_line;
	size_t left; /* bytes behind the end */
	char text[9000];
	size_t n;
};

/* Feeds the input cut into [0,a) [a,b) [b,n). */
static void feed(struct str in, size_t a, size_t b, uint64_t line_max, struct result *r)
{
	struct body_budget budget = { .max = 1 << 20 };
	struct str pieces[3] = { str_sub(in, 0, a), str_sub(in, a, b - a), str_from(in, b) };
	struct body_writer w;
	struct smtp_data d;
	struct body body;
	size_t took = 0;

	memset(r, 0, sizeof *r);
	body_writer_open(&w, &budget, 1 << 20);
	smtp_data_init(&d, &w, line_max);
	for (int i = 0; i < 3 && !smtp_data_ended(&d); i++)
		took += smtp_data_feed(&d, pieces[i]);
	r->ended = smtp_data_ended(&d);
	r->bare = d.bare;
	r->nul = d.nul;
	r->long_line = d.long_line;
	r->left = in.n - took;
	assert_int_equal(body_writer_seal(&w, &body), OK);
	r->n = (size_t)body.size;
	if (r->n)
		memcpy(r->text, body.inl.p, r->n);
	body_writer_close(&w);
}

static void same(const struct result *x, const struct result *y)
{
	assert_int_equal(x->ended, y->ended);
	assert_int_equal(x->bare, y->bare);
	assert_int_equal(x->nul, y->nul);
	assert_int_equal(x->left, y->left);
	if (x->bare || x->nul)
		return;
	assert_int_equal(x->n, y->n);
	assert_memory_equal(x->text, y->text, x->n);
}

static void everywhere(struct str in, struct result *whole)
{
	static struct result r;

	feed(in, in.n, in.n, 0, whole);
	for (size_t a = 0; a <= in.n; a++)
		for (size_t b = a; b <= in.n; b++) {
			feed(in, a, b, 0, &r);
			same(whole, &r);
		}
}

static void becomes(struct str in, const char *text, size_t left)
{
	static struct result r;

	everywhere(in, &r);
	assert_true(r.ended && !r.bare && !r.nul);
	assert_int_equal(r.left, left);
	if (r.n != strlen(text) || memcmp(r.text, text, r.n) != 0)
		fail_msg("got [%.*s], want [%s]", (int)r.n, r.text, text);
}

static void dots(void **state)
{
	(void)state;
	becomes(STR(".\r\n"), "", 0);
	becomes(STR("\r\n.\r\n"), "\r\n", 0);
	becomes(STR("a\r\n.\r\nQUIT\r\n"), "a\r\n", 6);
	becomes(STR("..\r\n.\r\n"), ".\r\n", 0);
	becomes(STR("..a\r\n...\r\n.\r\n"), ".a\r\n..\r\n", 0);
	becomes(STR(".a\r\n.\r\n"), "a\r\n", 0); /* RFC 5321 4.5.2: the first dot goes, whatever follows */
	becomes(STR("a.\r\n.b\r\n. \r\n.\r\n"), "a.\r\nb\r\n \r\n", 0);
	becomes(STR("To: x\r\n\r\nlines\r\nof a text that is longer than sixteen\r\n.\r\n"),
		"To: x\r\n\r\nlines\r\nof a text that is longer than sixteen\r\n", 0);
	becomes(STR("\xff\x80 8-bit and a \x01\r\n.\r\n"), "\xff\x80 8-bit and a \x01\r\n", 0);
}

static void spoiled(struct str in, bool nul, size_t left)
{
	static struct result r;

	everywhere(in, &r);
	if (!r.ended || r.left != left || r.nul != nul || r.bare == nul)
		fail_msg("[%.*s]: ended %d left %zu bare %d nul %d", STR_ARG(in), r.ended, r.left, r.bare, r.nul);
}

/* Every sequence that some server took for an end, with a smuggled letter behind it: swallowed to the true end. */
static void smuggling(void **state)
{
#define AFTER "MAIL FROM:<evil@x.test>\r\n\r\n.\r\n"
	static const struct str ends[] = {
		STR("a\n.\n" AFTER), STR("a\n.\r\n" AFTER), STR("a\r.\r" AFTER), STR("a\r.\r\n" AFTER), STR("a\r\n.\n" AFTER),
		STR("a\r\n.\r" AFTER), STR("a\n\n.\r\n" AFTER), STR("a\r\r\n.\r\n"), STR("a\r\n.\r\r\n" AFTER), STR("\n.\r\n" AFTER),
		STR(".\n" AFTER), STR(".\r" AFTER), STR("\r.\r\n" AFTER), STR("a\r\n\n.\r\n" AFTER),
	};

	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		spoiled(ends[i], false, 0);
	spoiled(STR("a\0.\r\n.\r\n"), true, 0);
	spoiled(STR("a\r\n\0\r\n.\r\nQUIT"), true, 4);
}

static void no_end(void **state)
{
	static struct result r;

	(void)state;
	everywhere(STR("a\r\n"), &r);
	assert_false(r.ended);
	everywhere(STR("a\r\n."), &r);
	assert_false(r.ended);
	everywhere(STR("a\r\n.\r"), &r);
	assert_false(r.ended);
}

/* An event at each offset of long runs, where the sixteen lanes look. */
static void lanes(void **state)
{
	static const struct str events[] = { STR("\r\n.x"), STR("\n"), STR("\r"), STR("\0"), STR("\r\n..") };
	static struct result whole, r;
	char in[400];

	(void)state;
	for (size_t e = 0; e < 5; e++)
		for (size_t at = 0; at < 80; at++) {
			size_t n = at;

			memset(in, 'x', sizeof in);
			memcpy(in + n, events[e].p, events[e].n);
			n = 100;
			memcpy(in + n, "\r\n.\r\n", 5);
			feed(str_of(in, n + 5), n + 5, n + 5, 0, &whole);
			assert_int_equal(whole.bare, e == 1 || e == 2);
			assert_int_equal(whole.nul, e == 3);
			for (size_t cut = 0; cut <= n + 5; cut++) {
				feed(str_of(in, n + 5), cut, cut, 0, &r);
				same(&whole, &r);
			}
		}
}

static void line_limit(void **state)
{
	static struct result r;

	(void)state;
	feed(STR("1234567890\r\n\r\n.\r\n"), 3, 8, 12, &r); /* at the edge: 12 bytes with CRLF */
	assert_false(r.long_line);
	feed(STR("12345678901\r\n.\r\n"), 3, 8, 12, &r);
	assert_true(r.long_line && r.ended);
}

/* In chunks: fed in two pieces, what is wrong with it. */
static void feed_chunks(struct str in, size_t cut, uint64_t line_max, struct smtp_data *d)
{
	struct body_budget budget = { .max = 1 << 20 };
	struct body_writer w;
	struct body body;

	body_writer_open(&w, &budget, 1 << 20);
	smtp_data_init(d, &w, line_max);
	smtp_chunk_feed(d, str_sub(in, 0, cut));
	smtp_chunk_feed(d, str_from(in, cut));
	smtp_chunk_end(d);
	assert_int_equal(body_writer_seal(&w, &body), OK);
	if (!d->bare && !d->nul && !d->long_line) {
		assert_int_equal(body.size, in.n);
		assert_memory_equal(body.inl.p, in.p, in.n);
	}
	body_writer_close(&w);
}

/* Every text of up to five of these bytes, cut everywhere: CR and LF stand together or spoil it, and so does NUL; dots are dots. */
static void chunks(void **state)
{
	static const char letters[] = { 'a', '.', '\r', '\n', 0 };
	struct smtp_data d;

	(void)state;
	for (unsigned i = 0; i < 5 * 5 * 5 * 5 * 5; i++) {
		char text[5];
		bool bare = false, nul = false;
		unsigned rest = i;

		for (size_t k = 0; k < 5; k++, rest /= 5)
			text[k] = letters[rest % 5];
		for (size_t k = 0; k < 5; k++) {
			nul |= text[k] == 0;
			bare |= text[k] == '\n' && (k == 0 || text[k - 1] != '\r');
			bare |= text[k] == '\r' && (k == 4 || text[k + 1] != '\n');
		}
		for (size_t cut = 0; cut <= 5; cut++) {
			feed_chunks(str_of(text, 5), cut, 0, &d);
			assert_int_equal(d.bare || d.nul, bare || nul);
		}
	}
}

static void line_limit_of_chunks(void **state)
{
	struct smtp_data d;

	(void)state;
	for (size_t cut = 0; cut <= 12; cut++) {
		feed_chunks(STR("abc\r\nabcd\r\n."), cut, 6, &d);
		assert_false(d.long_line);
		feed_chunks(STR("abc\r\nabcd\r\n."), cut, 5, &d);
		assert_true(d.long_line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dots), cmocka_unit_test(smuggling), cmocka_unit_test(no_end), cmocka_unit_test(lanes),
		cmocka_unit_test(line_limit), cmocka_unit_test(chunks), cmocka_unit_test(line_limit_of_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
