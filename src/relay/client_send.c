/* relay/client_send.c - one letter to n recipients (RFC 5321 3.3, RFC 2033, RFC 2920, RFC 3030).
 * Purpose     transactions, as many as the other side's limits ask for: what became of each recipient, and of the connection.
 * Trust       the server is hostile: it may answer too little, too much, in any order and at any time; each reply is bounded by client_reply.c.
 * Owns        a transaction's lists, in the caller's arena; the letter's form until the end.
 * Suspends    everywhere.
 * Invariants  I1 a recipient is SENT or RELAYED only after a 2xx that came behind the letter's last byte. I2 a recipient for whom such a 2xx may have been
 *             on its way when the connection ended is WAITING with a text that says so. I3 replies are heard in the order of what was said, one for each.
 */
#include "relay/client_impl.h"

#include <stdio.h>

#define COMMAND_MAX 8192 /* bytes of one, with all its parameters at their longest */

struct txn {
	struct client *c;
	const struct client_letter *l;
	struct client_form form;
	struct arena *a;
	struct ipc_rcpt_result *results;
	struct client_sent *out;
	bool *decided;	   /* a recipient each: its result stands */
	uint32_t *who;	   /* of this transaction: indexes of recipients */
	size_t n_who;
	uint32_t *taken;   /* of those: accepted */
	size_t n_taken;
	bool mail_refused; /* MAIL was: what follows is refused too, and tells nothing */
	uint32_t *domains; /* the first recipient of each domain of this transaction */
	size_t n_domains, domain_max;
	bool too_many;	   /* the other side takes no more recipients at once */
	bool said_data;
	bool small;	   /* the letter rides with its envelope, in BDAT */
	struct buf command, body;
};

/* ---- results */

static void decide(struct txn *t, uint32_t i, enum rcpt_state state)
{
	struct ipc_rcpt_result *r = &t->results[i];

	t->decided[i] = true;
	r->state = state;
	r->code = t->c->reply.code;
	r->status = arena_dup(t->a, str_z(t->c->reply.status));
	r->text = arena_dup(t->a, str_z(t->c->reply.text));
}

static void decide_rest(struct txn *t, enum rcpt_state state)
{
	for (size_t i = 0; i < t->n_who; i++)
		if (!t->decided[t->who[i]])
			decide(t, t->who[i], state);
}

static void decide_taken(struct txn *t, enum rcpt_state state)
{
	for (size_t i = 0; i < t->n_taken; i++)
		if (!t->decided[t->taken[i]])
			decide(t, t->taken[i], state);
}

/* Taken by the next server: who asked to hear of it hears it from there, or from us when that one sends no reports (RFC 3461 5.2.2; RFC 2852 4.1
 * for those who asked for a trace, or for notice when it is late). */
static enum rcpt_state state_of_sent(const struct txn *t, uint32_t i)
{
	const struct ipc_wishes *w = &t->l->facts->wishes;
	uint8_t notify = t->l->rcpts[i].dsn.notify;
	bool by = w->by_mode != BY_NONE && (w->by_trace || (w->by_mode == BY_NOTIFY && !(t->c->can & CLIENT_DELIVERBY)));

	if (!(t->c->can & CLIENT_DSN) && notify & NOTIFY_SUCCESS)
		return RCPT_RELAYED;
	return by && !(notify & NOTIFY_NEVER) ? RCPT_RELAYED : RCPT_SENT;
}

static enum rcpt_state state_of(const struct txn *t, uint32_t i, enum client_end end)
{
	return end == CLIENT_OK ? state_of_sent(t, i) : end == CLIENT_NEVER ? RCPT_FAILED : RCPT_WAITING;
}

/* What a refusal of everything says of the destination. */
static void note(struct txn *t, enum client_end end)
{
	if (end == CLIENT_LOST || (t->c->broken && t->c->reply.code != 421))
		t->out->feedback = t->c->s->end == STREAM_STOPPED ? FEEDBACK_LOCAL : FEEDBACK_DOWN;
	else if (end == CLIENT_LATER && t->out->feedback == FEEDBACK_FINE)
		t->out->feedback = FEEDBACK_SLOW;
}

/* ---- the envelope */

enum step { STEP_RSET, STEP_MAIL, STEP_RCPT };

/* Gives its bytes. */
static SUSPENDS size_t say(struct txn *t)
{
	size_t n = t->command.n;

	stream_write(t->c->s, buf_str(&t->command));
	buf_reset(&t->command);
	return n;
}

