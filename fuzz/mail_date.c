/* fuzz/mail_date.c - dates of letters and of IMAP. */
#include "base/clock.h"
#include "base/die.h"
#include "mail/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = size ? str_of(data, size) : (struct str){ 0 };
	int64_t t, u, day;
	int zone;
	struct buf b;

	buf_init(&b, 100);
	if (mail_date_parse(s, &t, &zone)) {
		die_unless(t > -2300000000LL && t < 253500000000LL, "a date out of range");
		die_unless(zone >= -24 * 60 - 59 && zone <= 24 * 60 + 59, "a zone out of range");
		clock_add_rfc5322(&b, t);
		if (t < 253402300800LL && t >= -2208988800LL)
			die_unless(mail_date_parse(buf_str(&b), &u, NULL) && u == t, "written and read again");
		buf_reset(&b);
	}
	if (mail_imap_datetime_parse(s, &t)) {
		mail_imap_datetime_add(&b, t);
		if (t >= -62167219200LL && t <= 253402300799LL)
			die_unless(mail_imap_datetime_parse(buf_str(&b), &u) && u == t, "IMAP written and read again");
	}
	if (mail_imap_date_parse(s, &day)) {
		struct civil c = civil_of_days(day);

		die_unless(c.year >= 0 && c.year <= 9999, "an IMAP date out of range");
	}
	buf_fini(&b);
	return 0;
}
