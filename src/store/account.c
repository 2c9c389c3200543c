/* store/account.c - accounts in memory: loading, staging, notifying, dropping.
 * Purpose     all commands of an account read and change its state here; rows follow by the commits of its partition.
 * Suspends    nothing here but what partition_wait and views do (mailbox.c).
 * Invariants  kept by all of store:
 *   S1 staged at once: a request is checked against the state in memory and changes it, without a suspension in between;
 *      the rows of the change are in the forming batch.
 *   S2 held: every answer that rests on staged state leaves when that state is durable. Writers wait for their serial; readers
 *      compute their answer on arrival and wait for the serial that was staged then.
 *   S3 news too: `changed` is cast from the completion of a batch that touched the mailbox.
 *   S4 P rows and bodies are read only for messages whose commit is durable.
 *   S5 when a commit fails, the account's state is dropped whole, all that waited end TRY_LATER, its handles are revoked, and
 *      orphans are put in order before the account is read again.
 *   S6 uids, mailbox ids, uidvalidities, modseqs, email ids of an account only grow; a failed commit's numbers were told to nobody.
 *   S7 every message that changes or goes gets a modseq of its own, so one number says what a session has seen.
 *   S8 counters of head and mailbox rows are exact, and are written in the batch that changes what they count.
 */
#include "store/account.h"

#include "base/die.h"
#include "ipc/words.h"
#include "ipc_gen.h"
#include "store/names.h"
#include "store/sent.h"

#include <string.h>

#define MARKS_KEEP_S (7 * 86400)
#define PRUNE_STEP 64
#define CACHE_DEFAULT ((uint64_t)256 << 20)

/* ---- news */

static bool has_news(const struct selection *x)
{
	const struct mailbox *m = x->mailbox;

	return m->gone || m->uidnext > x->known || m->n_keywords > x->keywords_told ||
	       (m->view && (m->view->modseq_max > x->seen_flags || m->view->dead_modseq_max > x->seen_dead));
}

static void tell(struct account *a, const struct mailbox *m)
{
	list_each (n, nxt, &a->selections) {
		struct selection *x = list_entry(n, struct selection, in_account);
		struct ipc_changed c = { .handle = x->handle->number, .sel = x->number };

		if (x->mailbox != m || !x->armed || !has_news(x))
			continue;
		x->armed = false;
		if (x->handle->peer)
			ipc_changed_cast(x->handle->peer, &c);
	}
}

/* ---- the partition's calls */

static struct account *of(struct partition *p)
{
	return (struct account *)(void *)p;
}

void mailbox_to_row(const struct mailbox *m, struct mailbox_row *r)
{
	*r = (struct mailbox_row){ .name = m->name,
		.uidvalidity = m->uidvalidity,
		.uidnext = m->uidnext,
		.special = m->special,
		.watermark = m->watermark,
		.messages = m->messages,
		.unseen = m->unseen,
		.deleted = m->deleted,
		.recent = m->recent,
		.size = m->size,
		.modseq = m->modseq,
		.n_keywords = m->n_keywords };
	memcpy(r->keywords, m->keywords, m->n_keywords * sizeof *r->keywords);
}

static void put_mailbox_row(struct engine_batch *b, const struct mailbox *m)
{
	struct mailbox_row r;
	struct buf v;

	mailbox_to_row(m, &r);
	buf_init(&v, 65536);
	mailbox_row_encode(&r, &v);
	engine_put(b, KEY_STR(key_u32(key_of('B'), m->id)), buf_str(&v));
	buf_fini(&v);
}

struct prune {
	struct account *a;
	struct engine_batch *b;
	char tag;
	int64_t before_s;
	unsigned n;
	int64_t oldest_s;
};

