/* test/unit/imap/test_session.c - whole IMAP sessions over memory, in pieces of every small size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake.h"

#define PLAIN_LETTER                                                                                                   \
	"From: Ann <ann@a.test>\r\nTo: alice@demo.test\r\nSubject: plain\r\nDate: Mon, 9 Feb 2026 10:00:00 "           \
	"+0000\r\n\r\nHello\r\nAlice\r\n"
#define PARTS_LETTER                                                                                                   \
	"From: b@b.test\r\nSubject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"   \
	"--b\r\nContent-Type: text/plain\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"                    \
	"Subject: within\r\nX-A: 1\r\n\r\ninner text\r\n--b--\r\n"

static struct fake f;

static int setup(void **state)
{
	(void)state;
	fake_open(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_close(&f);
	return 0;
}

/* INBOX: 1 plain, seen; 2 parts; 3 plain, deleted; 4 plain, answered. */
static void fill(void)
{
	while (f.n_boxes)
		fake_box_clear(&f.boxes[--f.n_boxes]);
	fake_box_add(&f, "INBOX", 0);
	fake_box_add(&f, "Sent", MBOX_SENT | MBOX_SUBSCRIBED);
	fake_box_add(&f, "a", MBOX_HAS_CHILDREN | MBOX_NOSELECT);
	fake_box_add(&f, "a/b\xc3\xa9", MBOX_SUBSCRIBED);
	fake_box_add(&f, "gone", MBOX_SUBSCRIBED | MBOX_NONEXISTENT);
	fake_add(f.boxes, STR(PLAIN_LETTER), MSG_SEEN);
	fake_add(f.boxes, STR(PARTS_LETTER), 0);
	fake_add(f.boxes, STR(PLAIN_LETTER), MSG_DELETED);
	fake_add(f.boxes, STR(PLAIN_LETTER), MSG_ANSWERED);
}

#define LOGIN "l LOGIN alice@demo.test \"de \\\"mo\"\r\n"

/* What is said behind the greeting and the LOGIN's reply must be want; the mailboxes are filled anew each time. */
static void says_in(size_t chunk, struct str in, struct str want, const char *head)
{
	struct buf said, all;
	struct str got;

	buf_init(&said, 1 << 22);
	buf_init(&all, 1 << 22);
	buf_addz(&all, head);
	buf_add(&all, in);
	fake_run(&f, buf_str(&all), chunk, &said);
	got = buf_str(&said);
	if (str_search(got, STR("\r\nl OK ")) >= 0)
		got = str_from(got, (size_t)str_search(got, STR("\r\nl OK ")) + 2);
	got = str_from(got, (size_t)str_find(got, '\n') + 1);
	if (!str_eq(got, want))
		fail_msg("chunk %zu: got\n%.*swant\n%.*s", chunk, STR_ARG(got), STR_ARG(want));
	buf_fini(&all);
	buf_fini(&said);
}

static void says_after(const char *head, struct str in, struct str want)
{
	for (size_t chunk = 0; chunk < 6; chunk++) {
		fill();
		says_in(chunk, in, want, head);
	}
}

#define SAYS(in, want) says_after(LOGIN, STR(in), STR(want))
#define SELECTED                                                                                                       \
	"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"                                                  \
	"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] These are kept\r\n"                 \
	"* 4 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 2] The first message not seen\r\n"                                   \
	"* OK [UIDVALIDITY 101] UIDs are valid\r\n* OK [UIDNEXT 5] The next UID\r\n* OK [HIGHESTMODSEQ 5] The highest\r\n"
#define IN_BOX(in, want) SAYS("s SELECT inbox\r\n" in, SELECTED "s OK [READ-WRITE] SELECT completed\r\n" want)

static void logging_in(void **state)
{
	(void)state;
	says_after("", STR("a LOGIN alice@demo.test wrong\r\nb LOGOUT\r\n"),
		STR("a NO [AUTHENTICATIONFAILED] Name or password is wrong\r\n* BYE Goodbye\r\nb OK LOGOUT "
		    "completed\r\n"));
	says_after("l LOGIN {15}\r\nalice@demo.test {6+}\r\nde \"mo\r\n", STR("b NOOP\r\n"),
		STR("b OK NOOP completed\r\n"));
	says_after("l AUTHENTICATE PLAIN AGFsaWNlQGRlbW8udGVzdABkZSAibW8=\r\n", STR("b NOOP\r\n"),
		STR("b OK NOOP completed\r\n"));
	says_after("l AUTHENTICATE PLAIN\r\nAGFsaWNlQGRlbW8udGVzdABkZSAibW8=\r\n", STR("b NOOP\r\n"),
		STR("b OK NOOP completed\r\n"));
	says_after("", STR("a AUTHENTICATE PLAIN\r\n*\r\nb AUTHENTICATE PLAIN =\r\nc AUTHENTICATE X-Y\r\n"),
		STR("+ \r\na BAD Given up, as you asked\r\nb BAD These are not the arguments of the command\r\n"
		    "c NO [CANNOT] The mechanism is not known here\r\n"));
	says_after("", STR("a SELECT INBOX\r\nb FOO\r\nc UID LOGIN a b\r\n\r\n"),
		STR("a BAD Log in first\r\nb BAD There is no such command\r\nc BAD There is no such command\r\n"
		    "* BAD There is no such command\r\n"));
	SAYS("a LOGIN a b\r\nb FETCH 1 UID\r\n", "a BAD You are logged in already\r\nb BAD Select a mailbox first\r\n");
}

