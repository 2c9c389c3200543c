/* store/maildrop.c - opening a maildrop and deleting from it. See the header.
 * Suspends    while views are loaded, while given ids are read, until what was staged is durable.
 * Invariants  P1 after a suspension the maildrop is found anew by its handle: it ends with the login. P2 the list is made without a
 *             suspension, from views that are pinned: no message of it is missing or twice. P3 a message that is gone when it is
 *             deleted is passed over: another session was quicker.
 */
#include "store/maildrop.h"

#include "base/die.h"
#include "ipc/words.h"
#include "store/message.h"
#include "store/settings.h"
#include "store/uidl.h"

#include <stdlib.h>
#include <string.h>

#define MOVE_STEP 1000 /* messages moved in one commit */

void maildrop_free(struct maildrop *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->folders.n; i++)
		mailbox_unpin(d->folders.v[i]);
	vec_free(&d->folders);
	vec_free(&d->messages);
	vec_free(&d->copies);
	list_del(&d->in_account);
	free(d);
}

/* P1. NULL: the login has ended, and the maildrop with it. */
static struct maildrop *again(struct session *x)
{
	return session_again(x) ? x->handle->drop : NULL;
}

/* ---- whose rules, and may it be opened now */

static uint32_t rules_of(struct session *x, struct pop_rules *out)
{
	struct code_row *code = arena_new(&x->work, struct code_row);
	uint32_t id = x->handle->code;

	pop_rules_of(x->account, id, &x->work, out);
	return id && code_get(x->account, id, &x->work, code) && code->pop.given ? id : 0;
}

static bool in_use(const struct account *a, uint32_t owner)
{
	list_each (n, nxt, &a->maildrops)
		if (list_entry(n, struct maildrop, in_account)->owner == owner)
			return true;
	return false;
}

static struct key login_key(const struct session *x, uint32_t owner)
{
	return key_u32(key_u64((struct key){ 0 }, x->account->id), owner);
}

static bool too_soon(struct session *x, uint32_t owner)
{
	struct shard *s = &x->store->shard;
	int64_t delay = x->store->limits.pop_login_delay_ms;
	struct key k = login_key(x, owner);
	int64_t last = (int64_t)(uintptr_t)map_get(&s->pop_logins.last, KEY_STR(k));

	return delay && last && sched_now_ms(s->sched) + 1 - last < delay;
}

/* Kept in memory only: a restart forgives. What is too old to matter goes from time to time. */
static void note_login(struct session *x, uint32_t owner)
{
	struct pop_logins *l = &x->store->shard.pop_logins;
	int64_t delay = x->store->limits.pop_login_delay_ms, now = sched_now_ms(x->store->sched) + 1;
	struct key k = login_key(x, owner);
	struct str key;
	void *last;

	if (delay)
		map_put(&l->last, KEY_STR(k), (void *)(uintptr_t)now);
	if (now - l->pruned_ms < delay)
		return;
	for (size_t at = 0; map_next(&l->last, &at, &key, &last);)
		if (now - (int64_t)(uintptr_t)last >= delay)
			map_del(&l->last, key);
	l->pruned_ms = now;
}

/* ---- mailboxes */

static bool has_folder(const struct maildrop *d, const struct mailbox *m)
{
	for (size_t i = 0; i < d->folders.n; i++)
		if (d->folders.v[i] == m)
			return true;
	return false;
}

/* A mailbox that does not exist has no messages. */
static void add_folder(struct session *x, struct maildrop *d, struct str name)
{
	struct mailbox *m;
	struct str clean;

	if (session_name(x, name, &clean) != OK)
		return;
	m = mailbox_find(x->account, clean);
	if (!m || has_folder(d, m))
		return;
	mailbox_pin(m);
	*vec_push(&d->folders) = m;
}

/* only: of the rules' mailboxes this one, or all when it is empty. */
static enum outcome add_folders(struct session *x, struct maildrop *d, const struct pop_rules *rules, struct str only)
{
	static const struct str inbox[] = { STR("INBOX") };
	const struct str *names = rules->n_folders ? rules->folders : inbox;
	size_t n = rules->n_folders ? rules->n_folders : 1;
	struct str wanted = { 0 }, name;
	bool found = !only.n;

	if (only.n && session_name(x, only, &wanted) != OK)
		return NO_SUCH;
	for (size_t i = 0; i < n; i++) {
		if (only.n && (session_name(x, names[i], &name) != OK || !str_eq(name, wanted)))
			continue;
		add_folder(x, d, names[i]);
		found = true;
	}
	return found ? OK : NO_SUCH;
}

