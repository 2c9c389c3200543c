/* test/unit/imap/fake.h - a door, a store and a post for IMAP sessions over memory: one account, few mailboxes, one session.
 *
 * Defines what role/edge_door.c and the generated wrappers would: a program that includes it links neither. Answers come in small
 * pages and bodies in small pieces, so that short tests meet every seam. Also for the fuzzer of sessions.
 */
#ifndef SALLYPORT_TEST_FAKE_IMAP_H
#define SALLYPORT_TEST_FAKE_IMAP_H

#include "base/die.h"
#include "ipc_gen.h"
#include "mail/index.h"
#include "net/door.h"

#include <stdlib.h>
#include <string.h>

#define FAKE_BOXES 8
#define FAKE_MESSAGES 40
#define FAKE_PAGE 3    /* rows an answer */
#define FAKE_INLINE 48 /* bytes of a body that come with its row */

struct fake_message {
	uint32_t uid, flags;
	uint64_t keywords, modseq;
	int64_t date_s;
	struct buf text, index;
	bool gone; /* expunged, not reported */
	bool told; /* its flags are as the session knows them */
};

struct fake_box {
	char name[1025];
	uint32_t flags, uidvalidity, uidnext;
	uint64_t modseq; /* the last one given */
	struct fake_message messages[FAKE_MESSAGES];
	uint32_t n;
	char keywords[8][65];
	uint32_t n_keywords;
};

struct fake {
	struct door door;
	struct sched *sched;
	struct conf *conf;
	struct log log;
	struct body_budget budget;
	bool stopping;
	struct gate stopping_gate;
	struct link none;
	bool can_tls, may_login;
	struct fake_box *boxes;
	uint32_t n_boxes;
	/* the selection */
	struct fake_box *selected;
	bool readonly;
	uint32_t known, keywords_told;
	struct ipc_range saved[FAKE_MESSAGES]; /* a uid each */
	size_t n_saved;
	struct ipc_range saving[FAKE_MESSAGES]; /* by the search under way */
	size_t n_saving;
	unsigned n_calls;	/* to store */
	enum outcome fail_next; /* the next call to store ends so */
	unsigned fail_at;	/* or that one */
	enum outcome fail_with;
	void (*on_fetch)(struct fake *f); /* what happens meanwhile, once */
	uint32_t parts;			  /* of an append that goes on */
	uint32_t piece;			  /* bytes that a read of a body gives; 0: 100 */
};

static struct fake *fake_now; /* calls have no context of their own */

static inline struct fake_box *fake_box_add(struct fake *f, const char *name, uint32_t flags)
{
	struct fake_box *b = &f->boxes[f->n_boxes++];

	memset(b, 0, sizeof *b);
	strncpy(b->name, name, sizeof b->name - 1);
	b->flags = flags;
	b->uidvalidity = 100 + f->n_boxes;
	b->uidnext = 1;
	b->modseq = 1;
	return b;
}

static inline struct fake_box *fake_find(struct fake *f, struct str name)
{
	for (uint32_t i = 0; i < f->n_boxes; i++)
		if (str_eq(str_z(f->boxes[i].name), name))
			return &f->boxes[i];
	return NULL;
}

static inline struct fake_message *fake_add(struct fake_box *b, struct str text, uint32_t flags)
{
	struct fake_message *m = &b->messages[b->n++];
	struct mail_index x;
	struct arena a;

	die_unless(b->n <= FAKE_MESSAGES, "fake mailbox is full");
	memset(m, 0, sizeof *m);
	m->uid = b->uidnext++;
	m->flags = flags;
	m->modseq = ++b->modseq;
	m->date_s = 1800000000;
	m->told = true;
	buf_init(&m->text, 1 << 20);
	buf_init(&m->index, 1 << 20);
	buf_add(&m->text, text);
	arena_init(&a, "fake", 64 << 20);
	mail_index_make(text, &mail_index_limits_default, &a, &x);
	mail_index_encode(&x, &m->index);
	arena_fini(&a);
	return m;
}

static inline void fake_box_clear(struct fake_box *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		buf_fini(&b->messages[i].text);
		buf_fini(&b->messages[i].index);
	}
	b->n = 0;
}

