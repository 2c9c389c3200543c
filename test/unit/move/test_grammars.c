/* test/unit/move/test_grammars.c - Dovecot's files, names of folders, mbox, line ends, the line of progress. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/vec.h"
#include "ipc/words.h"
#include "move/dovecot.h"
#include "move/mbox_read.h"
#include "move/name.h"
#include "move/progress.h"
#include "move/text.h"

#include <stdio.h>
#include <string.h>

#define assert_str(s, z) \
	do { \
		struct str s_ = (s); \
		assert_int_equal(s_.n, strlen(z)); \
		assert_memory_equal(s_.p ? s_.p : "", z, s_.n); \
	} while (0)

/* ---- Dovecot */

static void test_uidlist_head(void **state)
{
	struct uidlist_head h;

	(void)state;
	assert_true(uidlist_head_parse(STR("3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1"), &h));
	assert_int_equal(h.uidvalidity, 1275660208);
	assert_int_equal(h.uidnext, 25022);
	assert_true(uidlist_head_parse(STR("1 1275660208 25022"), &h));
	assert_int_equal(h.uidvalidity, 1275660208);
	assert_int_equal(h.uidnext, 25022);
	assert_false(uidlist_head_parse(STR("2 1275660208 25022"), &h));
	assert_false(uidlist_head_parse(STR("3 N1"), &h));
	assert_false(uidlist_head_parse(STR("3 V99999999999 N1"), &h));
	assert_false(uidlist_head_parse(STR("1 7"), &h));
	assert_false(uidlist_head_parse(STR(""), &h));
}

static void test_uidlist_entry(void **state)
{
	struct uidlist_entry e;

	(void)state;
	assert_true(uidlist_entry_parse(STR("25006 :1276528487.M36P9.host,S=1355,W=1394:2,S"), 3, &e));
	assert_int_equal(e.uid, 25006);
	assert_str(e.base, "1276528487.M36P9.host,S=1355,W=1394");
	assert_str(e.uidl, "");
	assert_true(uidlist_entry_parse(STR("7 W2481 P00000007u4c S12 :a"), 3, &e));
	assert_str(e.uidl, "00000007u4c");
	assert_str(e.base, "a");
	assert_true(uidlist_entry_parse(STR("7 a:2,RS"), 1, &e));
	assert_str(e.base, "a");
	assert_false(uidlist_entry_parse(STR("0 :a"), 3, &e));
	assert_false(uidlist_entry_parse(STR("7 :"), 3, &e));
	assert_false(uidlist_entry_parse(STR("7 W12"), 3, &e));
	assert_false(uidlist_entry_parse(STR("4294967296 :a"), 3, &e));
	assert_false(uidlist_entry_parse(STR("x"), 3, &e));
}

static void test_file_names(void **state)
{
	struct maildir_keywords k;
	struct maildir_name n;

	(void)state;
	n = maildir_name_parse(STR("1.x,S=18,W=21:2,DFPRSTab"));
	assert_str(n.base, "1.x,S=18,W=21");
	assert_int_equal(n.flags, MSG_DRAFT | MSG_FLAGGED | MSG_ANSWERED | MSG_SEEN | MSG_DELETED);
	assert_true(n.passed && n.has_size);
	assert_int_equal(n.size, 18);
	assert_int_equal(n.keywords, 3);
	n = maildir_name_parse(STR("plain"));
	assert_true(!n.flags && !n.has_size && !n.keywords);
	n = maildir_name_parse(STR("a:1,S"));
	assert_int_equal(n.flags, 0);
	n = maildir_name_parse(STR("a:2,S,T"));
	assert_int_equal(n.flags, MSG_SEEN);
	maildir_keywords_parse(STR("0 $Forwarded\n1 NonJunk\nx y\n26 no\n25 last\n"), &k);
	assert_str(k.names[0], "$Forwarded");
	assert_str(k.names[1], "NonJunk");
	assert_str(k.names[2], "");
	assert_str(k.names[25], "last");
}

