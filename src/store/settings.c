/* store/settings.c - credential, switches, codes and pinned certificates. See the header.
 * Suspends    until a change is durable; changes are made one after another (the directory's lock).
 * Invariants  G1 the credential's version grows with every change, in the same commit: what auth has verified against an older one does
 *             not count. G2 when a change is answered, no handle is left that it forbids. G3 a certificate's row in the directory is made
 *             after the account's and removed before it.
 */
#include "store/settings.h"

#include "base/die.h"
#include "base/rng.h"
#include "ipc/words.h"

#define ROW_MAX ((size_t)1 << 20)
#define CODE_USE_EVERY_S 60
#define INSTALLATION_SIZE 32

/* ---- reading */

static bool read_row(struct engine_port *p, uint64_t account, struct key k, struct arena *ar, struct str *out)
{
	struct buf v;
	bool found;

	buf_init(&v, ROW_MAX);
	found = engine_get(p, NULL, account, KEY_STR(k), &v);
	if (found)
		*out = arena_dup(ar, buf_str(&v));
	buf_fini(&v);
	return found;
}

enum outcome credential_read(struct engine_port *p, uint64_t account, struct arena *ar, struct credential_row *out)
{
	struct str v;

	if (!read_row(p, account, key_of('C'), ar, &v))
		return NO_SUCH;
	return credential_row_decode(v, out) ? OK : FAILED;
}

enum outcome settings_read(struct engine_port *p, uint64_t account, struct arena *ar, struct settings_row *out)
{
	struct str v;

	*out = (struct settings_row){ .services = ACCESS_DEFAULT };
	if (!read_row(p, account, key_of('S'), ar, &v))
		return OK;
	return settings_row_decode(v, out) ? OK : FAILED;
}

bool settings_get(struct account *a, struct arena *ar, struct settings_row *out)
{
	return settings_read(a->part.port, a->id, ar, out) == OK;
}

static bool read_code(struct engine_port *p, uint64_t account, uint32_t id, struct arena *ar, struct code_row *out)
{
	struct str v;

	return id && read_row(p, account, key_u32(key_of('A'), id), ar, &v) && code_row_decode(v, out);
}

bool code_get(struct account *a, uint32_t id, struct arena *ar, struct code_row *out)
{
	return read_code(a->part.port, a->id, id, ar, out);
}

void pop_rules_of(struct account *a, uint32_t code, struct arena *ar, struct pop_rules *out)
{
	struct code_row *c = arena_new(ar, struct code_row);
	struct settings_row *s = arena_new(ar, struct settings_row);

	if (code_get(a, code, ar, c) && c->pop.given)
		*out = c->pop;
	else if (settings_get(a, ar, s))
		*out = s->pop;
	else
		*out = (struct pop_rules){ 0 };
}

struct reading {
	struct arena *ar;
	struct code_entries *out;
};

static bool read_code_row(void *arg, const struct engine_row *row)
{
	struct reading *r = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	struct code_entry *e = arena_new(r->ar, struct code_entry);

	e->id = cur_be32(&c);
	if (!cur_done(&c) || !code_row_decode(arena_dup(r->ar, row->value), &e->row))
		r->out->damaged = true;
	else
		*vec_push(&r->out->v) = e;
	return true;
}

static bool read_use_row(void *arg, const struct engine_row *row)
{
	struct reading *r = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	uint32_t id = cur_be32(&c);

	for (size_t i = 0; i < r->out->v.n; i++)
		if (r->out->v.v[i]->id == id && !code_use_row_decode(arena_dup(r->ar, row->value), &r->out->v.v[i]->use))
			r->out->damaged = true;
	return true;
}

void codes_read(struct engine_port *p, uint64_t account, struct arena *ar, struct code_entries *out)
{
	struct engine_range codes = { .partition = account, .from = STR("A"), .to = STR("B") };
	struct engine_range uses = { .partition = account, .from = STR("a"), .to = STR("b") };
	struct reading r = { ar, out };

	*out = (struct code_entries){ 0 };
	engine_range(p, &codes, read_code_row, &r);
	engine_range(p, &uses, read_use_row, &r);
}

