/* fuzz/mail_dsn.c - reports about hostile letters, by hostile senders, answered by hostile servers: lines stay lines, fields stay fields. */
#include "base/die.h"
#include "mail/dsn.h"
#include "mail/header.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A piece up to the next 0xff. */
static struct str next(struct str *rest)
{
	struct str piece = { 0 };

	str_split(rest, '\xff', &piece);
	return piece;
}

static void check_lines(struct str s)
{
	struct str line;

	while (str_split(&s, '\n', &line)) {
		if (s.n == 0 && line.n == 0)
			break;
		die_unless(line.n && line.p[line.n - 1] == '\r' && str_find(line, '\r') == (ssize_t)line.n - 1, "a line's end");
		die_unless(!memchr(line.p, 0, line.n), "a NUL");
	}
}

/* The parts before what is returned have as many fields as they were given, and no others. */
static void check_fields(struct str report)
{
	static const char *const known[] = { "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "MIME-Version",
		"Content-Type", "Content-Transfer-Encoding" };
	struct mail_header h = mail_header_of(report);
	struct mail_field f;

	while (mail_header_next(&h, &f)) {
		bool ours = false;

		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			ours |= str_eq(f.name, str_z(known[i]));
		die_unless(ours, "a field that is not ours");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of(data + 1, size ? size - 1 : 0);
	struct mail_dsn_rcpt r = { .at_s = 1800000000 };
	struct mail_dsn d = { .hostname = STR("mx.demo.test"), .id = STR("f0123456789abcdef"), .arrival_s = 1800000000, .now_s = 1800003600,
		.until_s = 1800007200, .rcpts = &r, .n_rcpts = 1 };
	struct buf out;

	if (size == 0)
		return 0;
	d.action = (enum mail_dsn_action)(data[0] % MAIL_DSN_ACTION_COUNT);
	d.utf8 = data[0] & 4;
	d.original_whole = data[0] & 8;
	r.expired = data[0] & 16;
	r.code = data[0] & 32 ? 550 : 0;
	/* What the roles that give these have bounded. */
	d.to_local = str_sub(next(&rest), 0, 64);
	d.to_domain = str_sub(next(&rest), 0, 255);
	d.envid = str_sub(next(&rest), 0, 100);
	r.local = str_sub(next(&rest), 0, 64);
	r.domain = str_sub(next(&rest), 0, 255);
	r.orcpt = str_sub(next(&rest), 0, 500);
	r.status = str_sub(next(&rest), 0, 12);
	r.text = str_sub(next(&rest), 0, 500);
	r.host = str_sub(next(&rest), 0, 255);
	d.original = rest;
	buf_init(&out, MAIL_DSN_MAX(1));
	mail_dsn_compose(&d, &out);
	die_unless(!out.full, "a report larger than was said");
	check_lines(buf_str(&out));
	check_fields(buf_str(&out));
	buf_fini(&out);
	return 0;
}