static void tls(void **state)
{
	(void)state;
	f.may_login = false;
	f.can_tls = true;
	says_after("", STR("a LOGIN x y\r\nb STARTTLS\r\n"),
		STR("a NO [PRIVACYREQUIRED] Passwords are taken over TLS only\r\nb OK STARTTLS completed\r\n"));
	fill();
	says_in(0, STR("b STARTTLS\r\nc NOOP\r\n"), STR("b OK STARTTLS completed\r\n"), "");
}

static void listing(void **state)
{
	(void)state;
	SAYS("a LIST \"\" *\r\n",
		"* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n* LIST (\\Sent \\HasNoChildren) \"/\" \"Sent\"\r\n"
		"* LIST (\\Noselect \\HasChildren) \"/\" \"a\"\r\n* LIST (\\HasNoChildren) \"/\" \"a/b&AOk-\"\r\na OK "
		"LIST completed\r\n");
	SAYS("a LIST \"\" \"\"\r\nb LIST a/ b%\r\n", "* LIST (\\Noselect) \"/\" \"\"\r\na OK LIST completed\r\n* LIST "
						     "(\\HasNoChildren) \"/\" \"a/b&AOk-\"\r\nb OK LIST completed\r\n");
	SAYS("a LSUB \"\" %\r\n", "* LSUB () \"/\" \"Sent\"\r\n* LSUB (\\Noselect) \"/\" \"a\"\r\n* LSUB (\\Noselect) "
				  "\"/\" \"gone\"\r\na OK LSUB completed\r\n");
	SAYS("a CREATE a/&AOk-/\r\nb CREATE sent%\r\nc CREATE Sent\r\nd CREATE x (USE (\\All))\r\n",
		"a OK CREATE completed\r\nb BAD These are not the arguments of the command\r\n"
		"c NO [ALREADYEXISTS] There is a mailbox of that name\r\nd NO [USEATTR] No mailbox can be made for "
		"that use\r\n");
	SAYS("a CREATE \"x*\"\r\nb CREATE a//b\r\nc CREATE &AA\r\nd DELETE inbox\r\ne DELETE nope\r\nf RENAME nope "
	     "x\r\n",
		"a NO [CANNOT] The name has a character that no name may have\r\nb NO [CANNOT] A level of the name is "
		"empty\r\n"
		"c NO [CANNOT] The name is too long, or not in modified UTF-7 (RFC 3501 5.1.3)\r\nd NO [CANNOT] INBOX cannot be deleted\r\n"
		"e NO [NONEXISTENT] There is no such mailbox\r\nf NO [NONEXISTENT] There is no such mailbox\r\n");
	SAYS("a SELECT Sent\r\nb DELETE a\r\nc CHECK\r\nd DELETE Sent\r\ne CHECK\r\n",
		"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
		"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] These are kept\r\n"
		"* 0 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 102] UIDs are valid\r\n* OK [UIDNEXT 1] The next UID\r\n"
		"* OK [HIGHESTMODSEQ 1] The highest\r\n"
		"a OK [READ-WRITE] SELECT completed\r\nb OK DELETE completed\r\nc OK CHECK completed\r\nd OK DELETE "
		"completed\r\n"
		"e BAD Select a mailbox first\r\n");
	SAYS("a STATUS inbox (MESSAGES UNSEEN UIDNEXT)\r\nb STATUS x (MESSAGES)\r\nc STATUS inbox ()\r\n",
		"* STATUS \"INBOX\" (MESSAGES 4 UIDNEXT 5 UNSEEN 3)\r\na OK STATUS completed\r\n"
		"b NO [NONEXISTENT] There is no such mailbox\r\nc BAD These are not the arguments of the command\r\n");
}