/* E and y rows carry the time in the key, X rows in the value. */
static bool prune_row(void *arg, const struct engine_row *row)
{
	struct prune *p = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	struct expunged_row x;
	int64_t time_s = 0;

	if (p->tag != 'X')
		time_s = (int64_t)cur_be64(&c);
	else if (expunged_row_decode(row->value, &x))
		time_s = x.time_s;
	if (time_s >= p->before_s || p->n == PRUNE_STEP || !p->b) {
		p->oldest_s = time_s;
		return false;
	}
	engine_del(p->b, row->key);
	if (p->tag == 'E')
		engine_del(p->b, KEY_STR(key_bytes(key_of('D'), cur_rest(&c))));
	if (p->tag == 'y' && !sent_is_staged(p->a, str_from(row->key, 9)))
		engine_del(p->b, KEY_STR(key_bytes(key_of('Y'), cur_rest(&c))));
	p->n++;
	return true;
}

/* Removes the oldest rows of the tag from before a time, some at once; returns the time of the oldest left. b NULL: only looks. */
static int64_t prune(struct account *a, struct engine_batch *b, char tag, int64_t before_s)
{
	char to = (char)(tag + 1);
	struct engine_range r = { .partition = a->id, .from = str_of(&tag, 1), .to = str_of(&to, 1) };
	struct prune p = { .a = a, .b = b, .tag = tag, .before_s = before_s, .oldest_s = INT64_MAX };

	engine_range(a->part.port, &r, prune_row, &p);
	return p.oldest_s;
}

static void prune_old(struct account *a, struct engine_batch *b)
{
	int64_t now = shard_now_s(a->shard);
	int64_t keep = a->shard->limits->keep_expunged_ms / 1000;

	if (a->oldest_mark_s < now - MARKS_KEEP_S)
		a->oldest_mark_s = prune(a, b, 'E', now - MARKS_KEEP_S);
	if (a->oldest_expunged_s < now - keep)
		a->oldest_expunged_s = prune(a, b, 'X', now - keep);
	keep = a->shard->limits->sent_window_ms / 1000;
	if (a->oldest_sent_s < now - keep)
		a->oldest_sent_s = prune(a, b, 'y', now - keep);
}

static void prepare(struct partition *p, struct engine_batch *b)
{
	struct account *a = of(p);
	struct buf v;

	if (!a->closed) {
		buf_init(&v, 256);
		head_row_encode(&a->head, &v);
		engine_put(b, STR("H"), buf_str(&v));
		buf_fini(&v);
		prune_old(a, b);
	}
	for (size_t i = 0; i < a->changed.n; i++) {
		struct mailbox *m = a->changed.v[i];

		if (m->dirty && !m->gone)
			put_mailbox_row(b, m);
		m->dirty = false;
		*vec_push(&a->under_way) = m;
	}
	a->changed.n = 0;
}

static void forget_delivered(struct account *a)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->delivering.n; i++)
		if (a->delivering.v[i].serial > a->part.durable)
			a->delivering.v[kept++] = a->delivering.v[i];
	a->delivering.n = kept;
}

static void durable(struct partition *p)
{
	struct account *a = of(p);

	forget_delivered(a);
	sent_forget_durable(a);
	for (size_t i = 0; i < a->under_way.n; i++) {
		tell(a, a->under_way.v[i]);
		mailbox_unpin(a->under_way.v[i]);
	}
	a->under_way.n = 0;
}

static void failed(struct partition *p, const struct engine_batch *b, const struct engine_batch *forming)
{
	struct account *a = of(p);

	a->shard->stats.n_failed_commits++;
	shard_repair(a->shard, a->id, b, forming);
	account_drop(a);
}

static void free_when_unused(struct account *a);

static void after(struct partition *p)
{
	free_when_unused(of(p));
}

static const struct partition_ops partition_calls = { prepare, durable, failed, after };

void account_change(struct account *a, struct mailbox *m)
{
	partition_batch(&a->part);
	if (m->dirty)
		return;
	m->dirty = true;
	mailbox_pin(m);
	*vec_push(&a->changed) = m;
}

void account_change_lazily(struct account *a, struct mailbox *m)
{
	account_change(a, m);
	a->unwritten = true;
}

bool account_over_quota(const struct account *a, uint64_t bytes, uint64_t messages)
{
	return (a->quota_bytes && a->head.bytes + bytes > a->quota_bytes) ||
	       (a->quota_messages && a->head.messages + messages > a->quota_messages);
}

/* ---- life */

