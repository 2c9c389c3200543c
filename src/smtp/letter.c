/* smtp/letter.c - DATA and BDAT: the text of a letter, to post (RFC 5321 4.1.1.4, RFC 3030, RFC 2033 4.2)
 * Purpose     take the text in, hand it over with its envelope, answer what post answered.
 * Trust       runs in edge; the text is hostile; no verdict on its content is made here.
 * Owns        the body writer while a text comes in; it counts against the edge's budget.
 * Suspends    in calls to post and reading the text.
 * Invariants  I1 250 to a text is said only after post said OK to it; when nobody knows whether it was kept, nothing is said:
 *             a client that reads a refusal sends the letter again, and its reader would have two.
 *             I2 a text that cannot be taken is swallowed to its true end, a chunk to its last octet: none of it is read as a command.
 *             I3 LMTP answers a whole text once for each recipient that it accepted, in their order.
 */
#include "smtp/session.h"

#include "mail/header.h"

#define LETTER_CALL_MS 60000      /* longer than all post's own waits together, so that it knows the outcome first */
#define LETTER_AGAIN_MS 30000
#define DATA_STEP ((uint64_t)4096) /* bytes that must come within the time for a part of a letter */

/* ---- what can be said of a text without reading its content */

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

/* What BINARYMIME allows is for bodies: the header is lines still, or nobody could tell where it ends. */
static enum smtp_reply header_lines_check(struct str letter)
{
	ssize_t end = str_search(letter, STR("\r\n\r\n"));
	struct str h = end < 0 ? letter : str_sub(letter, 0, (size_t)end);

	for (size_t i = 0; i < h.n; i++) {
		bool cr_before = i > 0 && h.p[i - 1] == '\r', lf_after = i + 1 == h.n || h.p[i + 1] == '\n';

		if (h.p[i] == 0)
			return SMTP_LETTER_NUL;
		if ((h.p[i] == '\n' && !cr_before) || (h.p[i] == '\r' && !lf_after))
			return SMTP_LETTER_BARE;
	}
	return SMTP_FINE;
}

static enum smtp_reply body_check(struct smtp *s, const struct body *body)
{
	struct body_map map;
	enum smtp_reply r;

	if (body_map(body, &map) != OK)
		return SMTP_LATER;
	r = s->binary ? header_lines_check(map.bytes) : SMTP_FINE;
	if (!r)
		r = header_check(&s->d->conf->limits, map.bytes);
	body_unmap(&map);
	return r;
}

/* What is wrong with the text as it came, or SMTP_FINE. What the sender did wrong goes before what we lack. */
static enum smtp_reply text_check(const struct smtp *s)
{
	const struct smtp_data *data = &s->data;
	const struct body_writer *w = &s->writer;

	return data->bare ? SMTP_LETTER_BARE :
	       data->nul ? SMTP_LETTER_NUL :
	       w->over_size ? SMTP_TOO_BIG :
	       data->long_line ? SMTP_LETTER_LINE :
	       w->over_budget ? SMTP_NO_ROOM :
	       w->failed ? SMTP_LATER : SMTP_FINE;
}

static void open_text(struct smtp *s)
{
	const struct conf_limits *l = &s->d->conf->limits;

	door_trace(s->d, s->trace);
	body_writer_open(&s->writer, s->d->budget, l->message_size_max);
	smtp_data_init(&s->data, &s->writer, s->binary ? 0 : l->smtp_text_line_size_max);
	s->receiving = true;
}

/* ---- handing over */

static SUSPENDS enum outcome hand_over(struct smtp *s, const struct body *body, struct ipc_letter_reply *reply)
{
	struct door *d = s->d;
	struct ipc_letter m = {
		.trace = str_z(s->trace), .handle = d->account.handle, .service = (uint8_t)d->service, .ip = str_z(d->ip),
		.port = d->port, .helo = str_of(s->helo, s->n_helo), .tls = str_z(d->tls_text), .login = d->account.address,
		.from_null = s->from_null, .from = s->from, .rcpts = s->rcpts, .n_rcpts = s->n_rcpts,
		.dsn = s->dsn, .n_dsn = s->has_dsn ? s->n_rcpts : 0, .wishes = s->wishes,
		.wire = (uint8_t)((s->esmtp ? WIRE_EXTENDED : 0) | (s->utf8 ? WIRE_UTF8 : 0) | (s->eight_bit ? WIRE_8BIT : 0) |
			(s->binary ? WIRE_BINARY : 0)),
		.body = *body,
	};
	enum outcome o = ipc_letter_within(d->post, &m, reply, &s->letter, LETTER_CALL_MS);

	/* A post that died may have kept it; under the same trace id it is kept once. */
	if (o == UNANSWERED && ipc_letter_within(d->post, &m, reply, &s->letter, LETTER_AGAIN_MS) == OK)
		o = OK;
	return o;
}

