/* fuzz/smtp_grammar.c - command lines: what is accepted stays within its limits. */
#include "base/die.h"
#include "smtp/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str line = str_of(data, size), verb, args;
	struct smtp_mail mail;
	struct mail_path path;
	struct ipc_rcpt_dsn dsn;
	const struct smtp_offer offer = { 1800000000, 86400, true, true, true, true };
	uint64_t octets;
	bool last;
	struct arena a;

	arena_init(&a, "fuzz", 1 << 20);
	smtp_line_cut(line, &verb, &args);
	if (smtp_mail_parse(args, &mail_path_limits_default, &offer, &a, &mail) == SMTP_FINE) {
		die_unless(mail.from.null || (mail.from.domain.n && mail.from.local.n <= 64 && mail.from.domain.n <= 255), "sender");
		die_unless(mail.wishes.envid.n <= IPC_WISHES_ENVID_MAX && !smtp_line_has_control(mail.wishes.envid), "envelope id");
		die_unless(mail.wishes.priority < 20 && (!mail.wishes.hold_until_s || mail.wishes.hold_until_s <= offer.now_s + offer.hold_max_s), "wishes");
	}
	if (smtp_rcpt_parse(args, size & 1, &mail_path_limits_default, &a, &path, &dsn) == SMTP_FINE) {
		die_unless((path.local.n || path.domain.n) && path.local.n <= 64 && path.domain.n <= 255, "recipient");
		die_unless(dsn.orcpt.n <= IPC_RCPT_DSN_ORCPT_MAX && !smtp_line_has_control(dsn.orcpt), "original recipient");
	}
	if (smtp_bdat_parse(args, &octets, &last))
		die_unless(args.n && ascii_is_digit(args.p[0]), "chunk");
	if (smtp_helo_check(args, true) == SMTP_FINE)
		die_unless(smtp_helo_check(args, false) == SMTP_FINE && args.n <= 255, "name");
	arena_fini(&a);
	return 0;
}