struct str networks_text(const struct code_row *r, struct arena *ar)
{
	struct str s = { 0 };

	for (uint32_t i = 0; i < r->n_networks; i++)
		s = i ? arena_fmt(ar, "%.*s,%.*s", STR_ARG(s), STR_ARG(r->networks[i])) : r->networks[i];
	return s;
}

bool pin_exists(struct engine_port *p, uint64_t account, struct str fingerprint)
{
	struct buf v;
	bool found;

	if (fingerprint.n != FINGERPRINT_SIZE)
		return false;
	buf_init(&v, ROW_MAX);
	found = engine_get(p, NULL, account, KEY_STR(key_bytes(key_of('K'), fingerprint)), &v);
	buf_fini(&v);
	return found;
}

#define OWNERS_MAX 64 /* looked at: more than one decides already, but those that were deleted do not count */

struct owners {
	uint64_t v[OWNERS_MAX];
	size_t n;
};

static bool note_owner(void *arg, const struct engine_row *row)
{
	struct owners *o = arg;
	struct cur c = cur_of(str_from(row->key, 1 + FINGERPRINT_SIZE));

	o->v[o->n++] = cur_be64(&c);
	return o->n < OWNERS_MAX;
}

static bool is_live(struct engine_port *p, uint64_t account)
{
	struct buf v;
	bool live;

	buf_init(&v, ROW_MAX);
	live = engine_get(p, NULL, account, STR("H"), &v);
	buf_fini(&v);
	return live;
}

enum outcome pin_owner(struct directory *d, struct str fingerprint, uint64_t *account)
{
	struct key from, to;
	struct engine_range r = { .partition = PARTITION_DIRECTORY };
	struct owners o = { .n = 0 };
	unsigned n = 0;

	if (fingerprint.n != FINGERPRINT_SIZE)
		return NO_SUCH;
	from = key_bytes(key_of('f'), fingerprint);
	to = key_u64(from, UINT64_MAX);
	r.from = KEY_STR(from);
	r.to = KEY_STR(to);
	engine_range(d->part.port, &r, note_owner, &o);
	for (size_t i = 0; i < o.n; i++)
		if (is_live(d->part.port, o.v[i])) {
			*account = o.v[i];
			n++;
		}
	return n == 1 ? OK : NO_SUCH;
}

/* ---- changing */

struct change {
	struct directory *d;
	struct account *a; /* NULL: there was no such account */
	struct arena ar;
	struct credential_row cred;
};

static SUSPENDS enum outcome begin(struct directory *d, const struct ipc_addr *address, struct change *c)
{
	enum outcome o;
	uint64_t id = 0;

	*c = (struct change){ .d = d };
	if (!directory_lock(d))
		return TRY_LATER;
	arena_init(&c->ar, "store-settings", (size_t)16 << 20);
	o = directory_account(d, arena_fmt(&c->ar, "%.*s@%.*s", STR_ARG(address->local), STR_ARG(address->domain)), &id);
	if (o == OK)
		o = account_get(d->shard, id, &c->a);
	if (o != OK)
		c->a = NULL;
	else
		o = credential_read(d->shard->port, id, &c->ar, &c->cred);
	return o;
}

static SUSPENDS enum outcome commit_as_is(struct change *c)
{
	struct buf v;

	buf_init(&v, ROW_MAX);
	credential_row_encode(&c->cred, &v);
	engine_put(account_batch(c->a), STR("C"), buf_str(&v));
	buf_fini(&v);
	return account_wait(c->a, account_stage(c->a)) ? OK : TRY_LATER;
}

/* Commits what was put, with the credential's next version (G1). */
static SUSPENDS enum outcome commit(struct change *c)
{
	c->cred.version++;
	return commit_as_is(c);
}

