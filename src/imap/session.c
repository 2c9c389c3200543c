/* imap/session.c - the command loop, from one table of commands (RFC 3501 3, 6)
 * Purpose     greet, then: wait, gather, look up, run, report news, reply; until the client or the server says goodbye.
 * Trust       runs in edge; input is hostile, answers of store and post are trusted to follow ipc.def.
 * Owns        the session's state, on the session's own stack; buffers only while a command runs.
 * Suspends    while it waits and in most commands; afterwards the mailbox may have news (account.changed).
 * Invariants  I1 replies come in the order of the commands, one each.
 *             I2 no EXPUNGE during FETCH, STORE and SEARCH without UID, nor between commands (RFC 3501 7.4.1).
 *             I3 a command without news costs no message to store.
 */
#include "imap/imap.h"

#include <stddef.h>
#include <string.h>

#define ANY (IMAP_STRANGER | IMAP_USER | IMAP_SELECTED)
#define LOGGED_IN (IMAP_USER | IMAP_SELECTED)
#define OUT_MAX ((size_t)4 << 20)   /* more than any one answer that is not streamed */
#define WORK_MAX ((size_t)16 << 20) /* several answers of store, unfolded */

static const struct imap_command commands[] = {
	{ "CAPABILITY", ANY, IMAP_NO_ARGUMENTS, imap_capability },
	{ "NOOP", ANY, IMAP_NO_ARGUMENTS, imap_noop },
	{ "LOGOUT", ANY, IMAP_NO_ARGUMENTS, imap_logout },
	{ "ID", ANY, 0, imap_id },
	{ "STARTTLS", IMAP_STRANGER, IMAP_NO_ARGUMENTS, imap_starttls },
	{ "LOGIN", IMAP_STRANGER, IMAP_LOGS_IN, imap_login },
	{ "AUTHENTICATE", IMAP_STRANGER, IMAP_LOGS_IN, imap_authenticate },
	{ "ENABLE", IMAP_USER, 0, imap_enable },
	{ "NAMESPACE", LOGGED_IN, IMAP_NO_ARGUMENTS, imap_namespace },
	{ "SELECT", LOGGED_IN, 0, imap_select },
	{ "EXAMINE", LOGGED_IN, 0, imap_examine },
	{ "CREATE", LOGGED_IN, 0, imap_create },
	{ "DELETE", LOGGED_IN, 0, imap_delete },
	{ "RENAME", LOGGED_IN, 0, imap_rename },
	{ "SUBSCRIBE", LOGGED_IN, 0, imap_subscribe },
	{ "UNSUBSCRIBE", LOGGED_IN, 0, imap_unsubscribe },
	{ "LIST", LOGGED_IN, 0, imap_list },
	{ "LSUB", LOGGED_IN, 0, imap_lsub },
	{ "STATUS", LOGGED_IN, 0, imap_status },
	{ "APPEND", LOGGED_IN, IMAP_MAKES, imap_append },
	{ "GETQUOTA", LOGGED_IN, 0, imap_getquota },
	{ "GETQUOTAROOT", LOGGED_IN, 0, imap_getquotaroot },
	{ "SETQUOTA", LOGGED_IN, 0, imap_setquota },
	{ "IDLE", LOGGED_IN, IMAP_NO_ARGUMENTS, imap_idle },
	{ "CHECK", IMAP_SELECTED, IMAP_NO_ARGUMENTS, imap_noop },
	{ "CLOSE", IMAP_SELECTED, IMAP_NO_ARGUMENTS, imap_close },
	{ "UNSELECT", IMAP_SELECTED, IMAP_NO_ARGUMENTS, imap_unselect },
	{ "EXPUNGE", IMAP_SELECTED, IMAP_UID | IMAP_WRITES, imap_expunge },
	{ "FETCH", IMAP_SELECTED, IMAP_UID | IMAP_KEEPS_NUMBERS, imap_fetch },
	{ "STORE", IMAP_SELECTED, IMAP_UID | IMAP_KEEPS_NUMBERS | IMAP_WRITES, imap_store },
	{ "SEARCH", IMAP_SELECTED, IMAP_UID | IMAP_KEEPS_NUMBERS, imap_search },
	{ "COPY", IMAP_SELECTED, IMAP_UID | IMAP_MAKES, imap_copy },
	{ "MOVE", IMAP_SELECTED, IMAP_UID | IMAP_MAKES | IMAP_WRITES, imap_move },
};

