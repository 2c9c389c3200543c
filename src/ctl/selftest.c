/* ctl/selftest.c - command test: a letter to oneself through every open door.
 * Purpose     what a user's program and another server would do, step by step, each with its time; where a step fails, why and the way out.
 * Trust       the password of the account is neither known nor asked for: a code that lives ten minutes logs in, and is deleted at the end.
 * Suspends    the doors are tried one after the other in one task.
 */
#include "ctl/selftest_impl.h"

#include "auth/code.h"
#include "base/clock.h"
#include "base/die.h"
#include "base/file.h"
#include "ctl/options.h"
#include "ipc/words.h"
#include "mail/base64.h"

#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CODE_LIVES_S 600
#define CODE_NAME "sallyport test"
#define PEM_MAX ((size_t)1 << 20)
#define WHY_MAX 4000

/* ---- steps every door has */

void selftest_done(struct door_test *d, const char *step)
{
	char check[220];

	if (d->probe.failed)
		return;
	snprintf(check, sizeof check, "%s %s", conf_service_name(d->listener->service), d->where);
	report_ok(&d->test->report, check, "%s: %.1f ms", step, probe_ms(&d->probe));
	probe_step(&d->probe);
}

void selftest_failed(struct door_test *d, const char *step)
{
	char check[220];

	snprintf(check, sizeof check, "%s %s", conf_service_name(d->listener->service), d->where);
	report_error(&d->test->report, check, d->probe.way_out, "%s: %s (after %.1f ms)", step, d->probe.why, probe_ms(&d->probe));
}

SUSPENDS bool selftest_tls(struct door_test *d)
{
	struct tls_client client = { .name = d->test->conf->hostname.p, .trust = TLS_TRUST_FINGERPRINT };

	memcpy(client.fingerprint, d->test->fingerprint, 32);
	if (!probe_tls(&d->probe, &client))
		return false;
	selftest_done(d, "tls");
	return true;
}

/* ---- sending */

static void add_plain(const struct selftest *t, struct buf *out)
{
	struct buf raw;

	buf_init(&raw, 1000);
	buf_addf(&raw, "%c%.*s%c%s", 0, STR_ARG(t->address), 0, t->code);
	mail_base64_encode(buf_str(&raw), out);
	OPENSSL_cleanse(raw.p, raw.n);
	buf_fini(&raw);
}

static SUSPENDS bool log_in(struct door_test *d)
{
	struct buf plain;
	bool ok;

	buf_init(&plain, 2000);
	add_plain(d->test, &plain);
	probe_say(&d->probe, "AUTH PLAIN %.*s", STR_ARG(buf_str(&plain)));
	ok = probe_smtp(&d->probe, 235, "the login");
	buf_fini(&plain);
	if (ok)
		selftest_done(d, "login");
	return ok;
}

static SUSPENDS bool greet(struct door_test *d)
{
	struct probe *p = &d->probe;
	const char *hello = d->listener->service == CONF_LMTP ? "LHLO" : "EHLO";

	if (d->listener->tls == CONF_TLS_IMPLICIT && !selftest_tls(d))
		return false;
	if (!probe_smtp(p, 220, "the connection"))
		return false;
	probe_say(p, "%s %s", hello, d->test->conf->hostname.p);
	if (!probe_smtp(p, 250, hello))
		return false;
	selftest_done(d, "greeting");
	if (d->listener->tls != CONF_TLS_STARTTLS)
		return true;
	probe_say(p, "STARTTLS");
	if (!probe_smtp(p, 220, "STARTTLS") || !selftest_tls(d))
		return false;
	probe_say(p, "%s %s", hello, d->test->conf->hostname.p);
	return probe_smtp(p, 250, hello);
}

static void add_letter(struct door_test *d, struct buf *out)
{
	const struct selftest *t = d->test;

	buf_addf(out, "From: <%.*s>\r\nTo: <%.*s>\r\nSubject: Sallyport tries its door %s %s\r\nDate: ", STR_ARG(t->address), STR_ARG(d->to),
		conf_service_name(d->listener->service), d->where);
	clock_add_rfc5322(out, clock_wall_us() / 1000000);
	buf_addf(out, "\r\nMessage-ID: <%s.%u@%.*s>\r\nAuto-Submitted: auto-generated\r\n\r\nThis letter was sent by: sallyport test.%s\r\n",
		t->token, (unsigned)t->n_letters, STR_ARG(t->conf->hostname), d->to.p == t->to.p ? "" : " It removes it again.");
}

