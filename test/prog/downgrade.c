/* test/prog/downgrade.c - converts letters for test/interop/downgrade.py: "downgrade 7bit|8bit strict|lax FILE..."; each result, behind a
 * line "NUMBER SIZE", where NUMBER is how it ended (enum mail_downgrade_end), goes to standard output. */
#include "base/buf.h"
#include "mail/downgrade.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool read_all(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;

	while (n > 0) {
		char *room = buf_room(out, 65536);

		n = room ? read(fd, room, 65536) : -1;
		if (n > 0)
			buf_grew(out, (size_t)n);
	}
	if (fd >= 0)
		close(fd);
	return n == 0;
}

static void convert(struct str letter, const struct mail_downgrade_want *want)
{
	struct mail_downgrade d;
	enum mail_downgrade_end end = mail_downgrade_open(&d, letter, want);
	struct str piece;
	size_t n = 0;

	if (end != MAIL_DOWNGRADE_DONE) {
		printf("%d 0\n", end);
		return;
	}
	while (mail_downgrade_next(&d, &piece))
		n += piece.n;
	mail_downgrade_rewind(&d);
	printf("%d %zu\n", end, n);
	while (mail_downgrade_next(&d, &piece))
		fwrite(piece.p, 1, piece.n, stdout);
	mail_downgrade_close(&d);
}

int main(int argc, char **argv)
{
	struct mail_downgrade_want want = { .head_7bit = true };

	if (argc < 3)
		return 2;
	want.wire = strcmp(argv[1], "7bit") == 0 ? MAIL_WIRE_7BIT : MAIL_WIRE_8BIT;
	want.strict = strcmp(argv[2], "strict") == 0;
	for (int i = 3; i < argc; i++) {
		struct buf letter;

		buf_init(&letter, (size_t)256 << 20);
		if (!read_all(argv[i], &letter))
			return 1;
		convert(buf_str(&letter), &want);
		buf_fini(&letter);
	}
	return 0;
}