static void unpin_all(struct account *a)
{
	for (size_t i = 0; i < a->changed.n; i++)
		mailbox_unpin(a->changed.v[i]);
	for (size_t i = 0; i < a->under_way.n; i++)
		mailbox_unpin(a->under_way.v[i]);
	a->changed.n = a->under_way.n = 0;
}

static void account_free(struct account *a)
{
	unpin_all(a);
	while (a->mailboxes.n > 0)
		mailbox_remove(a, a->mailboxes.v[a->mailboxes.n - 1]);
	for (size_t i = 0; i < a->subscriptions.n; i++)
		free((char *)(uintptr_t)a->subscriptions.v[i].p);
	vec_free(&a->mailboxes);
	vec_free(&a->subscriptions);
	vec_free(&a->changed);
	vec_free(&a->under_way);
	vec_free(&a->delivering);
	vec_free(&a->sent);
	partition_fini(&a->part);
	free((char *)(uintptr_t)a->address.p);
	a->shard->memory -= a->memory;
	list_del(&a->lru);
	free(a);
}

/* One that was dropped goes with its last user. */
static void free_when_unused(struct account *a)
{
	if (a->part.dead && a->pins == 0 && a->n_handles == 0 && !a->part.under_way)
		account_free(a);
}

void account_drop(struct account *a)
{
	struct shard *s = a->shard;

	a->part.dead = true;
	if (map_get(&s->accounts, MAP_KEY(a->id)) == a)
		map_del(&s->accounts, MAP_KEY(a->id));
	account_pin(a);
	handles_revoke_account(s, a);
	gate_open(s->sched, &a->part.moved);
	a->pins--; /* freed by after() or by the last account_put */
}

void account_pin(struct account *a)
{
	a->pins++;
}

void account_put(struct account *a)
{
	a->pins--;
	if (a->part.dead)
		free_when_unused(a);
}

void accounts_free(struct shard *s)
{
	size_t at = 0;
	struct str key;
	void *v;

	while (map_next(&s->accounts, &at, &key, &v)) {
		struct account *a = v;

		map_del(&s->accounts, key);
		handles_revoke_account(s, a);
		account_free(a);
	}
}

/* ---- memory */

static size_t count_memory(const struct account *a)
{
	size_t n = sizeof *a + a->mailboxes.cap * sizeof *a->mailboxes.v;

	for (size_t i = 0; i < a->mailboxes.n; i++) {
		const struct mailbox *m = a->mailboxes.v[i];

		n += sizeof *m + m->name.n + (m->view ? view_memory(m->view) : 0);
	}
	return n;
}

static void recount(struct account *a)
{
	a->shard->memory -= a->memory;
	a->memory = count_memory(a);
	a->shard->memory += a->memory;
}

static void drop_views(struct account *a)
{
	for (size_t i = 0; i < a->mailboxes.n; i++) {
		struct mailbox *m = a->mailboxes.v[i];

		if (!m->view || m->n_selections || m->pins || m->loading)
			continue;
		view_fini(m->view);
		free(m->view);
		m->view = NULL;
		a->shard->stats.n_views_dropped++;
	}
	recount(a);
}

static void evict(struct account *a)
{
	if (a->pins || partition_busy(&a->part))
		return;
	if (a->unwritten) { /* it can go once that is written */
		account_stage(a);
		return;
	}
	if (a->n_handles) {
		drop_views(a);
		return;
	}
	map_del(&a->shard->accounts, MAP_KEY(a->id));
	account_free(a);
}

void account_touch(struct account *a)
{
	struct shard *s = a->shard;
	uint64_t max = s->limits->cache_size ? s->limits->cache_size : CACHE_DEFAULT;
	int steps = 64;

	recount(a);
	list_del(&a->lru);
	list_add_last(&s->lru, &a->lru);
	list_each (n, nxt, &s->lru) {
		struct account *old = list_entry(n, struct account, lru);

		if (s->memory <= max || steps-- == 0 || old == a)
			break;
		list_del(&old->lru);
		list_add_last(&s->lru, &old->lru);
		evict(old);
	}
}

/* ---- loading */

struct load {
	struct account *a;
	bool bad;
};

