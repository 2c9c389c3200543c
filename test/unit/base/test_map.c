/* test/unit/base/test_map.c - the hash table against a plain array, through growth, deletion and iteration. */
#include "base/map.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 500

static struct str key_of(char *room, unsigned i)
{
	return str_of(room, (size_t)snprintf(room, 32, "key-%u", i));
}

static void test_empty(void **state)
{
	struct map m;
	struct str key;
	void *value;
	size_t at = 0;

	(void)state;
	map_init(&m, 1);
	assert_null(map_get(&m, STR("a")));
	assert_null(map_del(&m, STR("a")));
	assert_false(map_next(&m, &at, &key, &value));
	map_fini(&m);
}

static void test_put(void **state)
{
	struct map m;
	int one, two;
	char key[4] = "abc";

	(void)state;
	map_init(&m, 1);
	map_put(&m, str_of(key, 3), &one);
	key[0] = 'x'; /* keys are copied */
	assert_ptr_equal(map_get(&m, STR("abc")), &one);
	assert_null(map_get(&m, STR("xbc")));
	map_put(&m, STR("abc"), &two);
	assert_ptr_equal(map_get(&m, STR("abc")), &two);
	assert_int_equal(m.n, 1);
	map_put(&m, STR(""), &one);
	map_put(&m, STR("a\0b"), &two);
	map_put(&m, STR("a\0c"), &one);
	assert_ptr_equal(map_get(&m, (struct str){ 0 }), &one);
	assert_ptr_equal(map_get(&m, STR("a\0b")), &two);
	assert_int_equal(m.n, 4);
	assert_ptr_equal(map_del(&m, STR("abc")), &two);
	assert_null(map_del(&m, STR("abc")));
	map_put(&m, STR("abc"), &one); /* into the place it left */
	assert_ptr_equal(map_get(&m, STR("abc")), &one);
	map_fini(&m);
	assert_null(map_get(&m, STR("abc")));
}

/* Random puts and deletes against an array that says what must be there. */
static void test_model(void **state)
{
	static int values[N];
	static bool there[N];
	uint64_t seed = 7;
	size_t n = 0;
	char room[32];
	struct map m;

	(void)state;
	map_init(&m, 3);
	for (int step = 0; step < 50000; step++) {
		unsigned i = (unsigned)(rng_step(&seed) % N);
		struct str key = key_of(room, i);

		assert_ptr_equal(map_get(&m, key), there[i] ? &values[i] : NULL);
		if (rng_step(&seed) % 2) {
			map_put(&m, key, &values[i]);
			n += !there[i];
			there[i] = true;
		} else {
			assert_ptr_equal(map_del(&m, key), there[i] ? &values[i] : NULL);
			n -= there[i];
			there[i] = false;
		}
		assert_int_equal(m.n, n);
	}
	assert_true(m.cap < 16 * N); /* deletions do not make it grow for ever */
	map_fini(&m);
}

static void test_iterate(void **state)
{
	static int values[N];
	static bool seen[N];
	struct str key;
	void *value;
	char room[32];
	struct map m;
	size_t n = 0;

	(void)state;
	map_init(&m, rng_u64());
	for (unsigned i = 0; i < N; i++)
		map_put(&m, key_of(room, i), &values[i]);
	for (size_t at = 0; map_next(&m, &at, &key, &value); n++) {
		size_t i = (size_t)((int *)value - values);

		assert_true(str_eq(key, key_of(room, (unsigned)i)));
		assert_false(seen[i]);
		seen[i] = true;
		assert_ptr_equal(map_del(&m, key), value); /* of the current key is allowed */
	}
	assert_int_equal(n, N);
	assert_int_equal(m.n, 0);
	map_fini(&m);
}

static void test_integer_keys(void **state)
{
	struct map m;
	int values[3];

	(void)state;
	map_init(&m, 1);
	for (uint64_t i = 0; i < 3; i++)
		map_put(&m, MAP_KEY(i), &values[i]);
	for (uint64_t i = 0; i < 3; i++)
		assert_ptr_equal(map_get(&m, MAP_KEY(i)), &values[i]);
	map_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	cmocka_unit_test(test_put),	     cmocka_unit_test(test_model),
		cmocka_unit_test(test_iterate), cmocka_unit_test(test_integer_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