/* The last word of the answer to a letter. */
static bool take_trace(struct door_test *d)
{
	struct selftest *t = d->test;
	bool out = d->to.p == t->to.p;
	struct str trace = str_trim(buf_str(&d->probe.text));

	trace = str_from(trace, (size_t)(str_rfind(trace, ' ') + 1));
	if (trace.n == 0 || trace.n >= sizeof t->out_trace || (!out && t->n_letters == SELFTEST_LETTERS_MAX)) {
		probe_fail(&d->probe, "is this a Sallyport of this version?", "the answer to the letter names no trace id");
		return false;
	}
	memcpy(out ? t->out_trace : t->letters[t->n_letters++].trace, trace.p, trace.n);
	return true;
}

static SUSPENDS bool send_letter(struct door_test *d)
{
	struct selftest *t = d->test;
	struct probe *p = &d->probe;
	bool submission = conf_service_has_logins(d->listener->service);
	struct buf letter;

	/* A stranger's letter comes with the null path: nobody's policies are in its way. */
	probe_say(p, "MAIL FROM:<%.*s>", STR_ARG(submission ? t->address : (struct str){ 0 }));
	if (!probe_smtp(p, 250, "MAIL FROM"))
		return false;
	probe_say(p, "RCPT TO:<%.*s>", STR_ARG(d->to));
	if (!probe_smtp(p, 250, "RCPT TO"))
		return false;
	probe_say(p, "DATA");
	if (!probe_smtp(p, 354, "DATA"))
		return false;
	buf_init(&letter, 4000);
	add_letter(d, &letter);
	probe_say(p, "%.*s.", STR_ARG(buf_str(&letter)));
	buf_fini(&letter);
	if (!probe_smtp(p, 250, "the letter"))
		return false;
	if (!take_trace(d))
		return false;
	selftest_done(d, "letter sent");
	return true;
}

SUSPENDS bool selftest_send(struct door_test *d)
{
	if (!greet(d) || (conf_service_has_logins(d->listener->service) && !log_in(d)) || !send_letter(d))
		return false;
	probe_say(&d->probe, "QUIT");
	return probe_smtp(&d->probe, 221, "QUIT");
}

/* ---- all doors */