static enum outcome end(struct change *c, enum outcome o)
{
	if (c->a)
		account_put(c->a);
	if (!c->ar.cap) /* it never got the lock */
		return o;
	arena_fini(&c->ar);
	return directory_unlock(c->d, o);
}

static void put(struct change *c, struct key k, const struct buf *v)
{
	engine_put(account_batch(c->a), KEY_STR(k), buf_str(v));
}

static bool of_no_code(const struct handle *h, uint32_t arg)
{
	(void)arg;
	return h->code == 0;
}

static bool of_code(const struct handle *h, uint32_t code)
{
	return h->code == code;
}

static bool of_no_service(const struct handle *h, uint32_t services)
{
	return !(access_of(h->service) & services);
}

SUSPENDS enum outcome account_set_password(struct directory *d, const struct ipc_account_password *q)
{
	struct change c;
	enum outcome o = begin(d, &q->address, &c);

	if (o == OK) {
		c.cred.hash = q->hash;
		c.cred.scram = q->scram;
		o = commit(&c);
		handles_revoke_some(d->shard, c.a, of_no_code, 0);
	}
	return end(&c, o);
}

SUSPENDS enum outcome account_rehash(struct directory *d, const struct ipc_rehash *q)
{
	struct change c = { .d = d };
	enum outcome o;

	if (!directory_lock(d))
		return TRY_LATER;
	arena_init(&c.ar, "store-settings", (size_t)16 << 20);
	o = account_get(d->shard, q->account, &c.a);
	if (o != OK)
		c.a = NULL;
	else
		o = credential_read(d->shard->port, q->account, &c.ar, &c.cred);
	if (o == OK && c.cred.version != q->version)
		o = BAD_STATE;
	if (o == OK) {
		c.cred.hash = q->hash;
		c.cred.scram = q->scram;
		o = commit_as_is(&c);
	}
	return end(&c, o);
}

static enum outcome apply(const struct ipc_account_set *q, struct credential_row *cred, struct settings_row *s)
{
	switch ((enum account_set)q->what) {
	case SET_SERVICE_ON:
		s->services |= (uint32_t)q->number & ACCESS_ALL;
		return OK;
	case SET_SERVICE_OFF:
		s->services &= ~(uint32_t)q->number;
		return OK;
	case SET_FLAG_ON:
		s->flags |= (uint32_t)q->number & (SETTING_SENT_COPY | SETTING_SECOND_FACTOR);
		return OK;
	case SET_FLAG_OFF:
		s->flags &= ~(uint32_t)q->number;
		return OK;
	case SET_POP_FOLDERS:
		s->pop.n_folders = (uint32_t)q->n_folders;
		for (size_t i = 0; i < q->n_folders; i++)
			s->pop.folders[i] = q->folders[i];
		return OK;
	case SET_POP_SINCE:
		s->pop.since_s = (int64_t)q->number;
		return OK;
	case SET_POP_DELE:
		s->pop.dele = (uint8_t)q->number;
		return q->number <= POP_DELE_KEEP ? OK : BAD_SYNTAX;
	case SET_QUOTA_BYTES:
		cred->quota_bytes = q->number;
		return OK;
	case SET_QUOTA_MESSAGES:
		cred->quota_messages = q->number;
		return OK;
	case SET_COUNT:
		break;
	}
	return BAD_SYNTAX;
}

static void enforce(struct change *c, const struct settings_row *s)
{
	const struct store_limits *l = c->d->shard->limits;

	c->a->quota_bytes = c->cred.quota_bytes ? c->cred.quota_bytes : l->quota_bytes;
	c->a->quota_messages = c->cred.quota_messages ? c->cred.quota_messages : l->quota_messages;
	handles_revoke_some(c->d->shard, c->a, of_no_service, s->services);
	if (s->flags & SETTING_SECOND_FACTOR)
		handles_revoke_some(c->d->shard, c->a, of_no_code, 0);
}

