/* Addresses as they are compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "mail/idn.h"

#include <string.h>

static struct arena arena;

static void domain(const char *from, const char *to)
{
	struct str s = mail_domain_fold(&arena, str_z(from));

	assert_int_equal(s.n, strlen(to));
	assert_memory_equal(s.p, to, s.n);
}

static void domains(void **state)
{
	(void)state;
	domain("Example.ORG", "example.org");
	domain("m\xc3\xbcller.example", "xn--mller-kva.example");
	domain("M\xc3\x9cLLER.Example", "xn--mller-kva.example");
	domain("mu\xcc\x88ller.example", "xn--mller-kva.example"); /* decomposed */
	domain("XN--MLLER-KVA.example", "xn--mller-kva.example");
	domain("stra\xc3\x9f" "e.example", "xn--strae-oqa.example");
	domain("\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88", "xn--r8jz45g.xn--zckzah");
	domain("[192.0.2.1]", "[192.0.2.1]");
	domain("", "");
	domain("not\xff" "utf8.EXAMPLE", "not\xff" "utf8.example");
	domain("\xe2\x80\x8b.EXAMPLE", "\xe2\x80\x8b.example"); /* nothing is left of the label */
}

static void local(const char *from, const char *to)
{
	struct str s = mail_local_fold(&arena, str_z(from));

	assert_int_equal(s.n, strlen(to));
	assert_memory_equal(s.p, to, s.n);
}

static void locals(void **state)
{
	char longest[400];

	(void)state;
	local("Alice+X", "alice+x");
	local("J\xc3\xb6rg", "j\xc3\xb6rg");
	local("Jo\xcc\x88rg", "j\xc3\xb6rg");
	local("\xff" "A", "\xff" "a");
	memset(longest, 'A', sizeof longest);
	memcpy(longest, "\xc3\xb6", 2);
	assert_int_equal(mail_local_fold(&arena, str_of(longest, sizeof longest)).n, sizeof longest);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(domains), cmocka_unit_test(locals) };
	int failed;

	arena_init(&arena, "test", 1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return failed;
}
