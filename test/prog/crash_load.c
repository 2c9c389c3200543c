/* prog/crash_load.c - a random load on the store for the crash test, with marks of what was asked for and what was answered.
 *
 *   test-crash_load DIR MODULE SEED LIFE N [kill] [nosync]
 *
 * Several tasks each keep one operation under way (crash/work.h). After N operations the process ends, or kills itself in the midst of
 * the others' operations. A later LIFE goes on in the same directory with letters and mailboxes of its own.
 */
#include "base/die.h"
#include "base/rng.h"
#include "crash/log.h"
#include "crash/work.h"
#include "sim/world.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS 5
#define SERIALS_PER_LIFE 100000

struct held_letter {
	uint32_t serial, uid, flags;
	uint64_t mailbox;
};

struct held_mailbox {
	uint64_t id;
	uint32_t uidvalidity;
	char name[24];
};

/* A group of a letter that leaves. */
struct held_out {
	uint32_t serial, group, attempts;
	uint64_t id;
	bool begun;
};

struct load {
	struct world world;
	const char *dir, *module;
	uint32_t life, next_number, next_serial, n_left;
	bool kill, sync;
	crash_mark_function *mark;
	crash_kill_function *end;
	uint64_t rng;
	uint64_t accounts[WORK_ACCOUNTS];
	unsigned n_running;
};

struct worker {
	struct load *load;
	unsigned number;
	uint32_t account;
	uint64_t handle;   /* 0: it only delivers */
	uint64_t rng, password;
	unsigned n_named;
	struct VEC(struct held_letter) letters;
	struct VEC(struct held_mailbox) mailboxes; /* the first is INBOX */
	struct VEC(struct held_out) out;
	struct arena arena;
};

static size_t below(struct worker *w, size_t n)
{
	return (size_t)(rng_step(&w->rng) % n);
}

static void need(enum outcome o, const char *what)
{
	if (o != OK)
		die("crash_load: %s: %s", what, outcome_name(o));
}

/* ---- marks */

static void put_mark(struct load *l, const struct mark *m)
{
	if (l->mark)
		l->mark(m, sizeof *m);
}

static struct mark begin(struct worker *w, enum work work)
{
	return (struct mark){ .kind = MARK_SENT, .number = w->load->next_number++, .work = (uint32_t)work, .account = w->account };
}

static void sent(struct worker *w, const struct mark *m)
{
	put_mark(w->load, m);
}

static void done(struct worker *w, struct mark *m)
{
	m->kind = MARK_DONE;
	put_mark(w->load, m);
}

/* ---- letters in */

static void hold(struct worker *w, uint32_t serial, uint64_t mailbox, uint32_t uid, uint32_t flags)
{
	*vec_push(&w->letters) = (struct held_letter){ serial, uid, flags, mailbox };
}

struct made_letter {
	struct buf letter, index, prefix;
	struct work_body body;
};

static uint32_t make_letter(struct load *l, struct made_letter *x)
{
	uint32_t serial = l->next_serial++;

	buf_init(&x->letter, 1 << 20);
	buf_init(&x->index, 1 << 16);
	buf_init(&x->prefix, 1000);
	work_letter(serial, &x->letter);
	work_index(buf_str(&x->letter), &x->index);
	work_prefix(serial, &x->prefix);
	work_body_open(&x->body, buf_str(&x->letter));
	return serial;
}

static void end_letter(struct made_letter *x)
{
	work_body_close(&x->body);
	buf_fini(&x->letter);
	buf_fini(&x->index);
	buf_fini(&x->prefix);
}

static void do_deliver(struct worker *w)
{
	struct mark m = begin(w, WORK_DELIVER);
	struct made_letter *x = arena_new(&w->arena, struct made_letter);
	struct ipc_deliver q = { .account = w->load->accounts[w->account], .date_s = 1700000000 };
	struct ipc_deliver_reply r = { 0 };
	char id[32];

	m.n = 1;
	m.letters[0].serial = make_letter(w->load, x);
	work_delivery_id(m.letters[0].serial, id);
	m.mailbox = w->mailboxes.n ? w->mailboxes.v[0].id : 1;
	q.delivery = str_z(id);
	q.prefix = buf_str(&x->prefix);
	q.index = buf_str(&x->index);
	q.body = x->body.body;
	sent(w, &m);
	need(ipc_deliver(&w->load->world.post_store, &q, &r, NULL), "deliver");
	m.letters[0].uid = r.uid;
	done(w, &m);
	if (w->handle)
		hold(w, m.letters[0].serial, m.mailbox, r.uid, 0);
	end_letter(x);
}

