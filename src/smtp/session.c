/* smtp/session.c - SMTP, submission and LMTP, the server's side (RFC 5321, 6409, 8314, 3207, 2033)
 * Purpose     greet, take commands one by one, ask whether each may come now, run it.
 * Trust       runs in edge; input is hostile.
 * Owns        struct smtp and its two arenas.
 * Suspends    waiting for commands, in calls to post, flushing.
 * Invariants  I1 no byte received before a TLS handshake is read as a command after it (RFC 3207 4.2).
 *             I2 a letter's transaction ends with HELO, RSET, STARTTLS, and with DATA whatever its reply.
 *             I3 every command gets exactly one reply, in order; replies of a pipelined group leave together.
 */
#include "smtp/session.h"

#include "base/clock.h"
#include "net/sasl.h"

#include <string.h>

#define LAST_WORDS_MS 10000 /* to say 421 after the time for a command is over */

SUSPENDS void smtp_say_text(struct smtp *s, enum smtp_reply r, struct str text)
{
	const struct smtp_reply_text *t = smtp_reply_text(r);
	bool names_rcpt = r == SMTP_NO_SUCH_RCPT || r == SMTP_SUPPRESSED;
	bool trusted = s->d->account.handle || smtp_is_lmtp(s);

	/* A user's letter to many old addresses is no attack; a stranger's may be one. */
	if (t->code >= 500 && !(names_rcpt && trusted))
		s->n_errors++;
	if (t->code == 421)
		s->closing = true;
	if (t->status)
		stream_printf(&s->d->stream, "%u %s %.*s\r\n", t->code, t->status, STR_ARG(text));
	else
		stream_printf(&s->d->stream, "%u %.*s\r\n", t->code, STR_ARG(text));
}

SUSPENDS void smtp_say(struct smtp *s, enum smtp_reply r)
{
	smtp_say_text(s, r, str_z(smtp_reply_text(r)->text));
}

void smtp_end_letter(struct smtp *s)
{
	if (s->receiving)
		body_writer_close(&s->writer);
	s->receiving = s->chunks_failed = false;
	arena_reset(&s->letter);
	s->from_null = s->eight_bit = s->binary = s->utf8 = false;
	s->from = (struct ipc_addr){ 0 };
	s->size = 0;
	s->wishes = (struct ipc_wishes){ 0 };
	s->rcpts = NULL;
	s->dsn = NULL;
	s->has_dsn = false;
	s->n_rcpts = 0;
	if (s->state != SMTP_NEW)
		s->state = SMTP_READY;
}

struct mail_path_limits smtp_path_limits(const struct smtp *s)
{
	struct mail_path_limits l = mail_path_limits_default;

	l.local_max = s->d->conf->limits.local_part_size_max;
	l.domain_max = s->d->conf->limits.domain_size_max;
	return l;
}

/* Whose letters wait, and go before others', is for users to say (RFC 4865, RFC 6710 4); a letter that must not leave TLS has not been
 * without it (RFC 8689 4.1). LMTP is the end of a letter's way. What makes this server write to a sender whom nobody has checked is offered to strangers only
 * when the operator says so: their own servers report then (RFC 3461 5.2.2). */
struct smtp_offer smtp_offer(const struct smtp *s)
{
	bool users = smtp_is_submission(s), reports = s->d->service != SERVICE_SMTP || s->d->conf->queue.dsn_for_strangers;

	return (struct smtp_offer){
		.now_s = sched_wall_us(s->d->sched) / 1000000,
		.hold_max_s = users ? s->d->conf->queue.hold_max_ms / 1000 : 0,
		.dsn = reports, .deliver_by = reports && !smtp_is_lmtp(s), .priority = users, .require_tls = s->d->secured,
	};
}

/* ---- the simple verbs */