static void hear_mail(struct txn *t, enum client_end end)
{
	if (end == CLIENT_OK)
		return;
	t->mail_refused = true;
	note(t, end);
	decide_rest(t, state_of(t, 0, end));
}

/* RFC 5321 4.5.3.1.10: 452, and 552 as older servers say it, when there are too many; for a mailbox that is full or a letter too large they say more. */
static bool is_too_many(const struct txn *t, enum client_end end)
{
	const struct client_reply *r = &t->c->reply;
	bool unspecific = str_ends(str_z(r->status), STR(".5.3")) || str_ends(str_z(r->status), STR(".0.0"));

	if (str_eq(str_z(r->status), STR("4.5.3")) && end == CLIENT_LATER)
		return true;
	return (r->code == 452 || r->code == 552) && unspecific;
}

static bool same_domain(const struct txn *t, uint32_t a, uint32_t b)
{
	return str_ieq(t->l->rcpts[a].to.domain, t->l->rcpts[b].to.domain);
}

/* "451 4.3.0 Multiple destination domains per transaction is unsupported", in whatever words: not now, of another domain than the first one's. Each domain
 * has a transaction of its own from here on, whose answer is the one that counts. */
static bool is_other_domain(const struct txn *t, uint32_t i, enum client_end end)
{
	return end == CLIENT_LATER && t->n_domains > 1 && !same_domain(t, i, t->who[0]);
}

static void hear_rcpt(struct txn *t, uint32_t i, enum client_end end)
{
	if (t->decided[i])
		return;
	if (end == CLIENT_OK) {
		t->taken[t->n_taken++] = i;
	} else if (is_too_many(t, end)) {
		t->too_many = true;
		if (!t->n_taken) /* not one: it is not about their number */
			decide(t, i, RCPT_WAITING);
	} else if (is_other_domain(t, i, end)) {
		t->domain_max = 1;
	} else {
		decide(t, i, state_of(t, i, end));
	}
}

/* Hears the reply to a step of the envelope. False: the connection is of no use any more. */
static SUSPENDS bool hear_step(struct txn *t, size_t step)
{
	static const char *const names[] = { "RSET", "MAIL FROM", "RCPT TO" };
	const char *name = names[step < STEP_RCPT ? step : STEP_RCPT];
	enum client_end end = client_hear(t->c, 2, t->c->timeouts->relay_reply_ms, name);

	if (t->c->broken) {
		note(t, end);
		return false;
	}
	if (step == STEP_MAIL)
		hear_mail(t, end);
	else if (step >= STEP_RCPT)
		hear_rcpt(t, t->who[step - STEP_RCPT], end);
	return true;
}

static SUSPENDS size_t say_step(struct txn *t, size_t step)
{
	if (step == STEP_RSET) {
		buf_addz(&t->command, "RSET\r\n");
	} else if (step == STEP_MAIL) {
		client_add_mail(&t->command, t->c, &t->form, t->a);
		t->c->n_letters++;
		t->c->dirty = true;
	} else {
		client_add_rcpt(&t->command, t->c, &t->form, &t->l->rcpts[t->who[step - STEP_RCPT]], t->a);
	}
	return say(t);
}

/* What ends the envelope: DATA, or the whole letter when it is small. */
static SUSPENDS void say_last(struct txn *t)
{
	if (t->small) {
		stream_printf(t->c->s, "BDAT %zu LAST\r\n", t->body.n);
		stream_write(t->c->s, buf_str(&t->body));
	} else if (!t->form.chunked) {
		stream_write(t->c->s, STR("DATA\r\n"));
		t->said_data = true;
	}
}

/* MAIL and RCPT, and in the same flight what follows them where that is allowed (RFC 2920 3.1). False: the connection is of no use any more. */
static SUSPENDS bool envelope(struct txn *t)
{
	bool pipelined = t->c->can & CLIENT_PIPELINING;
	size_t n = STEP_RCPT + t->n_who, heard = t->c->dirty ? STEP_RSET : STEP_MAIL, flight = 0;

	for (size_t said = heard; said < n; said++) {
		flight += say_step(t, said);
		if (said + 1 == n && pipelined)
			say_last(t);
		if (pipelined && said + 1 < n && flight < CLIENT_FLIGHT_MAX)
			continue;
		flight = 0;
		while (heard <= said)
			if (!hear_step(t, heard++))
				return false;
		if (t->mail_refused)
			break;
	}
	if (!pipelined && t->n_taken)
		say_last(t);
	return true;
}

