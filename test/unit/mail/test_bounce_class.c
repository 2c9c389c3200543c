/* test/unit/mail/test_bounce_class.c - what servers out there answer, and what is made of it. */
#include "mail/bounce_class.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static const struct {
	unsigned code;
	const char *status, *text;
	enum bounce_class want;
} answers[] = {
	{ 550, "5.1.1", "<bob@example.com>: Recipient address rejected: User unknown in virtual mailbox table", BOUNCE_BAD_MAILBOX },
	{ 550, "5.1.1", "The email account that you tried to reach does not exist. Please try double-checking", BOUNCE_BAD_MAILBOX },
	{ 550, "5.5.0", "Requested action not taken: mailbox unavailable. No such user here", BOUNCE_BAD_MAILBOX },
	{ 550, "5.1.10", "RESOLVER.ADR.RecipientNotFound; Recipient bob not found by SMTP address lookup", BOUNCE_BAD_MAILBOX },
	{ 550, "5.4.1", "Recipient address rejected: Access denied. AS(201806281)", BOUNCE_BAD_MAILBOX },
	{ 550, "5.2.1", "The email account that you tried to reach is inactive", BOUNCE_BAD_MAILBOX },
	{ 550, "5.1.6", "moved", BOUNCE_BAD_MAILBOX },
	{ 550, "", "no mailbox here by that name", BOUNCE_BAD_MAILBOX },
	{ 450, "4.1.1", "User unknown in local recipient table", BOUNCE_RATE },
	{ 554, "5.4.4", "Host or domain name not found. Name service error", BOUNCE_BAD_DOMAIN },
	{ 556, "5.1.10", "Domain does not accept mail (nullMX)", BOUNCE_BAD_DOMAIN },
	{ 0, "5.1.2", "no such domain", BOUNCE_BAD_DOMAIN },
	{ 554, "5.7.1", "<bob@example.com>: Relay access denied", BOUNCE_BAD_DOMAIN },
	{ 452, "4.2.2", "The email account that you tried to reach is over quota", BOUNCE_QUOTA },
	{ 552, "5.2.2", "Mailbox full", BOUNCE_QUOTA },
	{ 552, "", "Requested mail action aborted", BOUNCE_QUOTA },
	{ 550, "5.7.1", "Service unavailable, Client host [192.0.2.1] blocked using Spamhaus", BOUNCE_POLICY },
	{ 550, "5.1.1", "User unknown? No: your address is on our blacklist", BOUNCE_POLICY },
	{ 554, "5.7.1", "Message looks like SPAM to me", BOUNCE_POLICY },
	{ 550, "5.7.0", "Local", BOUNCE_POLICY },
	{ 550, "5.7.26", "This mail has been blocked because the sender is unauthenticated. Gmail requires SPF or DKIM", BOUNCE_AUTH },
	{ 550, "5.7.1", "Email rejected per DMARC policy for example.com", BOUNCE_AUTH },
	{ 550, "5.7.23", "no", BOUNCE_AUTH },
	{ 535, "", "wrong", BOUNCE_AUTH },
	{ 552, "5.3.4", "Message size exceeds fixed limit", BOUNCE_SIZE },
	{ 552, "5.2.3", "no", BOUNCE_SIZE },
	{ 421, "4.7.0", "Try again later, closing connection. (TSS04) messages temporarily deferred", BOUNCE_RATE },
	{ 450, "4.2.0", "<bob@example.com>: Greylisted, see postgrey", BOUNCE_RATE },
	{ 452, "4.5.3", "no", BOUNCE_RATE },
	{ 0, "4.4.1", "connection refused", BOUNCE_NETWORK },
	{ 0, "", "timed out", BOUNCE_NETWORK },
	{ 0, "4.7.5", "the certificate is of another name", BOUNCE_TLS },
	{ 0, "5.7.10", "needs encryption", BOUNCE_TLS },
	{ 530, "5.7.0", "Must issue a STARTTLS command first", BOUNCE_TLS },
	{ 550, "", "", BOUNCE_OTHER },
	{ 554, "5.3.0", "5.3.0", BOUNCE_OTHER },
	{ 250, "2.1.5", "fine", BOUNCE_OTHER },
};

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		enum bounce_class c = bounce_class_of(answers[i].code, str_z(answers[i].status), str_z(answers[i].text));

		if (c != answers[i].want)
			fail_msg("%u %s %s: %s, not %s", answers[i].code, answers[i].status, answers[i].text, bounce_class_name(c),
				bounce_class_name(answers[i].want));
	}
}

/* Nobody's address is held against them for what may pass. */
static void only_permanent_ones_count(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		assert_false(bounce_class_is_address(bounce_class_of(450, STR("4.1.1"), str_z(answers[i].text))));
		assert_false(bounce_class_is_address(bounce_class_of(0, STR("4.1.1"), str_z(answers[i].text))));
	}
}

static void names(void **state)
{
	(void)state;
	for (int i = 0; i < BOUNCE_CLASS_COUNT; i++) {
		const char *says = bounce_class_says((enum bounce_class)i), *advice = bounce_class_advice((enum bounce_class)i);

		assert_true(says[strlen(says) - 1] == '.' && advice[strlen(advice) - 1] == '.');
		for (int k = 0; k < i; k++)
			assert_string_not_equal(bounce_class_name((enum bounce_class)i), bounce_class_name((enum bounce_class)k));
	}
	assert_string_equal(bounce_class_name(BOUNCE_CLASS_COUNT), "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table), cmocka_unit_test(only_permanent_ones_count), cmocka_unit_test(names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
