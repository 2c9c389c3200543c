/* test/unit/mail/test_transfer.c - transfer encodings undone a piece at a time: the same as at once, however the pieces are cut. */
#include "mail/transfer.h"

#include "mail/base64.h"

#include "unit.h"

static void decode(struct str text, enum mail_encoding encoding, size_t first, size_t step, struct buf *out)
{
	struct mail_transfer t;

	buf_reset(out);
	mail_transfer_init(&t, encoding);
	for (size_t at = 0, n = first; at < text.n; at += n, n = step)
		mail_transfer_add(&t, str_sub(text, at, n), out);
	mail_transfer_end(&t, out);
}

static void decodes(struct str text, enum mail_encoding encoding, struct str want)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	for (size_t step = 1; step < 8; step++)
		for (size_t first = 1; first <= (text.n ? text.n : 1); first++) {
			decode(text, encoding, first, step, &b);
			if (!str_eq(buf_str(&b), want))
				fail_msg("%.*s, first %zu, then %zu: %.*s", STR_ARG(text), first, step, STR_ARG(buf_str(&b)));
		}
	buf_fini(&b);
}

#define QP(text, want) decodes(STR(text), MAIL_ENCODING_QP, STR(want))
#define BASE64(text, want) decodes(STR(text), MAIL_ENCODING_BASE64, STR(want))

static void quoted_printable(void **state)
{
	(void)state;
	QP("", "");
	QP("plain", "plain");
	QP("K=C3=A4se\r\n", "K\xc3\xa4se\r\n");
	QP("soft=\r\nbreak=\n here", "softbreak here");
	QP("soft= \t\r\nwith blanks", "softwith blanks");
	QP("end \t\r\nof line \t\nand of text \t", "end\r\nof line\nand of text");
	QP("two  blanks\tkept", "two  blanks\tkept");
	QP("bad =4 =4Z =ZZ == =", "bad =4 =4Z =ZZ == ");
	QP("=4\r\n=", "=4\r\n");
	QP("cut =4", "cut =4");
	QP("lone \r cr \r", "lone \r cr \r");
	QP("=\r alone", "=\r alone");
	QP("\r\r\n", "\r\r\n");
	QP("=3D=3d=00x", "==\0x");
}

static void base64(void **state)
{
	(void)state;
	BASE64("", "");
	BASE64("Zm9vYmFy", "foobar");
	BASE64("Zm9v\r\nYm\r\nFy\r\n", "foobar");
	BASE64("Zg==\r\nZm8=", "ffo");
	BASE64("Z!m@9#v", "foo");
	BASE64("AAEC", "\0\1\2");
	BASE64("Zm9vYg", "foob"); /* no padding */
}

static void others_pass(void **state)
{
	(void)state;
	decodes(STR("a =41\r\n\0 b"), MAIL_ENCODING_8BIT, STR("a =41\r\n\0 b"));
	decodes(STR("=41"), MAIL_ENCODING_OTHER, STR("=41"));
}

/* More blanks than are held are of the text, at the same place however it is cut. */
static void bounded(void **state)
{
	struct buf text, once, again;

	(void)state;
	buf_init(&text, 1 << 16);
	buf_init(&once, 1 << 16);
	buf_init(&again, 1 << 16);
	for (int i = 0; i < 3 * MAIL_TRANSFER_HELD; i++)
		buf_addc(&text, i % 3 ? ' ' : '\t');
	buf_addz(&text, "\r\nx");
	decode(buf_str(&text), MAIL_ENCODING_QP, text.n, 1, &once);
	assert_int_equal(once.n, text.n);
	for (size_t step = 1; step < 2 * MAIL_TRANSFER_HELD; step += 37) {
		decode(buf_str(&text), MAIL_ENCODING_QP, step, step, &again);
		assert_true(str_eq(buf_str(&once), buf_str(&again)));
	}
	buf_fini(&text);
	buf_fini(&once);
	buf_fini(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quoted_printable),
		cmocka_unit_test(base64),
		cmocka_unit_test(others_pass),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
