/* store/directory_change.c - domains, accounts and aliases come, change and go.
 * Suspends    until each step is durable; changes are made one after another (a lock).
 * Invariants  B1 an account's rows exist before its entry is live, and its entry is dead before they go. B2 while a making or deleting is
 *             under way a w row names the account, so that a crash leaves nothing behind that directory_sweep does not see.
 */
#include "store/directory.h"

#include "base/die.h"
#include "mail/idn.h"
#include "store/account.h"

#define ROW_MAX 65536
#define PURGE_STEP 1000

static const struct partition_ops no_calls = { 0 };

void directory_open(struct directory *d, struct shard *s)
{
	*d = (struct directory){ .shard = s };
	partition_open(&d->part, s->port, PARTITION_DIRECTORY, &no_calls);
	gate_init(&d->unlocked);
}

void directory_fini(struct directory *d)
{
	vec_free(&d->restoring);
	partition_fini(&d->part);
}

/* After a failed commit the partition is opened anew: nothing of it is kept in memory. */
SUSPENDS bool directory_lock(struct directory *d)
{
	struct gate *gates[] = { &d->unlocked };

	while (d->locked)
		if (task_wait(d->shard->sched, gates, 1, NEVER_MS) == WAIT_STOP)
			return false;
	d->locked = true;
	if (d->part.dead) {
		partition_fini(&d->part);
		partition_open(&d->part, d->shard->port, PARTITION_DIRECTORY, &no_calls);
	}
	return true;
}

enum outcome directory_unlock(struct directory *d, enum outcome o)
{
	d->locked = false;
	gate_open(d->shard->sched, &d->unlocked);
	return o;
}

static SUSPENDS enum outcome commit(struct partition *p)
{
	return partition_wait(p, partition_stage(p)) ? OK : TRY_LATER;
}

static void put(struct directory *d, char tag, struct str domain, struct str local, const struct buf *v)
{
	struct buf key;

	buf_init(&key, ENGINE_KEY_MAX);
	directory_key(&key, tag, domain, local);
	engine_put(partition_batch(&d->part), buf_str(&key), buf_str(v));
	buf_fini(&key);
}

static void del(struct directory *d, char tag, struct str domain, struct str local)
{
	struct buf key;

	buf_init(&key, ENGINE_KEY_MAX);
	directory_key(&key, tag, domain, local);
	engine_del(partition_batch(&d->part), buf_str(&key));
	buf_fini(&key);
}

static bool exists(struct directory *d, char tag, struct str domain, struct str local)
{
	struct buf v;
	bool found;

	buf_init(&v, ROW_MAX);
	found = directory_get(d, tag, domain, local, &v);
	buf_fini(&v);
	return found;
}

/* ---- domains */

static bool is_domain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '@' || s.p[i] == 0x7f || s.p[i] == '/')
			return false;
	return s.n > 0 && s.n <= 255 && s.p[0] != '.';
}

static bool is_local(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '@' || s.p[i] == 0x7f)
			return false;
	return s.n > 0 && s.n <= 64;
}

static void put_domain(struct directory *d, struct str name, const struct domain_row *row)
{
	struct buf v;

	buf_init(&v, ROW_MAX);
	domain_row_encode(row, &v);
	put(d, 'd', name, STR(""), &v);
	buf_fini(&v);
}

static SUSPENDS enum outcome domain_add(struct directory *d, struct str name)
{
	struct domain_row row = { .created_s = shard_now_s(d->shard) };

	if (!is_domain(name))
		return BAD_SYNTAX;
	if (exists(d, 'd', name, STR("")))
		return EXISTS;
	put_domain(d, name, &row);
	return commit(&d->part);
}

static bool note_row(void *arg, const struct engine_row *row)
{
	(void)row;
	*(bool *)arg = true;
	return false;
}

static bool has_any(struct directory *d, char tag, struct str domain)
{
	struct buf from, to;
	struct engine_range r = { .partition = PARTITION_DIRECTORY };
	bool any = false;

	buf_init(&from, ENGINE_KEY_MAX);
	directory_key(&from, tag, domain, STR(""));
	buf_init(&to, ENGINE_KEY_MAX);
	buf_add(&to, str_sub(buf_str(&from), 0, from.n - 1));
	buf_addc(&to, '\1');
	r.from = buf_str(&from);
	r.to = buf_str(&to);
	engine_range(d->part.port, &r, note_row, &any);
	buf_fini(&from);
	buf_fini(&to);
	return any;
}