static SUSPENDS enum outcome load_views(struct session *x)
{
	struct maildrop *d = x->handle->drop;

	for (size_t i = 0; i < d->folders.n; i++) {
		bool loaded = d->folders.v[i]->view || mailbox_view(d->folders.v[i]);

		d = again(x);
		if (!d)
			return REVOKED;
		if (!loaded && !d->folders.v[i]->gone)
			return FAILED;
	}
	return OK;
}

/* ---- the list */

struct hidden {
	uint64_t chunk;
	struct hidden_row row;
};

struct building {
	struct session *session;
	struct maildrop *drop;
	struct VEC(struct hidden) hidden; /* by chunk */
	struct uidl_list given;
	bool too_many;
};

static bool load_hidden_row(void *arg, const struct engine_row *row)
{
	struct building *b = arg;
	struct cur c = cur_of(str_from(row->key, 5));
	struct hidden *h = vec_push(&b->hidden);

	h->chunk = cur_be64(&c);
	if (!cur_done(&c) || !hidden_row_decode(row->value, &h->row))
		b->hidden.n--; /* verify tells; shown once more is better than lost */
	return true;
}

static void load_hidden(struct building *b, uint32_t owner)
{
	struct account *a = b->session->account;
	struct key from = key_u32(key_of('k'), owner), to = key_u32(key_of('k'), owner + 1);
	struct engine_range r = { .partition = a->id, .from = KEY_STR(from), .to = KEY_STR(to) };

	engine_range(a->part.port, &r, load_hidden_row, b);
}

static bool is_hidden(const struct building *b, uint64_t email)
{
	size_t lo = 0, hi = b->hidden.n;
	uint64_t chunk = email / HIDDEN_BITS, bit = email % HIDDEN_BITS;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (b->hidden.v[mid].chunk < chunk)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < b->hidden.n && b->hidden.v[lo].chunk == chunk && b->hidden.v[lo].row.bits[bit / 8] >> bit % 8 & 1;
}

static void list_folder(struct building *b, uint8_t folder)
{
	struct maildrop *d = b->drop;
	const struct mailbox *m = d->folders.v[folder];
	const struct view *v = m->view;
	uint32_t max = b->session->store->limits.pop_messages_max;

	for (uint32_t at = 0; !m->gone && at < v->n; at++) {
		if (v->flags[at] & VIEW_DEAD || v->date_s[at] < d->since_s || is_hidden(b, v->email[at]))
			continue;
		if (max && d->messages.n >= max) {
			b->too_many = true;
			return;
		}
		*vec_push(&d->messages) = (struct drop_message){ v->email[at], v->uid[at], v->size[at], folder, false };
	}
}

struct seen {
	uint64_t id; /* an email, or the hash of an id */
	uint32_t at;
};

