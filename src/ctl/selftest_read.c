/* ctl/selftest_read.c - command test: finding the letters by IMAP, POP3 and POP2, and removing them.
 * Suspends    for the answers, and between looks while a letter is on its way.
 */
#include "ctl/selftest_impl.h"

#include "base/die.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN_MS 100
#define POP_LOOKS_MAX 200 /* newest messages that are looked into for a letter */

/* ---- IMAP */

static SUSPENDS bool imap_open(struct door_test *d)
{
	struct probe *p = &d->probe;
	struct str line;

	d->step = "greeting";
	if (d->listener->tls == CONF_TLS_IMPLICIT && !selftest_tls(d))
		return false;
	if (!probe_line(p, &line))
		return false;
	if (!str_istarts(line, STR("* OK"))) {
		probe_fail(p, "see the server's log for the reason", "it greets with: %.*s", (int)(line.n < 100 ? line.n : 100), line.p);
		return false;
	}
	selftest_done(d, "greeting");
	if (d->listener->tls == CONF_TLS_STARTTLS && (!probe_imap(p, "STARTTLS", "STARTTLS") || !selftest_tls(d)))
		return false;
	d->step = "login";
	if (!probe_imap(p, "the login", "LOGIN \"%.*s\" \"%s\"", STR_ARG(d->test->address), d->test->code))
		return false;
	selftest_done(d, "login");
	return true;
}

/* A letter is delivered before it is acknowledged, or soon after where it has several recipients. */
static SUSPENDS bool imap_find(struct door_test *d, const char *trace)
{
	int64_t until = sched_now_ms(d->test->sched) + d->test->timeout_ms;

	do {
		if (!probe_imap(&d->probe, "SEARCH", "UID SEARCH HEADER Received %s", trace))
			return false;
		if (d->probe.text.n)
			return true;
		task_sleep(d->test->sched, LOOK_AGAIN_MS);
	} while (sched_now_ms(d->test->sched) < until && probe_imap(&d->probe, "NOOP", "NOOP"));
	probe_fail(&d->probe, "look for the trace id in the server's log: where did the letter go?", "the letter with trace id %s does not come", trace);
	return false;
}

SUSPENDS bool selftest_imap(struct door_test *d)
{
	struct selftest *t = d->test;

	if (!imap_open(d))
		return false;
	d->step = "letter found";
	if (!probe_imap(&d->probe, "SELECT", "SELECT INBOX"))
		return false;
	for (size_t i = 0; i < t->n_letters; i++) {
		char uid[16] = "";
		char step[80];

		if (!imap_find(d, t->letters[i].trace))
			return false;
		snprintf(uid, sizeof uid, "%.*s", STR_ARG(buf_str(&d->probe.text)));
		if (!probe_imap(&d->probe, "FETCH", "UID FETCH %s (UID RFC822.SIZE)", uid))
			return false;
		snprintf(step, sizeof step, "letter %s found", t->letters[i].trace);
		selftest_done(d, step);
	}
	return probe_imap(&d->probe, "LOGOUT", "LOGOUT");
}

/* ---- POP3 */

static SUSPENDS bool pop3_open(struct door_test *d)
{
	struct probe *p = &d->probe;

	d->step = "greeting";
	if (d->listener->tls == CONF_TLS_IMPLICIT && !selftest_tls(d))
		return false;
	if (!probe_pop(p, '+', "the connection"))
		return false;
	selftest_done(d, "greeting");
	if (d->listener->tls == CONF_TLS_STARTTLS) {
		probe_say(p, "STLS");
		if (!probe_pop(p, '+', "STLS") || !selftest_tls(d))
			return false;
	}
	d->step = "login";
	probe_say(p, "USER %.*s", STR_ARG(d->test->address));
	if (!probe_pop(p, '+', "USER"))
		return false;
	probe_say(p, "PASS %s", d->test->code);
	if (!probe_pop(p, '+', "the login"))
		return false;
	selftest_done(d, "login");
	return true;
}

static bool number_of(struct str s, uint32_t *out)
{
	struct str word, rest = str_trim(s);

	return str_split(&rest, ' ', &word) && str_to_u32(word, out);
}

/* Reads to the final dot; marks the letters whose trace stands in a line. */
static SUSPENDS bool pop3_read(struct door_test *d, bool *found)
{
	struct selftest *t = d->test;
	struct str line;

	while (probe_line(&d->probe, &line)) {
		if (str_eq(line, STR(".")))
			return true;
		for (size_t i = 0; i < t->n_letters; i++)
			found[i] = found[i] || str_search(line, str_z(t->letters[i].trace)) >= 0;
	}
	return false;
}

static bool found_all(struct door_test *d, const bool *found)
{
	for (size_t i = 0; i < d->test->n_letters; i++)
		if (!found[i]) {
			probe_fail(&d->probe, "the account's POP rules may hide it: sallyport account show; else look for the trace id in the log",
				"the letter with trace id %s is not among the newest", d->test->letters[i].trace);
			return false;
		}
	return true;
}

static bool is_found(const struct selftest *t, const bool *found)
{
	for (size_t i = 0; i < t->n_letters; i++)
		if (!found[i])
			return false;
	return true;
}