static SUSPENDS enum outcome domain_delete(struct directory *d, struct str name)
{
	if (!exists(d, 'd', name, STR("")))
		return NO_SUCH;
	if (has_any(d, 'a', name) || has_any(d, 'l', name))
		return IN_USE;
	del(d, 'd', name, STR(""));
	return commit(&d->part);
}

/* ---- rows of an account */

static bool purge_row(void *arg, const struct engine_row *row)
{
	struct engine_batch *b = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	struct message_row m;

	struct deleted_row deleted;
	uint32_t mailbox = cur_be32(&c), uid = cur_be32(&c);
	bool has_body = row->key.p[0] == 'M' && message_row_decode(row->value, &m);

	engine_del(b, row->key);
	if (row->key.p[0] == 'Z' && deleted_row_decode(row->value, &deleted)) {
		has_body = true;
		m = deleted.message;
		engine_ref_del(b, KEY_STR(key_deleted(deleted.time_s, b->partition, mailbox, uid)));
	}
	if (has_body) {
		engine_ref_del(b, KEY_STR(key_ref(m.blob, b->partition, mailbox, uid)));
		engine_ref_put(b, KEY_STR(key_garbage(m.saved_s, m.blob)), STR(""));
	}
	return b->n_ops < PURGE_STEP;
}

/* All rows of the account go, in bounded commits; the head first, so that nobody loads what is left. */
static SUSPENDS enum outcome purge(struct directory *d, uint64_t account)
{
	struct engine_range all = { .partition = account };
	struct partition p;
	enum outcome o;

	partition_open(&p, d->shard->port, account, &no_calls);
	engine_del(partition_batch(&p), STR("H"));
	do {
		o = commit(&p);
		if (o == OK)
			engine_range(p.port, &all, purge_row, partition_batch(&p));
	} while (o == OK && partition_batch(&p)->n_ops > 0);
	partition_fini(&p);
	return o;
}

static void put_work(struct directory *d, uint64_t account, struct str domain, struct str local, bool on)
{
	struct key k = key_u64(key_of('w'), account);
	struct buf v;

	if (!on) {
		engine_del(partition_batch(&d->part), KEY_STR(k));
		return;
	}
	buf_init(&v, ROW_MAX);
	put_str(&v, domain);
	put_str(&v, local);
	engine_put(partition_batch(&d->part), KEY_STR(k), buf_str(&v));
	buf_fini(&v);
}

static void put_entry(
	struct directory *d, struct str domain, struct str local, uint64_t account, enum entry_state state)
{
	struct entry_row row = { account, (uint8_t)state };
	struct buf v;

	buf_init(&v, ROW_MAX);
	entry_row_encode(&row, &v);
	put(d, 'a', domain, local, &v);
	buf_reset(&v);
	buf_add(&v, local);
	buf_addc(&v, '@');
	buf_add(&v, domain);
	engine_put(partition_batch(&d->part), KEY_STR(key_u64(key_of('i'), account)), buf_str(&v));
	buf_fini(&v);
}

struct first {
	struct str without;
	uint64_t account;
	struct buf local;
	size_t prefix_n;
};

static bool find_first(void *arg, const struct engine_row *row)
{
	struct first *f = arg;
	struct str local = str_from(row->key, f->prefix_n);
	struct entry_row e;

	if (!entry_row_decode(row->value, &e) || e.state != ENTRY_LIVE || str_eq(local, f->without) ||
		(f->account && e.account >= f->account))
		return true;
	f->account = e.account;
	buf_reset(&f->local);
	buf_add(&f->local, local);
	return true;
}

/* The domain's duty account: its first, but for `without`. */
static void put_first(struct directory *d, struct str domain, struct str without, struct str instead)
{
	struct first f = { .without = without };
	struct domain_row row;
	struct buf v, from, to;
	struct engine_range r = { .partition = PARTITION_DIRECTORY };

	buf_init(&v, ROW_MAX);
	buf_init(&f.local, 256);
	buf_init(&from, ENGINE_KEY_MAX);
	buf_init(&to, ENGINE_KEY_MAX);
	directory_key(&from, 'a', domain, STR(""));
	buf_add(&to, str_sub(buf_str(&from), 0, from.n - 1));
	buf_addc(&to, '\1');
	f.prefix_n = from.n;
	r.from = buf_str(&from);
	r.to = buf_str(&to);
	if (directory_get(d, 'd', domain, STR(""), &v) && domain_row_decode(buf_str(&v), &row) &&
		(row.first.n == 0 || str_eq(row.first, without))) {
		if (instead.n == 0)
			engine_range(d->part.port, &r, find_first, &f);
		row.first = instead.n ? instead : buf_str(&f.local);
		put_domain(d, domain, &row);
	}
	buf_fini(&v);
	buf_fini(&f.local);
	buf_fini(&from);
	buf_fini(&to);
}

