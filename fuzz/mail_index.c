/* fuzz/mail_index.c - the part index of any bytes, and its codec. The first byte chooses the limits. */
#include "../test/unit/mail/imap_form.h"

#include "base/die.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_codec(const struct mail_index *x, struct arena *a)
{
	struct mail_index y;
	struct buf once, again;

	buf_init(&once, 64 << 20);
	buf_init(&again, 64 << 20);
	mail_index_encode(x, &once);
	die_unless(mail_index_decode(buf_str(&once), a, &y) == OK, "decode of encode");
	mail_index_encode(&y, &again);
	die_unless(str_eq(buf_str(&once), buf_str(&again)), "encode of decode");
	for (size_t n = 0; n < once.n; n += 1 + once.n / 50)
		die_unless(mail_index_decode(str_sub(buf_str(&once), 0, n), a, &y) != OK, "a cut encoding decodes");
	buf_fini(&once);
	buf_fini(&again);
}

static void check_find(const struct mail_index *x, struct str letter)
{
	uint32_t path[4];

	for (size_t i = 0; i + 4 < letter.n && i < 64; i++) {
		for (size_t k = 0; k < 4; k++)
			path[k] = (unsigned char)letter.p[i + k] % 5;
		for (size_t n = 0; n <= 4; n++) {
			int found = mail_index_find(x, path, n);

			die_unless(found >= -1 && found < x->n_parts, "found part");
			die_unless(n || found == 0, "the empty path");
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mail_index_limits l = mail_index_limits_default;
	struct mail_index x;
	struct arena a;
	struct str letter;

	if (!size)
		return 0;
	if (data[0] & 1)
		l.parts_max = 1 + data[0] % 7;
	if (data[0] & 2)
		l.depth_max = 1 + data[0] % 5;
	if (data[0] & 4)
		l.text_max = 1 + data[0] * 8u;
	if (data[0] & 8)
		l.field_max = 1 + data[0] % 50;
	if (data[0] & 16)
		l.header_max = 1 + data[0];
	letter = size > 1 ? str_of(data + 1, size - 1) : (struct str){ 0 };
	arena_init(&a, "fuzz", 256 << 20);
	mail_index_make(letter, &l, &a, &x);
	const char *wrong = form_index_wrong(letter, &x, &l);
	if (wrong)
		die("index: %s", wrong);
	check_codec(&x, &a);
	check_find(&x, letter);
	if (mail_index_decode(letter, &a, &x) == OK)
		check_find(&x, letter);
	arena_fini(&a);
	return 0;
}