enum imap_state imap_state(const struct imap *im)
{
	if (im->box.open)
		return IMAP_SELECTED;
	return im->d->account.handle ? IMAP_USER : IMAP_STRANGER;
}

/* ---- the commands that are nothing but words */

enum outcome imap_capability(struct imap *im, struct cur *args)
{
	(void)args;
	buf_addz(&im->out, "* ");
	imap_add_capabilities(im, &im->out);
	buf_addz(&im->out, "\r\n");
	return OK;
}

/* Also CHECK: everything is durable when it is acknowledged. News comes with the reply of any command. */
enum outcome imap_noop(struct imap *im, struct cur *args)
{
	(void)im;
	(void)args;
	return OK;
}

enum outcome imap_logout(struct imap *im, struct cur *args)
{
	(void)args;
	buf_addz(&im->out, "* BYE Goodbye\r\n");
	im->done = true;
	return OK;
}

/* RFC 2971 3.3 */
#define ID_PAIRS_MAX 30
#define ID_FIELD_MAX 30
#define ID_VALUE_MAX 1024

static void id_pair(struct imap *im, struct cur *c)
{
	struct str field = imap_string(c, &im->cmd), value;

	imap_need_sp(c);
	value = imap_nstring(c, &im->cmd);
	if (field.n > ID_FIELD_MAX || value.n > ID_VALUE_MAX)
		cur_fail(c);
}

/* id-params-list: NIL, or pairs. What they say is not used. */
static void id_parse(struct imap *im, struct cur *c)
{
	unsigned n = 0;

	if (!cur_try(c, '(')) {
		cur_need_ilit(c, STR("NIL"));
		return;
	}
	if (cur_try(c, ')'))
		return;
	do {
		id_pair(im, c);
		if (++n > ID_PAIRS_MAX)
			cur_fail(c);
	} while (cur_ok(c) && cur_try(c, ' '));
	cur_need(c, ')');
}

enum outcome imap_id(struct imap *im, struct cur *args)
{
	id_parse(im, args);
	if (!cur_done(args))
		return BAD_SYNTAX;
	buf_addz(&im->out, "* ID (\"name\" \"Sallyport\")\r\n");
	return OK;
}

static const struct {
	const char *name;
	size_t flag; /* where in struct imap */
} enables[] = {
	{ "CONDSTORE", offsetof(struct imap, condstore) },
	{ "IMAP4rev2", offsetof(struct imap, rev2) },
	{ "UTF8=ACCEPT", offsetof(struct imap, utf8) },
};

static bool *flag_of(struct imap *im, size_t i)
{
	return (bool *)((char *)im + enables[i].flag);
}

static unsigned enable_parse(struct str name)
{
	for (unsigned i = 0; i < sizeof enables / sizeof *enables; i++)
		if (str_ieq(name, str_z(enables[i].name)))
			return 1u << i;
	return 0; /* what is not known is passed over (RFC 5161 3.1) */
}

/* Names what is newly enabled, and nothing before the whole command was understood. */
enum outcome imap_enable(struct imap *im, struct cur *args)
{
	unsigned wanted = 0;

	do
		wanted |= enable_parse(imap_atom(args));
	while (cur_ok(args) && cur_try(args, ' '));
	if (!cur_done(args))
		return BAD_SYNTAX;
	buf_addz(&im->out, "* ENABLED");
	for (unsigned i = 0; i < sizeof enables / sizeof *enables; i++) {
		if (!(wanted & 1u << i) || *flag_of(im, i))
			continue;
		*flag_of(im, i) = true;
		imap_out_fmt(im, " %s", enables[i].name);
	}
	buf_addz(&im->out, "\r\n");
	return OK;
}

enum outcome imap_namespace(struct imap *im, struct cur *args)
{
	(void)args;
	buf_addz(&im->out, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	return OK;
}

/* ---- one command */

static const struct imap_command *command_find(struct str name)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (str_ieq(name, str_z(commands[i].name)))
			return &commands[i];
	return NULL;
}