static void fetching(void **state)
{
	(void)state;
	IN_BOX("a FETCH 1:* FLAGS\r\n",
		"* 1 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH (FLAGS ())\r\n* 3 FETCH (FLAGS (\\Deleted))\r\n"
		"* 4 FETCH (FLAGS (\\Answered))\r\na OK FETCH completed\r\n");
	IN_BOX("a UID FETCH 3:9 (RFC822.SIZE INTERNALDATE)\r\nb FETCH 5 UID\r\n",
		"* 3 FETCH (UID 3 RFC822.SIZE 115 INTERNALDATE \"15-Jan-2027 08:00:00 +0000\")\r\n"
		"* 4 FETCH (UID 4 RFC822.SIZE 115 INTERNALDATE \"15-Jan-2027 08:00:00 +0000\")\r\na OK UID FETCH "
		"completed\r\n"
		"b BAD There is no message of that number\r\n");
	IN_BOX("a FETCH 2 (BODY[1] BODY[2.1] BODY[2.HEADER] BODY[2.TEXT] BODY[2.MIME] BODY[3])\r\n",
		"* 2 FETCH (FLAGS (\\Seen) BODY[1] {3}\r\none BODY[2.1] {10}\r\ninner text BODY[2.HEADER] {27}\r\n"
		"Subject: within\r\nX-A: 1\r\n\r\n BODY[2.TEXT] {10}\r\ninner text BODY[2.MIME] {32}\r\nContent-Type: "
		"message/rfc822\r\n\r\n"
		" BODY[3] NIL)\r\na OK FETCH completed\r\n");
	IN_BOX("a FETCH 1,3 BODY.PEEK[HEADER.FIELDS (to X)]\r\n",
		"* 1 FETCH (BODY[HEADER.FIELDS (to X)] {23}\r\nTo: alice@demo.test\r\n\r\n)\r\n"
		"* 3 FETCH (BODY[HEADER.FIELDS (to X)] {23}\r\nTo: alice@demo.test\r\n\r\n)\r\na OK FETCH "
		"completed\r\n");
}

static void fetching_bodies(void **state)
{
	(void)state;
	IN_BOX("a FETCH 1 RFC822\r\nb FETCH 1 BODY[]<5.4>\r\nc FETCH 1 BODY[TEXT]<900.1>\r\n",
		"* 1 FETCH (RFC822 {115}\r\n" PLAIN_LETTER
		")\r\na OK FETCH completed\r\n* 1 FETCH (BODY[]<5> {4}\r\n Ann)\r\n"
		"b OK FETCH completed\r\n* 1 FETCH (BODY[TEXT]<900> {0}\r\n)\r\nc OK FETCH completed\r\n");
	IN_BOX("a FETCH 1 (BODY[TEXT] RFC822.HEADER)\r\n",
		"* 1 FETCH (BODY[TEXT] {14}\r\nHello\r\nAlice\r\n RFC822.HEADER {101}\r\nFrom: Ann <ann@a.test>\r\n"
		"To: alice@demo.test\r\nSubject: plain\r\nDate: Mon, 9 Feb 2026 10:00:00 +0000\r\n\r\n)\r\na OK FETCH "
		"completed\r\n");
}

static void storing(void **state)
{
	(void)state;
	IN_BOX("a STORE 1:2 +FLAGS (\\Flagged work)\r\nb STORE 1 FLAGS.SILENT \\Draft\r\nc UID STORE 1 -FLAGS "
	       "(\\Draft)\r\n",
		"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work)\r\n"
		"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work \\*)] These are kept\r\n"
		"* 1 FETCH (FLAGS (\\Flagged \\Seen work))\r\n* 2 FETCH (FLAGS (\\Flagged work))\r\na OK STORE "
		"completed\r\n"
		"b OK STORE completed\r\n* 1 FETCH (UID 1 FLAGS ())\r\nc OK UID STORE completed\r\n");
	IN_BOX("a STORE 1 FLAGS (\\Recent)\r\nb STORE 1 FLAG ()\r\nc STORE 0 FLAGS ()\r\n",
		"a BAD These are not the arguments of the command\r\nb BAD These are not the arguments of the "
		"command\r\n"
		"c BAD These are not the arguments of the command\r\n");
	SAYS("s EXAMINE inbox\r\na STORE 1 FLAGS ()\r\nb EXPUNGE\r\nc FETCH 2 BODY[1]\r\nd CLOSE\r\n",
		"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* OK [PERMANENTFLAGS ()] No flag can be "
		"changed\r\n"
		"* 4 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 2] The first message not seen\r\n* OK [UIDVALIDITY 101] UIDs "
		"are valid\r\n"
		"* OK [UIDNEXT 5] The next UID\r\n* OK [HIGHESTMODSEQ 5] The highest\r\ns OK [READ-ONLY] EXAMINE completed\r\n"
		"a NO [READ-ONLY] The mailbox was opened read-only\r\nb NO [READ-ONLY] The mailbox was opened "
		"read-only\r\n"
		"* 2 FETCH (BODY[1] {3}\r\none)\r\nc OK FETCH completed\r\nd OK CLOSE completed\r\n");
}

static void expunging(void **state)
{
	(void)state;
	IN_BOX("a EXPUNGE\r\nb FETCH 3 UID\r\n",
		"* 3 EXPUNGE\r\na OK EXPUNGE completed\r\n* 3 FETCH (UID 4)\r\nb OK FETCH completed\r\n");
	IN_BOX("a STORE 1:4 +FLAGS.SILENT (\\Deleted)\r\nb UID EXPUNGE 1:2\r\nc CLOSE\r\nd STATUS inbox (MESSAGES)\r\n",
		"a OK STORE completed\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\nb OK UID EXPUNGE completed\r\nc OK CLOSE "
		"completed\r\n"
		"* STATUS \"INBOX\" (MESSAGES 0)\r\nd OK STATUS completed\r\n");
	IN_BOX("a COPY 1,4 Sent\r\nb MOVE 2:3 Sent\r\nc COPY 1 nope\r\nd UID COPY 99 Sent\r\ne COPY 1 inbox\r\n",
		"a OK [COPYUID 102 1,4 1,2] Copied\r\n* OK [COPYUID 102 2,3 3,4] Moved\r\n* 2 EXPUNGE\r\n* 2 "
		"EXPUNGE\r\n"
		"b OK MOVE completed\r\nc NO [TRYCREATE] There is no such mailbox; it may be created\r\nd OK UID COPY "
		"completed\r\n"
		"* 3 EXISTS\r\n* 0 RECENT\r\ne OK [COPYUID 101 1 5] Copied\r\n");
}