static SUSPENDS enum smtp_reply judge(struct smtp *s, struct ipc_letter_reply *reply)
{
	enum smtp_reply r = text_check(s);
	struct body body;

	if (!r && body_writer_seal(&s->writer, &body) != OK)
		r = SMTP_LATER;
	if (!r)
		r = body_check(s, &body);
	return r ? r : smtp_reply_of(SMTP_STEP_LETTER, hand_over(s, &body, reply));
}

/* ---- answering */

static void log_letter(struct smtp *s, enum smtp_reply r, uint32_t n_kept)
{
	bool accepted = r == SMTP_LETTER_OK;
	const struct smtp_reply_text *t = smtp_reply_text(r);
	struct arena *a = &s->command;
	struct buf from;

	buf_init(&from, 700);
	mail_mailbox_add(&from, s->from.local, s->from.domain);
	door_log(s->d, LOG_LEVEL_INFO, accepted ? "smtp-accepted" : "smtp-refused", (struct log_field[]){
		LOG_S("trace", str_z(s->trace)), LOG_S("from", buf_str(&from)), LOG_S("rcpts", arena_fmt(a, "%u", s->n_rcpts)),
		LOG_S("size", arena_fmt(a, "%llu", (unsigned long long)s->writer.size)), LOG_S("reply", arena_fmt(a, "%u", t->code)),
		LOG_S(accepted ? NULL : "why", str_z(t->text)),
		LOG_S(accepted && smtp_is_lmtp(s) ? "kept" : NULL, arena_fmt(a, "%u", n_kept)), { 0 } });
	buf_fini(&from);
}

/* I3. What is wrong with the letter itself is one error, not one for each recipient. */
static SUSPENDS void say_each(struct smtp *s, enum smtp_reply r, const struct ipc_letter_reply *reply)
{
	uint32_t n_errors = s->n_errors;

	for (uint32_t i = 0; i < s->n_rcpts; i++) {
		enum smtp_reply own = r;

		if (r == SMTP_LETTER_OK)
			own = i < reply->n_outcomes ? smtp_reply_of(SMTP_STEP_LETTER, (enum outcome)reply->outcomes[i]) : SMTP_LATER;
		if (own == SMTP_LETTER_OK)
			smtp_say_text(s, own, reply->text);
		else
			smtp_say(s, own);
	}
	if (s->n_errors > n_errors)
		s->n_errors = n_errors + (r != SMTP_LETTER_OK);
}

static uint32_t count_kept(const struct smtp *s, const struct ipc_letter_reply *reply)
{
	uint32_t n = 0;

	for (size_t i = 0; i < reply->n_outcomes; i++)
		n += reply->outcomes[i] == OK;
	return smtp_is_lmtp(s) ? n : s->n_rcpts;
}

/* The text is whole: it goes to post, and the transaction is over. */
static SUSPENDS void finish(struct smtp *s)
{
	struct ipc_letter_reply reply = { 0 };
	enum smtp_reply r = judge(s, &reply);

	log_letter(s, r, count_kept(s, &reply));
	s->n_accepted += r == SMTP_LETTER_OK;
	if (r == SMTP_UNANSWERED)
		s->closing = true; /* I1 */
	else if (smtp_is_lmtp(s))
		say_each(s, r, &reply);
	else if (r == SMTP_LETTER_OK)
		smtp_say_text(s, r, reply.text);
	else
		smtp_say(s, r);
	smtp_end_letter(s);
}

/* ---- DATA */

static enum smtp_reply rcpts_check(const struct smtp *s)
{
	if (s->n_rcpts == 0)
		return smtp_is_lmtp(s) ? SMTP_NO_RCPTS_LMTP : SMTP_NO_RCPTS;
	return body_budget_has(s->d->budget, s->size ? s->size : BODY_INLINE_MAX) ? SMTP_FINE : SMTP_NO_ROOM;
}