SUSPENDS bool selftest_pop3(struct door_test *d)
{
	struct probe *p = &d->probe;
	bool found[SELFTEST_LETTERS_MAX] = { 0 };
	uint32_t n, last;

	if (!pop3_open(d))
		return false;
	d->step = "letters found";
	probe_say(p, "STAT");
	if (!probe_pop(p, '+', "STAT") || !number_of(str_from(buf_str(&p->text), 2), &n))
		return false;
	last = n > POP_LOOKS_MAX ? n - POP_LOOKS_MAX : 0;
	for (; n > last && !is_found(d->test, found); n--) {
		probe_say(p, "TOP %u 0", n);
		if (!probe_pop(p, '+', "TOP") || !pop3_read(d, found))
			return false;
	}
	if (!found_all(d, found))
		return false;
	selftest_done(d, "letters found");
	probe_say(p, "QUIT");
	return probe_pop(p, '+', "QUIT");
}

/* ---- POP2 (RFC 937) */

/* READ names a message and its length comes; RETR and its bytes come; ACKS keeps it. */
static SUSPENDS bool pop2_read(struct door_test *d, uint32_t number, bool *found)
{
	struct probe *p = &d->probe;
	struct selftest *t = d->test;
	struct buf letter;
	uint32_t size;
	bool ok;

	probe_say(p, "READ %u", number);
	if (!probe_pop(p, '=', "READ") || !number_of(buf_str(&p->text), &size))
		return false;
	if (size == 0)
		return true;
	probe_say(p, "RETR");
	buf_init(&letter, (size_t)size + 1);
	ok = stream_read(&p->stream, size, &letter);
	for (size_t i = 0; ok && i < t->n_letters; i++)
		found[i] = found[i] || str_search(buf_str(&letter), str_z(t->letters[i].trace)) >= 0;
	buf_fini(&letter);
	if (!ok) {
		probe_fail(p, "see the server's log for the reason", "the connection ended within a letter");
		return false;
	}
	probe_say(p, "ACKS");
	return probe_pop(p, '=', "ACKS");
}

SUSPENDS bool selftest_pop2(struct door_test *d)
{
	struct probe *p = &d->probe;
	bool found[SELFTEST_LETTERS_MAX] = { 0 };
	uint32_t n, last;

	d->step = "greeting";
	if (!probe_pop(p, '+', "the connection"))
		return false;
	selftest_done(d, "greeting");
	d->step = "login";
	probe_say(p, "HELO %.*s %s", STR_ARG(d->test->address), d->test->code);
	if (!probe_pop(p, '#', "the login") || !number_of(buf_str(&p->text), &n))
		return false;
	selftest_done(d, "login");
	d->step = "letters found";
	last = n > POP_LOOKS_MAX ? n - POP_LOOKS_MAX : 0;
	for (; n > last && !is_found(d->test, found); n--)
		if (!pop2_read(d, n, found))
			return false;
	if (!found_all(d, found))
		return false;
	selftest_done(d, "letters found");
	probe_say(p, "QUIT");
	return probe_pop(p, '+', "QUIT");
}

/* ---- cleaning up */

static SUSPENDS bool remove_from(struct door_test *d, const char *mailbox, bool needed)
{
	struct selftest *t = d->test;
	struct probe *p = &d->probe;
	char *set;

	if (!probe_imap(p, "SELECT", "SELECT %s", mailbox)) {
		p->failed = p->failed && (needed || !stream_ok(&p->stream));
		return !p->failed;
	}
	if (!probe_imap(p, "SEARCH", "UID SEARCH HEADER Message-ID %s", t->token))
		return false;
	if (p->text.n == 0)
		return true;
	set = arena_dupz(&t->arena, buf_str(&p->text));
	for (char *c = set; *c; c++)
		if (*c == ' ')
			*c = ',';
	return probe_imap(p, "STORE", "UID STORE %s +FLAGS.SILENT (\\Deleted)", set) && probe_imap(p, "EXPUNGE", "UID EXPUNGE %s", set);
}

SUSPENDS void selftest_clean(struct selftest *t)
{
	struct door_test *d;
	struct conf_address to;

	if (t->n_letters == 0)
		return;
	if (!t->reader) {
		report_warning(&t->report, "cleaning", "delete them by hand; their subjects begin: Sallyport tries its door",
			"no IMAP door worked; letters that stay with %.*s: %zu", STR_ARG(t->address), t->n_letters);
		return;
	}
	d = mem_new(struct door_test);
	d->test = t;
	d->listener = t->reader;
	probe_target(d->listener, &to, d->where);
	probe_init(&d->probe, t->sched);
	t->report.quiet = true;
	if (probe_connect(&d->probe, d->listener, t->timeout_ms) && imap_open(d) && remove_from(d, "INBOX", true) && remove_from(d, "Sent", false))
		probe_imap(&d->probe, "LOGOUT", "LOGOUT");
	t->report.quiet = false;
	if (d->probe.failed)
		selftest_failed(d, "cleaning");
	else
		selftest_done(d, "letters removed");
	probe_fini(&d->probe);
	free(d);
}