static bool uidl(const char *format, char out[200])
{
	struct buf b;
	bool ok;

	buf_init(&b, 100);
	ok = pop3_uidl_format(str_z(format), 26, 0x4c0ffee, STR("base,S=1"), &b);
	snprintf(out, 200, "%.*s", STR_ARG(buf_str(&b)));
	buf_fini(&b);
	return ok;
}

static void test_uidl_format(void **state)
{
	char got[200];

	(void)state;
	assert_true(uidl("%08Xu%08Xv", got));
	assert_string_equal(got, "0000001a04c0ffee");
	assert_true(uidl("UID%u-%v", got));
	assert_string_equal(got, "UID26-79757294");
	assert_true(uidl("%f", got));
	assert_string_equal(got, "base,S=1");
	assert_true(uidl("100%%%u", got));
	assert_string_equal(got, "100%26");
	assert_false(uidl("%m", got));
	assert_false(uidl("%8u", got)); /* blanks */
	assert_false(uidl("%065u", got));
	assert_false(uidl("", got));
	assert_false(uidl("%", got));
	assert_true(uidl("%064u123456", got)); /* 70 bytes */
	assert_false(uidl("%064u1234567", got));
}

/* ---- names */

static const char *decoded(const char *name, char sep, bool *same)
{
	static char out[300];
	struct buf b;

	buf_init(&b, 299);
	*same = folder_decode(str_z(name), sep, &b);
	snprintf(out, sizeof out, "%.*s", STR_ARG(buf_str(&b)));
	buf_fini(&b);
	return out;
}

static void test_names_in(void **state)
{
	bool same;

	(void)state;
	assert_string_equal(decoded("Work.2024", '.', &same), "Work/2024");
	assert_true(same);
	assert_string_equal(decoded("Entw&APw-rfe", '.', &same), "Entw\xc3\xbcrfe");
	assert_string_equal(decoded("Entw\xc3\xbcrfe", '.', &same), "Entw\xc3\xbcrfe");
	assert_string_equal(decoded("R&D", '.', &same), "R&D"); /* UTF-8, as mailbox_list_utf8 keeps it */
	assert_string_equal(decoded("R&-D", '.', &same), "R&D");
	assert_string_equal(decoded("a\\2eb.c", '.', &same), "a.b/c");
	assert_true(same);
	assert_string_equal(decoded("..", '.', &same), "_/_/_");
	assert_false(same);
	assert_string_equal(decoded("50%*", '.', &same), "50__");
	assert_false(same);
	assert_string_equal(decoded("x\\2fy\nz\xff", '.', &same), "x_y_z_");
	assert_false(same);
	assert_string_equal(decoded("a.b/c", '/', &same), "a.b/c");
}

static const char *encoded(const char *name, void (*encode)(struct str, struct buf *))
{
	static char out[300];
	struct buf b;

	buf_init(&b, 299);
	encode(str_z(name), &b);
	snprintf(out, sizeof out, "%.*s", STR_ARG(buf_str(&b)));
	buf_fini(&b);
	return out;
}

/* No name leaves the directory it is put into, and each comes back as it was. */
static void test_names_out(void **state)
{
	static const char *const names[] = { "Work", "Work/2024", "..", "../../etc", ".", "a.b", "~root", "Entw\xc3\xbcrfe/R&D", "back\\slash", "c:",
		"cur", "\xe6\x97\xa5\xe6\x9c\xac", "a%2fb" };
	bool same;

	(void)state;
	assert_string_equal(encoded("INBOX", maildir_name_encode), "");
	assert_string_equal(encoded("../../etc", maildir_name_encode), ".\\2e\\2e.\\2e\\2e.etc");
	assert_string_equal(encoded("../a", file_name_encode), "%2e./a");
	assert_string_equal(encoded("a\nb/.hidden", file_name_encode), "a%0ab/%2ehidden");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *e = encoded(names[i], maildir_name_encode);

		assert_true(e[0] == '.' && e[1] && e[1] != '.' && !strchr(e, '/'));
		if (!strchr(names[i], '%')) /* no mailbox has one */
			assert_string_equal(decoded(e + 1, '.', &same), names[i]);
		e = encoded(names[i], file_name_encode);
		assert_true(e[0] != '.' && e[0] != '/' && !strstr(e, "/.") && !strstr(e, "//"));
	}
	assert_int_equal(name_special(STR("Sent Items")), MBOX_SENT);
	assert_int_equal(name_special(STR("INBOX/trash")), MBOX_TRASH);
	assert_int_equal(name_special(STR("Sentimental")), 0);
}