/* RFC 9422: what is enforced. */
static SUSPENDS void say_limits(struct smtp *s)
{
	const struct conf_limits *l = &s->d->conf->limits;

	stream_printf(&s->d->stream, "250-LIMITS MAILMAX=%u RCPTMAX=%u", l->smtp_letters_max, smtp_rcpts_max(s));
	if (l->recipient_domains_max)
		stream_printf(&s->d->stream, " RCPTDOMAINMAX=%u", l->recipient_domains_max);
	stream_write(&s->d->stream, STR("\r\n"));
}

static SUSPENDS void say_mechanisms(struct door *d)
{
	struct buf list;

	buf_init(&list, 400);
	sasl_announce(d, " ", &list);
	stream_printf(&d->stream, "250-AUTH%.*s\r\n", STR_ARG(buf_str(&list)));
	buf_fini(&list);
}

static SUSPENDS void say_sending(struct smtp *s)
{
	struct smtp_offer o = smtp_offer(s);
	struct stream *st = &s->d->stream;
	char date[CLOCK_RFC3339_SIZE];

	if (o.dsn)
		stream_write(st, STR("250-DSN\r\n"));
	if (o.deliver_by)
		stream_write(st, STR("250-DELIVERBY\r\n"));
	if (o.hold_max_s) {
		clock_rfc3339((o.now_s + o.hold_max_s) * 1000000, date);
		stream_printf(st, "250-FUTURERELEASE %lld %.19sZ\r\n", (long long)o.hold_max_s, date);
	}
	if (o.priority)
		stream_write(st, STR("250-MT-PRIORITY\r\n"));
	if (o.require_tls)
		stream_write(st, STR("250-REQUIRETLS\r\n"));
	if (s->d->service == SERVICE_SMTP)
		stream_write(st, STR("250-ETRN\r\n"));
}

static SUSPENDS void say_hello(struct smtp *s, bool esmtp, struct str name)
{
	struct door *d = s->d;
	enum smtp_reply r = smtp_helo_check(name, s->d->service == SERVICE_SMTP);

	if (r) {
		smtp_say(s, r);
		return;
	}
	memcpy(s->helo, name.p, name.n);
	s->n_helo = name.n;
	s->esmtp = esmtp;
	s->state = SMTP_READY;
	smtp_end_letter(s);
	stream_printf(&d->stream, "250%c%.*s\r\n", esmtp ? '-' : ' ', STR_ARG(d->conf->hostname));
	if (!esmtp)
		return;
	stream_write(&d->stream, STR("250-PIPELINING\r\n"));
	stream_printf(&d->stream, "250-SIZE %llu\r\n", (unsigned long long)d->conf->limits.message_size_max);
	if (door_can_tls(d))
		stream_write(&d->stream, STR("250-STARTTLS\r\n"));
	if (smtp_is_submission(s) && door_may_login(d) && !d->account.handle)
		say_mechanisms(d);
	stream_write(&d->stream, STR("250-8BITMIME\r\n250-BINARYMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n"));
	say_sending(s);
	say_limits(s);
	stream_write(&d->stream, STR("250 ENHANCEDSTATUSCODES\r\n"));
}

static SUSPENDS void run_ehlo(struct smtp *s, struct str args)
{
	say_hello(s, true, args);
}

static SUSPENDS void run_helo(struct smtp *s, struct str args)
{
	say_hello(s, false, args);
}

static SUSPENDS void run_rset(struct smtp *s, struct str args)
{
	(void)args;
	smtp_end_letter(s);
	smtp_say(s, SMTP_OK);
}

static SUSPENDS void run_noop(struct smtp *s, struct str args)
{
	(void)args;
	smtp_say(s, SMTP_OK);
}

static SUSPENDS void run_quit(struct smtp *s, struct str args)
{
	(void)args;
	smtp_say(s, SMTP_BYE);
	s->closing = true;
}

static SUSPENDS void run_vrfy(struct smtp *s, struct str args)
{
	(void)args;
	smtp_say(s, SMTP_CANNOT_VERIFY);
}