/* ---- the letter */

static void may_have_arrived(struct txn *t)
{
	char why[sizeof t->c->reply.text];

	snprintf(why, sizeof why, "%.400s", t->c->reply.text);
	client_explain(t->c, "4.4.2", "%s (the letter had been sent whole: it may have arrived)", why);
	t->out->unknown = true;
}

/* Replies behind the last byte: one, or one for each recipient that was taken (RFC 2033 4.2). */
static SUSPENDS void hear_end(struct txn *t)
{
	enum client_end end = CLIENT_OK;

	for (size_t i = 0; i < t->n_taken; i++) {
		if (!i || t->c->lmtp)
			end = client_hear(t->c, 2, t->c->timeouts->relay_end_ms, "end of the letter");
		if (end == CLIENT_LOST || (t->c->broken && t->c->reply.code != 421)) {
			may_have_arrived(t);
			note(t, end);
			decide_taken(t, RCPT_WAITING);
			return;
		}
		if (!t->c->lmtp)
			note(t, end);
		decide(t, t->taken[i], state_of(t, t->taken[i], end));
	}
	t->c->dirty = false;
}

/* 354 although nobody was taken: an empty letter, which RFC 2920 3.1 says to send; its reply tells nothing. */
static SUSPENDS void end_unwanted(struct txn *t)
{
	stream_write(t->c->s, STR(".\r\n"));
	if (client_hear(t->c, 2, t->c->timeouts->relay_end_ms, "end of an unwanted letter") != CLIENT_LOST)
		t->c->dirty = false;
}

/* The reply to DATA. */
static SUSPENDS bool hear_go_ahead(struct txn *t)
{
	enum client_end end = client_hear(t->c, 3, t->c->timeouts->relay_data_ms, "DATA");

	if (end == CLIENT_OK)
		return true;
	if (t->n_taken || t->c->broken) {
		note(t, end);
		decide_taken(t, state_of(t, 0, end));
	}
	return false;
}

static SUSPENDS void send_by_data(struct txn *t)
{
	enum client_body_end body;
	enum client_end end;

	if (!hear_go_ahead(t))
		return;
	if (!t->n_taken) {
		end_unwanted(t);
		return;
	}
	body = client_body_data(t->c, &t->form);
	if (body == CLIENT_BODY_SENT) {
		stream_write(t->c->s, STR(".\r\n"));
		hear_end(t);
		return;
	}
	end = body == CLIENT_BODY_SPOKE ? client_hear(t->c, 2, t->c->timeouts->relay_reply_ms, "letter") : CLIENT_LOST;
	if (end == CLIENT_OK) {
		client_explain(t->c, "4.5.0", "the other side answered before the letter had ended");
		end = CLIENT_LATER;
	}
	note(t, end);
	decide_taken(t, state_of(t, 0, end));
	t->c->broken = true; /* half a letter stands there */
}

static SUSPENDS void send_by_chunks(struct txn *t)
{
	enum client_end end;
	bool last;

	if (!t->n_taken)
		return;
	end = client_body_chunks(t->c, &t->form, &last);
	if (end == CLIENT_OK) {
		hear_end(t);
		return;
	}
	if (last && end == CLIENT_LOST)
		may_have_arrived(t);
	note(t, end);
	decide_taken(t, state_of(t, 0, end));
}

/* The reply to a letter that rode with its envelope. */
static SUSPENDS void hear_small(struct txn *t)
{
	if (t->n_taken)
		hear_end(t);
	else if (client_hear(t->c, 2, t->c->timeouts->relay_end_ms, "BDAT") == CLIENT_OK)
		t->c->dirty = false;
}

static SUSPENDS void transaction(struct txn *t)
{
	bool going = envelope(t);

	if (going && t->said_data)
		send_by_data(t);
	else if (going && t->small)
		hear_small(t);
	else if (going)
		send_by_chunks(t);
	if (t->c->broken)
		decide_rest(t, RCPT_WAITING);
}

/* ---- as many as it takes */

/* Its domain is, or can be, among those of the transaction. */
static bool take_domain(struct txn *t, uint32_t i)
{
	for (size_t k = 0; k < t->n_domains; k++)
		if (same_domain(t, i, t->domains[k]))
			return true;
	if (t->domain_max && t->n_domains == t->domain_max)
		return false;
	t->domains[t->n_domains++] = i;
	return true;
}

