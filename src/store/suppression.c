/* store/suppression.c - addresses that letters are not sent to. See the header.
 * Suspends    until a change is durable; changes are made one after another (the directory's lock).
 * Invariants  B1 rows that say nothing any more go while others are written: each failure noted looks at SWEEP of them.
 */
#include "store/suppression.h"

#include "base/clock.h"
#include "mail/idn.h"
#include "store/account.h"

#define VERSION 1
#define ROW_MAX 64
#define SWEEP 20
#define WORK_MAX ((size_t)1 << 20)

void suppression_row_encode(const struct suppression_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_u32(out, r->failures);
	put_u64(out, (uint64_t)r->last_s);
	put_u64(out, (uint64_t)r->until_s);
	put_u8(out, r->by_command);
}

bool suppression_row_decode(struct str v, struct suppression_row *out)
{
	struct cur c = cur_of(v);

	if (cur_le8(&c) != VERSION)
		cur_fail(&c);
	out->failures = cur_le32(&c);
	out->last_s = (int64_t)cur_le64(&c);
	out->until_s = (int64_t)cur_le64(&c);
	out->by_command = cur_le8(&c);
	return cur_done(&c);
}

/* One form of an address, as the directory has it: of a local part elsewhere nobody can know whether case matters, and it hardly ever does. */
static struct str key_of_rcpt(struct arena *a, const struct ipc_addr *rcpt)
{
	return arena_fmt(a, "N%.*s@%.*s", STR_ARG(mail_local_fold(a, rcpt->local)), STR_ARG(mail_domain_fold(a, rcpt->domain)));
}

static bool read_row(struct shard *s, uint64_t account, struct str key, struct suppression_row *out)
{
	struct buf v;
	bool ok;

	buf_init(&v, ROW_MAX);
	ok = engine_get(s->port, NULL, account, key, &v) && suppression_row_decode(buf_str(&v), out);
	buf_fini(&v);
	return ok;
}

int64_t suppression_until(struct shard *s, uint64_t account, const struct ipc_addr *rcpt)
{
	struct suppression_row row;
	struct arena a;
	bool found;

	if (account < ACCOUNT_FIRST || account >= PARTITION_DIRECTORY)
		return 0;
	arena_init(&a, "store-suppression", WORK_MAX);
	found = read_row(s, account, key_of_rcpt(&a, rcpt), &row);
	arena_fini(&a);
	return found && row.until_s > shard_now_s(s) ? row.until_s : 0;
}

static bool seen(void *arg, const struct engine_row *row)
{
	(void)row;
	*(bool *)arg = true;
	return false;
}

bool suppression_any(struct shard *s, uint64_t account)
{
	struct engine_range r = { .partition = account, .from = STR("N"), .to = STR("O") };
	bool any = false;

	engine_range(s->port, &r, seen, &any);
	return any;
}

/* ---- changes */

static void put_row(struct account *a, struct str key, const struct suppression_row *row)
{
	struct buf v;

	buf_init(&v, ROW_MAX);
	suppression_row_encode(row, &v);
	engine_put(account_batch(a), key, buf_str(&v));
	buf_fini(&v);
}

struct sweeping {
	struct account *a;
	int64_t now_s, keep_s;
	struct str key; /* that is being written */
	unsigned n;
};

static bool is_stale(const struct sweeping *x, const struct suppression_row *row)
{
	return !row->by_command && row->until_s <= x->now_s && row->last_s + x->keep_s <= x->now_s;
}

static bool sweep_row(void *arg, const struct engine_row *found)
{
	struct sweeping *x = arg;
	struct suppression_row row;

	if (!str_eq(found->key, x->key) && suppression_row_decode(found->value, &row) && is_stale(x, &row))
		engine_del(account_batch(x->a), found->key);
	return ++x->n < SWEEP;
}

/* B1: those behind the address; which they are is as good as chance. */
static void sweep(struct account *a, struct str key)
{
	struct shard *s = a->shard;
	struct sweeping x = { .a = a, .now_s = shard_now_s(s), .keep_s = s->limits->suppress_ms / 1000, .key = key };
	struct engine_range r = { .partition = a->id, .from = key, .to = STR("O") };

	engine_range(s->port, &r, sweep_row, &x);
}

static void count_failure(struct shard *s, struct suppression_row *row)
{
	int64_t now = shard_now_s(s), keep = s->limits->suppress_ms / 1000;

	if (row->last_s + keep <= now)
		row->failures = 0;
	row->failures += row->failures < UINT32_MAX;
	row->last_s = now;
	if (row->failures >= s->limits->suppress_after)
		row->until_s = now + keep;
}

/* OK with a change staged, or NO_SUCH: there is nothing to change. */
static enum outcome stage_note(struct account *a, const struct ipc_suppress_note *q, struct str key)
{
	struct suppression_row row = { 0 };
	bool found = read_row(a->shard, a->id, key, &row);

	if (row.by_command || (!q->failed && !found))
		return NO_SUCH;
	if (q->failed) {
		count_failure(a->shard, &row);
		put_row(a, key, &row);
		sweep(a, key);
	} else {
		engine_del(account_batch(a), key);
	}
	return OK;
}

static enum outcome stage_add(struct account *a, const struct ipc_suppression_add *q, struct str key)
{
	struct suppression_row row = { 0 };

	if (!read_row(a->shard, a->id, key, &row))
		row = (struct suppression_row){ 0 };
	row.until_s = q->until_s ? q->until_s : INT64_MAX;
	row.by_command = 1;
	put_row(a, key, &row);
	return OK;
}

