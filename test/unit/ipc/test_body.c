/* Letters in memory and in sealed memfds; their limits and their budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/die.h"
#include "ipc/body.h"
#include "ipc/wire.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static char letter[300000];

static void fill_letter(void)
{
	for (size_t i = 0; i < sizeof letter; i++)
		letter[i] = (char)(i * 31 + i / 251);
}

/* Writes n bytes in steps and expects to read the same back; returns whether they went to a memfd. */
static bool written(size_t n, size_t step)
{
	struct body_budget budget = { .max = n };
	struct body_writer w;
	struct body_map map;
	struct body b;

	body_writer_open(&w, &budget, n);
	for (size_t at = 0; at < n; at += step)
		body_writer_add(&w, str_sub(str_of(letter, n), at, step));
	assert_int_equal(budget.used, n);
	assert_int_equal(body_writer_seal(&w, &b), OK);
	assert_int_equal(b.size, n);
	bool in_memfd = b.fd >= 0;
	if (in_memfd)
		assert_true(wire_body_sound(b.fd, n));
	assert_int_equal(body_map(&b, &map), OK);
	assert_int_equal(map.bytes.n, n);
	assert_true(n == 0 || memcmp(map.bytes.p, letter, n) == 0);
	body_unmap(&map);
	body_writer_close(&w);
	assert_int_equal(budget.used, 0);
	return in_memfd;
}

static void what_is_written_is_read(void **state)
{
	static const size_t steps[] = { 1000, 4096, 65536, 70000, 300000 };

	(void)state;
	fill_letter();
	assert_false(written(0, 1));
	assert_false(written(1, 1));
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		assert_false(written(BODY_INLINE_MAX, steps[i]));
		assert_true(written(BODY_INLINE_MAX + 1, steps[i]));
		assert_true(written(sizeof letter, steps[i]));
	}
}

static void too_large_is_over_its_limit(void **state)
{
	struct body_budget budget = { .max = 1 << 20 };
	struct body_writer w;
	struct body b;

	(void)state;
	body_writer_open(&w, &budget, 1000);
	body_writer_add(&w, str_of(letter, 999));
	body_writer_add(&w, str_of(letter, 2));
	assert_true(w.over_size);
	assert_int_equal(budget.used, 0);
	body_writer_add(&w, str_of(letter, 1));
	assert_int_equal(w.size, 0);
	assert_int_equal(body_writer_seal(&w, &b), OVER_LIMIT);
	body_writer_close(&w);
}

static void no_budget_is_later(void **state)
{
	struct body_budget budget = { .max = 100000 };
	struct body_writer first, second;
	struct body b;

	(void)state;
	body_writer_open(&first, &budget, 1 << 20);
	body_writer_open(&second, &budget, 1 << 20);
	body_writer_add(&first, str_of(letter, 90000));
	assert_true(body_budget_has(&budget, 10000));
	assert_false(body_budget_has(&budget, 10001));
	assert_false(body_budget_has(&budget, UINT64_MAX));
	body_writer_add(&second, str_of(letter, 10001));
	assert_true(second.over_budget);
	assert_int_equal(body_writer_seal(&second, &b), TRY_LATER);
	assert_int_equal(b.fd, -1);
	body_writer_close(&second);
	assert_int_equal(budget.used, 90000);
	body_writer_close(&first);
	assert_int_equal(budget.used, 0);
}

/* No descriptor left: as when memory is short, the writer fails and holds nothing. */
static void no_descriptor_is_later(void **state)
{
	struct body_budget budget = { .max = 1 << 20 };
	struct body_writer w;
	struct body b;
	int *fds = mem_array(4096, sizeof *fds), n = 0;
	struct rlimit before, few = { 64, 64 };

	(void)state;
	body_writer_open(&w, &budget, 1 << 20);
	getrlimit(RLIMIT_NOFILE, &before);
	few.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	while (n < 4096 && (fds[n] = dup(0)) >= 0)
		n++;
	body_writer_add(&w, str_of(letter, BODY_INLINE_MAX + 1));
	while (n > 0)
		close(fds[--n]);
	setrlimit(RLIMIT_NOFILE, &before);
	free(fds);
	assert_true(w.failed);
	assert_int_equal(body_writer_seal(&w, &b), TRY_LATER);
	assert_int_equal(budget.used, 0);
	body_writer_close(&w);
}

static void a_sealed_letter_cannot_change(void **state)
{
	struct body_budget budget = { .max = 1 << 20 };
	struct body_writer w;
	struct body b;

	(void)state;
	body_writer_open(&w, &budget, 1 << 20);
	body_writer_add(&w, str_of(letter, 100000));
	assert_int_equal(body_writer_seal(&w, &b), OK);
	assert_int_equal(write(b.fd, "x", 1), -1);
	assert_int_equal(ftruncate(b.fd, 1), -1);
	assert_int_equal(ftruncate(b.fd, 200000), -1);
	assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, b.fd, 0) == MAP_FAILED);
	assert_false(wire_body_sound(b.fd, 99999));
	body_writer_close(&w);
}

static void other_files_are_not_sound(void **state)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int half = memfd_create("half", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)state;
	assert_false(wire_body_sound(null, 0));
	assert_int_equal(fcntl(half, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	assert_false(wire_body_sound(half, 0));
	assert_int_equal(fcntl(half, F_ADD_SEALS, F_SEAL_SEAL), 0);
	assert_true(wire_body_sound(half, 0));
	close(null);
	close(half);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(too_large_is_over_its_limit),
		cmocka_unit_test(no_budget_is_later),
		cmocka_unit_test(no_descriptor_is_later),
		cmocka_unit_test(a_sealed_letter_cannot_change),
		cmocka_unit_test(other_files_are_not_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
