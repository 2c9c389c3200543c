/* test/unit/pop/test_text.c - messages as POP3 sends them: dots, last lines, TOP; cut at every place. */
#include "pop/text.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static void add(void *ctx, struct str piece)
{
	buf_add(ctx, piece);
}

static void sent(struct str message, uint32_t lines, const char *want)
{
	for (size_t a = 0; a <= message.n; a++)
		for (size_t b = a; b <= message.n; b++) {
			struct str pieces[3] = { str_sub(message, 0, a), str_sub(message, a, b - a), str_from(message, b) };
			struct pop_text t;
			struct buf out;

			buf_init(&out, 4096);
			pop_text_init(&t, lines);
			for (int i = 0; i < 3; i++)
				pop_text_feed(&t, pieces[i], add, &out);
			buf_add(&out, pop_text_end(&t));
			if (!str_eq(buf_str(&out), str_z(want)))
				fail_msg("cut at %zu, %zu: got [%.*s], want [%s]", a, b, STR_ARG(buf_str(&out)), want);
			buf_fini(&out);
		}
}

static void whole(void **state)
{
	(void)state;
	sent(STR("A: b\r\n\r\ntext\r\n"), UINT32_MAX, "A: b\r\n\r\ntext\r\n.\r\n");
	sent(STR("\r\n.\r\n..a\r\n.b"), UINT32_MAX, "\r\n..\r\n...a\r\n..b\r\n.\r\n");
	sent(STR(""), UINT32_MAX, ".\r\n");
	sent(STR("."), UINT32_MAX, "..\r\n.\r\n");
	sent(STR("a\n.\nb\r"), UINT32_MAX, "a\n..\nb\r\r\n.\r\n");
}

static void top(void **state)
{
	(void)state;
	sent(STR("A: b\r\nC: d\r\n\r\n1\r\n2\r\n"), 0, "A: b\r\nC: d\r\n\r\n.\r\n");
	sent(STR("A: b\r\nC: d\r\n\r\n.1\r\n2\r\n"), 1, "A: b\r\nC: d\r\n\r\n..1\r\n.\r\n");
	sent(STR("A: b\r\n\r\n1\r\n\r\n3\r\n"), 2, "A: b\r\n\r\n1\r\n\r\n.\r\n");
	sent(STR("A: b\r\n\r\n1\r\n"), 9, "A: b\r\n\r\n1\r\n.\r\n");
	sent(STR("A: b\r\nno end"), 0, "A: b\r\nno end\r\n.\r\n");
	sent(STR("A: b\n\n1\n2\n"), 1, "A: b\n\n1\n.\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(whole), cmocka_unit_test(top) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