static SUSPENDS void run_help(struct smtp *s, struct str args)
{
	(void)args;
	smtp_say(s, SMTP_HELP_TEXT);
}

/* RFC 1985. "@domain" would mean its subdomains too, "#queue" one of ours by name: neither is anything here. */
static enum smtp_reply check_etrn(struct smtp *s)
{
	return s->d->service == SERVICE_SMTP ? SMTP_FINE : SMTP_NOT_HERE;
}

static SUSPENDS void run_etrn(struct smtp *s, struct str args)
{
	struct ipc_flush m = { .domain = args };

	if (args.n > IPC_FLUSH_DOMAIN_MAX || !mail_domain_ok(args))
		smtp_say(s, SMTP_BAD_NAME);
	else
		smtp_say(s, smtp_reply_of(SMTP_STEP_FLUSH, ipc_flush(s->d->post, &m)));
}

/* A browser made to speak to us by a page it shows: the body of its request would be our commands. */
static SUSPENDS void run_http(struct smtp *s, struct str args)
{
	(void)args;
	smtp_say(s, SMTP_IS_HTTP);
}

/* RFC 2033 4.1. */
static enum smtp_reply check_helo(struct smtp *s)
{
	return smtp_is_lmtp(s) ? SMTP_IS_LMTP : SMTP_FINE;
}

static enum smtp_reply check_lhlo(struct smtp *s)
{
	return smtp_is_lmtp(s) ? SMTP_FINE : SMTP_UNKNOWN;
}

static enum smtp_reply check_starttls(struct smtp *s)
{
	if (s->d->secured)
		return SMTP_TLS_ALREADY;
	return door_can_tls(s->d) ? SMTP_FINE : SMTP_NO_TLS;
}

static SUSPENDS void run_starttls(struct smtp *s, struct str args)
{
	(void)args;
	if (stream_has_input(&s->d->stream)) { /* I1: somebody put commands in front of the handshake */
		smtp_say(s, SMTP_TLS_PIPELINED);
		s->closing = true;
		return;
	}
	smtp_say(s, SMTP_START_TLS);
	stream_flush(&s->d->stream);
	stream_drop_input(&s->d->stream);
	if (!door_start_tls(s->d)) {
		s->closing = true;
		return;
	}
	door_logout(s->d); /* who logged in without TLS may have been somebody between */
	s->state = SMTP_NEW; /* RFC 3207 4.2: what was said before is forgotten */
	s->esmtp = false;
	s->n_helo = 0;
	smtp_end_letter(s);
}

/* ---- the table of verbs */

enum args { ARGS_NONE, ARGS_NEEDED, ARGS_ANY };

struct verb {
	struct str name;
	unsigned states; /* in which it may come */
	enum args args;
	enum smtp_reply (*check)(struct smtp *s);
	void (*run)(struct smtp *s, struct str args);
};