static inline void fake_open(struct fake *f)
{
	struct sched_opts o = { .virtual_time = true, .wall_start_s = 1800000000 };
	struct conf_errors errs;

	memset(f, 0, sizeof *f);
	fake_now = f;
	conf_errors_init(&errs);
	if (!conf_parse(STR("hostname mx.demo.test\nlisten imap { auth_without_tls yes }\nlimits { message_size "
			    "64K\nimap_errors 6\n"
			    "imap_line 8K\nimap_literal_command 1K\nimap_set 100\nimap_search_keys 16 }\n"),
		    "fake", &f->conf, &errs))
		die("fake configuration: %.*s", STR_ARG(buf_str(&errs.text)));
	conf_errors_fini(&errs);
	f->sched = sched_new(&o);
	f->budget.max = 1 << 20;
	f->may_login = true;
	gate_init(&f->stopping_gate);
	log_init(&f->log, -1, "fake");
	f->boxes = mem_array(FAKE_BOXES, sizeof *f->boxes);
	fake_box_add(f, "INBOX", 0);
	f->door = (struct door){ .sched = f->sched,
		.conf = f->conf,
		.listener = f->conf->listeners,
		.log = &f->log,
		.budget = &f->budget,
		.post = &f->none,
		.ip = "192.0.2.1",
		.stopping_gate = &f->stopping_gate,
		.stopping = &f->stopping };
	gate_init(&f->door.account.news);
	arena_init(&f->door.arena, "session", 1 << 20);
}

static inline void fake_close(struct fake *f)
{
	for (uint32_t i = 0; i < f->n_boxes; i++)
		fake_box_clear(&f->boxes[i]);
	free(f->boxes);
	arena_fini(&f->door.arena);
	sched_free(f->sched);
	conf_free(f->conf);
}

static inline void fake_run(struct fake *f, struct str input, size_t chunk, struct buf *out)
{
	f->door.account = (struct door_account){ 0 };
	gate_init(&f->door.account.news);
	f->selected = NULL;
	f->door.secured = false;
	stream_open_memory(&f->door.stream, input, chunk);
	imap_session(&f->door);
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
	if (!str_eq(user, STR("alice@demo.test")) || !str_eq(secret, STR("de \"mo")))
		return DENIED;
	d->account.handle = 7;
	d->account.address = STR("alice@demo.test");
	d->account.store = &fake_now->none;
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
	return str_eq(response, STR("in")) ? door_login(d, STR("alice@demo.test"), STR("de \"mo")) : DENIED;
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

void door_log(struct door *d, enum log_level level, const char *event, const struct log_field *fields)
{
	(void)d, (void)level, (void)event, (void)fields;
}

/* ---- store */

static inline enum outcome fake_called(void)
{
	enum outcome o = fake_now->fail_next;

	if (fake_now->n_calls++ == fake_now->fail_at && fake_now->fail_with)
		return fake_now->fail_with;
	fake_now->fail_next = OK;
	return o;
}

static inline bool fake_in(const struct ipc_range *v, size_t n, uint32_t x, uint32_t last)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t lo = v[i].lo ? v[i].lo : last, hi = v[i].hi ? v[i].hi : last;

		if (lo > hi) {
			uint32_t t = lo;

			lo = hi;
			hi = t;
		}
		if (x >= lo && x <= hi)
			return true;
	}
	return false;
}

static inline uint32_t fake_last_uid(const struct fake *f)
{
	return f->known ? f->selected->messages[f->known - 1].uid : 0;
}

static inline bool fake_named(const struct fake *f, bool by_uid, const struct ipc_range *set, size_t n, uint32_t i)
{
	const struct fake_message *m = &f->selected->messages[i];

	return !m->gone && fake_in(set, n, by_uid ? m->uid : i + 1, by_uid ? fake_last_uid(f) : f->known);
}

static inline bool fake_is_saved(const struct fake *f, uint32_t i)
{
	return fake_in(f->saved, f->n_saved, f->selected->messages[i].uid, 0);
}