/* Tag and name; im->command stays NULL when there is none of that name. */
static void head_parse(struct imap *im, struct cur *c)
{
	struct cur ahead = *c;
	struct str tag = imap_tag(&ahead), name;

	im->tag = STR("*");
	imap_need_sp(&ahead);
	if (!cur_ok(&ahead))
		return;
	im->tag = arena_dup(&im->cmd, tag); /* the line may be wiped before the reply */
	name = imap_atom(&ahead);
	im->by_uid = str_ieq(name, STR("UID"));
	if (im->by_uid) {
		imap_need_sp(&ahead);
		name = imap_atom(&ahead);
	}
	im->command = cur_ok(&ahead) ? command_find(name) : NULL;
	if (im->command && im->by_uid && !(im->command->flags & IMAP_UID))
		im->command = NULL;
	*c = ahead;
}

/* Why the command may not run now; OK when it may. */
static enum outcome permit(struct imap *im, const struct cur *args)
{
	if (!im->command)
		return imap_fail(im, BAD_SYNTAX, STR(""), STR("There is no such command"));
	if (im->command->states & imap_state(im))
		return im->command->flags & IMAP_NO_ARGUMENTS && !cur_end(args) ? BAD_SYNTAX : OK;
	if (imap_state(im) == IMAP_STRANGER)
		return imap_fail(im, BAD_STATE, STR(""), STR("Log in first"));
	if (im->command->states & IMAP_STRANGER)
		return imap_fail(im, BAD_STATE, STR(""), STR("You are logged in already"));
	if (im->command->states & IMAP_USER)
		return imap_fail(im, BAD_STATE, STR(""), STR("Not with a mailbox selected"));
	return imap_fail(im, BAD_STATE, STR(""), STR("Select a mailbox first"));
}

static enum outcome permit_write(struct imap *im)
{
	if (im->command->flags & IMAP_WRITES && im->box.readonly)
		return imap_fail(im, DENIED, STR("READ-ONLY"), STR("The mailbox was opened read-only"));
	return OK;
}

static SUSPENDS void report_news(struct imap *im)
{
	struct door_account *account = &im->d->account;
	bool expunges = im->by_uid || !(im->command && im->command->flags & IMAP_KEEPS_NUMBERS);
	enum outcome o;

	if (!im->box.open || !(account->changed || im->news || (im->box.owed && expunges)))
		return;
	o = imap_sync(im, expunges);
	if (o == REVOKED)
		im->bye = "[UNAVAILABLE] The login has ended; log in again";
	else if (o == NO_SUCH)
		im->bye = "The selected mailbox was deleted";
}

static SUSPENDS enum outcome run(struct imap *im, enum imap_input input, struct cur *args)
{
	enum outcome o = permit(im, args);

	if (o == OK)
		o = permit_write(im);
	if (o != OK) {
		if (input == IMAP_INPUT_APPEND)
			im->done = !imap_drop(im, &im->append_literal);
		return o;
	}
	return im->command->run(im, args);
}

static SUSPENDS void command_run(struct imap *im, enum imap_input input)
{
	struct cur c = cur_of(buf_str(&im->line));
	enum outcome o;

	head_parse(im, &c);
	if (input == IMAP_INPUT_REFUSED) {
		im->command = NULL;
		imap_reply(im, BAD_SYNTAX);
		return;
	}
	if (im->command && !cur_end(&c) && !cur_try(&c, ' '))
		cur_fail(&c);
	o = cur_ok(&c) ? run(im, input, &c) : BAD_SYNTAX;
	if (!im->done)
		report_news(im);
	if (!im->replied)
		imap_reply(im, o);
}

/* What belongs to one command alone goes; what is left is a quiet session. */
static void command_end(struct imap *im)
{
	imap_line_forget(im);
	buf_fini(&im->out);
	arena_fini(&im->cmd);
	arena_fini(&im->work);
	im->command = NULL;
	im->by_uid = im->news = im->replied = false;
	im->code = im->text = (struct str){ 0 };
	im->tag = STR("*");
}

