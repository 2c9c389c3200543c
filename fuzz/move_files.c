/* fuzz/move_files.c - what imports read of files: uidlist, mbox, names. Letters of an mbox lie in it, in order; names stay what they must be. */
#include "base/die.h"
#include "move/dovecot.h"
#include "move/mbox_read.h"
#include "move/name.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *ctx, struct str piece)
{
	*(size_t *)ctx += piece.n;
}

static void check_mbox(struct str file)
{
	struct mbox_letter l;
	size_t at = 0, before = 0;

	while (mbox_next(file, &at, &l)) {
		size_t n = 0;

		die_unless(at > before && at <= file.n, "an mbox's letters go on");
		mbox_unpack(&l, count, &n);
		die_unless(n <= l.header.n + l.body.n, "a letter grew");
		before = at;
	}
}

static void check_lines(struct str file)
{
	struct maildir_keywords k;
	struct uidlist_entry e;
	struct uidlist_head h;
	struct str line;

	maildir_keywords_parse(file, &k);
	while (str_split(&file, '\n', &line)) {
		(void)!uidlist_head_parse(line, &h);
		for (unsigned version = 1; version <= 3; version += 2)
			if (uidlist_entry_parse(line, version, &e))
				die_unless(e.uid && e.base.n && str_find(e.base, ':') < 0, "an entry");
		(void)maildir_name_parse(line);
	}
}

static void check_name(struct str s)
{
	struct buf ours, files;

	buf_init(&ours, 100000);
	buf_init(&files, 400000);
	folder_decode(str_sub(s, 0, 1000), '.', &ours);
	maildir_name_encode(buf_str(&ours), &files);
	die_unless(str_find(buf_str(&files), '/') < 0 && str_find(buf_str(&files), 0) < 0, "a name leaves its directory");
	buf_reset(&files);
	file_name_encode(buf_str(&ours), &files);
	die_unless(files.n == 0 || (files.p[0] != '.' && files.p[0] != '/'), "a name leaves its directory");
	die_unless(str_search(buf_str(&files), STR("/.")) < 0 && str_find(buf_str(&files), 0) < 0, "a name leaves its directory");
	buf_reset(&files);
	(void)!pop3_uidl_format(str_sub(s, 0, 100), 1, 2, STR("base"), &files);
	buf_fini(&ours);
	buf_fini(&files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_of(data, size);

	check_mbox(s);
	check_lines(s);
	check_name(s);
	return 0;
}