static void searching(void **state)
{
	(void)state;
	IN_BOX("a SEARCH ALL\r\nb SEARCH UNSEEN (NOT DELETED)\r\nc UID SEARCH OR SEEN NOT (SUBJECT parts OR DELETED "
	       "ANSWERED)\r\n"
	       "d SEARCH CHARSET utf-8 TEXT {5}\r\ninner\r\ne SEARCH CHARSET X ALL\r\nf SEARCH 7:*\r\ng SEARCH SUBJECT "
	       "zzz\r\n",
		"* SEARCH 1 2 3 4\r\na OK SEARCH completed\r\n* SEARCH 2 4\r\nb OK SEARCH completed\r\n* SEARCH 1 2 3 "
		"4\r\nc OK UID SEARCH completed\r\n"
		"+ Go ahead\r\n* SEARCH 2\r\nd OK SEARCH completed\r\ne NO [BADCHARSET (US-ASCII UTF-8)] That charset "
		"is not known here\r\n"
		"* SEARCH 4\r\nf OK SEARCH completed\r\n* SEARCH\r\ng OK SEARCH completed\r\n");
	IN_BOX("a SEARCH\r\nb SEARCH OR SEEN\r\nc SEARCH (ALL\r\nd SEARCH ALL)\r\ne SEARCH NOT\r\n"
	       "f SEARCH 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\r\n",
		"a BAD These are not the arguments of the command\r\nb BAD These are not the arguments of the "
		"command\r\n"
		"c BAD These are not the arguments of the command\r\nd BAD These are not the arguments of the "
		"command\r\n"
		"e BAD These are not the arguments of the command\r\nf NO [LIMIT] The search is too large or too "
		"deep\r\n");
}

static void appending(void **state)
{
	(void)state;
	SAYS("a APPEND Sent (\\Seen work) \"15-Jan-2027 08:00:00 +0000\" {5}\r\nA: b\n\r\nb APPEND nope {3+}\r\nabc\r\n"
	     "c APPEND Sent {70000}\r\nd APPEND Sent {3+}\r\na\0c\r\ne APPEND Sent {0}\r\nf APPEND {4+}\r\nSent "
	     "{2+}\r\nxy\r\n",
		"+ Go ahead\r\na OK [APPENDUID 102 1] Kept\r\nb NO [TRYCREATE] There is no such mailbox; it may be "
		"created\r\n"
		"c NO [TOOBIG] The message is larger than is taken here\r\nd NO [CANNOT] A message holds no NUL\r\n"
		"e NO [CANNOT] There is no message without a byte\r\nf OK [APPENDUID 102 2] Kept\r\n");
	IN_BOX("a APPEND inbox {3+}\r\nabc\r\n", "* 5 EXISTS\r\n* 0 RECENT\r\na OK [APPENDUID 101 5] Kept\r\n");
	SAYS("a APPEND Sent {3+}\r\nabc {2+}\r\nde\r\nb NOOP\r\n",
		"a OK [APPENDUID 102 1:2] Kept\r\nb OK NOOP completed\r\n");
	/* Behind a message: its end, the next, or nothing that is ever taken for a command. */
	SAYS("a APPEND Sent {3+}\r\nabc {2+}\r\nde x\r\nb APPEND Sent {3+}\r\nabc x {3+}\r\nx y\r\nc NOOP\r\n",
		"a BAD Behind a message comes the next, or the end of the line\r\n"
		"b BAD Behind a message comes the next, or the end of the line\r\nc OK NOOP completed\r\n");
	SAYS("a APPEND Sent {3+}\r\nabc (\\Seen) {0}\r\nb APPEND Sent {3+}\r\nabc {0+}\r\n {3+}\r\nabc\r\nc STATUS Sent "
	     "(MESSAGES)\r\n",
		"a NO [CANNOT] Given up, as you asked; nothing was kept\r\nb NO [CANNOT] Given up, as you asked; "
		"nothing was kept\r\n* STATUS \"Sent\" (MESSAGES 0)\r\nc OK STATUS completed\r\n");
	SAYS("a APPEND Sent {3+}\r\nabc {70000+}\r\nx\r\n", "");
	SAYS("a APPEND Sent (a) ~{3+}\r\nabc (b) UTF8 (~{2+}\r\nde)\r\nb ENABLE UTF8=ACCEPT\r\nc APPEND Sent UTF8 "
	     "(~{2+}\r\nde) {1}\r\nf\r\nd APPEND Sent UTF8 (~{2+}\r\nde {1+}\r\nf\r\ne APPEND Sent UTF8 ({2+}\r\nde)\r\n",
		"a NO [CANNOT] ENABLE UTF8=ACCEPT first\r\n* ENABLED UTF8=ACCEPT\r\nb OK ENABLE completed\r\n+ Go "
		"ahead\r\nc OK [APPENDUID 102 1:2] Kept\r\nd BAD Behind a message comes the next, or the end of the "
		"line\r\ne BAD These are not the arguments of the command\r\n");
	says_after("", STR("a APPEND Sent {12+}\r\nb CAPABILITY\r\nc NOOP\r\n"),
		STR("a BAD Log in first\r\nc OK NOOP completed\r\n"));
}