/* ---- the session */

static int64_t wait_until(const struct imap *im)
{
	if (!im->d->account.handle)
		return im->login_until_ms;
	return sched_now_ms(im->d->sched) + im->d->conf->timeouts.imap_idle_ms;
}

/* Waits for the next command. False: the session is over, and im->bye says why if the client can still hear it. */
static SUSPENDS bool await_command(struct imap *im)
{
	struct door *d = im->d;
	int64_t until_ms = wait_until(im);

	for (;;) {
		struct gate *gate = d->account.handle ? &d->account.news : d->stopping_gate;

		if (*d->stopping)
			im->bye = "[UNAVAILABLE] The server is stopping; come back soon";
		else if (d->account.revoked)
			im->bye = "[UNAVAILABLE] The login has ended; log in again";
		if (im->bye)
			return false;
		if (stream_has_input(&d->stream))
			return true;
		stream_deadline(&d->stream, NEVER_MS);
		switch (stream_wait(&d->stream, gate, until_ms)) {
		case STREAM_EV_INPUT:
			return stream_ok(&d->stream);
		case STREAM_EV_DEADLINE:
			im->bye = d->account.handle ? "Nothing was said for too long" : "Nobody logged in for too long";
			return false;
		case STREAM_EV_GATE:
			break;
		}
	}
}

static SUSPENDS bool step(struct imap *im)
{
	enum imap_input input;

	if (!await_command(im))
		return false;
	stream_deadline(&im->d->stream, wait_until(im) - sched_now_ms(im->d->sched));
	input = imap_read(im);
	if (input == IMAP_INPUT_GONE)
		return false;
	command_run(im, input);
	if (im->n_bad >= im->d->conf->limits.imap_errors_max && !im->bye)
		im->bye = "[LIMIT] Too many bad commands";
	imap_out_flush(im);
	command_end(im);
	return !im->done && !im->bye && stream_ok(&im->d->stream);
}

static void greet(struct imap *im)
{
	buf_addz(&im->out, "* OK [");
	imap_add_capabilities(im, &im->out);
	buf_addz(&im->out, "] ");
	buf_add(&im->out, im->d->conf->hostname);
	buf_addz(&im->out, " ready\r\n");
}

static void session_init(struct imap *im, struct door *d)
{
	const struct conf_limits *l = &d->conf->limits;
	size_t command_max = l->imap_line_size_max + l->imap_literal_command_size_max;

	*im = (struct imap){ .d = d, .tag = STR("*") };
	/* Escapes, names and parsed forms of all that can stand in a command, each some times over. */
	arena_init(&im->cmd, "imap command", 32 * command_max + ((size_t)8 << 20));
	arena_init(&im->work, "imap answer", WORK_MAX);
	buf_init(&im->line, command_max + 4096);
	buf_init(&im->out, OUT_MAX);
	imap_box_init(im);
	im->login_until_ms = sched_now_ms(d->sched) + d->conf->timeouts.imap_login_ms;
}

static SUSPENDS void say_goodbye(struct imap *im)
{
	if (im->bye)
		imap_out_fmt(im, "* BYE %s\r\n", im->bye);
	imap_out_flush(im);
	stream_flush(&im->d->stream);
}

static void log_end(struct imap *im)
{
	const struct stream *s = &im->d->stream;

	door_log(im->d, LOG_LEVEL_INFO, im->done ? "imap-logout" : "imap-end",
		(struct log_field[]){ LOG_S("received", arena_fmt(&im->cmd, "%llu", (unsigned long long)s->n_received)),
			LOG_S("sent", arena_fmt(&im->cmd, "%llu", (unsigned long long)s->n_sent)),
			LOG_S("why", str_z(im->bye)), { 0 } });
}

SUSPENDS void imap_session(struct door *d)
{
	struct imap im;

	session_init(&im, d);
	stream_deadline(&d->stream, d->conf->timeouts.imap_login_ms);
	greet(&im);
	imap_out_flush(&im);
	command_end(&im);
	while (step(&im))
		continue;
	say_goodbye(&im);
	log_end(&im);
	command_end(&im);
	imap_box_fini(&im);
	door_logout(d);
}