SUSPENDS enum outcome account_set(struct directory *d, const struct ipc_account_set *q)
{
	struct settings_row *s;
	struct change c;
	struct buf v;
	enum outcome o = begin(d, &q->address, &c);

	if (o != OK)
		return end(&c, o);
	s = arena_new(&c.ar, struct settings_row);
	buf_init(&v, ROW_MAX);
	o = settings_read(d->shard->port, c.a->id, &c.ar, s);
	if (o == OK)
		o = apply(q, &c.cred, s);
	if (o == OK) {
		settings_row_encode(s, &v);
		put(&c, key_of('S'), &v);
		o = commit(&c);
	}
	if (o == OK)
		enforce(&c, s);
	buf_fini(&v);
	return end(&c, o);
}

/* ---- codes */

static void code_of(const struct ipc_code_add *q, int64_t now_s, struct code_row *out)
{
	*out = (struct code_row){ .name = q->name, .hash = q->hash, .scram = q->scram, .services = q->services & ACCESS_ALL,
		.expires_s = q->expires_s, .created_s = now_s, .n_networks = (uint32_t)q->n_networks };
	for (size_t i = 0; i < q->n_networks; i++)
		out->networks[i] = q->networks[i];
	out->pop = (struct pop_rules){ .given = q->pop_given != 0, .dele = q->pop_dele, .since_s = q->pop_since_s,
		.n_folders = (uint32_t)q->n_pop_folders };
	for (size_t i = 0; i < q->n_pop_folders; i++)
		out->pop.folders[i] = q->pop_folders[i];
}

static enum outcome may_add(struct change *c, struct str name)
{
	uint32_t max = c->d->shard->limits->codes_max;
	struct code_entries all;
	enum outcome o;

	codes_read(c->d->shard->port, c->a->id, &c->ar, &all);
	o = all.v.n >= (max && max < CODES_MAX ? max : CODES_MAX) ? OVER_LIMIT : OK;
	for (size_t i = 0; i < all.v.n; i++)
		if (str_eq(all.v.v[i]->row.name, name))
			o = EXISTS;
	vec_free(&all.v);
	return o;
}

SUSPENDS enum outcome code_add(struct directory *d, const struct ipc_code_add *q, uint32_t *id)
{
	struct code_row *row;
	struct change c;
	struct buf v;
	enum outcome o = q->pop_dele > POP_DELE_KEEP || q->name.n == 0 ? BAD_SYNTAX : begin(d, &q->address, &c);

	if (o == BAD_SYNTAX)
		return o;
	if (o == OK)
		o = may_add(&c, q->name);
	if (o != OK)
		return end(&c, o);
	row = arena_new(&c.ar, struct code_row);
	code_of(q, shard_now_s(d->shard), row);
	*id = c.cred.code_next++;
	buf_init(&v, ROW_MAX);
	code_row_encode(row, &v);
	put(&c, key_u32(key_of('A'), *id), &v);
	buf_fini(&v);
	return end(&c, commit(&c));
}

SUSPENDS enum outcome code_delete(struct directory *d, const struct ipc_code_delete *q)
{
	struct code_row *row;
	struct change c;
	enum outcome o = begin(d, &q->address, &c);

	if (o != OK)
		return end(&c, o);
	row = arena_new(&c.ar, struct code_row);
	if (!read_code(d->shard->port, c.a->id, q->id, &c.ar, row))
		return end(&c, NO_SUCH);
	engine_del(account_batch(c.a), KEY_STR(key_u32(key_of('A'), q->id)));
	engine_del(account_batch(c.a), KEY_STR(key_u32(key_of('a'), q->id)));
	o = commit(&c);
	handles_revoke_some(d->shard, c.a, of_code, q->id);
	return end(&c, o);
}