static int seen_cmp(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static int copy_cmp(const void *a, const void *b)
{
	const struct drop_copy *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

static bool emails_ascend(const struct maildrop *d)
{
	for (size_t i = 1; i < d->messages.n; i++)
		if (d->messages.v[i].email <= d->messages.v[i - 1].email)
			return false;
	return true;
}

/* For each index that of the first message with its email. */
static uint32_t *find_firsts(struct session *x, const struct maildrop *d)
{
	size_t n = d->messages.n;
	struct seen *seen = arena_array(&x->work, n, sizeof *seen);
	uint32_t *first = arena_array(&x->work, n, sizeof *first);

	for (size_t i = 0; i < n; i++)
		seen[i] = (struct seen){ d->messages.v[i].email, (uint32_t)i };
	qsort(seen, n, sizeof *seen, seen_cmp);
	for (size_t i = 0, lead = 0; i < n; i++) {
		if (seen[i].id != seen[lead].id)
			lead = i;
		first[seen[i].at] = seen[lead].at;
	}
	return first;
}

/* Copies leave the list. */
static void fold_copies(struct session *x, struct maildrop *d)
{
	uint32_t *first, *number;
	size_t kept = 0;

	if (emails_ascend(d))
		return;
	first = find_firsts(x, d);
	number = arena_array(&x->work, d->messages.n, sizeof *number);
	for (size_t i = 0; i < d->messages.n; i++) {
		struct drop_message m = d->messages.v[i];

		if (first[i] == i) {
			number[i] = (uint32_t)kept;
			d->messages.v[kept++] = m;
		} else {
			*vec_push(&d->copies) = (struct drop_copy){ number[first[i]], m.uid, m.folder };
		}
	}
	d->messages.n = kept;
	if (d->copies.n)
		qsort(d->copies.v, d->copies.n, sizeof *d->copies.v, copy_cmp);
}

/* Ids are unique in a maildrop (RFC 1939 7); what was imported twice is not. */
static void settle_uidls(struct building *b)
{
	struct maildrop *d = b->drop;
	struct seen *seen = arena_array(&b->session->work, b->given.v.n + 1, sizeof *seen);
	size_t n = 0;

	for (size_t i = 0; b->given.v.n && i < d->messages.n; i++) {
		const struct uidl_given *g = uidl_list_find(&b->given, d->messages.v[i].email);

		if (g && n < b->given.v.n)
			seen[n++] = (struct seen){ g->hash, (uint32_t)i };
	}
	if (n)
		qsort(seen, n, sizeof *seen, seen_cmp);
	for (size_t i = 1; i < n; i++)
		d->messages.v[seen[i].at].own_uidl = seen[i].id == seen[i - 1].id;
}

static SUSPENDS enum outcome load_given(struct session *x, struct uidl_list *l)
{
	while (x->account->has_uidls && uidl_list_step(x->account, l)) {
		task_yield(x->store->sched);
		if (!again(x))
			return REVOKED;
	}
	return OK;
}

/* P2. */
static enum outcome build(struct building *b)
{
	struct maildrop *d = b->drop;

	load_hidden(b, d->owner);
	for (size_t i = 0; i < d->folders.n; i++)
		list_folder(b, (uint8_t)i);
	vec_free(&b->hidden);
	if (b->too_many) {
		log_warning(b->session->store->log, "maildrop-too-large", "%.*s has more messages for POP than limits pop_messages",
			STR_ARG(b->session->account->address));
		return FAILED;
	}
	fold_copies(b->session, d);
	settle_uidls(b);
	return OK;
}

static SUSPENDS enum outcome fill(struct session *x)
{
	struct building b = { .session = x };
	enum outcome o;

	uidl_anchor(x->account);
	o = session_wait(x, x->account->part.staged); /* then rows tell everything */
	if (o == OK)
		o = again(x) ? load_views(x) : REVOKED;
	if (o == OK)
		o = load_given(x, &b.given);
	if (o == OK) {
		b.drop = x->handle->drop;
		o = build(&b);
	}
	vec_free(&b.given.v);
	return o == OK ? session_wait(x, x->account->part.staged) : o;
}

SUSPENDS enum outcome maildrop_open(struct session *x, struct str folder, bool login)
{
	struct pop_rules *rules = arena_new(&x->work, struct pop_rules);
	uint32_t owner = rules_of(x, rules);
	struct handle *h = x->handle;
	enum outcome o;

	if (h->drop && h->drop->busy)
		return BAD_STATE;
	maildrop_free(h->drop);
	h->drop = NULL;
	if (in_use(x->account, owner))
		return IN_USE;
	if (login && too_soon(x, owner))
		return OVER_LIMIT;
	h->drop = mem_new(struct maildrop);
	*h->drop = (struct maildrop){ .owner = owner, .dele = rules->dele, .since_s = rules->since_s, .busy = true };
	list_add_last(&x->account->maildrops, &h->drop->in_account);
	o = add_folders(x, h->drop, rules, folder);
	if (o == OK)
		o = fill(x);
	if (!again(x))
		return REVOKED;
	x->handle->drop->busy = false;
	if (o == OK) {
		note_login(x, owner);
		return OK;
	}
	maildrop_free(x->handle->drop);
	x->handle->drop = NULL;
	return o;
}

/* ---- deleting */

static int u32_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int u64_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

enum which { LISTED = 1, COPIES = 2 };

struct picking {
	const uint32_t *at;
	size_t n;
	uint8_t folder;
	unsigned which;
};

/* Uids in one folder of what is to be deleted, ascending. */
static uint32_t *pick_uids(struct session *x, const struct picking *p, size_t *n)
{
	const struct maildrop *d = x->handle->drop;
	uint32_t *uids = arena_array(&x->work, p->n + d->copies.n + 1, sizeof *uids);
	size_t c = 0;

	*n = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct drop_message *m = &d->messages.v[p->at[i]];

		if (p->which & LISTED && m->folder == p->folder)
			uids[(*n)++] = m->uid;
		for (; c < d->copies.n && d->copies.v[c].at <= p->at[i]; c++)
			if (p->which & COPIES && d->copies.v[c].at == p->at[i] && d->copies.v[c].folder == p->folder)
				uids[(*n)++] = d->copies.v[c].uid;
	}
	if (*n)
		qsort(uids, *n, sizeof *uids, u32_cmp);
	return uids;
}

/* P3. */
static void expunge_uids(struct session *x, struct mailbox *m, const uint32_t *uids, size_t n)
{
	uint32_t *at = arena_array(&x->work, n + 1, sizeof *at), found = 0;

	if (m->gone)
		return;
	for (size_t i = 0; i < n; i++)
		if (view_find(m->view, uids[i], &at[found]) && !(m->view->flags[at[found]] & VIEW_DEAD))
			found++;
	messages_expunge(x->account, m, at, found, EXPUNGE_DELETED);
}

static void expunge_all(struct session *x, struct picking p)
{
	struct maildrop *d = x->handle->drop;

	for (size_t i = 0; i < d->folders.n; i++) {
		size_t n;
		const uint32_t *uids;

		p.folder = (uint8_t)i;
		uids = pick_uids(x, &p, &n);
		expunge_uids(x, d->folders.v[i], uids, n);
	}
}

static SUSPENDS enum outcome remove_deleting(struct session *x, struct picking p)
{
	p.which = LISTED | COPIES;
	expunge_all(x, p);
	return session_wait(x, account_stage(x->account));
}

static SUSPENDS enum outcome move_uids(struct session *x, size_t folder, const uint32_t *uids, size_t n)
{
	for (size_t i = 0; i < n; i += MOVE_STEP) {
		struct mailbox *from = x->handle->drop->folders.v[folder], *trash;
		enum outcome o = mailbox_special(x->account, MBOX_TRASH, &trash);

		if (o != OK)
			return o;
		if (from == trash) {
			expunge_uids(x, from, uids, n);
			return OK;
		}
		o = messages_move(x, from, uids + i, n - i < MOVE_STEP ? n - i : MOVE_STEP, trash);
		if (!again(x))
			return REVOKED;
		if (o != OK && o != NO_SUCH)
			return o;
	}
	return OK;
}

static SUSPENDS enum outcome remove_to_trash(struct session *x, struct picking p)
{
	enum outcome o = OK;

	p.which = LISTED;
	for (size_t i = 0; o == OK && i < x->handle->drop->folders.n; i++) {
		size_t n;
		const uint32_t *uids;

		p.folder = (uint8_t)i;
		uids = pick_uids(x, &p, &n);
		o = move_uids(x, i, uids, n);
	}
	if (o != OK)
		return o;
	p.which = COPIES;
	expunge_all(x, p);
	return session_wait(x, account_stage(x->account));
}

static void hide_chunk(struct account *a, uint32_t owner, const uint64_t *emails, size_t n)
{
	struct key k = key_u64(key_u32(key_of('k'), owner), emails[0] / HIDDEN_BITS);
	struct hidden_row r = { 0 };
	struct buf v;

	buf_init(&v, 4096);
	if (engine_get(a->part.port, NULL, a->id, KEY_STR(k), &v) && !hidden_row_decode(buf_str(&v), &r))
		r = (struct hidden_row){ 0 };
	for (size_t i = 0; i < n; i++)
		r.bits[emails[i] % HIDDEN_BITS / 8] |= (uint8_t)(1u << emails[i] % 8);
	buf_reset(&v);
	hidden_row_encode(&r, &v);
	engine_put(account_batch(a), KEY_STR(k), buf_str(&v));
	buf_fini(&v);
}

/* One session at a time has the rules' maildrop, and what it hid before is durable: rows are read and written back safely. */
static SUSPENDS enum outcome remove_hiding(struct session *x, struct picking p)
{
	const struct maildrop *d = x->handle->drop;
	uint64_t *emails = arena_array(&x->work, p.n, sizeof *emails);

	for (size_t i = 0; i < p.n; i++)
		emails[i] = d->messages.v[p.at[i]].email;
	qsort(emails, p.n, sizeof *emails, u64_cmp);
	for (size_t i = 0, end; i < p.n; i = end) {
		for (end = i; end < p.n && emails[end] / HIDDEN_BITS == emails[i] / HIDDEN_BITS; end++)
			;
		hide_chunk(x->account, d->owner, emails + i, end - i);
	}
	return session_wait(x, account_stage(x->account));
}

SUSPENDS enum outcome maildrop_remove(struct session *x, const uint32_t *at, size_t n)
{
	struct picking p = { .at = at, .n = n };

	if (n == 0)
		return OK;
	switch (x->handle->drop->dele) {
	case POP_DELE_TRASH:
		return remove_to_trash(x, p);
	case POP_DELE_KEEP:
		return remove_hiding(x, p);
	default:
		return remove_deleting(x, p);
	}
}