static const struct verb verbs[] = {
	{ STR("RCPT"), SMTP_MAIL | SMTP_RCPTS, ARGS_NEEDED, NULL, smtp_rcpt_run },
	{ STR("MAIL"), SMTP_READY, ARGS_NEEDED, smtp_mail_check, smtp_mail_run },
	{ STR("DATA"), SMTP_MAIL | SMTP_RCPTS, ARGS_NONE, smtp_data_check, smtp_data_run },
	{ STR("BDAT"), SMTP_ANY, ARGS_ANY, NULL, smtp_bdat_run },
	{ STR("EHLO"), SMTP_ANY, ARGS_NEEDED, check_helo, run_ehlo },
	{ STR("HELO"), SMTP_ANY, ARGS_NEEDED, check_helo, run_helo },
	{ STR("LHLO"), SMTP_ANY, ARGS_NEEDED, check_lhlo, run_ehlo },
	{ STR("RSET"), SMTP_ANY, ARGS_NONE, NULL, run_rset },
	{ STR("NOOP"), SMTP_ANY, ARGS_ANY, NULL, run_noop },
	{ STR("QUIT"), SMTP_ANY, ARGS_NONE, NULL, run_quit },
	{ STR("STARTTLS"), SMTP_READY, ARGS_NONE, check_starttls, run_starttls },
	{ STR("AUTH"), SMTP_READY, ARGS_NEEDED, smtp_auth_check, smtp_auth_run },
	{ STR("VRFY"), SMTP_ANY, ARGS_NEEDED, NULL, run_vrfy },
	{ STR("EXPN"), SMTP_ANY, ARGS_NEEDED, NULL, run_vrfy },
	{ STR("ETRN"), SMTP_READY, ARGS_NEEDED, check_etrn, run_etrn },
	{ STR("HELP"), SMTP_ANY, ARGS_ANY, NULL, run_help },
	{ STR("GET"), SMTP_ANY, ARGS_ANY, NULL, run_http },
	{ STR("PUT"), SMTP_ANY, ARGS_ANY, NULL, run_http },
	{ STR("POST"), SMTP_ANY, ARGS_ANY, NULL, run_http },
	{ STR("OPTIONS"), SMTP_ANY, ARGS_ANY, NULL, run_http },
	{ STR("CONNECT"), SMTP_ANY, ARGS_ANY, NULL, run_http },
};