static uint64_t next_account(struct directory *d)
{
	uint64_t next = ACCOUNT_FIRST;
	struct buf v;

	buf_init(&v, 256);
	if (engine_get(d->part.port, NULL, PARTITION_DIRECTORY, STR("c"), &v) && !counter_decode(buf_str(&v), &next))
		die("directory: the account counter does not decode");
	buf_reset(&v);
	counter_encode(next + 1, &v);
	engine_put(partition_batch(&d->part), STR("c"), buf_str(&v));
	buf_fini(&v);
	return next;
}

struct pins {
	struct engine_batch *b;
	uint64_t account;
	bool lead;
};

static bool set_pin(void *arg, const struct engine_row *row)
{
	struct pins *p = arg;
	struct key k = key_u64(key_bytes(key_of('f'), str_from(row->key, 1)), p->account);

	if (p->lead)
		engine_put(p->b, KEY_STR(k), STR(""));
	else
		engine_del(p->b, KEY_STR(k));
	return true;
}

/* Certificates lead to the account that has pinned them, or do not any more, before the rows that say which did are gone. */
static SUSPENDS enum outcome lead_pins(struct directory *d, uint64_t account, bool lead)
{
	struct engine_range pins = { .partition = account, .from = STR("K"), .to = STR("L") };
	struct pins p = { partition_batch(&d->part), account, lead };

	engine_range(d->part.port, &pins, set_pin, &p);
	return commit(&d->part);
}

static SUSPENDS enum outcome forget_account(struct directory *d, uint64_t account, struct str domain, struct str local)
{
	enum outcome o = lead_pins(d, account, false);

	if (o == OK)
		o = purge(d, account);
	if (o != OK)
		return o;
	del(d, 'a', domain, local);
	engine_del(partition_batch(&d->part), KEY_STR(key_u64(key_of('i'), account)));
	put_work(d, account, domain, local, false);
	put_first(d, domain, local, STR(""));
	return commit(&d->part);
}

/* ---- accounts that are deleted and kept */

/* The head under another key: who looks for the account finds none. */
static SUSPENDS enum outcome move_head(struct directory *d, uint64_t account, struct str from, struct str to)
{
	struct partition p;
	enum outcome o = OK;
	struct buf v;

	buf_init(&v, 4096);
	if (engine_get(d->shard->port, NULL, account, from, &v)) { /* else it is done already */
		partition_open(&p, d->shard->port, account, &no_calls);
		engine_del(partition_batch(&p), from);
		engine_put(partition_batch(&p), to, buf_str(&v));
		o = commit(&p);
		partition_fini(&p);
	}
	buf_fini(&v);
	return o;
}

static SUSPENDS enum outcome retire_account(struct directory *d, uint64_t account, struct str domain, struct str local)
{
	struct retired_row row = { shard_now_s(d->shard), domain, local };
	enum outcome o = move_head(d, account, STR("H"), STR("h"));
	struct buf v;

	if (o == OK)
		o = lead_pins(d, account, false);
	if (o != OK)
		return o;
	buf_init(&v, ROW_MAX);
	retired_row_encode(&row, &v);
	engine_put(partition_batch(&d->part), KEY_STR(key_u64(key_of('z'), account)), buf_str(&v));
	buf_fini(&v);
	del(d, 'a', domain, local);
	put_work(d, account, domain, local, false);
	return commit(&d->part);
}

static bool is_restoring(const struct directory *d, uint64_t account)
{
	for (size_t i = 0; i < d->restoring.n; i++)
		if (d->restoring.v[i] == account)
			return true;
	return false;
}