void code_used(struct account *a, uint32_t id, struct str ip, uint8_t service)
{
	struct key k = key_u32(key_of('a'), id);
	struct code_use_row old, now = { .last_s = shard_now_s(a->shard), .ip = ip, .service = service };
	struct buf v;

	buf_init(&v, ROW_MAX);
	if (!engine_get(a->part.port, NULL, a->id, KEY_STR(k), &v) || !code_use_row_decode(buf_str(&v), &old) ||
		now.last_s - old.last_s >= CODE_USE_EVERY_S) {
		buf_reset(&v);
		code_use_row_encode(&now, &v);
		engine_put(account_batch(a), KEY_STR(k), buf_str(&v));
		account_stage(a); /* nobody waits for it */
	}
	buf_fini(&v);
}

/* ---- pinned certificates */

static SUSPENDS enum outcome commit_directory(struct directory *d)
{
	return partition_wait(&d->part, partition_stage(&d->part)) ? OK : TRY_LATER;
}

static struct key owner_key(struct str fingerprint, uint64_t account)
{
	return key_u64(key_bytes(key_of('f'), fingerprint), account);
}

static bool count_row(void *arg, const struct engine_row *row)
{
	(void)row;
	++*(unsigned *)arg;
	return true;
}

static SUSPENDS enum outcome put_pin(struct change *c, const struct ipc_pin_add *q)
{
	struct engine_range pins = { .partition = c->a->id, .from = STR("K"), .to = STR("L") };
	struct pin_row row = { .name = q->name, .created_s = shard_now_s(c->d->shard) };
	unsigned n = 0;
	struct buf v;

	engine_range(c->d->shard->port, &pins, count_row, &n);
	if (n >= PINS_MAX && !pin_exists(c->d->shard->port, c->a->id, q->fingerprint))
		return OVER_LIMIT;
	buf_init(&v, ROW_MAX);
	pin_row_encode(&row, &v);
	put(c, key_bytes(key_of('K'), q->fingerprint), &v);
	buf_fini(&v);
	return commit(c);
}

/* Pinning it again gives it the new name, and completes what a crash left half done. */
SUSPENDS enum outcome pin_add(struct directory *d, const struct ipc_pin_add *q)
{
	struct change c;
	enum outcome o = q->fingerprint.n != FINGERPRINT_SIZE ? BAD_SYNTAX : begin(d, &q->address, &c);

	if (o == BAD_SYNTAX)
		return o;
	if (o == OK)
		o = put_pin(&c, q);
	if (o == OK) {
		engine_put(partition_batch(&d->part), KEY_STR(owner_key(q->fingerprint, c.a->id)), STR(""));
		o = commit_directory(d);
	}
	return end(&c, o);
}

SUSPENDS enum outcome pin_delete(struct directory *d, const struct ipc_pin_delete *q)
{
	struct change c;
	enum outcome o = begin(d, &q->address, &c);

	if (o == OK && !pin_exists(d->shard->port, c.a->id, q->fingerprint))
		o = NO_SUCH;
	if (o == OK) {
		engine_del(partition_batch(&d->part), KEY_STR(owner_key(q->fingerprint, c.a->id)));
		o = commit_directory(d);
	}
	if (o == OK) {
		engine_del(account_batch(c.a), KEY_STR(key_bytes(key_of('K'), q->fingerprint)));
		o = commit(&c);
		handles_revoke_some(d->shard, c.a, of_no_code, 0);
	}
	return end(&c, o);
}

SUSPENDS enum outcome installation_secret(struct directory *d, struct arena *ar, struct str *out)
{
	enum outcome o = OK;

	if (!directory_lock(d))
		return TRY_LATER;
	if (!read_row(d->part.port, PARTITION_DIRECTORY, key_of('s'), ar, out)) {
		char *p = arena_alloc(ar, INSTALLATION_SIZE);

		rng_bytes(p, INSTALLATION_SIZE);
		*out = str_of(p, INSTALLATION_SIZE);
		engine_put(partition_batch(&d->part), STR("s"), *out);
		o = commit_directory(d);
	}
	return directory_unlock(d, o);
}