static bool load_mailbox(void *arg, const struct engine_row *row)
{
	struct load *l = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	struct mailbox_row r;
	struct mailbox *m;

	if (!mailbox_row_decode(row->value, &r)) {
		l->bad = true;
		return false;
	}
	m = mailbox_new(l->a, r.name);
	m->id = cur_be32(&c);
	m->uidvalidity = r.uidvalidity;
	m->uidnext = r.uidnext;
	m->special = r.special;
	m->watermark = r.watermark;
	m->messages = r.messages;
	m->unseen = r.unseen;
	m->deleted = r.deleted;
	m->recent = r.recent;
	m->size = r.size;
	m->modseq = r.modseq;
	m->n_keywords = r.n_keywords;
	for (uint32_t i = 0; i < r.n_keywords; i++)
		m->keywords[i] = str_of(mem_dup(r.keywords[i].p, r.keywords[i].n), r.keywords[i].n);
	mailbox_insert(l->a, m);
	return true;
}

static bool load_subscription(void *arg, const struct engine_row *row)
{
	struct load *l = arg;
	struct str name = str_from(row->key, 1);

	*vec_push(&l->a->subscriptions) = str_of(mem_dup(name.p, name.n), name.n);
	return true;
}

static void load_range(struct load *l, char tag, engine_each *each)
{
	char to = (char)(tag + 1);
	struct engine_range r = { .partition = l->a->id, .from = str_of(&tag, 1), .to = str_of(&to, 1) };

	engine_range(l->a->part.port, &r, each, l);
}

static bool load_credential(struct account *a)
{
	struct credential_row c;
	struct buf v;
	bool ok;

	buf_init(&v, 65536);
	ok = engine_get(a->part.port, NULL, a->id, STR("C"), &v) && credential_row_decode(buf_str(&v), &c);
	if (ok) {
		a->address = str_of(mem_dup(c.address.p, c.address.n), c.address.n);
		a->quota_bytes = c.quota_bytes ? c.quota_bytes : a->shard->limits->quota_bytes;
		a->quota_messages = c.quota_messages ? c.quota_messages : a->shard->limits->quota_messages;
	}
	buf_reset(&v);
	if (ok && engine_get(a->part.port, NULL, a->id, STR("q"), &v))
		ok = quota_row_decode(buf_str(&v), &a->quota_warned);
	buf_fini(&v);
	return ok;
}

static bool note_row(void *arg, const struct engine_row *row)
{
	(void)row;
	*(bool *)arg = true;
	return false;
}

static void load_uidl_facts(struct account *a)
{
	struct engine_range given = { .partition = a->id, .from = STR("L"), .to = STR("M") };
	struct buf v;

	engine_range(a->part.port, &given, note_row, &a->has_uidls);
	buf_init(&v, 64);
	if (engine_get(a->part.port, NULL, a->id, STR("l"), &v) && !counter_decode(buf_str(&v), &a->uidl_anchor))
		a->uidl_anchor = 0; /* verify tells; a new one is made */
	buf_fini(&v);
}

static int subscription_cmp(const void *x, const void *y)
{
	return name_cmp(*(const struct str *)x, *(const struct str *)y);
}

static bool load_all(struct account *a)
{
	struct load l = { .a = a };

	if (!load_credential(a))
		return false;
	load_range(&l, 'B', load_mailbox);
	load_range(&l, 'U', load_subscription);
	if (a->subscriptions.n)
		qsort(a->subscriptions.v, a->subscriptions.n, sizeof *a->subscriptions.v, subscription_cmp);
	load_uidl_facts(a);
	a->oldest_mark_s = prune(a, NULL, 'E', 0);
	a->oldest_expunged_s = prune(a, NULL, 'X', 0);
	a->oldest_sent_s = prune(a, NULL, 'y', 0);
	return !l.bad;
}

static enum outcome load_head(struct shard *s, uint64_t id, struct head_row *head)
{
	enum outcome o = NO_SUCH;
	struct buf v;

	buf_init(&v, 4096);
	if (engine_get(s->port, NULL, id, STR("H"), &v))
		o = head_row_decode(buf_str(&v), head) ? OK : FAILED;
	buf_fini(&v);
	return o;
}