/* What stands in the entry's place. EXISTS: a live one. */
static SUSPENDS enum outcome clear_entry(struct directory *d, struct str domain, struct str local)
{
	struct entry_row row;
	struct buf v;
	bool found;

	buf_init(&v, ROW_MAX);
	found = directory_get(d, 'a', domain, local, &v) && entry_row_decode(buf_str(&v), &row);
	buf_fini(&v);
	if (!found)
		return OK;
	if (is_restoring(d, row.account))
		return EXISTS;
	if (row.state == ENTRY_RETIRING)
		return retire_account(d, row.account, domain, local);
	return row.state == ENTRY_LIVE ? EXISTS : forget_account(d, row.account, domain, local);
}

static SUSPENDS enum outcome make_account(
	struct directory *d, const struct ipc_account_add *q, struct str domain, struct str local, uint64_t id)
{
	struct new_account n = { .hash = q->hash,
		.scram = q->scram,
		.quota_bytes = q->quota_bytes,
		.quota_messages = q->quota_messages,
		.now_s = shard_now_s(d->shard) };
	struct partition p;
	struct buf address;
	enum outcome o;

	buf_init(&address, 512);
	buf_addf(&address, "%.*s@%.*s", STR_ARG(local), STR_ARG(domain));
	n.address = buf_str(&address);
	partition_open(&p, d->shard->port, id, &no_calls);
	account_rows(&n, partition_batch(&p));
	o = commit(&p);
	partition_fini(&p);
	buf_fini(&address);
	return o;
}

static SUSPENDS enum outcome account_add(
	struct directory *d, const struct ipc_account_add *q, struct arena *a, uint64_t *account)
{
	struct str domain = mail_domain_fold(a, q->address.domain), local = mail_local_fold(a, q->address.local);
	enum outcome o;

	if (!is_domain(domain) || !is_local(local))
		return BAD_SYNTAX;
	if (!exists(d, 'd', domain, STR("")))
		return NO_SUCH;
	if (exists(d, 'l', domain, local))
		return EXISTS;
	o = clear_entry(d, domain, local);
	if (o != OK)
		return o;
	*account = next_account(d);
	put_entry(d, domain, local, *account, ENTRY_CREATING);
	put_work(d, *account, domain, local, true);
	o = commit(&d->part);
	if (o == OK)
		o = make_account(d, q, domain, local, *account);
	if (o != OK)
		return o;
	put_entry(d, domain, local, *account, ENTRY_LIVE);
	put_work(d, *account, domain, local, false);
	put_first(d, domain, STR(""), local);
	return commit(&d->part);
}

/* Nobody uses it any more, and nothing of it is under way. */
static SUSPENDS enum outcome close_account(struct directory *d, uint64_t id)
{
	struct account *a;
	enum outcome o = account_get(d->shard, id, &a);

	if (o != OK)
		return o == NO_SUCH ? OK : o;
	a->closed = true;
	handles_revoke_account(d->shard, a);
	while (o == OK && partition_busy(&a->part))
		o = account_wait(a, a->part.staged) ? OK : TRY_LATER;
	if (o == OK)
		account_drop(a);
	a->closed = o == OK;
	account_put(a);
	return o;
}

static enum outcome find_live(struct directory *d, struct str domain, struct str local, uint64_t *account)
{
	struct entry_row row;
	struct buf v;
	bool found;

	buf_init(&v, ROW_MAX);
	found = directory_get(d, 'a', domain, local, &v) && entry_row_decode(buf_str(&v), &row) &&
		row.state == ENTRY_LIVE;
	buf_fini(&v);
	if (found)
		*account = row.account;
	return found ? OK : NO_SUCH;
}

static SUSPENDS enum outcome account_delete(struct directory *d, const struct ipc_addr *address, bool now, struct arena *a)
{
	struct str domain = mail_domain_fold(a, address->domain), local = mail_local_fold(a, address->local);
	bool keep = !now && d->shard->limits->keep_expunged_ms > 0;
	uint64_t id;
	enum outcome o = find_live(d, domain, local, &id);

	if (o != OK)
		return o;
	put_entry(d, domain, local, id, keep ? ENTRY_RETIRING : ENTRY_DELETING);
	put_work(d, id, domain, local, true);
	put_first(d, domain, local, STR(""));
	o = commit(&d->part);
	if (o == OK)
		o = close_account(d, id);
	if (o != OK)
		return o;
	return keep ? retire_account(d, id, domain, local) : forget_account(d, id, domain, local);
}

struct retired {
	struct str domain, local; /* wanted; or empty: the first one from before a time */
	int64_t before_s;
	uint64_t account; /* found; 0: none */
	int64_t time_s;
};

