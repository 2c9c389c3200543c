/* smtp/transaction.c - MAIL, RCPT and DATA: a letter from its sender to post (RFC 5321 3.3)
 * Purpose     judge the envelope with post's help, take the text in, hand all of it over, answer what post answered.
 * Trust       runs in edge; envelope and text are hostile; no verdict on the content is made here.
 * Owns        the body writer while a text comes in; it counts against the edge's budget.
 * Suspends    in calls to post and reading the text.
 * Invariants  I1 250 to a text is said only after post said OK to it; when nobody knows whether it was kept, nothing is said:
 *             a client that reads a refusal sends the letter again, and its reader would have two.
 *             I2 a text that cannot be taken is swallowed to its true end: none of it is read as a command.
 */
#include "smtp/session.h"

#include "mail/header.h"
#include "smtp/data.h"

#define LETTER_CALL_MS 60000      /* longer than all post's own waits together, so that it knows the outcome first */
#define LETTER_AGAIN_MS 30000
#define DATA_STEP ((uint64_t)4096) /* bytes that must come within the time for a part of a letter */

/* ---- MAIL */

enum smtp_reply smtp_mail_check(struct smtp *s)
{
	struct door *d = s->d;

	if (smtp_is_submission(s) && !d->account.handle)
		return door_may_login(d) ? SMTP_NEEDS_LOGIN : SMTP_NEEDS_TLS;
	if (s->n_letters >= d->conf->limits.smtp_letters_max)
		return SMTP_MANY_LETTERS;
	return SMTP_FINE;
}

static struct ipc_addr keep_address(struct smtp *s, const struct mail_path *p)
{
	return (struct ipc_addr){ .local = arena_dup(&s->letter, p->local), .domain = arena_dup(&s->letter, p->domain) };
}

/* A user may only write in a name of their own; the null path is for answers without an answer, such as RFC 8098's. */
static SUSPENDS enum smtp_reply sender_check(struct smtp *s, const struct mail_path *from)
{
	struct ipc_sender m = { .handle = s->d->account.handle };

	if (!smtp_is_submission(s) || from->null)
		return SMTP_SENDER_OK;
	m.from = (struct ipc_addr){ from->local, from->domain };
	return smtp_reply_of(SMTP_STEP_SENDER, ipc_sender(s->d->post, &m));
}

SUSPENDS void smtp_mail_run(struct smtp *s, struct str args)
{
	struct mail_path_limits limits = smtp_path_limits(s);
	struct smtp_mail mail;
	enum smtp_reply r = smtp_mail_parse(args, &limits, &s->command, &mail);

	if (!r && mail.size > s->d->conf->limits.message_size_max)
		r = SMTP_TOO_BIG;
	if (!r && !body_budget_has(s->d->budget, mail.size))
		r = SMTP_NO_ROOM;
	if (!r && !door_may_send_letter(s->d))
		r = SMTP_LETTER_RATE;
	if (!r)
		r = sender_check(s, &mail.from);
	if (r == SMTP_SENDER_OK) {
		s->from = keep_address(s, &mail.from);
		s->from_null = mail.from.null;
		s->eight_bit = mail.eight_bit;
		s->size = mail.size;
		s->state = SMTP_MAIL;
		s->n_letters++;
	}
	smtp_say(s, r);
}

/* ---- RCPT */

static uint32_t rcpts_max(const struct smtp *s)
{
	uint32_t set = s->d->conf->limits.recipients_max;

	return set < IPC_LETTER_RCPTS_MAX ? set : IPC_LETTER_RCPTS_MAX;
}

static SUSPENDS enum smtp_reply rcpt_check(struct smtp *s, const struct ipc_addr *rcpt)
{
	struct ipc_recipient m = { .handle = s->d->account.handle, .from_null = s->from_null, .from = s->from,
		.rcpt = *rcpt, .size = s->size };
	enum smtp_reply r = smtp_reply_of(SMTP_STEP_RCPT, ipc_recipient(s->d->post, &m));

	return r == SMTP_NO_RELAY && m.handle ? SMTP_NO_RELAY_YET : r;
}

SUSPENDS void smtp_rcpt_run(struct smtp *s, struct str args)
{
	struct mail_path_limits limits = smtp_path_limits(s);
	struct mail_path path;
	struct ipc_addr rcpt;
	enum smtp_reply r = smtp_rcpt_parse(args, &limits, &s->command, &path);

	if (!r && s->n_rcpts >= rcpts_max(s))
		r = SMTP_MANY_RCPTS;
	if (!r) {
		if (path.domain.n == 0)
			path.domain = s->d->conf->hostname; /* <postmaster>, RFC 5321 4.5.1 */
		rcpt = (struct ipc_addr){ path.local, path.domain };
		r = rcpt_check(s, &rcpt);
	}
	if (r == SMTP_RCPT_OK) {
		if (!s->rcpts)
			s->rcpts = arena_array(&s->letter, rcpts_max(s), sizeof *s->rcpts);
		s->rcpts[s->n_rcpts++] = keep_address(s, &path);
		s->state = SMTP_RCPTS;
	}
	smtp_say(s, r);
}

/* ---- DATA */

enum smtp_reply smtp_data_check(struct smtp *s)
{
	uint64_t least = s->size ? s->size : BODY_INLINE_MAX;

	if (s->n_rcpts == 0)
		return SMTP_NO_RCPTS;
	return body_budget_has(s->d->budget, least) ? SMTP_FINE : SMTP_NO_ROOM;
}

