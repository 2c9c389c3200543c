/* test/unit/smtp/fake.h - a door that leads nowhere: sessions over memory, other roles answered by rules of addresses.
 *
 * Defines what net/door.c and the generated wrappers would: a program that includes it links neither. Also for fuzzers
 * and for test/unit/pop.
 */
#ifndef SALLYPORT_TEST_FAKE_DOOR_H
#define SALLYPORT_TEST_FAKE_DOOR_H

#include "base/die.h"
#include "ipc_gen.h"
#include "net/door.h"

#include <string.h>

struct fake {
	struct door door;
	struct sched *sched;
	struct conf *conf;
	struct log log;
	struct body_budget budget;
	bool stopping;
	struct gate stopping_gate;
	bool can_tls, may_login;
	unsigned n_letters, n_letters_max; /* rate */
	/* What came of it. */
	struct buf letter;  /* the last letter's bytes */
	unsigned n_accepted;
	size_t n_rcpts;     /* of the last */
	unsigned wire;      /* of the last */
	size_t n_dsn;       /* of the last */
	struct ipc_wishes wishes; /* of the last, without its envelope id */
	uint8_t notify[4];  /* of its first recipients */
	enum outcome letter_outcome;
	/* POP */
	struct str messages[4];
	size_t n_messages, n_shown;
	enum outcome open_outcome; /* of the maildrop */
	uint32_t removed; /* bit set of indexes */
	unsigned n_closed;
};

static struct fake *fake_now; /* calls have no context of their own */

static inline void fake_open(struct fake *f)
{
	struct conf_errors errs;
	struct sched_opts o = { .virtual_time = true, .wall_start_s = 1800000000 };

	memset(f, 0, sizeof *f);
	fake_now = f;
	conf_errors_init(&errs);
	die_unless(conf_parse(STR("hostname mx.demo.test\nlisten smtp { }\nlimits { message_size 64K\nsmtp_errors 5 }\n"
		"queue { dsn_for_strangers yes }\n"), "fake",
		&f->conf, &errs), "fake configuration");
	conf_errors_fini(&errs);
	f->sched = sched_new(&o);
	f->budget.max = 1 << 20;
	f->letter_outcome = OK;
	f->n_letters_max = 1000;
	buf_init(&f->letter, 1 << 20);
	gate_init(&f->stopping_gate);
	log_init(&f->log, -1, "fake");
	f->door = (struct door){ .sched = f->sched, .conf = f->conf, .listener = f->conf->listeners, .log = &f->log,
		.budget = &f->budget, .ip = "192.0.2.1", .stopping_gate = &f->stopping_gate, .stopping = &f->stopping };
	arena_init(&f->door.arena, "session", 1 << 20);
}

static inline void fake_close(struct fake *f)
{
	arena_fini(&f->door.arena);
	buf_fini(&f->letter);
	sched_free(f->sched);
	conf_free(f->conf);
}

/* Runs a session over the input, read in pieces of chunk bytes; out gets what it said. */
static inline void fake_run(struct fake *f, void (*session)(struct door *), struct str input, size_t chunk, struct buf *out)
{
	stream_open_memory(&f->door.stream, input, chunk);
	session(&f->door);
	buf_add(out, buf_str(&f->door.stream.out));
	stream_close(&f->door.stream);
	die_unless(f->budget.used == 0, "a letter keeps its share of the budget");
}

/* ---- net/door.c */

bool door_can_tls(const struct door *d)
{
	return fake_now->can_tls && !d->secured;
}

bool door_start_tls(struct door *d)
{
	stream_drop_input(&d->stream);
	d->secured = true;
	return true;
}

bool door_channel_binding(struct door *d, const char *type, struct buf *out)
{
	(void)type;
	if (d->secured)
		buf_addz(out, "binding");
	return d->secured;
}

bool door_may_login(const struct door *d)
{
	return d->secured || fake_now->may_login;
}

enum outcome door_login(struct door *d, struct str user, struct str secret)
{
	if (str_starts(user, STR("later")))
		return TRY_LATER;
	if (!str_eq(user, STR("alice@demo.test")) || !str_eq(secret, STR("de mo")))
		return DENIED;
	d->account.handle = 7;
	d->account.address = STR("alice@demo.test");
	return OK;
}

/* A client that says "go" is asked once more; "in" lets in. */
enum outcome door_sasl(struct door *d, struct door_sasl *x, struct str response)
{
	buf_reset(&x->challenge);
	x->id = str_eq(response, STR("go"));
	buf_addz(&x->challenge, x->id ? "more" : "");
	if (x->id)
		return OK;
	return str_eq(response, STR("in")) ? door_login(d, STR("alice@demo.test"), STR("de mo")) : DENIED;
}

void door_sasl_end(struct door *d, struct door_sasl *x)
{
	(void)d;
	x->id = 0;
}

void door_logout(struct door *d)
{
	d->account.handle = 0;
}

bool door_may_send_letter(struct door *d)
{
	(void)d;
	return fake_now->n_letters++ < fake_now->n_letters_max;
}