static bool find_retired(void *arg, const struct engine_row *row)
{
	struct retired *f = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	uint64_t account = cur_be64(&c);
	struct retired_row r;

	if (!cur_done(&c) || !retired_row_decode(row->value, &r))
		return true;
	if (f->domain.n == 0) {
		f->account = r.time_s < f->before_s ? account : 0;
		return !f->account;
	}
	if (str_eq(r.domain, f->domain) && str_eq(r.local, f->local) && (!f->account || r.time_s >= f->time_s)) {
		f->account = account;
		f->time_s = r.time_s;
	}
	return true;
}

static void look_for_retired(struct directory *d, struct retired *f)
{
	struct engine_range r = { .partition = PARTITION_DIRECTORY, .from = STR("z"), .to = STR("{") };

	engine_range(d->part.port, &r, find_retired, f);
}

static SUSPENDS enum outcome account_undelete(struct directory *d, const struct ipc_addr *address, struct arena *a)
{
	struct retired f = { .domain = mail_domain_fold(a, address->domain), .local = mail_local_fold(a, address->local) };
	enum outcome o;

	if (!is_domain(f.domain) || !is_local(f.local))
		return BAD_SYNTAX;
	if (exists(d, 'a', f.domain, f.local) || exists(d, 'l', f.domain, f.local))
		return EXISTS;
	look_for_retired(d, &f);
	if (!f.account || !exists(d, 'd', f.domain, STR("")))
		return NO_SUCH;
	o = move_head(d, f.account, STR("h"), STR("H"));
	if (o == OK)
		o = lead_pins(d, f.account, true);
	if (o != OK)
		return o;
	put_entry(d, f.domain, f.local, f.account, ENTRY_LIVE);
	engine_del(partition_batch(&d->part), KEY_STR(key_u64(key_of('z'), f.account)));
	put_first(d, f.domain, STR(""), f.local);
	return commit(&d->part);
}

/* One whose time is over goes for good. Its address may be another's by now, so no entry is touched. */
static SUSPENDS enum outcome sweep_retired(struct directory *d, bool *found)
{
	struct retired f = { .before_s = shard_now_s(d->shard) - d->shard->limits->keep_expunged_ms / 1000 };
	enum outcome o;

	look_for_retired(d, &f);
	*found = f.account;
	if (!f.account)
		return OK;
	o = lead_pins(d, f.account, false); /* a crash may have come between an undelete's steps */
	if (o == OK)
		o = purge(d, f.account);
	if (o != OK)
		return o;
	engine_del(partition_batch(&d->part), KEY_STR(key_u64(key_of('i'), f.account)));
	engine_del(partition_batch(&d->part), KEY_STR(key_u64(key_of('z'), f.account)));
	return commit(&d->part);
}

/* ---- aliases */

static SUSPENDS enum outcome alias_add(struct directory *d, const struct ipc_alias_add *q, struct arena *a)
{
	struct str domain = mail_domain_fold(a, q->address.domain), local = mail_local_fold(a, q->address.local);
	struct alias_row *row = arena_new(a, struct alias_row);
	struct buf v;

	if (!is_domain(domain) || !is_local(local) || q->n_to == 0)
		return BAD_SYNTAX;
	if (!exists(d, 'd', domain, STR("")))
		return NO_SUCH;
	if (exists(d, 'a', domain, local) || exists(d, 'l', domain, local))
		return EXISTS;
	for (size_t i = 0; i < q->n_to; i++) {
		struct str to_domain = mail_domain_fold(a, q->to[i].domain), to_local = mail_local_fold(a, q->to[i].local);
		bool ours = exists(d, 'd', to_domain, STR(""));

		if (!is_domain(to_domain) || !is_local(to_local))
			return BAD_SYNTAX;
		if (!ours && !d->shard->limits->forwarding)
			return DENIED;
		if (!ours)
			to_local = q->to[i].local; /* whether case matters there is theirs to say (RFC 5321 2.4) */
		row->to[row->n++] = arena_fmt(a, "%.*s@%.*s", STR_ARG(to_local), STR_ARG(to_domain));
	}
	buf_init(&v, ROW_MAX);
	alias_row_encode(row, &v);
	put(d, 'l', domain, local, &v);
	buf_fini(&v);
	return commit(&d->part);
}

