/* fuzz/imap_utf7.c - mailbox names: each has one spelling; and patterns. */
#include "base/die.h"
#include "imap/pattern.h"
#include "imap/utf7.h"
#include "mail/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_of(data, size);
	struct buf name, wire;

	buf_init(&name, 4 * size + 16);
	buf_init(&wire, 8 * size + 16);
	if (imap_utf7_decode(s, &name)) {
		die_unless(mail_utf8_ok(buf_str(&name)), "a name that is no UTF-8");
		imap_utf7_encode(buf_str(&name), &wire);
		die_unless(str_eq(buf_str(&wire), s), "a name with two spellings");
	} else {
		die_unless(name.n == 0, "something was added");
	}
	buf_reset(&wire);
	imap_utf7_encode(s, &wire);
	die_unless(!wire.full && mail_ascii_ok(buf_str(&wire)), "a wire form");
	if (size < 2000)
		imap_pattern_match(str_sub(s, 0, size / 2), str_from(s, size / 2));
	buf_fini(&name);
	buf_fini(&wire);
	return 0;
}