void door_trace(struct door *d, char out[16])
{
	(void)d;
	memcpy(out, "trace0000001", 13);
}

void door_log(struct door *d, enum log_level level, const char *event, const struct log_field *fields)
{
	(void)d, (void)level, (void)event, (void)fields;
}

/* ---- post */

enum outcome ipc_sender(struct link *l, const struct ipc_sender *m)
{
	(void)l;
	return str_eq(m->from.local, STR("alice")) ? OK : DENIED;
}

enum outcome ipc_recipient(struct link *l, const struct ipc_recipient *m)
{
	static const struct {
		const char *local;
		enum outcome o;
	} rules[] = { { "nobody", NO_SUCH }, { "full", OVER_LIMIT }, { "later", TRY_LATER }, { "revoked", REVOKED } };

	(void)l;
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (str_eq(m->rcpt.local, str_z(rules[i].local)))
			return rules[i].o;
	return str_eq(m->rcpt.domain, STR("demo.test")) || str_eq(m->rcpt.domain, STR("mx.demo.test")) ? OK : DENIED;
}

enum outcome ipc_letter_within(struct link *l, const struct ipc_letter *m, struct ipc_letter_reply *r, struct arena *a,
	int64_t timeout_ms)
{
	struct body_map map;

	(void)l, (void)timeout_ms;
	die_unless(body_map(&m->body, &map) == OK, "body_map");
	fake_now->wire = m->wire;
	if (m->service == SERVICE_LMTP) {
		uint32_t *outcomes = arena_array(a, m->n_rcpts, sizeof *outcomes);

		r->n_outcomes = m->n_rcpts;
		r->outcomes = outcomes;
		for (size_t i = 0; i < m->n_rcpts; i++)
			outcomes[i] = str_starts(m->rcpts[i].local, STR("fills")) ? OVER_QUOTA : OK;
	}
	buf_reset(&fake_now->letter);
	buf_add(&fake_now->letter, map.bytes);
	body_unmap(&map);
	fake_now->n_rcpts = m->n_rcpts;
	fake_now->n_dsn = m->n_dsn;
	fake_now->wishes = m->wishes;
	fake_now->wishes.envid = (struct str){ 0 };
	for (size_t i = 0; i < m->n_dsn && i < 4; i++)
		fake_now->notify[i] = m->dsn[i].notify;
	r->text = m->trace;
	fake_now->n_accepted += fake_now->letter_outcome == OK;
	return fake_now->letter_outcome;
}

enum outcome ipc_flush(struct link *l, const struct ipc_flush *m)
{
	(void)l;
	return str_eq(m->domain, STR("backed.test")) ? OK : str_eq(m->domain, STR("later.test")) ? TRY_LATER : NO_SUCH;
}

/* ---- store, for POP */

enum outcome ipc_maildrop_open(struct link *l, const struct ipc_maildrop_open *m, struct ipc_maildrop_open_reply *r, struct arena *a)
{
	(void)l, (void)a;
	if (m->folder.n && !str_eq(m->folder, STR("my box")))
		return NO_SUCH;
	fake_now->n_shown = m->folder.n ? 1 : fake_now->n_messages;
	*r = (struct ipc_maildrop_open_reply){ .messages = (uint32_t)fake_now->n_shown };
	return fake_now->open_outcome;
}

enum outcome ipc_maildrop_close(struct link *l, const struct ipc_maildrop_close *m)
{
	(void)l, (void)m;
	fake_now->n_closed++;
	return OK;
}

/* One row an answer: pages are followed. */
enum outcome ipc_maildrop_list(struct link *l, const struct ipc_maildrop_list *m, struct ipc_maildrop_list_reply *r, struct arena *a)
{
	struct ipc_drop_row *row = arena_new(a, struct ipc_drop_row);

	(void)l;
	*r = (struct ipc_maildrop_list_reply){ .rows = row };
	if (m->from >= fake_now->n_shown || m->n_max == 0)
		return OK;
	row->size = (uint32_t)fake_now->messages[m->from].n;
	row->uidl = m->want_uidl ? arena_fmt(a, "id-%u", m->from) : STR("");
	r->n_rows = 1;
	r->more = m->from + 1 < fake_now->n_shown;
	return OK;
}

enum outcome ipc_maildrop_read(struct link *l, const struct ipc_maildrop_read *m, struct ipc_maildrop_read_reply *r, struct arena *a)
{
	struct str letter = fake_now->messages[m->number];

	(void)l, (void)a;
	r->bytes = str_sub(letter, m->at, m->n < 5 ? m->n : 5);
	return OK;
}

enum outcome ipc_maildrop_remove_within(struct link *l, const struct ipc_maildrop_remove *m, int64_t timeout_ms)
{
	(void)l, (void)timeout_ms;
	die_unless(m->n_numbers, "remove");
	for (size_t i = 0; i < m->n_numbers; i++)
		for (uint32_t n = m->numbers[i].lo; n <= m->numbers[i].hi; n++)
			fake_now->removed |= 1u << n;
	return OK;
}

#endif