/* Reads the text to its end. False: the stream ended first. */
static SUSPENDS bool receive(struct smtp *s, struct smtp_data *data)
{
	struct stream *st = &s->d->stream;
	int64_t part_ms = s->d->conf->timeouts.smtp_data_ms;
	uint64_t n = 0;

	stream_deadline(st, part_ms);
	while (!smtp_data_ended(data)) {
		struct str v = stream_peek(st);
		size_t took = smtp_data_feed(data, v);

		if (v.n == 0)
			return false;
		stream_take(st, took);
		n += took;
		if (n >= DATA_STEP) {
			stream_deadline(st, part_ms);
			n = 0;
		}
	}
	return true;
}

/* What the header alone tells: its size, and how often the letter was handed on (RFC 5321 6.3). */
static enum smtp_reply header_check(const struct conf_limits *l, struct str letter)
{
	struct mail_header h = mail_header_of(letter);
	struct mail_field f;
	uint32_t n_received = 0;

	while (mail_header_next(&h, &f)) {
		n_received += str_ieq(f.name, STR("Received"));
		if (h.at > l->header_size_max)
			return SMTP_HEADER_BIG;
	}
	return n_received > l->received_max ? SMTP_LETTER_LOOP : SMTP_FINE;
}

static enum smtp_reply body_check(struct smtp *s, const struct body *body)
{
	struct body_map map;
	enum smtp_reply r;

	if (body_map(body, &map) != OK)
		return SMTP_LATER;
	r = header_check(&s->d->conf->limits, map.bytes);
	body_unmap(&map);
	return r;
}

/* Hands the letter to post. text: what a success says. */
static SUSPENDS enum smtp_reply hand_over(struct smtp *s, const char *trace, const struct body *body, struct str *text)
{
	struct door *d = s->d;
	struct ipc_letter_reply reply = { 0 };
	struct ipc_letter m = {
		.trace = str_z(trace), .handle = d->account.handle, .service = (uint8_t)d->service, .ip = str_z(d->ip),
		.port = d->port, .helo = str_of(s->helo, s->n_helo), .tls = str_z(d->tls_text), .login = d->account.address,
		.from_null = s->from_null, .from = s->from, .rcpts = s->rcpts, .n_rcpts = s->n_rcpts,
		.eight_bit = s->eight_bit, .body = *body,
	};
	enum outcome o = ipc_letter_within(d->post, &m, &reply, &s->letter, LETTER_CALL_MS);

	/* A post that died may have kept it; under the same trace id it is kept once. */
	if (o == UNANSWERED && ipc_letter_within(d->post, &m, &reply, &s->letter, LETTER_AGAIN_MS) == OK)
		o = OK;
	*text = reply.text;
	return smtp_reply_of(SMTP_STEP_LETTER, o);
}

/* What is wrong with the text as it came, or SMTP_FINE. What the sender did wrong goes before what we lack. */
static enum smtp_reply text_check(const struct smtp_data *data, const struct body_writer *w)
{
	return data->bare ? SMTP_LETTER_BARE :
	       data->nul ? SMTP_LETTER_NUL :
	       w->over_size ? SMTP_TOO_BIG :
	       data->long_line ? SMTP_LETTER_LINE :
	       w->over_budget ? SMTP_NO_ROOM :
	       w->failed ? SMTP_LATER : SMTP_FINE;
}

static SUSPENDS enum smtp_reply judge(struct smtp *s, const struct smtp_data *data, const char *trace, struct str *text)
{
	enum smtp_reply r = text_check(data, data->writer);
	struct body body;

	if (!r && body_writer_seal(data->writer, &body) != OK)
		r = SMTP_LATER;
	if (!r)
		r = body_check(s, &body);
	return r ? r : hand_over(s, trace, &body, text);
}

static void log_letter(struct smtp *s, enum smtp_reply r, const char *trace, uint64_t size)
{
	bool accepted = r == SMTP_LETTER_OK;
	const struct smtp_reply_text *t = smtp_reply_text(r);
	struct arena *a = &s->command;
	struct buf from;

	buf_init(&from, 700);
	mail_mailbox_add(&from, s->from.local, s->from.domain);
	door_log(s->d, LOG_LEVEL_INFO, accepted ? "smtp-accepted" : "smtp-refused", (struct log_field[]){
		LOG_S("trace", str_z(trace)), LOG_S("from", buf_str(&from)), LOG_S("rcpts", arena_fmt(a, "%u", s->n_rcpts)),
		LOG_S("size", arena_fmt(a, "%llu", (unsigned long long)size)), LOG_S("reply", arena_fmt(a, "%u", t->code)),
		LOG_S(accepted ? NULL : "why", str_z(t->text)), { 0 } });
	buf_fini(&from);
}

SUSPENDS void smtp_data_run(struct smtp *s, struct str args)
{
	struct body_writer writer;
	struct smtp_data data;
	struct str text = { 0 };
	enum smtp_reply r;
	char trace[16];

	(void)args;
	smtp_say(s, SMTP_GO_AHEAD);
	door_trace(s->d, trace);
	body_writer_open(&writer, s->d->budget, s->d->conf->limits.message_size_max);
	smtp_data_init(&data, &writer, s->d->conf->limits.smtp_text_line_size_max);
	if (receive(s, &data)) {
		r = judge(s, &data, trace, &text);
		log_letter(s, r, trace, writer.size);
		if (r == SMTP_LETTER_OK) {
			s->n_accepted++;
			smtp_say_text(s, r, text);
		} else if (r == SMTP_UNANSWERED) {
			s->closing = true; /* I1 */
		} else {
			smtp_say(s, r);
		}
	} else {
		s->closing = true;
	}
	body_writer_close(&writer);
	smtp_end_letter(s);
}