/* ---- mbox */

struct unpacked {
	struct buf all;
};

static void add(void *ctx, struct str piece)
{
	buf_add(ctx, piece);
}

static void check_letter(struct str file, size_t *at, const char *text, int64_t date_s)
{
	struct mbox_letter l;
	struct buf b;

	buf_init(&b, 10000);
	assert_true(mbox_next(file, at, &l));
	mbox_unpack(&l, add, &b);
	assert_str(buf_str(&b), text);
	assert_int_equal(l.date_s, date_s);
	buf_fini(&b);
}

static void test_from_line(void **state)
{
	int64_t t;

	(void)state;
	assert_true(mbox_from_line(STR("From a@b.test Thu Jan  1 00:01:00 1970"), &t));
	assert_int_equal(t, 60);
	assert_true(mbox_from_line(STR("From MAILER-DAEMON Fri Jul  8 12:08:34 2011\r\n"), &t));
	assert_int_equal(t, 1310126914);
	assert_true(mbox_from_line(STR("From \"a b\"@c.test Fri Jul  8 12:08:34 2011 +0200"), &t));
	assert_false(mbox_from_line(STR("From my point of view this is a sentence, not a line"), &t));
	assert_false(mbox_from_line(STR("From a@b.test"), &t));
	assert_false(mbox_from_line(STR(">From a@b.test Thu Jan  1 00:01:00 1970"), &t));
	assert_false(mbox_from_line(STR("From Sun Sun Sun Sun Sun Sun"), &t));
}

static void test_mbox_letters(void **state)
{
	struct str file = STR("From a@b Thu Jan  1 00:00:01 1970\nSubject: one\nStatus: RO\n\nbody\n>From quoted\n>>From twice\n"
			      "From here on it is text\n\n"
			      "From a@b Thu Jan  1 00:00:02 1970\nSubject: two\nX-Status: AF\nX-Keywords: red  blue\nX-UID: 9\nContent-Length: 12\n\n"
			      "\nFrom x\n>Fro\n"
			      "From a@b Thu Jan  1 00:00:03 1970\nSubject: three\nContent-Length: 4000\n\nwrong length\n\n\n"
			      "From a@b Thu Jan  1 00:00:04 1970\nSubject: no body\n\n"
			      "From a@b Thu Jan  1 00:00:05 1970\nlast: without an end");
	struct mbox_letter l;
	size_t at = 0, second;

	(void)state;
	check_letter(file, &at, "Subject: one\n\nbody\nFrom quoted\n>From twice\nFrom here on it is text\n", 1);
	second = at;
	check_letter(file, &at, "Subject: two\n\n\nFrom x\n>Fro", 2);
	check_letter(file, &at, "Subject: three\n\nwrong length\n\n", 3);
	check_letter(file, &at, "Subject: no body\n\n", 4);
	check_letter(file, &at, "last: without an end", 5);
	assert_false(mbox_next(file, &at, &l));
	assert_true(mbox_next(file, &second, &l));
	assert_int_equal(l.meta.flags, MSG_ANSWERED | MSG_FLAGGED);
	assert_int_equal(l.meta.uid, 9);
	assert_int_equal(l.meta.n_keywords, 2);
	assert_str(l.meta.keywords[1], "blue");
}

