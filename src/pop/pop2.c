/* pop/pop2.c - POP2, the server's side (RFC 937)
 * Purpose     HELO, FOLD, READ, RETR, ACKS, ACKD, NACK, QUIT, by the RFC's state diagram; the maildrop is the same as POP3's.
 * Trust       runs in edge; input is hostile. There is no TLS in POP2: where it may be spoken is checked with the configuration.
 * Owns        struct pop2, the marks in its maildrop.
 * Suspends    waiting for commands, in calls to auth and store, flushing.
 * Invariants  I1 what is not allowed in a state, or not understood, is answered "- reason" and ends the session (decision table, action 1).
 *             I2 RETR sends as many octets as were announced, or the connection ends within them.
 *             I3 messages are removed by QUIT and FOLD, when the mailbox is released, and nowhere else.
 *             I4 an unknown name and a wrong password get the same reply.
 */
#include "pop/maildrop.h"
#include "pop/pop2_parse.h"

#include <string.h>

#define LAST_WORDS_MS 10000
#define NAME_MAX 320
#define FOLDER_MAX 1024

enum state { AUTH = 1, MBOX = 2, ITEM = 4, NEXT = 8 };

struct pop2 {
	struct door *d;
	struct arena command; /* reset after each */
	enum state state;
	bool closing;
	int64_t login_until_ms;
	struct pop_drop drop;
	size_t current; /* index of the message that READ and the acknowledgments speak of; may be beyond the last */
	uint32_t n_retrieved, n_removed;
};

/* ---- replies */

static SUSPENDS void fail(struct pop2 *p, const char *why)
{
	stream_printf(&p->d->stream, "- %s\r\n", why);
	p->closing = true;
}

static const char *why_of(enum outcome o)
{
	switch (o) {
	case DENIED:
	case NO_SUCH:
	case BAD_SYNTAX:
		return "Wrong name or password";
	case IN_USE:
		return "Another session has the maildrop";
	case OVER_LIMIT:
		return "Too many logins; wait";
	case FAILED:
		return "The mailbox cannot be opened";
	default:
		return "Not possible now; try again later";
	}
}

static SUSPENDS void say_count(struct pop2 *p)
{
	stream_printf(&p->d->stream, "#%zu messages\r\n", p->drop.n);
	p->state = MBOX;
	p->current = 0;
}

/* Zero when there is no such message, or it is marked deleted. */
static uint32_t current_size(const struct pop2 *p)
{
	return p->current < p->drop.n && !p->drop.v[p->current].deleted ? p->drop.v[p->current].size : 0;
}

static SUSPENDS void say_length(struct pop2 *p)
{
	uint32_t size = current_size(p);

	if (size)
		stream_printf(&p->d->stream, "=%u characters in message %zu\r\n", size, p->current + 1);
	else
		stream_printf(&p->d->stream, "=0 no message\r\n");
	p->state = ITEM;
}

/* I3. False: said already. */
static SUSPENDS bool release(struct pop2 *p)
{
	size_t n = p->drop.n_deleted;
	enum outcome o = pop_drop_update(&p->drop, &p->command);

	if (o == OK)
		p->n_removed += (uint32_t)n;
	else
		fail(p, "Some deleted messages were not removed");
	if (!pop_drop_close(&p->drop) && o == OK)
		fail(p, why_of(TRY_LATER));
	return !p->closing;
}

/* ---- commands */

static SUSPENDS void run_helo(struct pop2 *p, struct str args)
{
	struct buf user, secret;
	enum outcome o = BAD_SYNTAX;

	buf_init(&user, NAME_MAX);
	buf_init(&secret, IPC_LOGIN_SECRET_MAX);
	if (!door_may_login(p->d))
		o = DENIED;
	else if (pop2_word(&args, &user) && pop2_word(&args, &secret) && !args.n)
		o = door_login(p->d, buf_str(&user), buf_str(&secret));
	if (o == OK)
		o = pop_drop_open(&p->drop, STR(""), true, &p->command);
	if (o == OK)
		say_count(p);
	else
		fail(p, why_of(o));
	if (secret.n)
		explicit_bzero(secret.p, secret.n);
	buf_fini(&secret);
	buf_fini(&user);
}

/* A mailbox that does not exist, or that the rules do not name, has no messages. */
static SUSPENDS void run_fold(struct pop2 *p, struct str args)
{
	struct buf folder;
	enum outcome o;

	buf_init(&folder, FOLDER_MAX);
	if (!pop2_string(args, &folder)) {
		fail(p, "FOLD needs the name of a mailbox");
	} else if (release(p)) {
		o = pop_drop_open(&p->drop, buf_str(&folder), false, &p->command);
		if (o == OK || o == NO_SUCH)
			say_count(p);
		else
			fail(p, why_of(o));
	}
	buf_fini(&folder);
}

static SUSPENDS void run_read(struct pop2 *p, struct str args)
{
	uint32_t n;

	if (args.n && (!str_to_u32(args, &n) || n == 0)) {
		fail(p, "READ takes a message number");
		return;
	}
	if (args.n)
		p->current = n - 1;
	say_length(p);
}

/* I2. */
static SUSPENDS void send_message(struct pop2 *p, uint32_t size)
{
	struct stream *st = &p->d->stream;
	struct arena work;
	uint32_t at = 0;

	arena_init(&work, "pop2 message", IPC_REPLY_MEMORY);
	while (at < size && stream_ok(st)) {
		struct str bytes;

		if (pop_drop_read(&p->drop, p->current, &at, &work, &bytes) != OK || bytes.n == 0 || at > size) {
			stream_fail(st, STREAM_RESET);
			break;
		}
		stream_deadline(st, p->d->conf->timeouts.pop2_ms);
		stream_write(st, bytes);
	}
	arena_fini(&work);
}

