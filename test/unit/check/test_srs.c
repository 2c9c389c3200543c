/* test/unit/check/test_srs.c - senders rewritten, and back. */
#include "check/srs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#define NOW ((int64_t)20000 * 86400 + 5000)
#define DAY 86400

static struct arena arena;
static struct srs_key key;

static struct str forward(const char *local, const char *domain)
{
	struct str s;

	if (!srs_forward(&key, str_z(local), str_z(domain), NOW, &arena, &s))
		fail_msg("%s@%s does not fit", local, domain);
	return s;
}

static void comes_back(struct str s, int64_t now, const char *local, const char *domain)
{
	struct str l = { 0 }, d = { 0 };

	assert_int_equal(srs_reverse(&key, s, now, &arena, &l, &d), SRS_VALID);
	assert_true(str_eq(l, str_z(local)) && str_eq(d, str_z(domain)));
}

static enum srs_result reverse(struct str s, int64_t now)
{
	struct str l, d;

	return srs_reverse(&key, s, now, &arena, &l, &d);
}

static void round_trip(void **state)
{
	struct str s = forward("Alice.B", "example.org");

	(void)state;
	assert_true(str_starts(s, STR("SRS0=")) && str_ends(s, STR("=example.org=Alice.B")));
	comes_back(s, NOW, "Alice.B", "example.org");
	comes_back(forward("a=b=c", "x.test"), NOW, "a=b=c", "x.test");
	comes_back(forward("\xe7\x94\xa8", "\xe4\xbe\x8b.test"), NOW, "\xe7\x94\xa8", "\xe4\xbe\x8b.test");
	comes_back(forward("srs0", "x.test"), NOW, "srs0", "x.test");
}

static void any_case(void **state)
{
	struct str s = forward("alice", "example.org");
	char *p = arena_dupz(&arena, s);

	(void)state;
	for (char *c = p; *c; c++)
		*c = ascii_upper(*c);
	comes_back(str_z(p), NOW, "ALICE", "EXAMPLE.ORG");
}

static void age(void **state)
{
	struct str s = forward("alice", "example.org");

	(void)state;
	comes_back(s, NOW + 21 * DAY, "alice", "example.org");
	assert_int_equal(reverse(s, NOW + 22 * DAY), SRS_OLD);
	assert_int_equal(reverse(s, NOW - DAY), SRS_OLD); /* of tomorrow: of 1023 days ago */
	comes_back(s, NOW + (int64_t)1024 * DAY, "alice", "example.org"); /* what two characters can tell */
}

/* Every change of a character that is not of case alone is noticed. */
static void forged(void **state)
{
	struct str s = forward("alice", "example.org"), again = forward("SRS0=aaaa=bb=c.test=d", "first.test");
	struct srs_key other;

	(void)state;
	for (int n = 0; n < 2; n++) {
		struct str x = n ? again : s;

		for (size_t i = 5; i < x.n; i++) {
			char *p = arena_dupz(&arena, x);

			p[i] = p[i] == 'q' ? 'z' : 'q';
			if (reverse(str_z(p), NOW) != SRS_FALSE)
				fail_msg("%s", p);
		}
	}
	srs_key_of(STR("another secret"), &other);
	key = other;
	assert_int_equal(reverse(s, NOW), SRS_FALSE);
	srs_key_of(STR("secret"), &key);
	assert_int_equal(reverse(s, NOW), SRS_VALID);
}

static void chains(void **state)
{
	struct str once = forward("SRS0=XyZ1=bb=c.test=d", "first.test"), twice;

	(void)state;
	assert_true(str_starts(once, STR("SRS1=")) && str_ends(once, STR("=first.test==XyZ1=bb=c.test=d")));
	comes_back(once, NOW, "SRS0=XyZ1=bb=c.test=d", "first.test");
	comes_back(forward("SRS0+XyZ1=bb=c.test=d", "first.test"), NOW, "SRS0+XyZ1=bb=c.test=d", "first.test");
	/* A third server still sends back to the first. */
	twice = forward(arena_dupz(&arena, once), "second.test");
	assert_true(str_ends(twice, STR("=first.test==XyZ1=bb=c.test=d")));
	comes_back(twice, NOW, "SRS0=XyZ1=bb=c.test=d", "first.test");
}

static void no_address_of_the_scheme(void **state)
{
	static const char *const none[] = { "alice", "SRS", "SRS0", "SRS0=", "SRS2=a=b", "SRS0xa=b=c=d", "" };
	static const char *const not_ours[] = { "SRS0=a", "SRS0=a=b", "SRS0=a=b=c", "SRS0=a=b=c=", "SRS0====", "SRS1=a", "SRS1=a=b", "SRS1===x",
		"SRS0=a=!!=c=d", "SRS0=a=aaa=c=d", "SRS0=a=77777777777777777777=c=d" };

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_int_equal(reverse(str_z(none[i]), NOW), SRS_NONE);
	for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++)
		assert_int_equal(reverse(str_z(not_ours[i]), NOW), SRS_FALSE);
}

static void bounds(void **state)
{
	char local[65];
	struct str s;

	(void)state;
	memset(local, 'a', sizeof local);
	assert_true(srs_forward(&key, str_of(local, 64 - 15 - 7), STR("x.test"), NOW, &arena, &s));
	assert_int_equal(s.n, 64);
	assert_false(srs_forward(&key, str_of(local, 64 - 15 - 6), STR("x.test"), NOW, &arena, &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(any_case), cmocka_unit_test(age), cmocka_unit_test(forged), cmocka_unit_test(chains),
		cmocka_unit_test(no_address_of_the_scheme), cmocka_unit_test(bounds),
	};
	int r;

	arena_init(&arena, "test", 1 << 20);
	srs_key_of(STR("secret"), &key);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return r;
}
