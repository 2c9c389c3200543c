/* fuzz/mail_xtext.c - ENVID and ORCPT: what is taken has no control characters, and travels on as the same. */
#include "base/die.h"
#include "mail/utf8.h"
#include "mail/xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		die_unless((unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7f, "a control character");
	die_unless(mail_utf8_ok(s), "not UTF-8");
}

static void check_orcpt(struct str in, bool utf8)
{
	struct buf out, on, again;

	buf_init(&out, MAIL_ORCPT_MAX);
	buf_init(&on, 8 * MAIL_ORCPT_MAX);
	buf_init(&again, MAIL_ORCPT_MAX);
	if (mail_orcpt_decode(in, utf8, &out)) {
		check_clean(buf_str(&out));
		for (int way = 0; way < 2; way++) {
			buf_reset(&on);
			buf_reset(&again);
			mail_orcpt_encode(buf_str(&out), way, &on);
			die_unless(way || mail_ascii_ok(buf_str(&on)), "eight bits");
			if (on.n <= MAIL_ORCPT_MAX)
				die_unless(mail_orcpt_decode(buf_str(&on), way, &again) && str_eq(buf_str(&again), buf_str(&out)), "another recipient");
		}
	}
	buf_fini(&again);
	buf_fini(&on);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct buf out, on, again;

	buf_init(&out, MAIL_ENVID_MAX);
	buf_init(&on, 3 * MAIL_ENVID_MAX);
	buf_init(&again, MAIL_ENVID_MAX);
	if (mail_xtext_decode(in, &out)) {
		check_clean(buf_str(&out));
		mail_xtext_encode(buf_str(&out), &on);
		die_unless(mail_xtext_decode(buf_str(&on), &again) && str_eq(buf_str(&again), buf_str(&out)), "another id");
	}
	buf_fini(&again);
	buf_fini(&on);
	buf_fini(&out);
	check_orcpt(in, false);
	check_orcpt(in, true);
	return 0;
}