static const struct door_kind {
	enum conf_service service;
	bool sends;
	uint32_t needs; /* of the account's switches */
	SUSPENDS bool (*run)(struct door_test *d);
} kinds[] = {
	{ CONF_SMTP, true, 0, selftest_send },
	{ CONF_LMTP, true, 0, selftest_send },
	{ CONF_SUBMISSION, true, ACCESS_SMTP, selftest_send },
	{ CONF_SUBMISSIONS, true, ACCESS_SMTP, selftest_send },
	{ CONF_POP3, false, ACCESS_POP, selftest_pop3 },
	{ CONF_POP3S, false, ACCESS_POP, selftest_pop3 },
	{ CONF_POP2, false, ACCESS_POP, selftest_pop2 },
	{ CONF_IMAP, false, ACCESS_IMAP, selftest_imap },
	{ CONF_IMAPS, false, ACCESS_IMAP, selftest_imap },
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static const char *switch_name(uint32_t needs)
{
	return needs == ACCESS_SMTP ? "smtp" : needs == ACCESS_IMAP ? "imap" : "pop";
}

static bool is_switched_on(struct selftest *t, const struct door_kind *k, const char *check)
{
	char way_out[500];

	if (!k->needs || (t->services & k->needs))
		return true;
	snprintf(way_out, sizeof way_out, "sallyport account set %.*s %s on", STR_ARG(t->address), switch_name(k->needs));
	report_warning(&t->report, check, way_out, "left out: %.*s may not use %s", STR_ARG(t->address), switch_name(k->needs));
	return false;
}

static SUSPENDS void try_door(struct selftest *t, const struct door_kind *k, const struct conf_listener *l, struct str rcpt)
{
	struct door_test *d = mem_new(struct door_test);
	struct conf_address to;
	char check[220];

	d->test = t;
	d->listener = l;
	d->to = rcpt;
	probe_target(l, &to, d->where);
	snprintf(check, sizeof check, "%s %s", conf_service_name(l->service), d->where);
	probe_init(&d->probe, t->sched);
	if (is_switched_on(t, k, check)) {
		if (!probe_is_let_in(&d->probe, l)) {
			report_warning(&t->report, check, d->probe.way_out, "left out: %s", d->probe.why);
		} else if (!probe_connect(&d->probe, l, t->timeout_ms)) {
			selftest_failed(d, "connection");
		} else {
			selftest_done(d, "connection");
			if (!k->run(d))
				selftest_failed(d, d->step ? d->step : "session");
			else if (!k->sends && k->needs == ACCESS_IMAP)
				t->reader = l;
		}
	}
	probe_fini(&d->probe);
	free(d);
}

static SUSPENDS void try_doors(struct selftest *t, bool sends)
{
	for (size_t i = 0; i < N_KINDS; i++)
		for (size_t k = 0; k < t->conf->n_listeners && kinds[i].sends == sends; k++)
			if (t->conf->listeners[k].service == kinds[i].service)
				try_door(t, &kinds[i], &t->conf->listeners[k], t->address);
}

/* One letter more, by the first door for users' letters that takes it. */
static SUSPENDS void send_out(struct selftest *t)
{
	for (size_t i = 0; i < N_KINDS; i++)
		for (size_t k = 0; k < t->conf->n_listeners && kinds[i].sends && kinds[i].needs; k++)
			if (!t->out_trace[0] && t->conf->listeners[k].service == kinds[i].service)
				try_door(t, &kinds[i], &t->conf->listeners[k], t->to);
}

static SUSPENDS void selftest_main(void *arg)
{
	struct selftest *t = arg;

	try_doors(t, true);
	try_doors(t, false);
	if (t->to.n)
		send_out(t);
	selftest_clean(t);
}

/* ---- before and after */

static bool read_fingerprint(struct selftest *t)
{
	struct tls_certificate cert;
	struct str pem;
	struct buf why;
	char reason[256];
	bool ok;

	if (t->conf->tls.certificate.n == 0)
		return true;
	buf_init(&why, WHY_MAX);
	ok = file_read(t->conf->tls.certificate.p, PEM_MAX, &pem, &why);
	if (ok) {
		ok = tls_certificate_read(pem, &cert, reason);
		if (!ok)
			buf_addf(&why, "%s: %s\n", t->conf->tls.certificate.p, reason);
		memcpy(t->fingerprint, cert.fingerprint, 32);
		free((void *)(uintptr_t)pem.p);
	}
	fprintf(stderr, "%.*s", STR_ARG(buf_str(&why)));
	buf_fini(&why);
	return ok;
}

/* The first account there is, when none was named. */
static bool choose_account(struct selftest *t, struct ctl *c)
{
	struct ipc_directory_list m = { .kind = DIRECTORY_ACCOUNTS };
	struct ipc_directory_list_reply r;
	struct str line, address;

	if (c->n_words == 1) {
		t->address = str_z(c->words[0]);
		return true;
	}
	if (client_call(&c->client, ROLE_STORE, IPC_DIRECTORY_LIST, &m, &r) != OK || r.n_lines == 0) {
		fprintf(stderr, "sallyport: there is no account to write to; make one: sallyport account add you@example.org\n");
		return false;
	}
	line = r.lines[0];
	str_split(&line, '\t', &address);
	t->address = str_of(arena_dupz(&t->arena, address), address.n);
	return true;
}

static void take_setting(struct selftest *t, struct str line)
{
	struct str name;
	bool on;

	str_split(&line, '\t', &name);
	on = str_eq(line, STR("on"));
	if (str_eq(name, STR("smtp")) && on)
		t->services |= ACCESS_SMTP;
	else if (str_eq(name, STR("imap")) && on)
		t->services |= ACCESS_IMAP;
	else if (str_eq(name, STR("pop")) && on)
		t->services |= ACCESS_POP;
}

static bool make_code(struct selftest *t, struct ctl *c)
{
	struct ipc_code_add m = { .name = STR(CODE_NAME), .services = ACCESS_SMTP | ACCESS_IMAP | ACCESS_POP, .pop_given = 1,
		.pop_dele = POP_DELE_DELETE, .expires_s = clock_wall_us() / 1000000 + CODE_LIVES_S };
	struct ipc_account_show_reply shown;
	struct ipc_code_add_reply r;
	unsigned char hash[CODE_HASH_SIZE];
	enum outcome o;

	if (!ctl_address(c, t->address.p, &m.address))
		return false;
	o = client_call(&c->client, ROLE_STORE, IPC_ACCOUNT_SHOW, &(struct ipc_account_show){ .address = m.address }, &shown);
	if (o != OK)
		return ctl_done(o, "test", t->address.p) == 0;
	for (size_t i = 0; i < shown.n_lines; i++)
		take_setting(t, shown.lines[i]);
	code_new(t->code);
	code_hash(str_z(t->code), hash);
	m.hash = str_of(hash, sizeof hash);
	o = client_call(&c->client, ROLE_STORE, IPC_CODE_ADD, &m, &r);
	t->code_id = r.id;
	return ctl_done(o, "test", t->address.p) == 0;
}

static void delete_code(struct selftest *t, struct ctl *c)
{
	struct ipc_code_delete m = { .id = t->code_id };

	if (ctl_address(c, t->address.p, &m.address) && client_call(&c->client, ROLE_STORE, IPC_CODE_DELETE, &m, NULL) != OK)
		report_warning(&t->report, "code", "sallyport code list ADDRESS, sallyport code delete ADDRESS NUMBER",
			"the code \"%s\" could not be deleted; it expires within ten minutes", CODE_NAME);
}

static int conclude(struct selftest *t)
{
	if (t->report.json)
		report_print_json(&t->report);
	return t->report.n[REPORT_ERROR] ? 1 : 0;
}

static int run(struct selftest *t, struct ctl *c)
{
	if (!choose_account(t, c) || !read_fingerprint(t) || !make_code(t, c))
		return 1;
	t->sched = sched_new(NULL);
	task_spawn(t->sched, "test", selftest_main, t);
	sched_run(t->sched);
	sched_free(t->sched);
	delete_code(t, c);
	selftest_follow(t, &c->client);
	return conclude(t);
}

int ctl_selftest(struct ctl *c)
{
	struct selftest *t = mem_new(struct selftest);
	const char *timeout = NULL, *to = NULL;
	bool json = false;
	const struct option_row table[] = { { "--timeout", &timeout, NULL }, { "--to", &to, NULL }, { "--json", NULL, &json }, { 0 } };
	struct ipc_addr address;
	uint32_t seconds = 10;
	unsigned char token[12];
	int status = 2;

	signal(SIGPIPE, SIG_IGN);
	c->n_words = options_take(table, c->words, c->n_words);
	if (timeout && (!str_to_u32(str_z(timeout), &seconds) || seconds < 1 || seconds > 600)) {
		fprintf(stderr, "sallyport: --timeout %s: give 1 to 600 seconds\n", timeout);
		c->n_words = -1;
	}
	if (to && !ctl_address(c, to, &address))
		c->n_words = -1;
	if (c->n_words == 0 || c->n_words == 1) {
		t->to = str_z(to);
		t->conf = c->conf;
		t->timeout_ms = (int64_t)seconds * 1000;
		rng_bytes(token, sizeof token);
		for (size_t i = 0; i < sizeof token; i++)
			t->token[i] = (char)('a' + token[i] % 26);
		arena_init(&t->arena, "test", (size_t)1 << 20);
		report_init(&t->report, json);
		status = run(t, c);
		report_fini(&t->report);
		arena_fini(&t->arena);
	}
	OPENSSL_cleanse(t->code, sizeof t->code);
	free(t);
	return status;
}