static void idling(void **state)
{
	(void)state;
	IN_BOX("a IDLE\r\nDONE\r\nb IDLE\r\nc NOOP\r\nd NOOP\r\n",
		"+ Idling\r\na OK IDLE completed\r\n+ Idling\r\nb BAD Only DONE ends IDLE\r\nd OK NOOP completed\r\n");
}

/* Another session expunges 1, adds a message and marks 4 while this one fetches. */
static void meanwhile(struct fake *x)
{
	x->boxes[0].messages[0].gone = true;
	fake_add(&x->boxes[0], STR("a: b\r\n\r\n"), 0);
	x->boxes[0].messages[3].flags |= MSG_FLAGGED;
	x->boxes[0].messages[3].told = false;
	x->door.account.changed = true;
}

static void news(void **state)
{
	(void)state;
	for (size_t chunk = 0; chunk < 6; chunk++) {
		fill();
		f.on_fetch = meanwhile;
		says_in(chunk,
			STR("s SELECT inbox\r\na FETCH 1:2 UID\r\nb FETCH 1:* UID\r\nc NOOP\r\nd FETCH 3 UID\r\n"),
			STR(SELECTED
				"s OK [READ-WRITE] SELECT completed\r\n* 2 FETCH (UID 2)\r\n* 5 EXISTS\r\n* 0 "
				"RECENT\r\n"
				"* 4 FETCH (UID 4 FLAGS (\\Answered \\Flagged))\r\na OK FETCH completed\r\n"
				"* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\n* 4 FETCH (UID 4)\r\n* 5 FETCH (UID 5)\r\nb "
				"OK FETCH completed\r\n"
				"* 1 EXPUNGE\r\nc OK NOOP completed\r\n* 3 FETCH (UID 4)\r\nd OK FETCH completed\r\n"),
			LOGIN);
	}
}

static void quiet_commands_cost_nothing(void **state)
{
	struct buf out;

	(void)state;
	fill();
	buf_init(&out, 1 << 20);
	f.n_calls = 0;
	fake_run(&f, STR(LOGIN "s SELECT inbox\r\na NOOP\r\nb CHECK\r\nc CAPABILITY\r\nd NAMESPACE\r\ne ID NIL\r\n"), 0,
		&out);
	assert_int_equal(f.n_calls, 1);
	buf_fini(&out);
}

static void lines(void **state)
{
	struct buf in;

	(void)state;
	SAYS("a NOOP\nb NOOP \r\nc NO\rOP\r\nd LOGIN {99999}\r\ne ID (\"a\" {2000+}\r\n",
		"a BAD [CLIENTBUG] A line ends with CR LF and nothing else\r\nb OK NOOP completed\r\n"
		"c BAD [CLIENTBUG] A line ends with CR LF and nothing else\r\nd BAD [LIMIT] The literal is too "
		"large\r\n");
	buf_init(&in, 1 << 20);
	for (int over = 0; over < 2; over++) {
		buf_reset(&in);
		buf_addz(&in, "a NOOP ");
		while (in.n < 8192 - 2 + (size_t)over)
			buf_addc(&in, 'x');
		buf_addz(&in, "\r\nb ID (\"x\" {1025}\r\nc NOOP\r\nd ID (\"y\" {1025+}\r\n");
		for (int i = 0; i < 1025; i++)
			buf_addc(&in, i % 10 == 8 ? '\r' : i % 10 == 9 ? '\n' : 'n');
		buf_addz(&in, ")\r\ne NOOP\r\n");
		fill();
		says_in(0, buf_str(&in),
			over ? STR("a BAD [LIMIT] The line is too long\r\nb BAD [LIMIT] The literal is too large\r\nc "
				   "OK NOOP completed\r\n"
				   "d BAD [LIMIT] The literal is too large\r\ne OK NOOP completed\r\n")
			     : STR("a BAD These are not the arguments of the command\r\nb BAD [LIMIT] The literal is "
				   "too large\r\n"
				   "c OK NOOP completed\r\nd BAD [LIMIT] The literal is too large\r\ne OK NOOP "
				   "completed\r\n"),
			LOGIN);
	}
	/* A line that is too long and announces what follows it. */
	buf_reset(&in);
	buf_addz(&in, "a NOOP ");
	while (in.n < 9000)
		buf_addc(&in, 'x');
	buf_addz(&in, "{8+}\r\nb NOOP\r\n\r\nc NOOP\r\n");
	for (size_t chunk = 0; chunk < 70; chunk++) {
		fill();
		says_in(chunk, buf_str(&in), STR("a BAD [LIMIT] The line is too long\r\nc OK NOOP completed\r\n"),
			LOGIN);
	}
	SAYS("a ID (\"x\" {99999999+}\r\nabc\r\nb NOOP\r\n",
		"a BAD [LIMIT] The literal is too large\r\n* BYE too much was sent for a command that is refused\r\n");
	SAYS("1 X\r\n2 X\r\n3 X\r\n4 X\r\n5 X\r\n6 X\r\n7 X\r\n",
		"1 BAD There is no such command\r\n2 BAD There is no such command\r\n3 BAD There is no such command\r\n"
		"4 BAD There is no such command\r\n5 BAD There is no such command\r\n6 BAD There is no such command\r\n"
		"* BYE [LIMIT] Too many bad commands\r\n");
	buf_fini(&in);
}

