/* test/unit/base/test_arena.c - arenas: zeroed, aligned, capped, given back at once. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdalign.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void test_alloc(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, "test", 1 << 20);
	for (size_t n = 0; n < 300; n++) {
		char *p = arena_alloc(&a, n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
		assert_true(is_zero(p, n));
		memset(p, 0xff, n);
	}
	assert_true(is_zero(arena_alloc(&a, 200000), 200000));
	arena_fini(&a);
	assert_int_equal(a.used, 0);
	assert_non_null(arena_new(&a, int)); /* may be used again */
	arena_fini(&a);
}

/* What a reset gives back is zero when it is given out again, and memory does not pile up. */
static void test_reset(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, "test", 10000);
	for (int i = 0; i < 1000; i++) {
		char *p = arena_alloc(&a, 900), *q = arena_alloc(&a, 5000);

		assert_true(is_zero(p, 900) && is_zero(q, 5000));
		memset(p, 0xff, 900);
		memset(q, 0xff, 5000);
		arena_reset(&a);
		assert_int_equal(a.used, 0);
	}
	arena_reset(&a);
	arena_fini(&a);
	arena_reset(&a);
	arena_fini(&a);
}

static void test_strings(void **state)
{
	struct arena a;
	struct str s;

	(void)state;
	arena_init(&a, "test", 100000);
	s = arena_dup(&a, STR("a\0b"));
	assert_true(str_eq(s, STR("a\0b")));
	assert_null(arena_dup(&a, (struct str){ 0 }).p);
	assert_non_null(arena_dup(&a, STR("")).p);
	assert_string_equal(arena_dupz(&a, STR("abc")), "abc");
	assert_string_equal(arena_dupz(&a, (struct str){ 0 }), "");
	s = arena_fmt(&a, "%s-%05d", "x", 42);
	assert_string_equal(s.p, "x-00042");
	assert_int_equal(s.n, 7);
	s = arena_fmt(&a, "%05000d", 1);
	assert_int_equal(s.n, 5000);
	assert_int_equal(arena_fmt(&a, "%s", "").n, 0);
	assert_non_null(arena_array(&a, 0, 8));
	assert_true(is_zero(arena_array(&a, 100, 8), 800));
	arena_fini(&a);
}

static bool dies(void (*fn)(struct arena *a))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct arena a;

		close(2);
		arena_init(&a, "test", 1024);
		fn(&a);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void at_cap(struct arena *a)
{
	for (int i = 0; i < 4; i++)
		arena_alloc(a, 256);
}

static void past_cap(struct arena *a)
{
	at_cap(a);
	arena_alloc(a, 1);
}

static void far_past_cap(struct arena *a)
{
	arena_alloc(a, SIZE_MAX);
}

static void overflowing_array(struct arena *a)
{
	arena_array(a, SIZE_MAX / 2, 3);
}

static void test_cap(void **state)
{
	(void)state;
	assert_false(dies(at_cap));
	assert_true(dies(past_cap));
	assert_true(dies(far_past_cap));
	assert_true(dies(overflowing_array));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