#define FAKE_NAMED(f, m, i) ((m)->saved ? fake_is_saved(f, i) : fake_named(f, (m)->by_uid, (m)->set, (m)->n_set, i))

static inline uint64_t fake_keywords(struct fake_box *b, const struct str *names, size_t n)
{
	uint64_t bits = 0;

	for (size_t k = 0; k < n; k++) {
		uint32_t i = 0;

		while (i < b->n_keywords && !str_ieq(str_z(b->keywords[i]), names[k]))
			i++;
		if (i == 8)
			continue;
		if (i == b->n_keywords) {
			memcpy(b->keywords[i], names[k].p, names[k].n);
			b->keywords[i][names[k].n] = 0;
			b->n_keywords++;
		}
		bits |= (uint64_t)1 << i;
	}
	return bits;
}

static inline const struct str *fake_keyword_names(struct fake_box *b, struct arena *a)
{
	struct str *names = arena_array(a, 8, sizeof *names);

	for (uint32_t i = 0; i < b->n_keywords; i++)
		names[i] = str_z(b->keywords[i]);
	return names;
}

enum outcome ipc_mailboxes(
	struct link *l, const struct ipc_mailboxes *m, struct ipc_mailboxes_reply *r, struct arena *a)
{
	enum outcome o;
	struct ipc_mailbox *list = arena_array(a, 2, sizeof *list);
	uint32_t i = 0, n = 0;

	(void)l;
	o = fake_called();
	if (o)
		return o;
	while (m->after.n && i < fake_now->n_boxes && !str_eq(str_z(fake_now->boxes[i].name), m->after))
		i++;
	for (i += m->after.n > 0; i < fake_now->n_boxes && n < 2; i++)
		list[n++] = (struct ipc_mailbox){ .name = arena_dup(a, str_z(fake_now->boxes[i].name)),
			.flags = fake_now->boxes[i].flags };
	*r = (struct ipc_mailboxes_reply){ .list = list, .n_list = n, .more = i < fake_now->n_boxes };
	return OK;
}

enum outcome ipc_mailbox_create(
	struct link *l, const struct ipc_mailbox_create *m, struct ipc_mailbox_create_reply *r, struct arena *a)
{
	enum outcome o;
	(void)l, (void)a;
	o = fake_called();
	if (o)
		return o;
	if (fake_find(fake_now, m->name))
		return EXISTS;
	if (fake_now->n_boxes == FAKE_BOXES)
		return OVER_LIMIT;
	r->id = 1;
	memcpy(fake_box_add(fake_now, "", m->special)->name, m->name.p, m->name.n);
	return OK;
}

enum outcome ipc_mailbox_delete(struct link *l, const struct ipc_mailbox_delete *m)
{
	enum outcome o;
	struct fake_box *b = fake_find(fake_now, m->name);

	(void)l;
	o = fake_called();
	if (o)
		return o;
	if (!b)
		return NO_SUCH;
	if (b == fake_now->selected || fake_now->selected > b)
		return IN_USE;
	fake_box_clear(b);
	memmove(b, b + 1, (size_t)(fake_now->boxes + fake_now->n_boxes - b - 1) * sizeof *b);
	fake_now->n_boxes--;
	return OK;
}

enum outcome ipc_mailbox_rename(struct link *l, const struct ipc_mailbox_rename *m)
{
	enum outcome o;
	struct fake_box *b = fake_find(fake_now, m->from);

	(void)l;
	o = fake_called();
	if (o)
		return o;
	if (!b)
		return NO_SUCH;
	if (fake_find(fake_now, m->to))
		return EXISTS;
	memset(b->name, 0, sizeof b->name);
	memcpy(b->name, m->to.p, m->to.n);
	return OK;
}

enum outcome ipc_subscribe(struct link *l, const struct ipc_subscribe *m)
{
	enum outcome o;
	struct fake_box *b = fake_find(fake_now, m->name);

	(void)l;
	o = fake_called();
	if (o)
		return o;
	if (b)
		b->flags = (b->flags & ~(uint32_t)MBOX_SUBSCRIBED) | (m->on ? MBOX_SUBSCRIBED : 0);
	return OK;
}