static SUSPENDS enum outcome alias_delete(struct directory *d, const struct ipc_addr *address, struct arena *a)
{
	struct str domain = mail_domain_fold(a, address->domain), local = mail_local_fold(a, address->local);

	if (!exists(d, 'l', domain, local))
		return NO_SUCH;
	del(d, 'l', domain, local);
	return commit(&d->part);
}

/* ---- a backup comes back */

static bool note_any(void *arg, const struct engine_row *row)
{
	(void)row;
	*(bool *)arg = true;
	return false;
}

static bool has_rows(struct directory *d, const struct engine_range *r)
{
	bool any = false;

	engine_range(d->part.port, r, note_any, &any);
	return any;
}

bool directory_is_empty(struct directory *d)
{
	static const char tags[][2] = { "a", "d", "l" };

	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
		char to = (char)(tags[i][0] + 1);
		struct engine_range r = { .partition = PARTITION_DIRECTORY, .from = str_of(tags[i], 1), .to = str_of(&to, 1) };

		if (has_rows(d, &r))
			return false;
	}
	return true;
}

/* An account's number, once no other has it or its rows. */
static bool take_number(struct directory *d, uint64_t id)
{
	struct engine_range all = { .partition = id };
	uint64_t next = ACCOUNT_FIRST;
	struct buf v;

	buf_init(&v, 256);
	if (engine_get(d->part.port, NULL, PARTITION_DIRECTORY, STR("c"), &v) && !counter_decode(buf_str(&v), &next))
		die("directory: the account counter does not decode");
	buf_reset(&v);
	if (id < ACCOUNT_FIRST || id >= PARTITION_DIRECTORY || has_rows(d, &all) ||
		engine_get(d->part.port, NULL, PARTITION_DIRECTORY, KEY_STR(key_u64(key_of('i'), id)), &v)) {
		buf_fini(&v);
		return false;
	}
	buf_reset(&v);
	counter_encode(id >= next ? id + 1 : next, &v);
	engine_put(partition_batch(&d->part), STR("c"), buf_str(&v));
	buf_fini(&v);
	return true;
}

static SUSPENDS enum outcome restore_begin(
	struct directory *d, const struct ipc_addr *address, struct arena *a, uint64_t *account)
{
	struct str domain = mail_domain_fold(a, address->domain), local = mail_local_fold(a, address->local);
	enum outcome o;

	if (!is_domain(domain) || !is_local(local))
		return BAD_SYNTAX;
	if (!exists(d, 'd', domain, STR("")))
		return NO_SUCH;
	if (exists(d, 'l', domain, local))
		return EXISTS;
	o = clear_entry(d, domain, local);
	if (o != OK)
		return o;
	if (!take_number(d, *account))
		*account = next_account(d);
	put_entry(d, domain, local, *account, ENTRY_CREATING);
	put_work(d, *account, domain, local, true);
	*vec_push(&d->restoring) = *account;
	return commit(&d->part);
}

static SUSPENDS enum outcome restore_end(struct directory *d, const struct ipc_addr *address, struct arena *a, uint64_t account)
{
	struct str domain = mail_domain_fold(a, address->domain), local = mail_local_fold(a, address->local);
	enum outcome o = lead_pins(d, account, true);

	if (o != OK)
		return o;
	put_entry(d, domain, local, account, ENTRY_LIVE);
	put_work(d, account, domain, local, false);
	put_first(d, domain, STR(""), local);
	return commit(&d->part);
}

static SUSPENDS enum outcome restore_row(struct directory *d, struct str key, struct str value)
{
	engine_put(partition_batch(&d->part), key, value);
	return commit(&d->part);
}

void directory_restore_forget(struct directory *d, uint64_t account)
{
	for (size_t i = 0; i < d->restoring.n; i++)
		if (d->restoring.v[i] == account) {
			vec_remove(&d->restoring, i);
			return;
		}
}

/* ---- one after another */

#define LOCKED(call)                                                                                                   \
	do {                                                                                                           \
		struct arena a;                                                                                        \
		enum outcome o;                                                                                        \
                                                                                                                       \
		if (!directory_lock(d))                                                                                          \
			return TRY_LATER;                                                                              \
		arena_init(&a, "store-directory", (size_t)16 << 20);                                                   \
		o = (call);                                                                                            \
		arena_fini(&a);                                                                                        \
		return directory_unlock(d, o);                                                                                   \
	} while (0)

