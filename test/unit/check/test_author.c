/* test/unit/check/test_author.c - who wrote a letter. */
#include "check/author.h"

#include "unit/mail/unit.h"

static void is_author(const char *letter, const char *local, const char *domain)
{
	struct str l, d;
	struct arena a;

	arena_init(&a, "test", 65536);
	assert_int_equal(check_author(str_z(letter), &a, &l, &d), local != NULL);
	if (local) {
		is_str(l, local);
		is_str(d, domain);
	}
	arena_fini(&a);
}

static void authors(void **state)
{
	is_author("From: a@b.test\r\n\r\n", "a", "b.test");
	is_author("To: x@y.test\r\nfrom: \"A, B\" <a@B.Test>\r\n\r\nFrom: c@d.test\r\n", "a", "b.test");
	is_author("From: group: a@b.test;\r\n\r\n", "a", "b.test");
	is_author("From: x@y.test <a@b.test>\r\n\r\n", "a", "b.test");
	is_author("From: M <a@M\xc3\xbcller.example>\r\n\r\n", "a", "xn--mller-kva.example");
}

static void no_authors(void **state)
{
	is_author("", NULL, NULL);
	is_author("To: a@b.test\r\n\r\nFrom: a@b.test\r\n", NULL, NULL);
	is_author("From: a@b.test, c@d.test\r\n\r\n", NULL, NULL);
	is_author("From: a@b.test\r\nFrom: a@b.test\r\n\r\n", NULL, NULL);
	is_author("From: somebody\r\n\r\n", NULL, NULL);
	is_author("From:\r\n\r\n", NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(authors), cmocka_unit_test(no_authors) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