static enum outcome stage_delete(struct account *a, struct str key)
{
	struct suppression_row row;

	if (!read_row(a->shard, a->id, key, &row))
		return NO_SUCH;
	engine_del(account_batch(a), key);
	return OK;
}

/* The one change that is not NULL, under the lock. */
struct change {
	const struct ipc_suppress_note *note;
	const struct ipc_suppression_add *add;
};

static SUSPENDS enum outcome change_account(struct directory *d, uint64_t account, const struct ipc_addr *rcpt, const struct change *c)
{
	struct account *a;
	enum outcome o = account_get(d->shard, account, &a);
	struct arena work;
	struct str key;

	if (o != OK)
		return o;
	arena_init(&work, "store-suppression", WORK_MAX);
	key = key_of_rcpt(&work, rcpt);
	o = c->note ? stage_note(a, c->note, key) : c->add ? stage_add(a, c->add, key) : stage_delete(a, key);
	if (o == OK && !account_wait(a, account_stage(a)))
		o = TRY_LATER;
	arena_fini(&work);
	account_put(a);
	return o;
}

static SUSPENDS enum outcome change_locked(struct directory *d, uint64_t account, const struct ipc_addr *rcpt, const struct change *c)
{
	if (!directory_lock(d))
		return TRY_LATER;
	return directory_unlock(d, change_account(d, account, rcpt, c));
}

enum outcome suppression_note(struct directory *d, const struct ipc_suppress_note *q)
{
	struct change c = { .note = q };
	struct suppression_row row;
	struct arena work;
	bool any = q->failed && d->shard->limits->suppress_after;
	enum outcome o;

	if (q->account < ACCOUNT_FIRST || q->account >= PARTITION_DIRECTORY)
		return OK;
	if (!q->failed) { /* as nearly always: nothing is known of it, and nothing is to be done */
		arena_init(&work, "store-suppression", WORK_MAX);
		any = read_row(d->shard, q->account, key_of_rcpt(&work, &q->rcpt), &row);
		arena_fini(&work);
	}
	if (!any)
		return OK;
	o = change_locked(d, q->account, &q->rcpt, &c);
	return o == NO_SUCH ? OK : o;
}

static enum outcome account_of(struct directory *d, const struct ipc_addr *address, uint64_t *account)
{
	struct buf text;
	enum outcome o;

	buf_init(&text, 1024);
	buf_addf(&text, "%.*s@%.*s", STR_ARG(address->local), STR_ARG(address->domain));
	o = directory_account(d, buf_str(&text), account);
	buf_fini(&text);
	return o;
}

enum outcome suppression_add(struct directory *d, const struct ipc_suppression_add *q)
{
	struct change c = { .add = q };
	uint64_t account;
	enum outcome o = account_of(d, &q->address, &account);

	if (q->rcpt.local.n == 0 || q->rcpt.domain.n == 0)
		return BAD_SYNTAX;
	return o == OK ? change_locked(d, account, &q->rcpt, &c) : o;
}

enum outcome suppression_delete(struct directory *d, const struct ipc_suppression_delete *q)
{
	struct change c = { 0 };
	uint64_t account;
	enum outcome o = account_of(d, &q->address, &account);

	return o == OK ? change_locked(d, account, &q->rcpt, &c) : o;
}

/* ---- listing */

struct listing {
	struct arena *a;
	struct str *lines;
	struct ipc_suppression_list_reply *r;
	int64_t now_s;
};

static struct str time_text(struct arena *a, int64_t s)
{
	char when[CLOCK_RFC3339_SIZE];

	if (s == 0 || s == INT64_MAX)
		return s ? STR("for ever") : STR("-");
	clock_rfc3339(s * 1000000, when);
	return arena_dup(a, str_z(when));
}

static bool list_row(void *arg, const struct engine_row *found)
{
	struct listing *l = arg;
	struct str rcpt = str_from(found->key, 1);
	struct suppression_row row;

	if (l->r->n_lines == IPC_SUPPRESSION_LIST_LINES_MAX) {
		l->r->more = 1;
		return false;
	}
	l->r->next = arena_dup(l->a, rcpt);
	if (suppression_row_decode(found->value, &row))
		l->lines[l->r->n_lines++] = arena_fmt(l->a, "%.*s\t%s\t%.*s\t%u\t%.*s\t%s", STR_ARG(rcpt),
			row.until_s > l->now_s ? "refused" : "counted", STR_ARG(time_text(l->a, row.until_s)), (unsigned)row.failures,
			STR_ARG(time_text(l->a, row.last_s)), row.by_command ? "command" : "failures");
	return true;
}

enum outcome suppression_list(
	struct directory *d, const struct ipc_suppression_list *q, struct arena *a, struct ipc_suppression_list_reply *r)
{
	struct listing l = { .a = a, .lines = arena_array(a, IPC_SUPPRESSION_LIST_LINES_MAX, sizeof *l.lines), .r = r,
		.now_s = shard_now_s(d->shard) };
	struct engine_range range = { .to = STR("O") };
	enum outcome o = account_of(d, &q->address, &range.partition);
	struct buf from;

	if (o != OK)
		return o;
	buf_init(&from, ENGINE_KEY_MAX);
	buf_addc(&from, 'N');
	buf_add(&from, q->after);
	if (q->after.n)
		buf_addc(&from, '\0'); /* the next key there can be */
	range.from = buf_str(&from);
	r->lines = l.lines;
	engine_range(d->shard->port, &range, list_row, &l);
	buf_fini(&from);
	return OK;
}