enum outcome ipc_status(struct link *l, const struct ipc_status *m, struct ipc_status_reply *r, struct arena *a)
{
	enum outcome o;
	struct fake_box *b = fake_find(fake_now, m->name);

	(void)l, (void)a;
	o = fake_called();
	if (o)
		return o;
	if (!b)
		return NO_SUCH;
	*r = (struct ipc_status_reply){
		.id = b->uidvalidity, .messages = b->n, .uidnext = b->uidnext, .uidvalidity = b->uidvalidity, .modseq = b->modseq
	};
	for (uint32_t i = 0; i < b->n; i++) {
		r->unseen += !(b->messages[i].flags & MSG_SEEN);
		r->size += b->messages[i].text.n;
	}
	return OK;
}

enum outcome ipc_select(struct link *l, const struct ipc_select *m, struct ipc_select_reply *r, struct arena *a)
{
	enum outcome o;
	struct fake *f = fake_now;
	struct fake_box *b = fake_find(f, m->name);

	(void)l;
	o = fake_called();
	if (o)
		return o;
	if (!b)
		return NO_SUCH;
	die_unless(!f->selected, "two selections");
	f->selected = b;
	f->n_saved = 0;
	f->readonly = m->readonly;
	f->known = b->n;
	f->keywords_told = b->n_keywords;
	*r = (struct ipc_select_reply){ .sel = 3,
		.id = b->uidvalidity,
		.messages = b->n,
		.uidnext = b->uidnext,
		.uidvalidity = b->uidvalidity,
		.modseq = b->modseq,
		.keywords = fake_keyword_names(b, a),
		.n_keywords = b->n_keywords };
	for (uint32_t i = b->n; i > 0; i--)
		if (!(b->messages[i - 1].flags & MSG_SEEN))
			r->first_unseen = i;
	return OK;
}

static inline void fake_remove_gone(struct fake *f, uint32_t *seqs, size_t *n)
{
	struct fake_box *b = f->selected;

	for (uint32_t i = 0; i < f->known;) {
		if (!b->messages[i].gone) {
			i++;
			continue;
		}
		if (seqs)
			seqs[(*n)++] = i + 1;
		buf_fini(&b->messages[i].text);
		buf_fini(&b->messages[i].index);
		memmove(&b->messages[i], &b->messages[i + 1], (b->n - i - 1) * sizeof *b->messages);
		b->n--;
		f->known--;
	}
}

enum outcome ipc_unselect(struct link *l, const struct ipc_unselect *m)
{
	(void)l;
	die_unless(m->sel == 3 && fake_now->selected, "unselect of nothing");
	fake_remove_gone(fake_now, NULL, NULL);
	fake_now->selected = NULL;
	return fake_called();
}

enum outcome ipc_sync(struct link *l, const struct ipc_sync *m, struct ipc_sync_reply *r, struct arena *a)
{
	struct fake *f = fake_now;
	struct fake_box *b = f->selected;
	uint32_t *seqs = arena_array(a, FAKE_MESSAGES, sizeof *seqs);
	struct ipc_flag_change *changes = arena_array(a, FAKE_MESSAGES, sizeof *changes);
	enum outcome o = fake_called();

	(void)l;
	if (o)
		return o;
	*r = (struct ipc_sync_reply){ .expunged = seqs, .changes = changes, .modseq = b->modseq };
	if (m->expunges)
		fake_remove_gone(f, seqs, &r->n_expunged);
	for (uint32_t i = 0; i < f->known; i++) {
		struct fake_message *x = &b->messages[i];

		if (!x->told && !x->gone)
			changes[r->n_changes++] = (struct ipc_flag_change){
				.seq = i + 1, .uid = x->uid, .flags = x->flags, .keywords = x->keywords, .modseq = x->modseq
			};
		x->told = true;
	}
	f->known = b->n;
	r->messages = b->n;
	if (f->keywords_told != b->n_keywords) {
		r->keywords = fake_keyword_names(b, a);
		r->n_keywords = b->n_keywords;
		f->keywords_told = b->n_keywords;
	}
	return OK;
}

