/* pop/session.c - POP3, the server's side (RFC 1939, 2449, 2595, 3206, 6856)
 * Purpose     greet, log in, run commands; the maildrop is what the login's rules say, held exclusively.
 * Trust       runs in edge; input is hostile; store decides what a handle may see.
 * Owns        struct pop, the list of messages in it, the lock on the maildrop.
 * Suspends    waiting for commands, in calls to auth and store, flushing.
 * Invariants  I1 messages are removed in QUIT after a login and nowhere else (RFC 1939 6): a lost connection removes none.
 *             I2 an unknown name and a wrong password get the same reply.
 *             I3 nothing received before a TLS handshake is read as a command after it (RFC 2595 4).
 */
#include "pop/session.h"

#include <stdio.h>
#include <string.h>

#define LAST_WORDS_MS 10000

/* ---- replies */

SUSPENDS void pop_ok(struct pop *p, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, pop_translate(p->lang, fmt), ap);
	va_end(ap);
	stream_printf(&p->d->stream, "+OK%s%s\r\n", *text ? " " : "", text);
}

SUSPENDS void pop_err(struct pop *p, const char *text)
{
	p->n_errors++;
	stream_printf(&p->d->stream, "-ERR %s\r\n", pop_translate(p->lang, text));
}

#define LATER "[SYS/TEMP] Not possible now; try again later"
#define WRONG "[AUTH] Wrong name or password"

/* Response codes: RFC 2449 8, 3206. */
static const char *const outcomes[POP_STEP_COUNT][OUTCOME_COUNT] = {
	[POP_STEP_LOGIN] = {
		[DENIED] = WRONG, [NO_SUCH] = WRONG, [BAD_SYNTAX] = WRONG,
		[OVER_LIMIT] = "[SYS/TEMP] Too many failed logins; wait",
	},
	[POP_STEP_LOCK] = {
		[IN_USE] = "[IN-USE] Another session has the maildrop",
		[OVER_LIMIT] = "[LOGIN-DELAY] Too soon after the last login",
		[FAILED] = "[SYS/PERM] The maildrop cannot be opened: it is damaged or has too many messages",
	},
	[POP_STEP_READ] = {
		[NO_SUCH] = "The message is gone",
		[FAILED] = "[SYS/PERM] The message cannot be read",
	},
	[POP_STEP_UPDATE] = {
		[TRY_LATER] = "[SYS/TEMP] Some deleted messages were not removed",
		[OVER_LIMIT] = "[SYS/PERM] Some deleted messages were not removed",
		[FAILED] = "[SYS/PERM] Some deleted messages were not removed",
	},
};

SUSPENDS void pop_say_outcome(struct pop *p, enum pop_step step, enum outcome o)
{
	const char *text = (unsigned)o < OUTCOME_COUNT ? outcomes[step][o] : NULL;

	if (o == REVOKED)
		p->closing = true;
	pop_err(p, text ? text : LATER);
}

/* ---- logging in */

static SUSPENDS void run_user(struct pop *p, struct str args)
{
	if (!door_may_login(p->d)) {
		pop_err(p, "Start TLS (STLS) before you log in");
		return;
	}
	if (args.n > sizeof p->user) {
		pop_err(p, "The name is too long");
		return;
	}
	memcpy(p->user, args.p, args.n);
	p->n_user = args.n;
	pop_ok(p, "Send PASS"); /* I2: whatever the name */
}

SUSPENDS void pop_enter(struct pop *p)
{
	enum outcome o = pop_drop_open(&p->drop, STR(""), true, &p->command);

	if (o != OK) {
		pop_say_outcome(p, POP_STEP_LOCK, o);
		door_logout(p->d);
		return;
	}
	p->state = POP_TRANSACTION;
	pop_ok(p, "%zu messages", p->drop.n);
}

static SUSPENDS void log_in(struct pop *p, struct str secret)
{
	enum outcome o = secret.n > IPC_LOGIN_SECRET_MAX ? DENIED : door_login(p->d, str_of(p->user, p->n_user), secret);

	p->n_user = 0;
	if (o != OK)
		pop_say_outcome(p, POP_STEP_LOGIN, o);
	else
		pop_enter(p);
}

/* The password is the rest of the line, blanks included (RFC 1939 7). */
static SUSPENDS void run_pass(struct pop *p, struct str args)
{
	if (!door_may_login(p->d))
		pop_err(p, "Start TLS (STLS) before you log in");
	else if (p->n_user == 0)
		pop_err(p, "Send USER first");
	else
		log_in(p, args);
}

/* ---- the simple verbs */