static void sets_have_a_limit(void **state)
{
	(void)state;
	for (int over = 0; over < 2; over++) {
		struct buf in, want;

		buf_init(&in, 10000);
		buf_init(&want, 10000);
		buf_addz(&in, "s SELECT inbox\r\na UID FETCH 1");
		for (int i = 1; i < 100 + over; i++)
			buf_addf(&in, ",%d", i * 2 + 1000);
		buf_addz(&in, " FLAGS\r\n");
		buf_addz(&want, SELECTED "s OK [READ-WRITE] SELECT completed\r\n");
		buf_addz(&want, over ? "a BAD [LIMIT] The set has too many ranges; ask in parts\r\n" :
				       "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\na OK UID FETCH completed\r\n");
		fill();
		says_in(0, buf_str(&in), buf_str(&want), LOGIN);
		buf_fini(&in);
		buf_fini(&want);
	}
}

static void ends(void **state)
{
	(void)state;
	f.stopping = true;
	fill();
	says_in(0, STR("a NOOP\r\n"), STR("* BYE [UNAVAILABLE] The server is stopping; come back soon\r\n"), "");
	f.stopping = false;
	for (int o = 1; o < OUTCOME_COUNT; o++) {
		struct buf out;

		fill();
		buf_init(&out, 1 << 20);
		f.fail_next = o == TRY_LATER ? OK : (enum outcome)o;
		fake_run(&f, STR(LOGIN "a SELECT inbox\r\nb NOOP\r\n"), 0, &out);
		assert_true(str_search(buf_str(&out), o == REVOKED ? STR("\r\n* BYE ") : STR("b OK")) > 0);
		buf_fini(&out);
	}
	f.fail_next = OK;
}

/* The store of this test answers two found a page: ranges join across pages, and sums stand behind them. */
static void searching_extended(void **state)
{
	(void)state;
	IN_BOX("a SEARCH RETURN (ALL COUNT MIN MAX) ALL\r\nb UID SEARCH RETURN () OR 1 3\r\nc SEARCH RETURN (COUNT) DRAFT\r\n",
		"* ESEARCH (TAG \"a\") ALL 1:4 MIN 1 MAX 4 COUNT 4\r\na OK SEARCH completed\r\n"
		"* ESEARCH (TAG \"b\") UID ALL 1,3\r\nb OK UID SEARCH completed\r\n"
		"* ESEARCH (TAG \"c\") COUNT 0\r\nc OK SEARCH completed\r\n");
	IN_BOX("a SEARCH RETURN (SAVE) 2:*\r\nb FETCH $ UID\r\nc SEARCH RETURN (SAVE MAX MIN) $\r\nd UID FETCH $ UID\r\n",
		"a OK SEARCH completed\r\n* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\n* 4 FETCH (UID 4)\r\nb OK FETCH completed\r\n"
		"* ESEARCH (TAG \"c\") MIN 2 MAX 4\r\nc OK SEARCH completed\r\n* 2 FETCH (UID 2)\r\n* 4 FETCH (UID 4)\r\n"
		"d OK UID FETCH completed\r\n");
	IN_BOX("a SEARCH RETURN (MIN) MODSEQ 3\r\nb SEARCH MODSEQ 3\r\nc SEARCH RETURN (MIN MAX) MODSEQ 9\r\n",
		"* OK [HIGHESTMODSEQ 5] Modification sequences are told from now on\r\n"
		"* ESEARCH (TAG \"a\") MIN 2 MODSEQ 3\r\na OK SEARCH completed\r\n"
		"* SEARCH 2 3 4 (MODSEQ 5)\r\nb OK SEARCH completed\r\n* ESEARCH (TAG \"c\")\r\nc OK SEARCH completed\r\n");
	SAYS("e ENABLE IMAP4rev2\r\ns SELECT inbox\r\na SEARCH SEEN\r\n",
		"* ENABLED IMAP4rev2\r\ne OK ENABLE completed\r\n"
		"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
		"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] These are kept\r\n* 4 EXISTS\r\n"
		"* OK [UIDVALIDITY 101] UIDs are valid\r\n* OK [UIDNEXT 5] The next UID\r\n* OK [HIGHESTMODSEQ 5] The highest\r\n"
		"* LIST () \"/\" \"INBOX\"\r\ns OK [READ-WRITE] SELECT completed\r\n"
		"* ESEARCH (TAG \"a\") ALL 1\r\na OK SEARCH completed\r\n");
}