enum outcome ipc_fetch(struct link *l, const struct ipc_fetch *m, struct ipc_fetch_reply *r, struct arena *a)
{
	struct fake *f = fake_now;
	struct ipc_row *rows = arena_array(a, FAKE_PAGE, sizeof *rows);
	enum outcome o = fake_called();

	(void)l;
	if (o)
		return o;
	if (f->on_fetch)
		f->on_fetch(f);
	f->on_fetch = NULL;
	*r = (struct ipc_fetch_reply){ .rows = rows };
	for (uint32_t i = 0; i < f->known; i++) {
		struct fake_message *x = &f->selected->messages[i];
		struct str text = buf_str(&x->text);
		uint32_t header_n = (uint32_t)(str_search(text, STR("\r\n\r\n")) + 4);

		if (x->uid <= m->after || x->modseq <= m->changed_since || !FAKE_NAMED(f, m, i))
			continue;
		if (r->n_rows == FAKE_PAGE) {
			r->more = 1;
			break;
		}
		if (header_n == 3)
			header_n = (uint32_t)text.n;
		rows[r->n_rows] = (struct ipc_row){ .seq = i + 1,
			.uid = x->uid,
			.flags = x->flags,
			.keywords = x->keywords,
			.modseq = x->modseq,
			.date_s = x->date_s,
			.size = (uint32_t)text.n,
			.header_n = header_n };
		if (m->want & WANT_INDEX)
			rows[r->n_rows].index = arena_dup(a, buf_str(&x->index));
		if (m->want & (WANT_HEADER | WANT_BODY)) {
			uint32_t n = m->want & WANT_BODY ? (uint32_t)text.n : header_n;

			rows[r->n_rows].body_n = n;
			rows[r->n_rows].body = arena_dup(a, str_sub(text, 0, n < FAKE_INLINE ? n : FAKE_INLINE));
		}
		r->next = x->uid;
		r->n_rows++;
	}
	return OK;
}

enum outcome ipc_read_body(
	struct link *l, const struct ipc_read_body *m, struct ipc_read_body_reply *r, struct arena *a)
{
	uint32_t piece = fake_now->piece ? fake_now->piece : 100;
	enum outcome o = fake_called();

	(void)l;
	if (o)
		return o;
	for (uint32_t i = 0; i < fake_now->known; i++) {
		struct fake_message *x = &fake_now->selected->messages[i];

		if (x->uid != m->uid)
			continue;
		die_unless(m->at < x->text.n, "a read behind the end");
		r->bytes = arena_dup(a, str_sub(buf_str(&x->text), m->at, m->n < piece ? m->n : piece));
		return OK;
	}
	return NO_SUCH;
}

enum outcome ipc_set_flags_within(
	struct link *l, const struct ipc_set_flags *m, struct ipc_set_flags_reply *r, struct arena *a, int64_t timeout_ms)
{
	struct fake *f = fake_now;
	struct ipc_range *modified = arena_array(a, FAKE_MESSAGES, sizeof *modified);
	enum outcome o = fake_called();
	uint64_t bits;

	(void)l, (void)timeout_ms;
	if (o)
		return o;
	die_unless(!f->readonly, "flags are set in a mailbox opened read-only");
	bits = fake_keywords(f->selected, m->keywords, m->n_keywords);
	*r = (struct ipc_set_flags_reply){ .modified = modified, .before = f->selected->modseq };
	for (uint32_t i = 0; i < f->known; i++) {
		struct fake_message *x = &f->selected->messages[i];
		uint32_t flags = m->mode == 0 ? m->flags : m->mode == 1 ? x->flags | m->flags : x->flags & ~m->flags;
		uint64_t keywords = m->mode == 0 ? bits : m->mode == 1 ? x->keywords | bits : x->keywords & ~bits;

		if (x->gone || !FAKE_NAMED(f, m, i))
			continue;
		if (m->conditional && x->modseq > m->unchanged_since) {
			uint32_t n = m->by_uid ? x->uid : i + 1;

			modified[r->n_modified++] = (struct ipc_range){ n, n };
			continue;
		}
		if (flags == x->flags && keywords == x->keywords)
			continue;
		r->n_changed++;
		x->modseq = ++f->selected->modseq;
		x->flags = flags;
		x->keywords = keywords;
		x->told &= m->silent;
	}
	return OK;
}