#define APPEND_TOGETHER 3 /* messages of one APPEND at most: all of them or none */

static void do_append(struct worker *w)
{
	struct mark m = begin(w, WORK_APPEND);
	struct made_letter *x = arena_array(&w->arena, APPEND_TOGETHER, sizeof *x);
	const struct held_mailbox box = w->mailboxes.v[below(w, w->mailboxes.n)];
	struct ipc_append_to q = { .edge_life = 1, .handle = w->handle, .mailbox = str_z(box.name), .date_s = 1700000000 };
	struct ipc_append_to_reply r = { 0 };

	m.n = 1 + (uint32_t)below(w, APPEND_TOGETHER);
	for (uint32_t i = 0; i < m.n; i++)
		m.letters[i].serial = make_letter(w->load, &x[i]);
	m.mailbox = box.id;
	m.flags = q.flags = (uint32_t)below(w, 32);
	sent(w, &m);
	for (q.part = 0; q.part < m.n; q.part++) {
		q.more = q.part + 1 < m.n;
		q.index = buf_str(&x[q.part].index);
		q.body = x[q.part].body.body;
		need(ipc_append_to(&w->load->world.post_store, &q, &r, NULL), "append_to");
	}
	for (uint32_t i = 0; i < m.n; i++)
		m.letters[i].uid = r.uid + i;
	m.uidvalidity = r.uidvalidity;
	done(w, &m);
	for (uint32_t i = 0; i < m.n; i++) {
		hold(w, m.letters[i].serial, m.mailbox, m.letters[i].uid, m.flags);
		end_letter(&x[i]);
	}
}

static void do_queue_put(struct worker *w)
{
	struct mark m = begin(w, WORK_QUEUE_PUT);
	struct made_letter *x = arena_new(&w->arena, struct made_letter);
	struct ipc_queued_rcpt rcpts[WORK_ACCOUNTS] = { 0 };
	struct ipc_queue_put q = { .date_s = 1700000000, .rcpts = rcpts };
	struct ipc_queue_put_reply r = { 0 };
	char trace[32];

	m.n = 1;
	m.letters[0].serial = make_letter(w->load, x);
	work_delivery_id(m.letters[0].serial, trace);
	q.trace = str_z(trace);
	m.value = 1 + below(w, (1 << WORK_ACCOUNTS) - 1);
	for (unsigned i = 0; i < WORK_ACCOUNTS; i++)
		if (m.value >> i & 1)
			rcpts[q.n_rcpts++] = (struct ipc_queued_rcpt){ .account = w->load->accounts[i], .prefix = buf_str(&x->prefix) };
	q.index = buf_str(&x->index);
	q.body = x->body.body;
	sent(w, &m);
	need(ipc_queue_put(&w->load->world.post_store, &q, &r, NULL), "queue_put");
	done(w, &m);
	end_letter(x);
}

/* Only one worker does: as post does, nobody else delivers from a lane. */
static void do_queue_deliver(struct worker *w)
{
	struct mark m = begin(w, WORK_QUEUE_DELIVER);
	struct ipc_queue_list_reply list;
	struct ipc_queue_deliver_reply r;
	struct ipc_queue_deliver q = { 0 };

	need(ipc_queue_list(&w->load->world.post_store, &(struct ipc_queue_list){ 0 }, &list, &w->arena), "queue_list");
	if (list.n_ids == 0)
		return;
	q.id = m.value = list.ids[below(w, list.n_ids)];
	sent(w, &m);
	need(ipc_queue_deliver(&w->load->world.post_store, &q, &r, NULL), "queue_deliver");
	done(w, &m);
}

/* ---- letters that leave */