/* A request for what does not exist ends the session, without a word that could be taken for the data (action 7). */
static SUSPENDS void run_retr(struct pop2 *p, struct str args)
{
	uint32_t size = current_size(p);

	(void)args;
	if (size == 0) {
		p->closing = true;
		return;
	}
	send_message(p, size);
	p->n_retrieved++;
	p->state = NEXT;
}

static SUSPENDS void run_acks(struct pop2 *p, struct str args)
{
	(void)args;
	p->current++;
	say_length(p);
}

static SUSPENDS void run_ackd(struct pop2 *p, struct str args)
{
	pop_drop_mark(&p->drop, p->current);
	run_acks(p, args);
}

static SUSPENDS void run_nack(struct pop2 *p, struct str args)
{
	(void)args;
	say_length(p);
}

static SUSPENDS void run_quit(struct pop2 *p, struct str args)
{
	(void)args;
	if (p->state != AUTH && !release(p))
		return;
	stream_printf(&p->d->stream, "+ OK\r\n");
	p->closing = true;
}

/* ---- the decision table */

enum args { NO_ARGS, ARGS, MAYBE_ARGS };

struct command {
	struct str name;
	unsigned states;
	enum args args;
	void (*run)(struct pop2 *p, struct str args);
};

static const struct command commands[] = {
	{ STR("HELO"), AUTH, ARGS, run_helo },
	{ STR("FOLD"), MBOX | ITEM, ARGS, run_fold },
	{ STR("READ"), MBOX | ITEM, MAYBE_ARGS, run_read },
	{ STR("RETR"), ITEM, NO_ARGS, run_retr },
	{ STR("ACKS"), NEXT, NO_ARGS, run_acks },
	{ STR("ACKD"), NEXT, NO_ARGS, run_ackd },
	{ STR("NACK"), NEXT, NO_ARGS, run_nack },
	{ STR("QUIT"), AUTH | MBOX | ITEM, NO_ARGS, run_quit },
};

static const struct command *find(struct str name)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (str_ieq(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static SUSPENDS void run_line(struct pop2 *p, struct str line)
{
	ssize_t blank = str_find(line, ' ');
	struct str args = blank < 0 ? (struct str){ 0 } : str_from(line, (size_t)blank + 1);
	const struct command *c = find(blank < 0 ? line : str_sub(line, 0, (size_t)blank));

	if (!c)
		fail(p, "No such command");
	else if (!(c->states & p->state))
		fail(p, p->state == AUTH ? "Say HELO first" : p->state == NEXT ? "Acknowledge the message" : "Not in this state");
	else if (c->args == ARGS ? !args.n : c->args == NO_ARGS && args.n)
		fail(p, args.n ? "The command takes no argument" : "The command needs an argument");
	else
		c->run(p, args);
	explicit_bzero((char *)(uintptr_t)line.p, line.n); /* our own buffer, which held a password; views of it are const by habit */
}

/* ---- the loop */

static SUSPENDS bool await_command(struct pop2 *p)
{
	struct door *d = p->d;
	int64_t now = sched_now_ms(d->sched);
	int64_t until = p->state == AUTH ? p->login_until_ms : now + d->conf->timeouts.pop2_ms;

	stream_deadline(&d->stream, until - now + LAST_WORDS_MS);
	while (!stream_has_input(&d->stream)) {
		enum stream_event ev;

		if (*d->stopping || d->account.revoked) {
			fail(p, *d->stopping ? "The server is restarting; come again" : "Your login has ended");
			return false;
		}
		ev = stream_wait(&d->stream, d->stopping_gate, until);
		if (ev == STREAM_EV_DEADLINE) {
			fail(p, "Too long without a command");
			return false;
		}
		if (ev == STREAM_EV_INPUT)
			break;
	}
	return stream_ok(&d->stream);
}

static SUSPENDS void one_command(struct pop2 *p)
{
	enum line_result r;
	struct str line;

	if (!await_command(p)) {
		p->closing = true;
		return;
	}
	r = stream_line(&p->d->stream, &line, p->d->conf->limits.pop2_line_size_max);
	if (r == LINE_GONE)
		p->closing = true;
	else if (r == LINE_OK)
		run_line(p, line);
	else
		fail(p, r == LINE_BARE ? "A CR or LF stands alone; lines end with CRLF" : "The line is too long");
	arena_reset(&p->command);
}

static SUSPENDS void greet(struct pop2 *p)
{
	struct door *d = p->d;

	p->login_until_ms = sched_now_ms(d->sched) + d->conf->timeouts.imap_login_ms;
	stream_deadline(&d->stream, d->conf->timeouts.imap_login_ms);
	if (*d->stopping)
		fail(p, "The server is restarting; come again");
	else
		stream_printf(&d->stream, "+ POP2 %.*s Sallyport\r\n", STR_ARG(d->conf->hostname));
}

static void log_session(struct pop2 *p)
{
	struct arena *a = &p->command;

	door_log(p->d, LOG_LEVEL_INFO, "pop2-session", (struct log_field[]){
		LOG_S("retrieved", arena_fmt(a, "%u", p->n_retrieved)), LOG_S("removed", arena_fmt(a, "%u", p->n_removed)), { 0 } });
}

SUSPENDS void pop2_session(struct door *d)
{
	struct pop2 *p = arena_new(&d->arena, struct pop2);

	p->d = p->drop.d = d;
	p->state = AUTH;
	arena_init(&p->command, "pop2 command", IPC_REPLY_MEMORY + 65536);
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