static void storing_if(void **state)
{
	(void)state;
	IN_BOX("a STORE 1:4 (UNCHANGEDSINCE 3) +FLAGS.SILENT (\\Draft)\r\nb UID STORE 1:3 -FLAGS.SILENT (\\Draft)\r\n"
	       "c FETCH 1:* (UID) (CHANGEDSINCE 7)\r\n",
		"* OK [HIGHESTMODSEQ 5] Modification sequences are told from now on\r\n"
		"* 1 FETCH (MODSEQ (6))\r\n* 2 FETCH (MODSEQ (7))\r\na OK [MODIFIED 3,4] Some had changed and were left alone\r\n"
		"* 1 FETCH (UID 1 MODSEQ (8))\r\n* 2 FETCH (UID 2 MODSEQ (9))\r\nb OK UID STORE completed\r\n"
		"* 1 FETCH (MODSEQ (8) UID 1)\r\n* 2 FETCH (MODSEQ (9) UID 2)\r\nc OK FETCH completed\r\n");
	IN_BOX("a STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS ()\r\nb STORE 1 (UNCHANGEDSINCE 1 FLAGS ()\r\n",
		"a BAD These are not the arguments of the command\r\nb BAD These are not the arguments of the command\r\n");
}

/* A letter whose one part decodes to n bytes "A", in pieces of a hundred bytes: it is read twice. */
static void add_encoded(size_t n)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_addz(&text, "Content-Transfer-Encoding: base64\r\n\r\n");
	for (size_t i = 0; i < n; i += 3)
		buf_addz(&text, i % 54 ? "QUFB" : "QUFB\r\n");
	fake_add(f.boxes, buf_str(&text), 0);
	buf_fini(&text);
}

static void fetching_binary(void **state)
{
	struct buf want, out;

	(void)state;
	buf_init(&want, 1 << 20);
	buf_init(&out, 1 << 20);
	buf_addz(&want, SELECTED "s OK [READ-WRITE] SELECT completed\r\n* 1 FETCH (BINARY.SIZE[1] 600 BINARY[1] {600}\r\n");
	for (int i = 0; i < 600; i++)
		buf_addc(&want, 'A');
	buf_addz(&want, " BINARY[1]<598> {2}\r\nAA)\r\na OK FETCH completed\r\n");
	for (size_t chunk = 0; chunk < 3; chunk++) {
		fill();
		while (f.boxes->n)
			fake_box_clear(f.boxes);
		f.boxes->modseq = 4;
		add_encoded(600);
		f.boxes->uidnext = 5;
		buf_reset(&out);
		fake_run(&f, STR(LOGIN "s SELECT inbox\r\na FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1] BINARY.PEEK[1]<598.9>)\r\n"), chunk, &out);
		assert_true(str_ends(buf_str(&out), str_from(buf_str(&want), (size_t)str_search(buf_str(&want), STR("* 1 FETCH")))));
	}
	/* When the letter cannot be read a second time the connection ends within the literal. */
	for (unsigned n = 0; n < 40; n++) {
		buf_reset(&out);
		f.n_calls = 0;
		f.fail_at = n;
		f.fail_with = FAILED;
		fake_run(&f, STR(LOGIN "s SELECT inbox\r\na FETCH 1 BINARY.PEEK[1]\r\nz LOGOUT\r\n"), 0, &out);
		if (str_search(buf_str(&out), STR("{600}")) > 0 && str_search(buf_str(&out), STR("a OK")) < 0)
			assert_true(str_search(buf_str(&out), STR("z OK")) < 0);
		else
			assert_true(str_search(buf_str(&out), STR("z OK")) > 0);
	}
	f.fail_with = OK;
	buf_fini(&want);
	buf_fini(&out);
}

/* Every call to store fails in turn, in every way: the session says something sane and goes on or ends. */
static void failures(void **state)
{
	static const char all[] =
		LOGIN "s SELECT inbox\r\na FETCH 1:* (BODY[] BODY[2.TEXT] BODY.PEEK[HEADER.FIELDS (x)])\r\n"
		      "b STORE 1 FLAGS (\\Deleted k)\r\nc SEARCH ALL\r\nd EXPUNGE\r\ne COPY 1 Sent\r\n"
		      "c2 SEARCH RETURN (SAVE ALL) MODSEQ 1\r\nb2 STORE $ (UNCHANGEDSINCE 1) +FLAGS.SILENT (\\Seen)\r\n"
		      "a2 FETCH $ (BINARY[1]) (CHANGEDSINCE 1)\r\nf LIST \"\" "
		      "*\r\nz LOGOUT\r\n";

	(void)state;
	for (unsigned n = 0; n < 60; n++)
		for (int o = 1; o < OUTCOME_COUNT; o++) {
			struct buf out;
			struct str input = str_z(all);

			fill();
			buf_init(&out, 1 << 20);
			f.n_calls = 0;
			f.fail_at = n;
			f.fail_with = (enum outcome)o;
			fake_run(&f, input, 0, &out);
			buf_fini(&out);
		}
	f.fail_with = OK;
}