static void do_out_put(struct worker *w)
{
	static const char *const domains[WORK_OUT_GROUPS] = { "far.test", "near.test" };
	struct mark m = begin(w, WORK_OUT_PUT);
	struct made_letter *x = arena_new(&w->arena, struct made_letter);
	struct ipc_out_rcpt rcpts[WORK_OUT_GROUPS] = { 0 };
	struct str names[WORK_OUT_GROUPS];
	struct ipc_queue_send q = { .facts.date_s = 1700000000, .domains = names, .n_domains = WORK_OUT_GROUPS, .rcpts = rcpts,
		.n_rcpts = WORK_OUT_GROUPS };
	struct ipc_queue_send_reply r = { 0 };
	char trace[32];

	m.n = 1;
	m.letters[0].serial = make_letter(w->load, x);
	work_delivery_id(m.letters[0].serial, trace);
	q.facts.trace = str_z(trace);
	for (uint32_t i = 0; i < WORK_OUT_GROUPS; i++) {
		names[i] = str_z(domains[i]);
		rcpts[i] = (struct ipc_out_rcpt){ .to = { STR("somebody"), names[i] }, .group = i };
	}
	q.prefix = buf_str(&x->prefix);
	q.body = x->body.body;
	sent(w, &m);
	need(ipc_queue_send(&w->load->world.post_store, &q, &r, NULL), "queue_send");
	m.value = r.id;
	done(w, &m);
	for (uint32_t i = 0; i < WORK_OUT_GROUPS; i++)
		*vec_push(&w->out) = (struct held_out){ m.letters[0].serial, i, 0, r.id, false };
	end_letter(x);
}

static void out_begin(struct worker *w, struct held_out *o)
{
	struct mark m = begin(w, WORK_OUT_BEGIN);
	struct ipc_queue_begin q = { o->id, o->group, o->attempts + 1 };

	m.n = 1;
	m.letters[0] = (struct mark_letter){ .serial = o->serial, .uid = o->group };
	m.flags = q.attempt;
	sent(w, &m);
	need(ipc_queue_begin(&w->load->world.post_store, &q), "queue_begin");
	done(w, &m);
	o->attempts++;
	o->begun = true;
}

static bool out_settle(struct worker *w, struct held_out *o)
{
	struct mark m = begin(w, WORK_OUT_SETTLE);
	bool through = below(w, 3) > 0;
	struct ipc_rcpt_result v = { .number = o->group, .state = through ? RCPT_SENT : RCPT_WAITING, .code = through ? 250 : 450 };
	struct ipc_queue_settle q = { .id = o->id, .group = o->group, .attempt = o->attempts, .delivery = { .rcpts = &v, .n_rcpts = 1 } };
	struct ipc_queue_settle_reply r;

	m.n = 1;
	m.letters[0] = (struct mark_letter){ .serial = o->serial, .uid = o->group, .to_uid = through };
	m.flags = o->attempts;
	sent(w, &m);
	need(ipc_queue_settle(&w->load->world.post_store, &q, &r, NULL), "queue_settle");
	done(w, &m);
	o->begun = false;
	return through;
}

static void do_out_next(struct worker *w)
{
	size_t at;

	if (w->out.n == 0)
		return;
	at = below(w, w->out.n);
	if (!w->out.v[at].begun)
		out_begin(w, &w->out.v[at]);
	else if (out_settle(w, &w->out.v[at]))
		vec_remove(&w->out, at);
}

/* ---- letters that are there. Some of this worker's in one mailbox */

struct chosen {
	const struct held_mailbox *box;
	uint32_t n;
	size_t at[WORK_LETTERS_MAX]; /* in w->letters, ascending uids */
	struct ipc_range set[WORK_LETTERS_MAX];
	uint32_t sel;
};

static bool choose(struct worker *w, struct chosen *c, struct mark *m)
{
	size_t most = 1 + below(w, WORK_LETTERS_MAX);

	*c = (struct chosen){ .box = &w->mailboxes.v[below(w, w->mailboxes.n)] };
	for (size_t i = 0; i < w->letters.n && c->n < most; i++) {
		if (w->letters.v[i].mailbox != c->box->id || below(w, 3) == 0)
			continue;
		c->at[c->n] = i;
		c->set[c->n] = (struct ipc_range){ w->letters.v[i].uid, w->letters.v[i].uid };
		m->letters[c->n++] = (struct mark_letter){ .serial = w->letters.v[i].serial, .uid = w->letters.v[i].uid };
	}
	m->n = c->n;
	m->mailbox = c->box->id;
	return c->n > 0;
}

static void enter(struct worker *w, struct chosen *c)
{
	struct ipc_select q = { .handle = w->handle, .name = str_z(c->box->name) };
	struct ipc_select_reply r;

	need(ipc_select(&w->load->world.edge_store, &q, &r, &w->arena), "select");
	c->sel = r.sel;
}

static void leave(struct worker *w, const struct chosen *c)
{
	need(ipc_unselect(&w->load->world.edge_store, &(struct ipc_unselect){ .handle = w->handle, .sel = c->sel }), "unselect");
}