static SUSPENDS void run_capa(struct pop *p, struct str args)
{
	struct stream *st = &p->d->stream;

	(void)args;
	pop_ok(p, "Capabilities follow");
	stream_write(st, STR("TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\nUTF8 USER\r\nLANG\r\n"));
	if (p->d->conf->limits.pop_login_delay_ms)
		stream_printf(st, "LOGIN-DELAY %lld\r\n", (long long)((p->d->conf->limits.pop_login_delay_ms + 999) / 1000));
	if (door_may_login(p->d)) {
		stream_write(st, STR("USER\r\n"));
		pop_say_mechanisms(p);
	}
	if (p->state == POP_AUTHORIZATION && door_can_tls(p->d) && !p->utf8)
		stream_write(st, STR("STLS\r\n"));
	if (p->state == POP_TRANSACTION) /* a stranger need not know (RFC 2449 6.9) */
		stream_write(st, STR("IMPLEMENTATION Sallyport\r\n"));
	stream_write(st, STR(".\r\n"));
}

static SUSPENDS void run_stls(struct pop *p, struct str args)
{
	struct stream *st = &p->d->stream;

	(void)args;
	if (!door_can_tls(p->d)) {
		pop_err(p, p->d->secured ? "TLS is on already" : "TLS is not available here");
		return;
	}
	if (p->utf8) { /* RFC 6856 2.1 */
		pop_err(p, "STLS comes before UTF8");
		return;
	}
	if (stream_has_input(st)) { /* I3 */
		pop_err(p, "Nothing may follow STLS before its reply");
		p->closing = true;
		return;
	}
	pop_ok(p, "Ready to start TLS");
	stream_flush(st);
	stream_drop_input(st);
	p->n_user = 0;
	if (!door_start_tls(p->d))
		p->closing = true;
}

/* RFC 6856 2.1. Letters are sent as they are in either mode. */
static SUSPENDS void run_utf8(struct pop *p, struct str args)
{
	(void)args;
	p->utf8 = true;
	pop_ok(p, "UTF8 is on");
}

/* RFC 6856 3. */
static SUSPENDS void run_lang(struct pop *p, struct str args)
{
	const struct pop_language *l = pop_language_find(args);

	if (args.n && !l) {
		pop_err(p, "No such language");
	} else if (args.n) {
		p->lang = l;
		stream_printf(&p->d->stream, "+OK %.*s %s\r\n", STR_ARG(l->tag), pop_translate(l, "Answers are in English"));
	} else {
		pop_ok(p, "Languages follow");
		for (l = pop_languages; l->tag.n; l++)
			stream_printf(&p->d->stream, "%.*s %s\r\n", STR_ARG(l->tag), l->about);
		stream_write(&p->d->stream, STR(".\r\n"));
	}
}

static SUSPENDS void run_noop(struct pop *p, struct str args)
{
	(void)args;
	pop_ok(p, "%s", "");
}

/* I1. */
static SUSPENDS void run_quit(struct pop *p, struct str args)
{
	enum outcome o = p->state == POP_TRANSACTION ? pop_drop_update(&p->drop, &p->command) : OK;

	(void)args;
	p->closing = true;
	p->updated = o == OK;
	if (o == OK)
		pop_ok(p, "Bye");
	else
		pop_say_outcome(p, POP_STEP_UPDATE, o);
}

/* ---- the table of verbs */

enum args { ARGS_NONE, ARGS_NEEDED, ARGS_MAYBE, ARGS_RAW };

struct verb {
	struct str name;
	unsigned states;
	enum args args;
	void (*run)(struct pop *p, struct str args);
};

static const struct verb verbs[] = {
	{ STR("USER"), POP_AUTHORIZATION, ARGS_NEEDED, run_user },
	{ STR("PASS"), POP_AUTHORIZATION, ARGS_RAW, run_pass },
	{ STR("AUTH"), POP_AUTHORIZATION, ARGS_NEEDED, pop_auth },
	{ STR("STLS"), POP_AUTHORIZATION, ARGS_NONE, run_stls },
	{ STR("CAPA"), POP_ANY, ARGS_NONE, run_capa },
	{ STR("UTF8"), POP_AUTHORIZATION, ARGS_NONE, run_utf8 },
	{ STR("LANG"), POP_ANY, ARGS_MAYBE, run_lang },
	{ STR("QUIT"), POP_ANY, ARGS_NONE, run_quit },
	{ STR("STAT"), POP_TRANSACTION, ARGS_NONE, pop_stat },
	{ STR("LIST"), POP_TRANSACTION, ARGS_MAYBE, pop_list },
	{ STR("UIDL"), POP_TRANSACTION, ARGS_MAYBE, pop_uidl },
	{ STR("RETR"), POP_TRANSACTION, ARGS_NEEDED, pop_retr },
	{ STR("TOP"), POP_TRANSACTION, ARGS_NEEDED, pop_top },
	{ STR("DELE"), POP_TRANSACTION, ARGS_NEEDED, pop_dele },
	{ STR("RSET"), POP_TRANSACTION, ARGS_NONE, pop_rset },
	{ STR("NOOP"), POP_TRANSACTION, ARGS_NONE, run_noop },
};

