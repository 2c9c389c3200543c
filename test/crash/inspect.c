/* crash/inspect.c - opens a rebuilt directory and holds it against the model. See the header.
 * Purpose     read everything as an edge would; each letter found must be explained by the model, and each of the model be found. Then
 *             do what post would do after a restart (repeat deliveries, drain the queue) and count again.
 */
#include "crash/inspect.h"

#include "base/die.h"
#include "ipc/words.h"
#include "sim/world.h"
#include "store/rows.h"

#include <stdio.h>
#include <string.h>

struct found {
	uint32_t account, uid, serial, flags, size;
	uint64_t mailbox, modseq;
	bool explained;
};

struct found_box {
	uint32_t account;
	uint64_t id;
	char name[64];
	struct ipc_status_reply status;
	bool known;
};

struct inspection {
	struct world world;
	struct model *model;
	const char *dir, *module;
	struct buf *out;
	uint64_t handles[WORK_ACCOUNTS], ids[WORK_ACCOUNTS];
	bool there[WORK_ACCOUNTS];
	struct VEC(struct found) found;
	struct VEC(struct found_box) boxes;
	struct arena arena;
};

static void breach(struct inspection *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void breach(struct inspection *x, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(x->out, fmt, ap);
	va_end(ap);
	buf_addc(x->out, '\n');
}

/* ---- reading */

static void read_row(struct inspection *x, const struct found_box *b, uint32_t sel, const struct ipc_row *row)
{
	struct found *f = vec_push(&x->found);
	struct buf bytes;

	*f = (struct found){ .account = b->account, .uid = row->uid, .flags = row->flags & MSG_SETTABLE, .size = row->size,
		.mailbox = b->id, .modseq = row->modseq };
	buf_init(&bytes, 1 << 20);
	buf_add(&bytes, row->body);
	while (bytes.n < row->size) {
		struct ipc_read_body q = { .handle = x->handles[b->account], .sel = sel, .uid = row->uid, .at = (uint32_t)bytes.n, .n = 65536 };
		struct ipc_read_body_reply r;
		enum outcome o = ipc_read_body(&x->world.edge_store, &q, &r, &x->arena);

		if (o != OK || r.bytes.n == 0) {
			breach(x, "I1 account %u mailbox %s uid %u: its bytes end at %zu of %u (%s)", b->account, b->name, row->uid, bytes.n,
				row->size, outcome_name(o));
			break;
		}
		buf_add(&bytes, r.bytes);
	}
	f->serial = work_serial(buf_str(&bytes), row->prefix_n);
	if (!f->serial)
		breach(x, "I1 account %u mailbox %s uid %u: its bytes are not those of any letter", b->account, b->name, row->uid);
	buf_fini(&bytes);
}

static void read_box(struct inspection *x, const struct found_box *b)
{
	struct ipc_select s = { .handle = x->handles[b->account], .name = str_z(b->name), .readonly = 1 };
	struct ipc_range all = { 1, UINT32_MAX };
	struct ipc_fetch q = { .handle = s.handle, .by_uid = 1, .set = &all, .n_set = 1, .want = WANT_BODY };
	struct ipc_select_reply sr;
	struct ipc_fetch_reply r;
	enum outcome o = ipc_select(&x->world.edge_store, &s, &sr, &x->arena);

	q.sel = sr.sel;
	do {
		if (o == OK)
			o = ipc_fetch(&x->world.edge_store, &q, &r, &x->arena);
		for (size_t i = 0; o == OK && i < r.n_rows; i++)
			read_row(x, b, q.sel, &r.rows[i]);
		if (o == OK && r.n_rows)
			q.after = r.rows[r.n_rows - 1].uid;
	} while (o == OK && r.more && r.n_rows);
	if (o != OK)
		breach(x, "I8 account %u mailbox %s cannot be read: %s", b->account, b->name, outcome_name(o));
	else if (ipc_unselect(&x->world.edge_store, &(struct ipc_unselect){ .handle = s.handle, .sel = q.sel }) != OK)
		breach(x, "I8 unselect failed");
	arena_reset(&x->arena);
}

static void read_boxes(struct inspection *x, uint32_t account)
{
	struct ipc_mailboxes q = { .handle = x->handles[account] };
	struct ipc_mailboxes_reply r;
	size_t first = x->boxes.n;
	enum outcome o = ipc_mailboxes(&x->world.edge_store, &q, &r, &x->arena);

	if (o != OK || r.more) {
		breach(x, "I8 account %u: its mailboxes cannot be listed: %s", account, outcome_name(o));
		return;
	}
	for (size_t i = 0; i < r.n_list; i++) {
		struct found_box *b;

		if (r.list[i].flags & (MBOX_NOSELECT | MBOX_NONEXISTENT))
			continue;
		b = vec_push(&x->boxes);
		*b = (struct found_box){ .account = account, .id = r.list[i].id };
		snprintf(b->name, sizeof b->name, "%.*s", STR_ARG(r.list[i].name));
	}
	arena_reset(&x->arena);
	for (size_t i = first; i < x->boxes.n; i++) {
		struct ipc_status s = { .handle = x->handles[account], .name = str_z(x->boxes.v[i].name) };

		o = ipc_status(&x->world.edge_store, &s, &x->boxes.v[i].status, &x->arena);
		if (o != OK)
			breach(x, "I8 account %u mailbox %s has no status: %s", account, x->boxes.v[i].name, outcome_name(o));
		read_box(x, &x->boxes.v[i]);
	}
}

static void read_account(struct inspection *x, uint32_t i)
{
	const struct model_account *a = &x->model->accounts[i];
	char address[40];
	enum outcome o;

	work_address(i, address);
	o = world_login(&x->world, address, &x->handles[i], &x->ids[i]);
	x->there[i] = o == OK;
	if (!x->there[i] && a->exists)
		breach(x, "I1 account %u is gone: %s", i, outcome_name(o));
	if (x->there[i] && a->exists && a->id != x->ids[i])
		breach(x, "I4 account %u has another id", i);
	if (x->there[i])
		read_boxes(x, i);
}

/* ---- counters (I6) and passwords (I10), as they are on disk */

static void check_head(struct inspection *x, uint32_t account)
{
	struct engine_port *p = x->world.engine->ops->port_open(x->world.engine, x->world.sched);
	struct head_row h = { 0 };
	uint64_t bytes = 0, messages = 0;
	struct buf v;

	buf_init(&v, 1 << 20);
	if (!engine_get(p, NULL, x->ids[account], STR("H"), &v) || !head_row_decode(buf_str(&v), &h))
		breach(x, "I6 account %u has no counters", account);
	for (size_t i = 0; i < x->found.n; i++) {
		if (x->found.v[i].account != account)
			continue;
		messages++;
		bytes += x->found.v[i].size;
		if (x->found.v[i].modseq > h.modseq)
			breach(x, "I5 account %u: modseq %llu of a letter is above the account's", account,
				(unsigned long long)x->found.v[i].modseq);
	}
	if (h.bytes != bytes || h.messages != messages)
		breach(x, "I6 account %u uses %llu bytes in %llu letters, and says %llu in %llu", account, (unsigned long long)bytes,
			(unsigned long long)messages, (unsigned long long)h.bytes, (unsigned long long)h.messages);
	if (h.modseq < x->model->accounts[account].modseq)
		breach(x, "I5 account %u: modseq %llu, and %llu was answered", account, (unsigned long long)h.modseq,
			(unsigned long long)x->model->accounts[account].modseq);
	buf_fini(&v);
	p->engine->ops->port_close(p);
}

static void check_password(struct inspection *x, uint32_t account)
{
	char address[40], hash[40];
	struct ipc_credential q = { .login = str_z(address) };
	struct ipc_credential_reply r;
	bool right;

	work_address(account, address);
	if (ipc_credential(&x->world.auth_store, &q, &r, &x->arena) != OK)
		return;
	work_hash(x->model->accounts[account].password, hash);
	right = str_eq(r.hash, str_z(hash));
	for (size_t i = 0; i < x->model->open.n; i++) {
		const struct mark *m = &x->model->open.v[i].m;

		work_hash(m->value, hash);
		right |= m->work == WORK_PASSWORD && m->account == account && str_eq(r.hash, str_z(hash));
	}
	if (!right)
		breach(x, "I10 account %u has another password: %.*s", account, STR_ARG(r.hash));
	arena_reset(&x->arena);
}

/* ---- mailboxes */

static struct found_box *box_found(struct inspection *x, uint32_t account, uint64_t id)
{
	for (size_t i = 0; i < x->boxes.n; i++)
		if (x->boxes.v[i].account == account && x->boxes.v[i].id == id)
			return &x->boxes.v[i];
	return NULL;
}

static struct open_work *open_find(struct inspection *x, enum work work, uint32_t account, uint64_t mailbox)
{
	for (size_t i = 0; i < x->model->open.n; i++) {
		struct open_work *w = &x->model->open.v[i];

		if (w->m.work == (uint32_t)work && w->m.account == account && w->m.mailbox == mailbox)
			return w;
	}
	return NULL;
}

static void check_box(struct inspection *x, const struct model_box *m)
{
	struct found_box *f = box_found(x, m->account, m->id);
	struct open_work *rename = open_find(x, WORK_RENAME, m->account, m->id);

	if (!f) {
		if (!m->gone && !open_find(x, WORK_DELETE, m->account, m->id))
			breach(x, "I1 account %u mailbox %s is gone", m->account, m->name);
		return;
	}
	f->known = true;
	if (m->gone)
		breach(x, "I2 account %u mailbox %s came back", m->account, m->name);
	if (m->name[0] && strcmp(f->name, m->name) != 0 && !(rename && strcmp(f->name, rename->m.name) == 0))
		breach(x, "I3 account %u mailbox %s is called %s", m->account, m->name, f->name);
	if (m->uidvalidity && f->status.uidvalidity != m->uidvalidity)
		breach(x, "I4 account %u mailbox %s: UIDVALIDITY %u became %u", m->account, m->name, m->uidvalidity, f->status.uidvalidity);
	if (f->status.uidnext < m->uidnext)
		breach(x, "I4 account %u mailbox %s: UIDNEXT is %u, and %u was answered", m->account, m->name, f->status.uidnext, m->uidnext);
	if (f->status.modseq < m->modseq)
		breach(x, "I5 account %u mailbox %s: modseq is %llu, and %llu was answered", m->account, m->name,
			(unsigned long long)f->status.modseq, (unsigned long long)m->modseq);
}

static void check_box_counts(struct inspection *x, const struct found_box *b)
{
	uint32_t messages = 0, unseen = 0, deleted = 0;
	uint64_t size = 0;

	for (size_t i = 0; i < x->found.n; i++) {
		const struct found *f = &x->found.v[i];

		if (f->account != b->account || f->mailbox != b->id)
			continue;
		messages++;
		size += f->size;
		unseen += !(f->flags & MSG_SEEN);
		deleted += (f->flags & MSG_DELETED) != 0;
		if (f->uid >= b->status.uidnext)
			breach(x, "I4 account %u mailbox %s: uid %u is not below UIDNEXT", b->account, b->name, f->uid);
		if (f->modseq > b->status.modseq)
			breach(x, "I5 account %u mailbox %s: a letter's modseq is above its mailbox's", b->account, b->name);
	}
	if (messages != b->status.messages || size != b->status.size || unseen != b->status.unseen || deleted != b->status.deleted)
		breach(x, "I6 account %u mailbox %s: counts %u %u %u %llu are said to be %u %u %u %llu", b->account, b->name, messages, unseen,
			deleted, (unsigned long long)size, b->status.messages, b->status.unseen, b->status.deleted,
			(unsigned long long)b->status.size);
}

static void check_new_box(struct inspection *x, const struct found_box *b)
{
	if (b->known || strncmp(b->name, "Box-", 4) != 0)
		return;
	for (size_t i = 0; i < x->model->open.n; i++) {
		const struct mark *m = &x->model->open.v[i].m;

		if (m->work == WORK_CREATE && m->account == b->account && strcmp(m->name, b->name) == 0)
			return;
	}
	breach(x, "I2 account %u: there is a mailbox %s, which nobody asked for", b->account, b->name);
}

/* ---- letters */

static struct found *letter_found(struct inspection *x, uint32_t account, uint64_t mailbox, uint32_t uid)
{
	for (size_t i = 0; i < x->found.n; i++) {
		struct found *f = &x->found.v[i];

		if (f->account == account && f->mailbox == mailbox && f->uid == uid)
			return f;
	}
	return NULL;
}

/* The operation under way that names this letter of its mailbox. */
static struct open_work *open_on(struct inspection *x, const struct model_letter *l)
{
	for (size_t i = 0; i < x->model->open.n; i++) {
		struct open_work *w = &x->model->open.v[i];

		if (w->m.account != l->account || w->m.mailbox != l->mailbox)
			continue;
		if (w->m.work == WORK_DELETE)
			return w;
		for (uint32_t k = 0; k < w->m.n; k++)
			if (w->m.letters[k].uid && w->m.letters[k].uid == l->uid)
				return w;
	}
	return NULL;
}

static bool removes(const struct open_work *w)
{
	return w && (w->m.work == WORK_EXPUNGE || w->m.work == WORK_MOVE || w->m.work == WORK_DELETE);
}

static void check_flags(struct inspection *x, const struct model_letter *l, const struct found *f, struct open_work *w)
{
	bool may_change = w && w->m.work == WORK_FLAGS;

	if (may_change && l->flags != w->m.flags && f->flags == w->m.flags) {
		w->n_yes++;
	} else if (f->flags == l->flags) {
		if (may_change && l->flags != w->m.flags)
			w->n_no++;
	} else {
		breach(x, "I7 account %u mailbox %llu uid %u has flags %#x, and %#x was answered", l->account,
			(unsigned long long)l->mailbox, l->uid, f->flags, l->flags);
	}
}

static void check_letter(struct inspection *x, const struct model_letter *l)
{
	struct found *f = letter_found(x, l->account, l->mailbox, l->uid);
	struct open_work *w = open_on(x, l);

	if (l->gone) {
		if (f)
			breach(x, "%s account %u mailbox %llu uid %u (letter %u) came back as letter %u", f->serial == l->serial ? "I2" : "I4",
				l->account, (unsigned long long)l->mailbox, l->uid, l->serial, f->serial);
		return;
	}
	if (!f) {
		if (removes(w))
			w->n_yes++;
		else
			breach(x, "I1 account %u mailbox %llu uid %u: letter %u is lost", l->account, (unsigned long long)l->mailbox, l->uid,
				l->serial);
		return;
	}
	f->explained = true;
	if (f->serial != l->serial)
		breach(x, "I4 account %u mailbox %llu uid %u is letter %u and was %u", l->account, (unsigned long long)l->mailbox, l->uid,
			f->serial, l->serial);
	if (removes(w))
		w->n_no++;
	check_flags(x, l, f, w);
}

static bool adds(const struct open_work *w, const struct found *f)
{
	uint64_t to = w->m.to_mailbox ? w->m.to_mailbox : w->m.mailbox;

	if (w->m.account != f->account || to != f->mailbox)
		return false;
	if (w->m.work != WORK_DELIVER && w->m.work != WORK_APPEND && w->m.work != WORK_COPY && w->m.work != WORK_MOVE)
		return false;
	for (uint32_t i = 0; i < w->m.n; i++)
		if (w->m.letters[i].serial == f->serial)
			return w->n_added < w->m.n;
	return false;
}

/* A queued letter is in an account's INBOX once, whether the queue was answered for or not. */
static bool is_queued(struct inspection *x, const struct found *f)
{
	const struct model_box *inbox = model_inbox(x->model, f->account);

	if (inbox && inbox->id != f->mailbox)
		return false;
	for (size_t i = 0; i < x->model->queued.n; i++)
		if (x->model->queued.v[i].serial == f->serial)
			return x->model->queued.v[i].accounts >> f->account & 1;
	for (size_t i = 0; i < x->model->open.n; i++) {
		const struct mark *m = &x->model->open.v[i].m;

		if (m->work == WORK_QUEUE_PUT && m->letters[0].serial == f->serial)
			return m->value >> f->account & 1;
	}
	return false;
}

static void explain(struct inspection *x, struct found *f)
{
	for (size_t i = 0; i < x->model->open.n && !f->explained; i++)
		if (adds(&x->model->open.v[i], f)) {
			x->model->open.v[i].n_added++;
			f->explained = true;
		}
	if (!f->explained && !is_queued(x, f))
		breach(x, "I3 account %u mailbox %llu uid %u: letter %u is there once too often", f->account, (unsigned long long)f->mailbox,
			f->uid, f->serial);
}

static void check_whole(struct inspection *x, const struct open_work *w)
{
	bool half = w->n_yes && w->n_no;

	if (w->m.work == WORK_COPY || w->m.work == WORK_MOVE)
		half |= w->n_added && w->n_added != w->m.n;
	if (w->m.work == WORK_MOVE)
		half |= w->n_added != w->n_yes;
	if (half)
		breach(x, "I3 operation %u (work %u) happened in part: %u yes, %u no, %u added of %u", w->m.number, w->m.work, w->n_yes,
			w->n_no, w->n_added, w->m.n);
}

/* ---- after the restart */

/* What was sent is sent again under the same delivery id; what was answered is found again (I3, I9). */
static void deliver_again(struct inspection *x, uint32_t account, uint32_t serial, uint32_t uid)
{
	struct ipc_deliver q = { .account = x->ids[account], .date_s = 1700000000 };
	struct ipc_deliver_reply r = { 0 };
	struct buf letter, index, prefix;
	struct work_body body;
	char id[32];
	enum outcome o;

	buf_init(&letter, 1 << 20);
	buf_init(&index, 1 << 16);
	buf_init(&prefix, 1000);
	work_letter(serial, &letter);
	work_index(buf_str(&letter), &index);
	work_prefix(serial, &prefix);
	work_body_open(&body, buf_str(&letter));
	work_delivery_id(serial, id);
	q.delivery = str_z(id);
	q.prefix = buf_str(&prefix);
	q.index = buf_str(&index);
	q.body = body.body;
	o = ipc_deliver(&x->world.post_store, &q, &r, NULL);
	if (o != OK || (uid && r.uid != uid))
		breach(x, "I9 letter %u, delivered again to account %u: %s, uid %u; it was %u", serial, account, outcome_name(o), r.uid, uid);
	work_body_close(&body);
	buf_fini(&letter);
	buf_fini(&index);
	buf_fini(&prefix);
}

static void repeat_deliveries(struct inspection *x)
{
	for (uint32_t i = 0; i < WORK_ACCOUNTS; i++)
		if (x->there[i] && x->model->accounts[i].last_serial)
			deliver_again(x, i, x->model->accounts[i].last_serial, x->model->accounts[i].last_uid);
	for (size_t i = 0; i < x->model->open.n; i++) {
		const struct mark *m = &x->model->open.v[i].m;

		if (m->work == WORK_DELIVER && x->there[m->account])
			deliver_again(x, m->account, m->letters[0].serial, 0);
	}
}

static void drain_queue(struct inspection *x)
{
	struct ipc_queue_list_reply r;
	struct ipc_queue_deliver_reply d;
	enum outcome o = ipc_queue_list(&x->world.post_store, &(struct ipc_queue_list){ 0 }, &r, &x->arena);

	for (size_t i = 0; o == OK && i < r.n_ids; i++) {
		o = ipc_queue_deliver(&x->world.post_store, &(struct ipc_queue_deliver){ .id = r.ids[i] }, &d, NULL);
		if (o == OK && d.left)
			breach(x, "I9 queued letter %llu: %u recipients are left", (unsigned long long)r.ids[i], d.left);
	}
	if (o != OK)
		breach(x, "I9 the queue cannot be drained: %s", outcome_name(o));
	arena_reset(&x->arena);
}

static unsigned count(const struct inspection *x, uint32_t account, uint32_t serial)
{
	unsigned n = 0;

	for (size_t i = 0; i < x->found.n; i++)
		n += x->found.v[i].account == account && x->found.v[i].serial == serial;
	return n;
}

static void check_queued(struct inspection *x, uint32_t serial, uint32_t accounts, bool answered)
{
	unsigned n_accounts = 0, n_there = 0;

	for (uint32_t i = 0; i < WORK_ACCOUNTS; i++) {
		unsigned n = x->there[i] ? count(x, i, serial) : 0;

		n_accounts += accounts >> i & 1;
		n_there += n > 0;
		if (n > (accounts >> i & 1))
			breach(x, "I9 queued letter %u is in account %u %u times", serial, i, n);
	}
	if (n_there != n_accounts && (answered || n_there))
		breach(x, "I9 queued letter %u reached %u of %u accounts", serial, n_there, n_accounts);
}

static void check_after(struct inspection *x)
{
	for (size_t i = 0; i < x->model->queued.n; i++)
		check_queued(x, x->model->queued.v[i].serial, x->model->queued.v[i].accounts, true);
	for (size_t i = 0; i < x->model->open.n; i++) {
		const struct mark *m = &x->model->open.v[i].m;

		if (m->work == WORK_QUEUE_PUT)
			check_queued(x, m->letters[0].serial, (uint32_t)m->value, false);
		if (m->work == WORK_DELIVER && x->there[m->account] && count(x, m->account, m->letters[0].serial) != 1)
			breach(x, "I9 letter %u, sent again, is there %u times", m->letters[0].serial,
				count(x, m->account, m->letters[0].serial));
	}
	for (uint32_t i = 0; i < WORK_ACCOUNTS; i++)
		if (x->there[i])
			check_head(x, i);
}

/* ---- verify */

static void verify(struct inspection *x, const char *when)
{
	char after[64] = "";
	struct ipc_verify_step_reply r;
	enum outcome o;

	do {
		o = ipc_verify_step(&x->world.ctl_store, &(struct ipc_verify_step){ .after = str_z(after) }, &r, &x->arena);
		for (size_t i = 0; o == OK && i < r.n_lines; i++)
			breach(x, "I8 verify %s: %.*s", when, STR_ARG(r.lines[i]));
		snprintf(after, sizeof after, "%.*s", STR_ARG(r.next));
		arena_reset(&x->arena);
	} while (o == OK && r.more);
	if (o != OK)
		breach(x, "I8 verify %s: %s", when, outcome_name(o));
}

/* ---- all of it */

static void read_all(struct inspection *x)
{
	x->found.n = x->boxes.n = 0;
	for (uint32_t i = 0; i < WORK_ACCOUNTS; i++)
		read_account(x, i);
}

static void check_all(struct inspection *x)
{
	for (size_t i = 0; i < x->model->boxes.n; i++)
		check_box(x, &x->model->boxes.v[i]);
	for (size_t i = 0; i < x->boxes.n; i++) {
		check_box_counts(x, &x->boxes.v[i]);
		check_new_box(x, &x->boxes.v[i]);
	}
	for (size_t i = 0; i < x->model->letters.n; i++)
		check_letter(x, &x->model->letters.v[i]);
	for (size_t i = 0; i < x->found.n; i++)
		if (!x->found.v[i].explained)
			explain(x, &x->found.v[i]);
	for (size_t i = 0; i < x->model->open.n; i++)
		check_whole(x, &x->model->open.v[i]);
	for (uint32_t i = 0; i < WORK_ACCOUNTS; i++)
		if (x->there[i]) {
			check_head(x, i);
			check_password(x, i);
		}
}

static SUSPENDS void inspect_main(void *arg)
{
	struct inspection *x = arg;
	struct world_opts o = { .sched = x->world.sched, .rocks = true, .keep_garbage = true,
		.engine = { .data_dir = x->dir, .module = x->module, .segment_size = WORK_SEGMENT_SIZE } };
	struct buf why;

	buf_init(&why, 4096);
	arena_init(&x->arena, "inspection", (size_t)256 << 20);
	if (!world_open(&x->world, &o, &why)) {
		breach(x, "I0 the store does not open: %.*s", STR_ARG(buf_str(&why)));
	} else {
		verify(x, "at once");
		read_all(x);
		check_all(x);
		repeat_deliveries(x);
		inspect_outgoing(&x->world.post_store, x->model, x->out);
		drain_queue(x);
		read_all(x);
		check_after(x);
		verify(x, "after the queue");
	}
	buf_fini(&why);
	sched_stop(x->world.sched);
}

void inspect(struct model *m, const char *dir, const char *module, struct buf *out)
{
	struct inspection *x = mem_new(struct inspection);

	x->model = m;
	x->dir = dir;
	x->module = module;
	x->out = out;
	x->world.sched = sched_new(NULL);
	task_spawn(x->world.sched, "inspect", inspect_main, x);
	sched_run(x->world.sched);
}