/* From the last to the first, since removal moves those behind. */
static void forget(struct worker *w, const struct chosen *c)
{
	for (uint32_t i = c->n; i > 0; i--)
		vec_remove(&w->letters, c->at[i - 1]);
}

static void do_flags(struct worker *w)
{
	struct mark m = begin(w, WORK_FLAGS);
	struct chosen c;
	struct ipc_set_flags q = { .handle = w->handle, .by_uid = 1, .set = c.set, .flags = (uint32_t)below(w, 32) };
	struct ipc_set_flags_reply r;

	if (!choose(w, &c, &m))
		return;
	enter(w, &c);
	q.sel = c.sel;
	q.n_set = c.n;
	m.flags = q.flags;
	sent(w, &m);
	need(ipc_set_flags(&w->load->world.edge_store, &q, &r, &w->arena), "set_flags");
	done(w, &m);
	for (uint32_t i = 0; i < c.n; i++)
		w->letters.v[c.at[i]].flags = q.flags;
	leave(w, &c);
}

static void do_expunge(struct worker *w)
{
	struct mark m = begin(w, WORK_EXPUNGE);
	struct chosen c;
	struct ipc_expunge q = { .handle = w->handle, .uids = c.set };
	struct ipc_expunge_reply r;

	if (!choose(w, &c, &m))
		return;
	enter(w, &c);
	q.sel = c.sel;
	q.n_uids = c.n;
	sent(w, &m);
	need(ipc_expunge(&w->load->world.edge_store, &q, &r, NULL), "expunge");
	if (r.n != c.n)
		die("crash_load: %u of %u letters expunged", r.n, c.n);
	done(w, &m);
	forget(w, &c);
	leave(w, &c);
}

static uint32_t nth_uid(const struct ipc_range *v, size_t n, uint32_t i)
{
	for (size_t k = 0; k < n; k++) {
		if (i <= v[k].hi - v[k].lo)
			return v[k].lo + i;
		i -= v[k].hi - v[k].lo + 1;
	}
	die("crash_load: too few uids in COPYUID");
}

static void do_transfer(struct worker *w, bool move)
{
	struct mark m = begin(w, move ? WORK_MOVE : WORK_COPY);
	const struct held_mailbox to = w->mailboxes.v[below(w, w->mailboxes.n)];
	struct chosen c;
	struct ipc_copy q = { .handle = w->handle, .by_uid = 1, .set = c.set, .to = str_z(to.name), .move = move };
	struct ipc_copy_reply r;

	if (!choose(w, &c, &m) || c.box->id == to.id)
		return;
	enter(w, &c);
	q.sel = c.sel;
	q.n_set = c.n;
	m.to_mailbox = to.id;
	sent(w, &m);
	need(ipc_copy(&w->load->world.edge_store, &q, &r, &w->arena), "copy");
	for (uint32_t i = 0; i < c.n; i++) {
		if (nth_uid(r.from_uids, r.n_from_uids, i) != m.letters[i].uid)
			die("crash_load: COPYUID names other letters");
		m.letters[i].to_uid = nth_uid(r.to_uids, r.n_to_uids, i);
	}
	m.uidvalidity = r.uidvalidity;
	done(w, &m);
	for (uint32_t i = 0; i < c.n; i++)
		hold(w, m.letters[i].serial, to.id, m.letters[i].to_uid, w->letters.v[c.at[i]].flags);
	if (move)
		forget(w, &c);
	leave(w, &c);
}

static void do_copy(struct worker *w)
{
	do_transfer(w, false);
}

static void do_move(struct worker *w)
{
	do_transfer(w, true);
}

/* ---- mailboxes */

static void look(struct worker *w, struct held_mailbox *box, struct mark *m)
{
	struct ipc_status q = { .handle = w->handle, .name = str_z(box->name) };
	struct ipc_status_reply r;

	need(ipc_status(&w->load->world.edge_store, &q, &r, NULL), "status");
	box->id = m->mailbox = r.id;
	box->uidvalidity = m->uidvalidity = r.uidvalidity;
	m->uidnext = r.uidnext;
	m->value = r.modseq;
	snprintf(m->name, sizeof m->name, "%s", box->name);
}

static void do_status(struct worker *w)
{
	struct mark m = begin(w, WORK_STATUS);

	sent(w, &m);
	look(w, &w->mailboxes.v[below(w, w->mailboxes.n)], &m);
	done(w, &m);
}