static void test_mbox_oddities(void **state)
{
	struct mbox_letter l;
	size_t at = 0;

	(void)state;
	assert_false(mbox_next(STR(""), &at, &l));
	assert_false(mbox_next(STR("\n\r\n\n"), &at, &l));
	at = 0;
	assert_true(mbox_next(STR("no mbox at all\n"), &at, &l));
	assert_int_equal(l.from.n, 0);
	at = 0;
	assert_true(mbox_next(STR("From MAILER_DAEMON Thu Jan  1 00:00:00 1970\nX-IMAP: 77 0000000012 red\n\nDON'T DELETE\n"), &at, &l));
	assert_true(l.meta.pseudo);
	assert_int_equal(l.meta.uidvalidity, 77);
	assert_int_equal(l.meta.uidnext, 13);
}

/* ---- line ends */

static const char *converted(const char *in, size_t n, size_t chunk, const char **fault)
{
	static char out[1000];
	struct body_budget budget = { .max = 1 << 20 };
	struct body_writer w;
	struct letter_text t;
	struct body b;

	body_writer_open(&w, &budget, 500);
	letter_text_open(&t, &w);
	for (size_t at = 0; at < n; at += chunk)
		letter_text_add(&t, str_sub(str_of(in, n), at, chunk));
	*fault = letter_text_fault(&t);
	out[0] = 0;
	if (body_writer_seal(&w, &b) == OK)
		snprintf(out, sizeof out, "%.*s", STR_ARG(b.inl));
	body_writer_close(&w);
	return out;
}

static void test_line_ends(void **state)
{
	static const char mixed[] = "A: b\nC: d\r\n\nbare\rcr\r\r\nend";
	static char big[600];
	const char *fault;

	(void)state;
	for (size_t chunk = 1; chunk < 30; chunk++) {
		assert_string_equal(converted(mixed, strlen(mixed), chunk, &fault), "A: b\r\nC: d\r\n\r\nbare\rcr\r\r\nend");
		assert_null(fault);
	}
	converted("A: b\n\nx\0y", 9, 3, &fault);
	assert_string_equal(fault, "it contains a NUL byte");
	converted("", 0, 1, &fault);
	assert_string_equal(fault, "it is empty");
	converted("\x7f" "ELF\2\1\1\3garbage and more\xff\xfe\x01", 26, 100, &fault);
	assert_non_null(strstr(fault, "no letter"));
	converted("Subject: gr\xfc\xdf" "e\n\nLatin-1 in a header is a letter\n", 48, 100, &fault);
	assert_null(fault);
	converted("just text, no header\n", 21, 100, &fault);
	assert_null(fault);
	memset(big, 'a', sizeof big);
	memcpy(big, "A: b\n", 5);
	converted(big, 499, 100, &fault); /* the line end grew by one: 500 */
	assert_null(fault);
	converted(big, 500, 100, &fault);
	assert_non_null(strstr(fault, "message_size"));
}

/* ---- progress */

static void test_progress(void **state)
{
	struct progress p = { .letters = 12345, .letters_all = 27000, .bytes = 1200000000, .bytes_all = 2400000000, .bytes_moved = 1200000000 };
	struct buf b;

	(void)state;
	buf_init(&b, 400);
	progress_text(&p, 10000, &b);
	assert_str(buf_str(&b), "12345 of 27000 letters  1.2 GB of 2.4 GB  120 MB/s  0:10 left");
	buf_reset(&b);
	p = (struct progress){ .letters = 3, .bytes = 812 };
	progress_text(&p, 50, &b);
	assert_str(buf_str(&b), "3 letters  812 B");
	buf_reset(&b);
	p = (struct progress){ .letters = 1, .letters_all = 10000 };
	progress_text(&p, 2000, &b);
	assert_str(buf_str(&b), "1 of 10000 letters  0 B  0 B/s  5:33:18 left");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uidlist_head),
		cmocka_unit_test(test_uidlist_entry),
		cmocka_unit_test(test_file_names),
		cmocka_unit_test(test_uidl_format),
		cmocka_unit_test(test_names_in),
		cmocka_unit_test(test_names_out),
		cmocka_unit_test(test_from_line),
		cmocka_unit_test(test_mbox_letters),
		cmocka_unit_test(test_mbox_oddities),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