/* What a command takes of memory is bounded by its size, whatever it holds: the arenas' caps are for bugs, and end the process. */
static void commands_take_little(void **state)
{
	struct buf in, out;

	(void)state;
	f.conf->limits.imap_line_size_max = 65536;
	f.conf->limits.imap_literal_command_size_max = 65536;
	fill();
	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 22);
	/* before a login: an APPEND that never comes to its message */
	buf_addz(&in, "a APPEND \"\\\"");
	for (int i = 0; i < 30000; i++)
		buf_addc(&in, 'x');
	buf_addz(&in, "\" x");
	for (int i = 0; i < 5000; i++)
		buf_addz(&in, "{0+}\r\n");
	buf_addz(&in, "\r\nl LOGIN alice@demo.test \"de \\\"mo\"\r\ns SELECT inbox\r\n");
	/* a thousand strings, each before a long rest */
	buf_addz(&in, "b FETCH 1 BODY.PEEK[HEADER.FIELDS (x");
	for (int i = 0; i < 900; i++)
		buf_addz(&in, " \"\\\"--------------------------------------------------------\"");
	buf_addz(&in, ")]\r\nz LOGOUT\r\n");
	fake_run(&f, buf_str(&in), 0, &out);
	assert_true(str_search(buf_str(&out), STR("\r\na BAD ")) > 0);
	assert_true(str_search(buf_str(&out), STR("\r\nb OK FETCH")) > 0);
	assert_true(str_search(buf_str(&out), STR("\r\nz OK LOGOUT")) > 0);
	buf_fini(&in);
	buf_fini(&out);
}

/* A letter with a header of n bytes, within another one if asked for. */
static void add_headed(size_t n, bool within)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	if (within)
		buf_addz(&text, "Content-Type: message/rfc822\r\n\r\n");
	for (size_t i = 0; i < n; i += 64)
		buf_addz(&text, "X-A: 7890123456789012345678901234567890123456789012345678901\r\n");
	buf_addz(&text, "\r\ntext\r\n");
	fake_add(f.boxes, buf_str(&text), 0);
	buf_fini(&text);
}

static void answers_take_little(void **state)
{
	struct buf in, out;

	(void)state;
	fill();
	while (f.boxes->n)
		fake_box_clear(f.boxes);
	f.piece = 131072;
	for (int i = 0; i < 2; i++)
		add_headed(250000, i);
	for (int i = 0; i < 30; i++)
		add_headed(131072, false);
	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 27);
	buf_addz(&in, LOGIN "s SELECT inbox\r\n");
	for (int m = 1; m < 3; m++) { /* many items of one row */
		buf_addf(&in, "a%d FETCH %d (", m, m);
		for (int i = 0; i < (m == 1 ? 20 : 60); i++)
			buf_addf(&in, "%sBODY.PEEK[%sHEADER.FIELDS.NOT (x%d)]", i ? " " : "", m == 1 ? "" : "1.", i);
		buf_addz(&in, ")\r\n");
	}
	buf_addz(&in, "b FETCH 3:* ("); /* pieces of many rows */
	for (int i = 0; i < 10; i++)
		buf_addf(&in, "%sBODY.PEEK[]<%d.120000>", i ? " " : "", i);
	buf_addz(&in, ")\r\nz LOGOUT\r\n");
	fake_run(&f, buf_str(&in), 0, &out);
	assert_true(str_search(buf_str(&out), STR("\r\nz OK LOGOUT")) > 0);
	buf_fini(&in);
	buf_fini(&out);
	f.piece = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(logging_in, setup, teardown),
		cmocka_unit_test_setup_teardown(tls, setup, teardown),
		cmocka_unit_test_setup_teardown(listing, setup, teardown),
		cmocka_unit_test_setup_teardown(fetching, setup, teardown),
		cmocka_unit_test_setup_teardown(fetching_bodies, setup, teardown),
		cmocka_unit_test_setup_teardown(storing, setup, teardown),
		cmocka_unit_test_setup_teardown(expunging, setup, teardown),
		cmocka_unit_test_setup_teardown(searching, setup, teardown),
		cmocka_unit_test_setup_teardown(searching_extended, setup, teardown),
		cmocka_unit_test_setup_teardown(storing_if, setup, teardown),
		cmocka_unit_test_setup_teardown(fetching_binary, setup, teardown),
		cmocka_unit_test_setup_teardown(appending, setup, teardown),
		cmocka_unit_test_setup_teardown(idling, setup, teardown),
		cmocka_unit_test_setup_teardown(news, setup, teardown),
		cmocka_unit_test_setup_teardown(quiet_commands_cost_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(lines, setup, teardown),
		cmocka_unit_test_setup_teardown(sets_have_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(ends, setup, teardown),
		cmocka_unit_test_setup_teardown(failures, setup, teardown),
		cmocka_unit_test_setup_teardown(commands_take_little, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_take_little, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
