/* fuzz/mail_match.c - search in any letter for any needle: the first bytes say how long the needle is and of which kind. */
#include "base/die.h"
#include "mail/match.h"
#include "mail/utf8.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fold(struct str s)
{
	struct buf once, again;

	buf_init(&once, s.n * 18 + 64);
	buf_init(&again, s.n * 18 + 64);
	mail_fold(s, &once);
	die_unless(!once.full && mail_utf8_ok(buf_str(&once)), "a folded text is not UTF-8");
	if (mail_ascii_ok(s)) {
		mail_fold(buf_str(&once), &again);
		die_unless(once.n == s.n && str_ieq(buf_str(&once), s) && str_eq(buf_str(&once), buf_str(&again)),
			"ASCII folded");
	}
	die_unless(mail_folded_contains(buf_str(&once), (struct str){ 0 }), "the empty needle");
	buf_fini(&once);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mail_match_limits l = mail_match_limits_default;
	struct mail_match_term terms[4];
	bool results[4], alone;
	size_t n;
	struct str needle, letter;

	if (size < 2 || size - 2 < data[0] % 32u)
		return 0;
	n = data[0] % 32u;
	needle = n ? str_of(data + 2, n) : (struct str){ 0 };
	letter = size > 2 + n ? str_of(data + 2 + n, size - 2 - n) : (struct str){ 0 };
	if (data[1] & 1)
		l.part_max = data[1];
	terms[0] = (struct mail_match_term){ .kind = MAIL_MATCH_TEXT, .needle = needle };
	terms[1] = (struct mail_match_term){ .kind = MAIL_MATCH_BODY, .needle = needle };
	terms[2] = (struct mail_match_term){ .kind = MAIL_MATCH_HEADER, .field = STR("Subject"), .needle = needle };
	terms[3] = (struct mail_match_term){ .kind = MAIL_MATCH_HEADER, .field = STR("Subject") };
	mail_match(letter, terms, 4, results, &l);
	die_unless(results[0] || !results[1], "in the body but not in the text");
	die_unless(results[3] || !results[2], "in a field that is not there");
	for (size_t i = 0; i < 4; i++)
		die_unless(mail_match(letter, &terms[i], 1, &alone, &l) == results[i] && alone == results[i],
			"alone and with others");
	check_fold(letter);
	return 0;
}
