/* fuzz/mail_header.c - header fields, address lists, parameters, decoders of any bytes. */
#include "base/die.h"
#include "mail/address.h"
#include "mail/base64.h"
#include "mail/decode.h"
#include "mail/header.h"
#include "mail/param.h"
#include "mail/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_addresses(struct str value)
{
	struct mail_address_list l;
	struct mail_address a;
	bool in_group = false;
	size_t n = 0;

	mail_address_list_init(&l, value);
	while (mail_address_next(&l, &a)) {
		die_unless(n++ <= value.n * 2 + 2, "more addresses than bytes");
		die_unless(a.kind != MAIL_GROUP_START || !in_group, "a group in a group");
		die_unless(a.kind != MAIL_GROUP_END || in_group, "the end of no group");
		in_group = a.kind == MAIL_GROUP_START || (in_group && a.kind != MAIL_GROUP_END);
		die_unless(a.name.n + a.local.n + a.domain.n + a.route.n <= value.n * 2 + 2,
			"an address longer than its field");
	}
	die_unless(!in_group, "a group without an end");
	mail_address_list_fini(&l);
}

static void check_params(struct str value)
{
	struct str type, subtype, name, v;
	struct mail_params p = mail_type_parse(value, &type, &subtype), q = p;
	struct buf text, out;

	buf_init(&text, value.n + 1);
	buf_init(&out, value.n * 4 + 16);
	die_unless((type.n > 0) || !subtype.n, "a subtype without a type");
	for (size_t n = 0; mail_param_next(&p, &text, &name, &v); n++) {
		die_unless(n <= value.n, "more parameters than bytes");
		die_unless(name.n > 0 && !text.full, "parameter");
		buf_reset(&out);
		mail_param_find(&q, name, &out, &v);
		if (str_find(name, '*') < 0 && n < 20)
			die_unless(mail_param_find(&q, name, &out, &v), "a parameter is not found again");
	}
	buf_reset(&out);
	mail_param_decode(value, STR("filename"), &out);
	die_unless(mail_utf8_ok(buf_str(&out)), "a parameter is not UTF-8");
	buf_fini(&text);
	buf_fini(&out);
}

static void check_decoders(struct str s, unsigned max)
{
	struct buf out, small, back;

	buf_init(&out, s.n * 4 + 16);
	buf_init(&small, max);
	buf_init(&back, s.n + 16);
	mail_header_decode(s, &out);
	mail_header_decode(s, &small);
	die_unless(mail_utf8_ok(buf_str(&out)) && mail_utf8_ok(buf_str(&small)), "a decoded header is not UTF-8");
	die_unless(small.n <= max && str_starts(buf_str(&out), buf_str(&small)), "a cut header");
	for (int e = 0; e <= MAIL_ENCODING_OTHER; e++) {
		static const char charsets[][16] = { "", "utf-8", "iso-8859-1", "gb2312", "iso-2022-jp", "utf-16",
			"utf-7", "hz-gb-2312" };

		buf_reset(&out);
		mail_text_decode(s, (enum mail_encoding)e, str_z(charsets[(max + (unsigned)e) % 8]), s.n, &out);
		die_unless(mail_utf8_ok(buf_str(&out)), "a decoded body is not UTF-8");
		buf_reset(&small);
		mail_body_decode(s, (enum mail_encoding)e, &small);
		die_unless(small.n <= max, "a body longer than its maximum");
	}
	buf_reset(&out);
	mail_base64_encode(s, &out);
	die_unless(mail_base64_decode(buf_str(&out), &back) && str_eq(buf_str(&back), s), "base64 there and back");
	buf_reset(&back);
	mail_base64_decode_lax(buf_str(&out), &back);
	die_unless(str_eq(buf_str(&back), s), "base64 there and back, lax");
	buf_reset(&back);
	if (mail_base64_decode(s, &back)) {
		buf_reset(&out);
		mail_base64_encode(buf_str(&back), &out);
		die_unless(str_eq(buf_str(&out), s), "a base64 text of two forms");
	}
	buf_fini(&out);
	buf_fini(&small);
	buf_fini(&back);
}

static void check_walk(struct str s)
{
	struct mail_header h = mail_header_of(s);
	struct mail_field f;
	size_t at = 0;
	struct buf out;

	while (mail_header_next(&h, &f)) {
		die_unless(f.at == at && f.n > 0 && at + f.n <= s.n, "fields do not follow each other");
		die_unless(f.value.p >= s.p + f.at && f.value.p + f.value.n <= s.p + f.at + f.n,
			"a value outside its field");
		at += f.n;
	}
	die_unless(mail_header_size(s) >= at && mail_header_size(s) <= at + 2, "size of the header");
	buf_init(&out, s.n + 16);
	mail_header_pick(s, NULL, 0, true, &out);
	die_unless(out.n >= at + 2 && str_starts(buf_str(&out), str_sub(s, 0, at)), "all but no field is not all");
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s;
	struct mail_field f;

	if (!size)
		return 0;
	s = size > 1 ? str_of(data + 1, size - 1) : (struct str){ 0 };
	check_walk(s);
	check_addresses(s);
	check_params(s);
	check_decoders(s, data[0]);
	if (mail_header_find(s, STR("a"), &f))
		check_addresses(f.value);
	return 0;
}