/* Who comes next: those undecided, as many as the other side takes at once. */
static size_t pick(struct txn *t)
{
	uint32_t max = t->c->rcpt_max ? t->c->rcpt_max : UINT32_MAX;

	t->n_who = t->n_taken = t->n_domains = 0;
	for (uint32_t i = 0; i < t->l->n_rcpts && t->n_who < max; i++)
		if (!t->decided[i] && take_domain(t, i))
			t->who[t->n_who++] = i;
	t->mail_refused = t->too_many = t->said_data = false;
	return t->n_who;
}

static void refuse_utf8(struct txn *t)
{
	client_explain(t->c, "5.6.7", "the address is not ASCII, and the next server does not offer SMTPUTF8");
	for (uint32_t i = 0; i < t->l->n_rcpts; i++)
		if (!client_ascii(t->l->rcpts[i].to))
			decide(t, i, RCPT_FAILED);
}

/* A letter that rides with its envelope needs to be small, and one reply to it: with LMTP their number would not be known. */
static void look_if_small(struct txn *t)
{
	buf_init(&t->body, CLIENT_BDAT_FLIGHT_MAX);
	t->small = t->form.chunked && t->c->can & CLIENT_PIPELINING && !t->c->lmtp && client_body_small(&t->form, &t->body);
}

static bool spent(const struct client *c)
{
	return c->mail_max && c->n_letters >= c->mail_max;
}

static bool rest_waits(struct txn *t)
{
	bool some = false;

	client_explain(t->c, "4.5.3", "the other side takes no more at once");
	for (uint32_t i = 0; i < t->l->n_rcpts; i++)
		if (!t->decided[i]) {
			decide(t, i, RCPT_WAITING);
			some = true;
		}
	return some;
}

/* Something was said before we did: good-bye, mostly. A connection that was kept for long ends so, and another one may be used at once. */
static SUSPENDS void hear_farewell(struct txn *t)
{
	enum client_end end = client_hear(t->c, 2, t->c->timeouts->relay_reply_ms, "before the letter");

	if (end == CLIENT_OK)
		client_explain(t->c, "4.5.0", "the other side spoke without being asked");
	t->c->broken = true;
	t->out->again = t->c->n_letters > 0;
	if (!t->out->again)
		note(t, CLIENT_LOST);
	decide_rest(t, RCPT_WAITING);
}

/* Nobody was taken, and trying on would only ask the same again; but where domains go one by one the next one may fare better. */
static bool goes_on(const struct txn *t)
{
	return t->n_taken || (t->domain_max == 1 && t->decided[t->who[0]]);
}

static SUSPENDS void transactions(struct txn *t)
{
	bool on = true;

	look_if_small(t);
	while (!t->c->broken && on && !spent(t->c) && pick(t)) {
		if (client_spoke(t->c)) {
			hear_farewell(t);
			break;
		}
		transaction(t);
		on = goes_on(t);
	}
	t->out->again |= rest_waits(t);
	buf_fini(&t->body);
}

static void begin(struct txn *t)
{
	size_t n = t->l->n_rcpts;

	*t->out = (struct client_sent){ .feedback = FEEDBACK_FINE };
	t->decided = arena_array(t->a, n, sizeof *t->decided);
	t->who = arena_array(t->a, n, sizeof *t->who);
	t->taken = arena_array(t->a, n, sizeof *t->taken);
	t->domains = arena_array(t->a, n, sizeof *t->domains);
	t->domain_max = t->c->domain_max;
	for (size_t i = 0; i < n; i++)
		t->results[i] = (struct ipc_rcpt_result){ .number = t->l->rcpts[i].number };
}

SUSPENDS void client_send(struct client *c, const struct client_letter *l, struct arena *a, struct ipc_rcpt_result *results, struct client_sent *out)
{
	struct txn t = { .c = c, .l = l, .a = a, .results = results, .out = out };
	struct client_refusal why;

	begin(&t);
	buf_init(&t.command, COMMAND_MAX);
	if (client_form_make(c, l, &t.form, &why)) {
		if (!t.form.utf8)
			refuse_utf8(&t);
		transactions(&t);
		client_form_free(&t.form);
	} else {
		for (uint32_t i = 0; i < l->n_rcpts; i++)
			decide(&t, i, why.state);
		out->unsuited = why.unsuited;
	}
	buf_fini(&t.command);
	out->usable = !c->broken && stream_ok(c->s) && !spent(c);
}
