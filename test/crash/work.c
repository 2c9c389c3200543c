/* crash/work.c - letters and names of the crash test. See the header. */
#include "crash/work.h"

#include "base/die.h"
#include "base/rng.h"
#include "mail/index.h"

#include <stdio.h>
#include <string.h>

#define HEAD "Message-ID: <%u@crash.test>\r\nSubject: Letter %u\r\nFrom: a@crash.test\r\n\r\n"
#define ID_AT 13 /* of the number in HEAD */

static size_t body_size(uint64_t *rng)
{
	uint64_t r = rng_step(rng);

	if (r % 40 == 0)
		return BODY_INLINE_MAX + r % 20000; /* a memory file */
	return r % 8 == 0 ? r % 20000 : r % 2500;
}

void work_letter(uint32_t serial, struct buf *out)
{
	uint64_t rng = serial * 0x9e3779b97f4a7c15u;
	size_t n = body_size(&rng);

	buf_addf(out, HEAD, serial, serial);
	while (n > 0) {
		char line[66];

		for (size_t i = 0; i < 64; i += 8)
			snprintf(line + i, 9, "%08x", (unsigned)rng_step(&rng));
		memcpy(line + 64, "\r\n", 2);
		buf_add(out, str_of(line, 66));
		n -= n < 66 ? n : 66;
	}
}

uint32_t work_serial(struct str bytes, uint32_t prefix_n)
{
	struct str letter = str_from(bytes, prefix_n);
	ssize_t at = str_find(letter, '@');
	uint32_t serial = 0;
	struct buf want;

	if (at < ID_AT || !str_to_u32(str_sub(letter, ID_AT, (size_t)at - ID_AT), &serial))
		return 0;
	buf_init(&want, 1 << 20);
	work_prefix(serial, &want);
	if (prefix_n == 0)
		buf_reset(&want);
	work_letter(serial, &want);
	if (!str_eq(bytes, buf_str(&want)))
		serial = 0;
	buf_fini(&want);
	return serial;
}

void work_prefix(uint32_t serial, struct buf *out)
{
	buf_addf(out, "Return-Path: <sender%u@crash.test>\r\n", serial);
}

void work_index(struct str letter, struct buf *out)
{
	struct mail_index_limits limits = mail_index_limits_default;
	struct mail_index x;
	struct arena a;

	limits.parts_max = 10;
	limits.text_max = 1024;
	limits.field_max = 256;
	arena_init(&a, "index", 1 << 20);
	mail_index_make(letter, &limits, &a, &x);
	mail_index_encode(&x, out);
	arena_fini(&a);
}

void work_delivery_id(uint32_t serial, char out[32])
{
	snprintf(out, 32, "delivery%u", serial);
}

void work_body_open(struct work_body *b, struct str bytes)
{
	b->budget = (struct body_budget){ .max = 1 << 24 };
	body_writer_open(&b->writer, &b->budget, 1 << 24);
	body_writer_add(&b->writer, bytes);
	if (body_writer_seal(&b->writer, &b->body) != OK)
		die("crash: no memory file");
}

void work_body_close(struct work_body *b)
{
	body_writer_close(&b->writer);
}

void work_local(uint32_t account, char out[16])
{
	snprintf(out, 16, "u%u", account);
}

void work_address(uint32_t account, char out[40])
{
	snprintf(out, 40, "u%u@" WORK_DOMAIN, account);
}

void work_hash(uint64_t which, char out[40])
{
	snprintf(out, 40, "no-hash-%llu", (unsigned long long)which);
}
