/* test/unit/base/test_buf.c - buffers: adding up to the maximum and not beyond, consuming, cutting; vectors and lists. */
#include "base/buf.h"

#include "base/list.h"
#include "base/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_buf(const struct buf *b, const char *z)
{
	if (!str_eq(buf_str(b), str_z(z)))
		fail_msg("'%.*s' is not '%s'", STR_ARG(buf_str(b)), z);
}

static void test_add(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_buf(&b, "");
	buf_add(&b, STR("a"));
	buf_addz(&b, "bc");
	buf_addc(&b, 'd');
	buf_add(&b, (struct str){ 0 });
	buf_add_u64(&b, 0);
	buf_add_u64(&b, UINT64_MAX);
	buf_addf(&b, "<%s %d>", "x", -5);
	assert_buf(&b, "abcd018446744073709551615<x -5>");
	assert_false(b.full);
	buf_fini(&b);
	assert_buf(&b, "");
	buf_addz(&b, "again");
	assert_buf(&b, "again");
	buf_fini(&b);
}

/* The maximum is reached exactly; one byte more adds nothing, and so does all that follows. */
static void test_max(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	buf_addz(&b, "12345");
	assert_false(b.full);
	buf_addc(&b, '6');
	assert_true(b.full);
	buf_cut(&b, 1);
	buf_addc(&b, '7'); /* full stays until reset */
	assert_buf(&b, "1");
	buf_reset(&b);
	buf_addz(&b, "123456");
	assert_true(b.full);
	assert_buf(&b, "");
	buf_reset(&b);
	buf_addf(&b, "%s", "12345");
	assert_false(b.full);
	assert_buf(&b, "12345");
	buf_fini(&b);
	buf_init(&b, 0);
	buf_addz(&b, "");
	assert_false(b.full);
	buf_addc(&b, 'x');
	assert_true(b.full);
	buf_fini(&b);
}

/* Texts around the size that buf_addf formats on the stack, each into a buffer that it just fills. */
static void test_long_format(void **state)
{
	char text[1001];

	(void)state;
	memset(text, 'x', sizeof text);
	for (int n = 250; n <= 1000; n++) {
		struct buf b;

		buf_init(&b, (size_t)n);
		buf_addf(&b, "%.*s", n, text);
		assert_false(b.full);
		assert_int_equal(b.n, n);
		assert_memory_equal(b.p, text, (size_t)n);
		buf_fini(&b);
		buf_init(&b, (size_t)n - 1);
		buf_addf(&b, "%.*s", n, text);
		assert_true(b.full && b.n == 0);
		buf_fini(&b);
	}
}

static void test_room(void **state)
{
	struct buf b;
	char *p;

	(void)state;
	buf_init(&b, 100);
	assert_non_null(p = buf_room(&b, 100));
	memcpy(p, "hello", 5);
	buf_grew(&b, 5);
	assert_buf(&b, "hello");
	assert_null(buf_room(&b, 96));
	assert_true(b.full);
	buf_reset(&b);
	assert_null(buf_room(&b, SIZE_MAX));
	buf_fini(&b);
}

static void test_front_and_end(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_addz(&b, "0123456789");
	buf_consume(&b, 0);
	buf_consume(&b, 3);
	assert_buf(&b, "3456789");
	buf_cut(&b, 2);
	buf_cut(&b, 50);
	assert_buf(&b, "34");
	buf_trim(&b); /* not empty: kept */
	assert_buf(&b, "34");
	buf_consume(&b, 2);
	buf_trim(&b);
	assert_int_equal(b.cap, 0);
	buf_addz(&b, "x");
	assert_buf(&b, "x");
	buf_fini(&b);
}

static void test_grow(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	for (int i = 0; i < 100000; i++)
		buf_addc(&b, (char)i);
	assert_false(b.full);
	assert_true(b.cap <= b.max);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(b.p[i], (char)i);
	buf_fini(&b);
}

static void test_vec(void **state)
{
	struct VEC(int) v = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(*vec_push(&v), 0);
		v.v[i] = i;
	}
	vec_remove(&v, 0);
	vec_remove(&v, 98);
	vec_remove(&v, 49);
	assert_int_equal(v.n, 97);
	assert_int_equal(v.v[0], 1);
	assert_int_equal(v.v[48], 49);
	assert_int_equal(v.v[49], 51);
	assert_int_equal(v.v[96], 98);
	vec_free(&v);
	assert_int_equal(v.n, 0);
}

struct item {
	int value;
	struct node node;
};

static void test_list(void **state)
{
	struct item items[4] = { { .value = 0 }, { .value = 1 }, { .value = 2 }, { .value = 3 } };
	struct node head;
	int want = 0;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	assert_null(list_first(&head, struct item, node));
	for (int i = 1; i < 4; i++)
		list_add_last(&head, &items[i].node);
	list_add_first(&head, &items[0].node);
	list_each(it, next, &head) {
		struct item *x = list_entry(it, struct item, node);

		assert_int_equal(x->value, want++);
		if (x->value % 2)
			list_del(&x->node);
	}
	assert_int_equal(want, 4);
	list_del(&items[1].node); /* twice is harmless */
	list_del(&items[0].node);
	assert_ptr_equal(list_first(&head, struct item, node), &items[2]);
	list_del(&items[2].node);
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),  cmocka_unit_test(test_max),	     cmocka_unit_test(test_long_format),
		cmocka_unit_test(test_room), cmocka_unit_test(test_front_and_end), cmocka_unit_test(test_grow),
		cmocka_unit_test(test_vec),  cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
