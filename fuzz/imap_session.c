/* fuzz/imap_session.c - a whole session over memory with a store of its own. The first byte chooses how input is cut, and whether
 * the session is logged in already. */
#include "../test/unit/imap/fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(struct fake *f)
{
	fake_box_add(f, "Sent", MBOX_SENT | MBOX_SUBSCRIBED);
	fake_box_add(f, "a/b\xc3\xa9", MBOX_SUBSCRIBED);
	fake_add(f->boxes, STR("Subject: a\r\n\r\nbody\r\n"), MSG_SEEN);
	fake_add(f->boxes,
		STR("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: "
		    "message/rfc822\r\n\r\n"
		    "A: b\r\n\r\ninner\r\n--b--\r\n"),
		MSG_DELETED);
	fake_add(f->boxes, STR("no header at all"), 0);
}

static void check_lines(struct str said)
{
	die_unless(said.n == 0 || str_ends(said, STR("\r\n")), "the last line has no end");
	die_unless(str_starts(said, STR("* OK [CAPABILITY ")), "no greeting");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char head[] = "l LOGIN alice@demo.test \"de \\\"mo\"\r\ns SELECT inbox\r\n";
	struct buf input, said;
	static struct fake f;

	if (size == 0)
		return 0;
	fake_open(&f);
	fill(&f);
	buf_init(&input, size + sizeof head);
	buf_init(&said, 64 << 20);
	if (data[0] & 0x80)
		buf_addz(&input, head);
	buf_add(&input, str_of(data + 1, size - 1));
	fake_run(&f, buf_str(&input), data[0] & 0x0f, &said);
	check_lines(buf_str(&said));
	buf_fini(&input);
	buf_fini(&said);
	fake_close(&f);
	return 0;
}