static const struct verb *verb_find(struct str name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (str_ieq(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static enum smtp_reply wrong_state(const struct smtp *s)
{
	enum smtp_state now = s->state;

	return now == SMTP_NEW ? smtp_is_lmtp(s) ? SMTP_SAY_LHLO : SMTP_SAY_HELO : now == SMTP_READY ? SMTP_SAY_MAIL : SMTP_IN_LETTER;
}

static enum smtp_reply may_run(struct smtp *s, const struct verb *v, struct str args)
{
	if (!v)
		return SMTP_UNKNOWN;
	if (v->args == ARGS_NONE && args.n)
		return SMTP_NO_ARGS;
	if (v->args == ARGS_NEEDED && args.n == 0)
		return SMTP_NEEDS_ARG;
	if (!(v->states & s->state))
		return wrong_state(s);
	return v->check ? v->check(s) : SMTP_FINE;
}

/* ---- the loop */

static SUSPENDS void run_line(struct smtp *s, struct str line)
{
	struct str name, args;
	const struct verb *v;
	enum smtp_reply r;

	smtp_line_cut(line, &name, &args);
	v = verb_find(name);
	if (line.n + 2 > s->d->conf->limits.smtp_line_size_max && !(v && v->run == smtp_auth_run))
		r = SMTP_LINE_LONG;
	else if (smtp_line_has_control(line))
		r = SMTP_LINE_CONTROL;
	else
		r = may_run(s, v, args);
	if (r && v && v->run == smtp_bdat_run)
		s->closing = true; /* how many octets follow that are no commands is not known */
	if (r)
		smtp_say(s, r);
	else
		v->run(s, args);
}

/* Reasons to end a session that stand outside its commands; SMTP_FINE: none. */
static enum smtp_reply must_end(const struct smtp *s)
{
	const struct conf_limits *l = &s->d->conf->limits;

	if (*s->d->stopping)
		return SMTP_STOPPING;
	if (s->d->account.revoked)
		return SMTP_LOGIN_ENDED;
	if (s->n_errors >= l->smtp_errors_max)
		return SMTP_MANY_ERRORS;
	return s->n_commands >= l->smtp_commands_max ? SMTP_MANY_COMMANDS : SMTP_FINE;
}

/* Waits at a command boundary; SMTP_FINE when there is input or the stream ended, else why the wait is over. */
static SUSPENDS enum smtp_reply await_command(struct smtp *s)
{
	struct door *d = s->d;
	const struct conf_timeouts *t = &d->conf->timeouts;
	int64_t ms = s->spoke ? t->smtp_command_ms : t->smtp_greeting_ms;
	int64_t until;

	stream_deadline(&d->stream, ms + LAST_WORDS_MS);
	until = d->stream.sched ? sched_now_ms(d->sched) + ms : NEVER_MS;
	while (!stream_has_input(&d->stream)) {
		enum stream_event ev;

		if (*d->stopping || d->account.revoked)
			return *d->stopping ? SMTP_STOPPING : SMTP_LOGIN_ENDED;
		ev = stream_wait(&d->stream, d->stopping_gate, until);
		if (ev == STREAM_EV_DEADLINE)
			return SMTP_TIMEOUT;
		if (ev == STREAM_EV_INPUT)
			break;
	}
	return SMTP_FINE;
}

static SUSPENDS void one_command(struct smtp *s)
{
	const struct conf_limits *l = &s->d->conf->limits;
	uint64_t max = l->smtp_line_size_max;
	enum smtp_reply r = await_command(s);
	enum line_result got;
	struct str line;

	if (r) {
		smtp_say(s, r);
		return;
	}
	if (max < l->smtp_auth_line_size_max && smtp_is_submission(s))
		max = l->smtp_auth_line_size_max; /* AUTH may bring its response along */
	got = stream_line(&s->d->stream, &line, max);
	r = must_end(s);
	if (got == LINE_GONE)
		s->closing = true;
	else if (r || got != LINE_OK)
		smtp_say(s, r ? r : got == LINE_BARE ? SMTP_LINE_BARE : SMTP_LINE_LONG);
	else
		run_line(s, line);
	s->spoke = true;
	s->n_commands++;
	arena_reset(&s->command);
}

/* Who speaks before the greeting does not read replies: a program that only sends. (A stream in memory has all its input
 * from the start.) */
static SUSPENDS bool spoke_early(struct smtp *s)
{
	struct stream *st = &s->d->stream;

	return st->sched && stream_wait(st, NULL, sched_now_ms(st->sched)) == STREAM_EV_INPUT && stream_has_input(st);
}

static SUSPENDS void greet(struct smtp *s)
{
	stream_deadline(&s->d->stream, s->d->conf->timeouts.smtp_greeting_ms);
	if (spoke_early(s)) {
		smtp_say(s, SMTP_EARLY_TALK);
		s->closing = true;
	} else if (*s->d->stopping) {
		smtp_say(s, SMTP_STOPPING);
	} else {
		stream_printf(&s->d->stream, "220 %.*s %s Sallyport\r\n", STR_ARG(s->d->conf->hostname), smtp_is_lmtp(s) ? "LMTP" : "ESMTP");
	}
}

static void log_session(struct smtp *s)
{
	static const char *const ends[] = { "goodbye", "closed", "reset", "expired", "stopped" };
	struct arena *a = &s->command;

	door_log(s->d, LOG_LEVEL_INFO, "smtp-session", (struct log_field[]){
		LOG_S("helo", str_of(s->helo, s->n_helo)), LOG_S("end", str_z(ends[s->d->stream.end])),
		LOG_S("commands", arena_fmt(a, "%u", s->n_commands)), LOG_S("errors", arena_fmt(a, "%u", s->n_errors)),
		LOG_S("letters", arena_fmt(a, "%u", s->n_letters)), LOG_S("accepted", arena_fmt(a, "%u", s->n_accepted)),
		LOG_S("tls", str_z(s->d->tls_text)), { 0 } });
}

SUSPENDS void smtp_session(struct door *d)
{
	struct smtp *s = arena_new(&d->arena, struct smtp);

	s->d = d;
	s->state = SMTP_NEW;
	arena_init(&s->command, "smtp command", 512 * 1024);
	arena_init(&s->letter, "smtp letter", 512 * 1024);
	greet(s);
	while (!s->closing && stream_ok(&d->stream))
		one_command(s);
	stream_deadline(&d->stream, LAST_WORDS_MS);
	stream_flush(&d->stream);
	log_session(s);
	smtp_end_letter(s);
	door_logout(d);
	arena_fini(&s->letter);
	arena_fini(&s->command);
}