static enum outcome load(struct shard *s, uint64_t id, struct account **out)
{
	struct account *a = mem_new(struct account);
	enum outcome o = load_head(s, id, &a->head);

	if (o != OK) {
		free(a);
		return o;
	}
	a->shard = s;
	a->id = id;
	partition_open(&a->part, s->port, id, &partition_calls);
	list_init(&a->selections);
	list_init(&a->maildrops);
	list_init(&a->lru);
	if (!load_all(a)) {
		account_free(a);
		return FAILED;
	}
	map_put(&s->accounts, MAP_KEY(a->id), a);
	s->stats.n_accounts_loaded++;
	*out = a;
	return OK;
}

enum outcome account_get(struct shard *s, uint64_t id, struct account **out)
{
	enum outcome o = OK;

	if (id == 0 || id >= PARTITION_DIRECTORY)
		return NO_SUCH;
	*out = map_get(&s->accounts, MAP_KEY(id));
	if (!*out && shard_repairing(s, id))
		return TRY_LATER;
	if (!*out)
		o = load(s, id, out);
	if (o == FAILED)
		log_error(s->log, "account-damaged", "account %llu does not load", (unsigned long long)id);
	if (o != OK)
		return o;
	if ((*out)->closed)
		return NO_SUCH;
	account_pin(*out);
	account_touch(*out);
	return OK;
}

/* ---- making */

static const struct {
	const char *name;
	uint32_t special;
} first_mailboxes[] = {
	{ "INBOX", 0 },
	{ "Drafts", MBOX_DRAFTS },
	{ "Sent", MBOX_SENT },
	{ "Junk", MBOX_JUNK },
	{ "Trash", MBOX_TRASH },
	{ "Archive", MBOX_ARCHIVE },
};

static struct str usual_name(uint32_t special)
{
	for (size_t i = 0; i < sizeof first_mailboxes / sizeof *first_mailboxes; i++)
		if (first_mailboxes[i].special == special)
			return str_z(first_mailboxes[i].name);
	die("a special use without a name");
}

struct mailbox *mailbox_of_use(const struct account *a, uint32_t special)
{
	for (size_t i = 0; i < a->mailboxes.n; i++)
		if (a->mailboxes.v[i]->special & special)
			return a->mailboxes.v[i];
	return mailbox_find(a, usual_name(special));
}

enum outcome mailbox_special(struct account *a, uint32_t special, struct mailbox **out)
{
	*out = mailbox_of_use(a, special);
	if (*out)
		return OK;
	if (a->mailboxes.n >= a->shard->limits->mailboxes_max)
		return OVER_LIMIT;
	*out = mailbox_make(a, usual_name(special), special);
	return OK;
}

void account_rows(const struct new_account *n, struct engine_batch *b)
{
	struct head_row head = {
		.modseq = 1, .email_next = 1, .uidvalidity_next = (uint32_t)n->now_s, .mailbox_next = 1
	};
	struct credential_row c = { .address = n->address,
		.hash = n->hash,
		.scram = n->scram,
		.version = 1,
		.code_next = 1,
		.quota_bytes = n->quota_bytes,
		.quota_messages = n->quota_messages };
	struct buf v;

	buf_init(&v, 65536);
	for (size_t i = 0; i < sizeof first_mailboxes / sizeof *first_mailboxes; i++) {
		struct mailbox m = { .id = head.mailbox_next++,
			.name = str_z(first_mailboxes[i].name),
			.uidnext = 1,
			.watermark = 1,
			.uidvalidity = head.uidvalidity_next++,
			.special = first_mailboxes[i].special,
			.modseq = 1 };

		put_mailbox_row(b, &m);
		buf_reset(&v);
		buf_addc(&v, 'U');
		buf_add(&v, m.name);
		engine_put(b, buf_str(&v), STR(""));
	}
	buf_reset(&v);
	credential_row_encode(&c, &v);
	engine_put(b, STR("C"), buf_str(&v));
	buf_reset(&v);
	head_row_encode(&head, &v);
	engine_put(b, STR("H"), buf_str(&v));
	buf_fini(&v);
}