static void name_new(struct worker *w, char out[24])
{
	snprintf(out, 24, "Box-%u-%u-%u", w->load->life, w->number, w->n_named++);
}

static void do_create(struct worker *w)
{
	struct mark m = begin(w, WORK_CREATE), seen;
	struct ipc_mailbox_create q = { .handle = w->handle };
	struct ipc_mailbox_create_reply r;
	struct held_mailbox *box;

	if (w->mailboxes.n > 4)
		return;
	name_new(w, m.name);
	q.name = str_z(m.name);
	sent(w, &m);
	need(ipc_mailbox_create(&w->load->world.edge_store, &q, &r, NULL), "mailbox_create");
	m.mailbox = r.id;
	done(w, &m);
	box = vec_push(&w->mailboxes);
	memcpy(box->name, m.name, sizeof box->name);
	seen = begin(w, WORK_STATUS);
	sent(w, &seen);
	look(w, box, &seen);
	done(w, &seen);
}

static void do_rename(struct worker *w)
{
	struct mark m = begin(w, WORK_RENAME);
	struct ipc_mailbox_rename q = { .handle = w->handle };
	struct held_mailbox *box;

	if (w->mailboxes.n < 2)
		return;
	box = &w->mailboxes.v[1 + below(w, w->mailboxes.n - 1)];
	m.mailbox = box->id;
	name_new(w, m.name);
	q.from = str_z(box->name);
	q.to = str_z(m.name);
	sent(w, &m);
	need(ipc_mailbox_rename(&w->load->world.edge_store, &q), "mailbox_rename");
	done(w, &m);
	memcpy(box->name, m.name, sizeof box->name);
}

static void do_delete(struct worker *w)
{
	struct mark m = begin(w, WORK_DELETE);
	struct ipc_mailbox_delete q = { .handle = w->handle };
	size_t at;

	if (w->mailboxes.n < 3)
		return;
	at = 1 + below(w, w->mailboxes.n - 1);
	m.mailbox = w->mailboxes.v[at].id;
	q.name = str_z(w->mailboxes.v[at].name);
	sent(w, &m);
	need(ipc_mailbox_delete(&w->load->world.edge_store, &q), "mailbox_delete");
	done(w, &m);
	for (size_t i = w->letters.n; i > 0; i--)
		if (w->letters.v[i - 1].mailbox == m.mailbox)
			vec_remove(&w->letters, i - 1);
	vec_remove(&w->mailboxes, at);
}

static void do_password(struct worker *w)
{
	struct mark m = begin(w, WORK_PASSWORD);
	char local[16], hash[40];
	struct ipc_account_password q = { .address = { .domain = STR(WORK_DOMAIN) } };

	work_local(w->account, local);
	m.value = (uint64_t)w->load->life << 32 | ++w->password;
	work_hash(m.value, hash);
	q.address.local = str_z(local);
	q.hash = str_z(hash);
	sent(w, &m);
	need(ipc_account_password(&w->load->world.ctl_store, &q), "account_password");
	done(w, &m);
}

/* ---- workers */

static const struct {
	unsigned weight;
	bool needs_handle;
	void (*fn)(struct worker *w);
} works[] = {
	{ 24, false, do_deliver },      { 10, true, do_append },  { 8, true, do_copy },    { 8, true, do_move },
	{ 20, true, do_flags },         { 14, true, do_expunge }, { 5, true, do_create },  { 3, true, do_rename },
	{ 3, true, do_delete },         { 6, false, do_queue_put }, { 5, true, do_status },
	{ 6, false, do_out_put },       { 16, false, do_out_next },
};

static void work_once(struct worker *w)
{
	unsigned total = 0, at;

	if (!w->handle && below(w, 2) == 0) {
		(below(w, 3) ? do_queue_deliver : do_password)(w);
		return;
	}
	for (size_t i = 0; i < sizeof works / sizeof *works; i++)
		total += works[i].weight;
	at = (unsigned)below(w, total);
	for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
		if (at < works[i].weight) {
			if (w->handle || !works[i].needs_handle)
				works[i].fn(w);
			return;
		}
		at -= works[i].weight;
	}
}

static SUSPENDS void worker_main(void *arg)
{
	struct worker *w = arg;

	arena_init(&w->arena, "worker", (size_t)64 << 20);
	while (w->load->n_left > 0) {
		w->load->n_left--;
		if (w->load->kill && w->load->n_left == 0)
			w->load->end();
		if (!w->handle && w->load->n_left % 50 == 0)
			store_collect(w->load->world.store);
		work_once(w);
		arena_reset(&w->arena);
		task_yield(w->load->world.sched);
	}
	arena_fini(&w->arena);
	w->load->n_running--;
}

