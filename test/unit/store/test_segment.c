/* unit/store/test_segment.c - files of bodies: records, checksums, damage, torn tails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/crc.c"
#include "store/rocks/segment.c" /* NOLINT: it is of a module, not of the library */

#include "base/rng.h"

#include <stdlib.h>
#include <sys/stat.h>

struct dir {
	char path[40];
	int fd;
};

static struct dir make_dir(void)
{
	struct dir d = { .path = "/tmp/sallyport-segment-XXXXXX" };

	assert_non_null(mkdtemp(d.path));
	d.fd = open(d.path, O_RDONLY | O_DIRECTORY);
	assert_true(d.fd >= 0);
	return d;
}

static void remove_dir(struct dir *d)
{
	char name[SEGMENT_NAME_SIZE];

	for (uint32_t i = 0; i < 10; i++) {
		segment_name(i, name);
		unlinkat(d->fd, name, 0);
	}
	close(d->fd);
	assert_int_equal(rmdir(d->path), 0);
}

static void checksum_is_crc32c(void **state)
{
	char zeros[32] = { 0 }, text[100];
	uint32_t slow = 0;

	(void)state;
	assert_int_equal(crc32c(0, STR("123456789")), 0xe3069283);
	assert_int_equal(crc32c(0, str_of(zeros, 32)), 0x8a9136aa); /* RFC 3720 B.4 */
	assert_int_equal(crc32c(crc32c(0, STR("1234")), STR("56789")), 0xe3069283);
	rng_bytes(text, sizeof text);
	for (size_t i = 0; i < sizeof text; i++)
		slow = ~crc_byte(~slow, (uint8_t)text[i]);
	assert_int_equal(crc32c(0, str_of(text, sizeof text)), slow);
}

static void names(void **state)
{
	char name[SEGMENT_NAME_SIZE];
	uint32_t n = 0;

	(void)state;
	segment_name(7, name);
	assert_string_equal(name, "00000007.seg");
	assert_true(segment_name_parse(name, &n));
	assert_int_equal(n, 7);
	segment_name(UINT32_MAX, name);
	assert_true(segment_name_parse(name, &n));
	assert_int_equal(n, UINT32_MAX);
	assert_false(segment_name_parse("7.seg", &n));
	assert_false(segment_name_parse("0000000x.seg", &n));
	assert_false(segment_name_parse("00000007.tmp", &n));
}

#define BODIES 300

static void bodies_come_back(void **state)
{
	struct dir d = make_dir();
	struct segment_place places[BODIES];
	struct segment_writer w;
	struct segment_record rec;
	char *bytes = mem_alloc(BODIES * 100);
	uint64_t at = SEGMENT_HEADER_SIZE;
	struct buf out;
	int fd = segment_create(d.fd, 3, true);

	(void)state;
	rng_bytes(bytes, BODIES * 100);
	segment_writer_init(&w, fd, SEGMENT_HEADER_SIZE);
	for (size_t i = 0; i < BODIES; i++) {
		places[i] = segment_add(&w, i + 1, str_of(bytes + i * 50, i * 37 % 1500));
		assert_int_equal(places[i].at % 8, 0);
		if (i % 97 == 0)
			assert_int_equal(segment_flush(&w), 0);
	}
	assert_int_equal(segment_flush(&w), 0);
	segment_writer_fini(&w);
	close(fd);
	fd = segment_open(d.fd, 3);
	assert_true(fd >= 0);
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < BODIES; i++) {
		size_t n = i * 37 % 1500;

		buf_reset(&out);
		assert_int_equal(segment_read(fd, i + 1, &places[i], 0, SIZE_MAX, &out), OK);
		assert_true(str_eq(buf_str(&out), str_of(bytes + i * 50, n)));
		buf_reset(&out);
		assert_int_equal(segment_read(fd, i + 1, &places[i], 5, 10, &out), OK);
		assert_true(str_eq(buf_str(&out), str_sub(str_of(bytes + i * 50, n), 5, 10)));
		assert_true(segment_next(fd, &at, &rec));
		assert_int_equal(rec.id, i + 1);
		assert_int_equal(rec.place.at, places[i].at);
		assert_int_equal(rec.place.size, n);
	}
	assert_false(segment_next(fd, &at, &rec));
	buf_fini(&out);
	close(fd);
	free(bytes);
	remove_dir(&d);
}

static void damage_is_seen(void **state)
{
	struct dir d = make_dir();
	struct segment_place p;
	struct segment_writer w;
	struct buf out;
	int fd = segment_create(d.fd, 1, false);

	(void)state;
	segment_writer_init(&w, fd, SEGMENT_HEADER_SIZE);
	p = segment_add(&w, 9, STR("some bytes of a letter"));
	assert_int_equal(segment_flush(&w), 0);
	segment_writer_fini(&w);
	buf_init(&out, 1000);
	assert_int_equal(segment_read(fd, 8, &p, 0, SIZE_MAX, &out), FAILED);
	for (size_t i = 0; i < SEGMENT_RECORD_HEADER + 22; i++) {
		char c, flipped;

		assert_int_equal(pread(fd, &c, 1, (off_t)(p.at + i)), 1);
		flipped = (char)(c ^ 0x10);
		assert_int_equal(pwrite(fd, &flipped, 1, (off_t)(p.at + i)), 1);
		buf_reset(&out);
		assert_int_equal(segment_read(fd, 9, &p, 0, SIZE_MAX, &out), FAILED);
		assert_int_equal(out.n, 0);
		assert_int_equal(pwrite(fd, &c, 1, (off_t)(p.at + i)), 1);
	}
	assert_int_equal(segment_read(fd, 9, &p, 0, SIZE_MAX, &out), OK);
	assert_int_equal(ftruncate(fd, (off_t)(p.at + SEGMENT_RECORD_HEADER + 10)), 0);
	assert_int_equal(segment_read(fd, 9, &p, 0, SIZE_MAX, &out), FAILED);
	buf_fini(&out);
	close(fd);
	remove_dir(&d);
}

static void other_files_are_refused(void **state)
{
	struct dir d = make_dir();
	int fd = segment_create(d.fd, 1, false);

	(void)state;
	assert_int_equal(pwrite(fd, "\2", 1, 8), 1); /* a version to come */
	close(fd);
	assert_int_equal(segment_open(d.fd, 1), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(segment_open(d.fd, 2), -1);
	assert_int_equal(errno, ENOENT);
	remove_dir(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(checksum_is_crc32c), cmocka_unit_test(names),
		cmocka_unit_test(bodies_come_back), cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(other_files_are_refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