enum outcome directory_domain_add(struct directory *d, struct str name)
{
	LOCKED(domain_add(d, mail_domain_fold(&a, name)));
}

enum outcome directory_domain_delete(struct directory *d, struct str name)
{
	LOCKED(domain_delete(d, mail_domain_fold(&a, name)));
}

enum outcome directory_account_add(struct directory *d, const struct ipc_account_add *q, uint64_t *account)
{
	LOCKED(account_add(d, q, &a, account));
}

enum outcome directory_account_delete(struct directory *d, const struct ipc_addr *address, bool now)
{
	LOCKED(account_delete(d, address, now, &a));
}

enum outcome directory_account_undelete(struct directory *d, const struct ipc_addr *address)
{
	LOCKED(account_undelete(d, address, &a));
}

enum outcome directory_alias_add(struct directory *d, const struct ipc_alias_add *q)
{
	LOCKED(alias_add(d, q, &a));
}

static SUSPENDS enum outcome put_mark(struct directory *d, struct str dir, const struct backup_mark *mark)
{
	engine_put(partition_batch(&d->part), KEY_STR(key_bytes(key_of('b'), dir)), str_of(mark, sizeof *mark));
	return commit(&d->part);
}

enum outcome directory_put_mark(struct directory *d, struct str dir, const struct backup_mark *mark)
{
	LOCKED(put_mark(d, dir, mark));
}

enum outcome directory_restore_begin(struct directory *d, const struct ipc_addr *address, uint64_t *account)
{
	LOCKED(restore_begin(d, address, &a, account));
}

enum outcome directory_restore_end(struct directory *d, const struct ipc_addr *address, uint64_t account)
{
	LOCKED(restore_end(d, address, &a, account));
}

/* Rows that name accounts by number are made when those are restored. */
enum outcome directory_restore_row(struct directory *d, struct str key, struct str value)
{
	if (key.n < 2 || str_find(STR("abcfiwz"), key.p[0]) >= 0)
		return OK;
	LOCKED(restore_row(d, key, value));
}

enum outcome directory_alias_delete(struct directory *d, const struct ipc_addr *address)
{
	LOCKED(alias_delete(d, address, &a));
}

/* ---- after a crash */

struct work {
	const struct directory *d;
	uint64_t account;
	struct buf row;
	bool found;
};

static bool note_work(void *arg, const struct engine_row *row)
{
	struct work *w = arg;
	struct cur c = cur_of(str_from(row->key, 1));

	w->account = cur_be64(&c);
	if (is_restoring(w->d, w->account))
		return true;
	w->found = cur_done(&c);
	buf_add(&w->row, row->value);
	return false;
}

static bool is_retiring(struct directory *d, struct str domain, struct str local)
{
	struct entry_row row;
	struct buf v;
	bool is;

	buf_init(&v, ROW_MAX);
	is = directory_get(d, 'a', domain, local, &v) && entry_row_decode(buf_str(&v), &row) &&
		row.state == ENTRY_RETIRING;
	buf_fini(&v);
	return is;
}

static SUSPENDS enum outcome sweep_one(struct directory *d, bool *found)
{
	struct engine_range r = { .partition = PARTITION_DIRECTORY, .from = STR("w"), .to = STR("x") };
	struct work w = { .d = d };
	enum outcome o = OK;
	struct cur c;
	struct str domain, local;

	buf_init(&w.row, ROW_MAX);
	engine_range(d->part.port, &r, note_work, &w);
	*found = w.found;
	c = cur_of(buf_str(&w.row));
	domain = cur_str(&c);
	local = cur_str(&c);
	if (w.found && cur_done(&c))
		o = is_retiring(d, domain, local) ? retire_account(d, w.account, domain, local)
						  : forget_account(d, w.account, domain, local);
	else if (w.found)
		o = FAILED;
	else
		o = sweep_retired(d, found);
	buf_fini(&w.row);
	return o;
}

void directory_sweep(struct directory *d)
{
	bool found = true;

	while (found) {
		enum outcome o;

		if (!directory_lock(d))
			return;
		o = directory_unlock(d, sweep_one(d, &found));
		if (o == TRY_LATER && task_sleep(d->shard->sched, 10) == WAIT_STOP)
			return;
		if (o == FAILED) {
			log_error(d->shard->log, "directory-damaged", "a row of unfinished work does not decode");
			return;
		}
	}
}