static const struct verb *verb_find(struct str name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (str_ieq(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

/* Why the verb may not be run now, or NULL. */
static const char *why_not(const struct pop *p, const struct verb *v, struct str args)
{
	if (!v)
		return "No such command";
	if (!(v->states & p->state))
		return p->state == POP_AUTHORIZATION ? "Log in first" : "You are logged in already";
	if (v->args == ARGS_NONE && args.n)
		return "The command takes no argument";
	if (v->args == ARGS_NEEDED && !args.n)
		return "The command needs an argument";
	return NULL;
}

static SUSPENDS void run_line(struct pop *p, struct str line)
{
	ssize_t blank = str_find(line, ' ');
	struct str args = blank < 0 ? (struct str){ 0 } : str_from(line, (size_t)blank + 1);
	const struct verb *v = verb_find(blank < 0 ? line : str_sub(line, 0, (size_t)blank));
	bool raw = v && v->args == ARGS_RAW;
	const char *why;

	if (!raw)
		args = str_trim(args);
	why = str_find(line, 0) >= 0 ? "The line holds a NUL byte" : why_not(p, v, args);
	if (why)
		pop_err(p, why);
	else
		v->run(p, args);
	if (raw)
		explicit_bzero((char *)(uintptr_t)args.p, args.n); /* our own buffer; views of it are const by habit */
}

/* ---- the loop */

/* Waits at a command boundary. False: the session is over. */
static SUSPENDS bool await_command(struct pop *p)
{
	struct door *d = p->d;
	int64_t now = sched_now_ms(d->sched);
	int64_t until = p->state == POP_AUTHORIZATION ? p->login_until_ms : now + d->conf->timeouts.pop_ms;

	stream_deadline(&d->stream, until - now + LAST_WORDS_MS);
	while (!stream_has_input(&d->stream)) {
		enum stream_event ev;

		if (*d->stopping || d->account.revoked)
			return false; /* nothing may be said unasked */
		ev = stream_wait(&d->stream, d->stopping_gate, until);
		if (ev == STREAM_EV_DEADLINE)
			return false; /* RFC 1939 3: without a word, removing nothing */
		if (ev == STREAM_EV_INPUT)
			break;
	}
	return stream_ok(&d->stream);
}

static SUSPENDS bool must_end(struct pop *p)
{
	const char *why = *p->d->stopping ? "[SYS/TEMP] The server is restarting; come again" :
		p->d->account.revoked ? "[AUTH] Your login has ended" :
		p->n_errors >= p->d->conf->limits.pop_errors_max ? "Too many errors" : NULL;

	if (why)
		pop_err(p, why);
	return why != NULL;
}

static SUSPENDS void one_command(struct pop *p)
{
	struct str line;
	enum line_result r;

	if (!await_command(p)) {
		p->closing = true;
		return;
	}
	r = stream_line(&p->d->stream, &line, p->d->conf->limits.pop_line_size_max);
	if (r == LINE_GONE || must_end(p)) {
		p->closing = true;
		return;
	}
	if (r == LINE_OK)
		run_line(p, line);
	else
		pop_err(p, r == LINE_BARE ? "A CR or LF stands alone; lines end with CRLF" : "The line is too long");
	arena_reset(&p->command);
}

static SUSPENDS void greet(struct pop *p)
{
	struct door *d = p->d;

	p->login_until_ms = sched_now_ms(d->sched) + d->conf->timeouts.imap_login_ms;
	stream_deadline(&d->stream, d->conf->timeouts.imap_login_ms);
	if (*d->stopping) {
		p->closing = true;
		pop_err(p, "[SYS/TEMP] The server is restarting; come again");
		return;
	}
	pop_ok(p, "%.*s POP3 Sallyport", STR_ARG(d->conf->hostname));
}

static void log_session(struct pop *p)
{
	static const char *const ends[] = { "goodbye", "closed", "reset", "expired", "stopped" };
	struct arena *a = &p->command;

	door_log(p->d, LOG_LEVEL_INFO, "pop-session", (struct log_field[]){
		LOG_S("end", str_z(ends[p->d->stream.end])), LOG_S("messages", arena_fmt(a, "%zu", p->drop.n)),
		LOG_S("retrieved", arena_fmt(a, "%u", p->n_retrieved)),
		LOG_S("removed", arena_fmt(a, "%zu", p->updated ? p->drop.n_deleted : 0)),
		LOG_S("errors", arena_fmt(a, "%u", p->n_errors)), { 0 } });
}

SUSPENDS void pop_session(struct door *d)
{
	struct pop *p = arena_new(&d->arena, struct pop);

	p->d = p->drop.d = d;
	p->state = POP_AUTHORIZATION;
	p->lang = pop_languages;
	arena_init(&p->command, "pop command", IPC_REPLY_MEMORY + 65536);
	greet(p);
	while (!p->closing && stream_ok(&d->stream))
		one_command(p);
	log_session(p);
	pop_drop_close(&p->drop);
	door_logout(d);
	stream_deadline(&d->stream, LAST_WORDS_MS);
	stream_flush(&d->stream);
	arena_fini(&p->command);
}