enum outcome ipc_expunge_within(
	struct link *l, const struct ipc_expunge *m, struct ipc_expunge_reply *r, struct arena *a, int64_t timeout_ms)
{
	struct fake *f = fake_now;
	enum outcome o = fake_called();

	(void)l, (void)a, (void)timeout_ms;
	if (o)
		return o;
	die_unless(!f->readonly, "expunged in a mailbox opened read-only");
	r->n = 0;
	for (uint32_t i = 0; i < f->known; i++) {
		struct fake_message *x = &f->selected->messages[i];

		bool named = m->saved ? fake_is_saved(f, i)
				      : m->n_uids == 0 || fake_named(f, true, m->uids, m->n_uids, i);

		if (x->flags & MSG_DELETED && named) {
			x->gone = true;
			f->selected->modseq++;
			r->n++;
		}
	}
	return OK;
}

enum outcome ipc_copy_within(
	struct link *l, const struct ipc_copy *m, struct ipc_copy_reply *r, struct arena *a, int64_t timeout_ms)
{
	struct fake *f = fake_now;
	struct fake_box *to = fake_find(f, m->to);
	struct ipc_range *from_uids = arena_array(a, FAKE_MESSAGES, sizeof *from_uids);
	struct ipc_range *to_uids = arena_array(a, FAKE_MESSAGES, sizeof *to_uids);
	uint32_t n = 0, known = f->known;
	enum outcome o = fake_called();

	(void)l, (void)timeout_ms;
	if (o)
		return o;
	if (!to)
		return NO_SUCH;
	for (uint32_t i = 0; i < known; i++) {
		struct fake_message *x = &f->selected->messages[i];

		if (x->gone || !FAKE_NAMED(f, m, i))
			continue;
		if (to->n == FAKE_MESSAGES)
			return OVER_LIMIT;
		from_uids[n] = (struct ipc_range){ x->uid, x->uid };
		to_uids[n] = (struct ipc_range){ to->uidnext, to->uidnext };
		n++;
		fake_add(to, buf_str(&x->text), x->flags);
		x->gone = m->move;
	}
	*r = (struct ipc_copy_reply){ .uidvalidity = to->uidvalidity,
		.from_uids = from_uids,
		.n_from_uids = n,
		.to_uids = to_uids,
		.n_to_uids = n };
	return OK;
}

/* Evaluates the key at *at and moves behind it: so a program that is not well formed dies here. */
static inline bool fake_match(const struct ipc_search *m, size_t *at, uint32_t i)
{
	const struct fake_message *x = &fake_now->selected->messages[i];
	const struct ipc_search_key *k;
	struct str text = buf_str(&x->text);
	bool yes;

	die_unless(*at < m->n_keys, "a search program that ends early");
	k = &m->keys[(*at)++];
	switch ((enum search_op)k->op) {
	case SEARCH_AND:
		yes = true;
		for (int64_t n = 0; n < k->number; n++)
			yes &= fake_match(m, at, i);
		return yes;
	case SEARCH_OR:
		yes = fake_match(m, at, i);
		return fake_match(m, at, i) || yes;
	case SEARCH_NOT:
		return !fake_match(m, at, i);
	case SEARCH_FLAG:
		return x->flags & k->number;
	case SEARCH_SEQ:
		return fake_in(k->set, k->n_set, i + 1, fake_now->known);
	case SEARCH_UID:
		return fake_in(k->set, k->n_set, x->uid, fake_last_uid(fake_now));
	case SEARCH_SAVED:
		return fake_is_saved(fake_now, i);
	case SEARCH_MODSEQ:
		return x->modseq >= (uint64_t)k->number;
	case SEARCH_LARGER:
		return (int64_t)text.n > k->number;
	case SEARCH_SUBJECT:
	case SEARCH_TEXT:
	case SEARCH_BODY:
		return str_ifind(text, k->text) >= 0;
	default:
		return true;
	}
}

