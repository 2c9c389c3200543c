/* fuzz/smtp_session.c - whole SMTP sessions: the first byte chooses service, TLS and how the input is cut. */
#include "../test/unit/smtp/fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every line is "NNN text" or "NNN-text" of printable bytes, ended by CRLF. */
static void check_replies(struct str said)
{
	struct str line;

	while (said.n && str_split(&said, '\n', &line)) {
		die_unless(line.n >= 5 && line.p[line.n - 1] == '\r', "a reply without its end");
		die_unless(ascii_is_digit(line.p[0]) && ascii_is_digit(line.p[1]) && ascii_is_digit(line.p[2]), "a reply without a code");
		die_unless(line.p[3] == ' ' || line.p[3] == '-', "a reply code and no text");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake f; /* the configuration is parsed once */
	struct buf said;

	if (size == 0)
		return 0;
	if (!f.sched)
		fake_open(&f);
	f.door.service = data[0] & 1 ? SERVICE_SUBMISSION : data[0] & 4 ? SERVICE_LMTP : SERVICE_SMTP;
	f.can_tls = data[0] & 2;
	f.may_login = data[0] & 4;
	f.door.secured = false;
	f.n_letters = 0;
	buf_init(&said, 64 << 20);
	fake_run(&f, smtp_session, str_of(data + 1, size - 1), data[0] >> 3, &said);
	check_replies(buf_str(&said));
	buf_fini(&said);
	arena_fini(&f.door.arena);
	return 0;
}