enum smtp_reply smtp_data_check(struct smtp *s)
{
	return s->binary ? SMTP_NEEDS_BDAT : rcpts_check(s);
}

/* Reads the text to its end. False: the stream ended first. */
static SUSPENDS bool receive(struct smtp *s)
{
	struct stream *st = &s->d->stream;
	int64_t part_ms = s->d->conf->timeouts.smtp_data_ms;
	uint64_t n = 0;

	stream_deadline(st, part_ms);
	while (!smtp_data_ended(&s->data)) {
		struct str v = stream_peek(st);
		size_t took = smtp_data_feed(&s->data, v);

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

SUSPENDS void smtp_data_run(struct smtp *s, struct str args)
{
	(void)args;
	smtp_say(s, SMTP_GO_AHEAD);
	open_text(s);
	if (receive(s))
		finish(s);
	else
		s->closing = true;
}

/* ---- BDAT */

static enum smtp_reply chunk_check(const struct smtp *s)
{
	if (s->state == SMTP_NEW)
		return smtp_is_lmtp(s) ? SMTP_SAY_LHLO : SMTP_SAY_HELO;
	if (s->state == SMTP_READY)
		return SMTP_SAY_MAIL;
	if (s->chunks_failed)
		return SMTP_CHUNKS_FAILED;
	return s->receiving ? SMTP_FINE : rcpts_check(s);
}

/* Reads n octets, and keeps them or drops them. False: the stream ended first. */
static SUSPENDS bool receive_chunk(struct smtp *s, uint64_t n, bool keep)
{
	struct stream *st = &s->d->stream;
	int64_t part_ms = s->d->conf->timeouts.smtp_data_ms;
	uint64_t part = 0;

	stream_deadline(st, part_ms);
	while (n) {
		struct str v = stream_peek(st);

		if (v.n == 0)
			return false;
		v = str_sub(v, 0, n < v.n ? (size_t)n : v.n);
		if (keep && s->binary)
			body_writer_add(&s->writer, v);
		else if (keep)
			smtp_chunk_feed(&s->data, v);
		stream_take(st, v.n);
		n -= v.n;
		part += v.n;
		if (part >= DATA_STEP) {
			stream_deadline(st, part_ms);
			part = 0;
		}
	}
	return true;
}

/* A chunk of a letter is not taken: neither are the others, or the letter would be kept without it. */
static SUSPENDS void refuse_chunk(struct smtp *s, enum smtp_reply r, bool last)
{
	bool in_letter = s->state & (SMTP_MAIL | SMTP_RCPTS | SMTP_CHUNKS), first = !s->chunks_failed;

	if (s->receiving) {
		log_letter(s, r, 0);
		body_writer_close(&s->writer);
		s->receiving = false;
	}
	if (in_letter) {
		s->chunks_failed = true;
		s->state = SMTP_CHUNKS;
	}
	if (smtp_is_lmtp(s) && in_letter && first && last && s->n_rcpts)
		say_each(s, r, NULL);
	else
		smtp_say(s, r);
	if (in_letter && last)
		smtp_end_letter(s);
}

SUSPENDS void smtp_bdat_run(struct smtp *s, struct str args)
{
	enum smtp_reply r;
	uint64_t n;
	bool last;

	if (!smtp_bdat_parse(args, &n, &last) || n > s->d->conf->limits.message_size_max) {
		/* Octets of no known number, or more than are worth reading to no purpose: no command is found behind them. */
		s->closing = true;
		smtp_say(s, smtp_bdat_parse(args, &n, &last) ? SMTP_TOO_BIG : SMTP_SYNTAX);
		return;
	}
	r = chunk_check(s);
	if (!r && !s->receiving)
		open_text(s);
	if (!receive_chunk(s, n, r == SMTP_FINE)) {
		s->closing = true;
		return;
	}
	if (!r && last)
		smtp_chunk_end(&s->data);
	if (!r)
		r = text_check(s);
	if (r) {
		refuse_chunk(s, r, last);
	} else if (last) {
		finish(s);
	} else {
		s->state = SMTP_CHUNKS;
		smtp_say(s, SMTP_CHUNK_OK);
	}
}