static inline void fake_save(struct fake *f, uint8_t save, uint32_t uid)
{
	if (save & SAVE_ALL || f->n_saving < (save == (SAVE_MIN | SAVE_MAX) ? 2 : 1))
		f->saving[f->n_saving++] = (struct ipc_range){ uid, uid };
	else if (save & SAVE_MAX)
		f->saving[f->n_saving - 1] = (struct ipc_range){ uid, uid };
}

enum outcome ipc_search(struct link *l, const struct ipc_search *m, struct ipc_search_reply *r, struct arena *a)
{
	struct fake *f = fake_now;
	struct ipc_range *found = arena_array(a, 2, sizeof *found);
	enum outcome o = fake_called();

	(void)l;
	if (o)
		return o;
	*r = (struct ipc_search_reply){ .found = found };
	if (m->save && m->after == 0)
		f->n_saving = 0;
	for (uint32_t i = 0; i < f->known; i++) {
		uint32_t n = m->by_uid ? f->selected->messages[i].uid : i + 1;
		size_t at = 0;
		bool yes = fake_match(m, &at, i);

		die_unless(at == m->n_keys, "a search program with something behind it");
		if (!yes || n <= m->after || f->selected->messages[i].gone)
			continue;
		if (r->n_found == 2) {
			r->more = 1;
			break;
		}
		found[r->n_found++] = (struct ipc_range){ n, n };
		r->next = n;
		r->first_modseq = r->first_modseq ? r->first_modseq : f->selected->messages[i].modseq;
		r->last_modseq = f->selected->messages[i].modseq;
		r->modseq = r->last_modseq > r->modseq ? r->last_modseq : r->modseq;
		if (m->save)
			fake_save(f, m->save, f->selected->messages[i].uid);
	}
	if (m->save && !r->more) {
		memcpy(f->saved, f->saving, sizeof f->saved);
		f->n_saved = f->n_saving;
	}
	return OK;
}

enum outcome ipc_room_for(struct link *l, const struct ipc_room_for *m)
{
	struct fake_box *b = fake_find(fake_now, m->mailbox);
	enum outcome o = fake_called();

	(void)l;
	if (o)
		return o;
	if (!b)
		return NO_SUCH;
	return b->n + m->messages > FAKE_MESSAGES ? OVER_QUOTA : OK;
}

enum outcome ipc_quota(struct link *l, const struct ipc_quota *m, struct ipc_quota_reply *r, struct arena *a)
{
	enum outcome o = fake_called();

	(void)l, (void)m, (void)a;
	if (o)
		return o;
	*r = (struct ipc_quota_reply){ .bytes = 1025, .messages = 3, .bytes_max = 10240 };
	return OK;
}

void ipc_append_drop_cast(struct peer *p, const struct ipc_append_drop *m)
{
	(void)p, (void)m;
	die("no edge has a channel here");
}

/* ---- post */

static inline void fake_put(struct fake_box *b, const struct ipc_append *m)
{
	struct fake_message *x;
	struct body_map map;

	die_unless(body_map(&m->body, &map) == OK, "body");
	x = fake_add(b, map.bytes, m->flags);
	body_unmap(&map);
	x->date_s = m->date_s;
	x->keywords = fake_keywords(b, m->keywords, m->n_keywords);
}

/* Parts are put at once and taken out again when a later one cannot be. */
enum outcome ipc_append(struct link *l, const struct ipc_append *m, struct ipc_append_reply *r, struct arena *a)
{
	struct fake_box *b = fake_find(fake_now, m->mailbox);

	(void)l, (void)a;
	if (m->part == 0)
		fake_now->parts = 0; /* an append before was given up */
	die_unless(m->part == fake_now->parts, "a part out of turn");
	if (!b)
		return NO_SUCH;
	if (b->n == FAKE_MESSAGES) {
		for (; fake_now->parts; fake_now->parts--) {
			b->n--;
			b->uidnext--;
			buf_fini(&b->messages[b->n].text);
			buf_fini(&b->messages[b->n].index);
		}
		return OVER_QUOTA;
	}
	fake_put(b, m);
	r->uidvalidity = b->uidvalidity;
	r->uid = b->uidnext - 1 - m->part;
	fake_now->parts = m->more ? m->part + 1 : 0;
	return OK;
}

#endif