/* The last of the workers has none of INBOX's rights: it delivers, and changes the password of an account where nobody is logged in. */
static struct worker *worker_new(struct load *l, unsigned number)
{
	struct worker *w = mem_new(struct worker);
	struct mark m;
	char address[40];
	uint64_t account;

	w->load = l;
	w->number = number;
	w->rng = l->rng + number * 7919;
	w->account = number == WORKERS - 1 ? WORK_ACCOUNTS - 1 : number % (WORK_ACCOUNTS - 1);
	if (number == WORKERS - 1)
		return w;
	work_address(w->account, address);
	need(world_login(&l->world, address, &w->handle, &account), "login");
	snprintf(vec_push(&w->mailboxes)->name, sizeof w->mailboxes.v->name, "INBOX");
	m = begin(w, WORK_STATUS);
	sent(w, &m);
	look(w, &w->mailboxes.v[0], &m);
	done(w, &m);
	return w;
}

static void make_accounts(struct load *l)
{
	char local[16], hash[40], address[40];
	uint64_t handle;

	if (l->life == 1)
		need(world_add_domain(&l->world, WORK_DOMAIN), "domain_add");
	for (uint32_t i = 0; i < WORK_ACCOUNTS; i++) {
		struct mark m = { .kind = MARK_SENT, .work = WORK_ACCOUNT, .account = i, .number = l->next_number++ };

		work_local(i, local);
		work_address(i, address);
		work_hash(0, hash);
		put_mark(l, &m);
		if (l->life == 1)
			need(world_add_account(&l->world, local, WORK_DOMAIN, hash, &l->accounts[i]), "account_add");
		else
			need(world_login(&l->world, address, &handle, &l->accounts[i]), "login");
		m.kind = MARK_DONE;
		m.value = l->accounts[i];
		put_mark(l, &m);
	}
}

static SUSPENDS void load_main(void *arg)
{
	struct load *l = arg;
	struct world_opts o = { .sched = l->world.sched, .rocks = true, .keep_garbage = true, .keep_expunged_ms = 1,
		.engine = { .data_dir = l->dir, .module = l->module, .segment_size = WORK_SEGMENT_SIZE, .sync = l->sync, .threads = true } };
	struct buf why;

	buf_init(&why, 4096);
	if (!world_open(&l->world, &o, &why))
		die("crash_load: %.*s", STR_ARG(buf_str(&why)));
	put_mark(l, &(struct mark){ .kind = MARK_LIFE });
	make_accounts(l);
	for (unsigned i = 0; i < WORKERS; i++) {
		l->n_running++;
		task_spawn(l->world.sched, "worker", worker_main, worker_new(l, i));
	}
	while (l->n_running)
		task_sleep(l->world.sched, 5);
	world_close(&l->world);
	sched_stop(l->world.sched);
}

static uint64_t number(const char *z)
{
	uint64_t v;

	if (!str_to_u64(str_z(z), &v))
		die("crash_load: \"%s\" is no number", z);
	return v;
}

int main(int argc, char **argv)
{
	struct load l = { .sync = true };
	void *symbol = dlsym(RTLD_DEFAULT, "crash_mark"), *end = dlsym(RTLD_DEFAULT, "crash_kill");

	if (argc < 6) {
		fprintf(stderr, "usage: %s DIR MODULE SEED LIFE N [kill] [nosync]\n", argv[0]);
		return 2;
	}
	for (int i = 6; i < argc; i++) {
		l.kill |= strcmp(argv[i], "kill") == 0;
		l.sync &= strcmp(argv[i], "nosync") != 0;
	}
	memcpy(&l.mark, &symbol, sizeof symbol);
	memcpy(&l.end, &end, sizeof end);
	if (l.kill && !l.end)
		die("crash_load: kill needs the recorder");
	l.dir = argv[1];
	l.module = argv[2];
	l.life = (uint32_t)number(argv[4]);
	l.rng = number(argv[3]) * 1000003 + l.life;
	l.n_left = (uint32_t)number(argv[5]);
	l.next_number = l.next_serial = l.life * SERIALS_PER_LIFE + 1;
	l.world.sched = sched_new(NULL);
	task_spawn(l.world.sched, "load", load_main, &l);
	sched_run(l.world.sched);
	return 0;
}
