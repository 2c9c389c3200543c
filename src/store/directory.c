/* store/directory.c - who is deliverable here: looking up and listing.
 * Trust       addresses come from strangers by way of post; they are keys here and nothing else.
 * Invariants  A1 resolving ends: an address is looked at once, ten levels deep at most.
 */
#include "store/directory.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/map.h"
#include "ipc/words.h"
#include "mail/idn.h"
#include "store/account.h"

#define ALIAS_DEPTH_MAX 10
#define LOOKED_AT_MAX 1000
#define ROW_MAX 65536
#define DETAIL '+'

void directory_key(struct buf *out, char tag, struct str domain, struct str local)
{
	buf_addc(out, tag);
	buf_add(out, domain);
	if (tag == 'd')
		return;
	buf_addc(out, '\0');
	buf_add(out, local);
}

bool directory_get(struct directory *d, char tag, struct str domain, struct str local, struct buf *v)
{
	struct buf key;
	bool found;

	buf_init(&key, ENGINE_KEY_MAX);
	directory_key(&key, tag, domain, local);
	found = !key.full && engine_get(d->part.port, NULL, PARTITION_DIRECTORY, buf_str(&key), v);
	buf_fini(&key);
	return found;
}

/* ---- resolving */

struct pending {
	struct str local, domain;
	unsigned depth;
};

struct resolving {
	struct directory *d;
	struct arena *a;
	struct targets *out;
	struct VEC(struct pending) todo;
	struct map seen;
};

static bool is_same(const struct target *t, const struct pending *p)
{
	return t->account == 0 && str_eq(t->local, p->local) && str_eq(t->domain, p->domain);
}

static void add_target(struct resolving *r, uint64_t account, const struct pending *p)
{
	for (size_t i = 0; i < r->out->n; i++)
		if (account ? r->out->v[i].account == account : is_same(&r->out->v[i], p))
			return;
	if (r->out->n == IPC_RESOLVE_TARGETS_MAX)
		r->out->cut = true;
	else
		r->out->v[r->out->n++] = (struct target){ account, p->local, p->domain };
}

static bool split_address(struct str address, struct str *local, struct str *domain)
{
	ssize_t at = str_rfind(address, '@');

	if (at <= 0 || (size_t)at + 1 == address.n)
		return false;
	*local = str_sub(address, 0, (size_t)at);
	*domain = str_from(address, (size_t)at + 1);
	return true;
}

static bool follow_alias(struct resolving *r, const struct pending *p, struct str local)
{
	struct alias_row *row;
	struct buf v;
	bool found;

	buf_init(&v, ROW_MAX);
	found = directory_get(r->d, 'l', p->domain, local, &v);
	row = arena_new(r->a, struct alias_row);
	if (found && alias_row_decode(buf_str(&v), row))
		for (uint32_t i = row->n; i > 0; i--) {
			struct pending *next = vec_push(&r->todo);

			next->depth = p->depth + 1;
			if (!split_address(arena_dup(r->a, row->to[i - 1]), &next->local, &next->domain))
				r->todo.n--;
		}
	buf_fini(&v);
	return found;
}

static bool take_account(struct resolving *r, const struct pending *p, struct str local)
{
	struct entry_row row;
	struct buf v;
	bool found;

	buf_init(&v, ROW_MAX);
	found = directory_get(r->d, 'a', p->domain, local, &v) && entry_row_decode(buf_str(&v), &row) &&
		row.state == ENTRY_LIVE;
	buf_fini(&v);
	if (found)
		add_target(r, row.account, p);
	return found;
}

static bool domain_get(struct resolving *r, struct str domain, struct domain_row *row)
{
	struct buf v;
	bool found;

	buf_init(&v, ROW_MAX);
	found = directory_get(r->d, 'd', domain, STR(""), &v) && domain_row_decode(buf_str(&v), row);
	if (found)
		row->first = arena_dup(r->a, row->first);
	buf_fini(&v);
	return found;
}

/* RFC 5321 4.5.1, RFC 2142: these two always reach somebody. */
static bool take_duty(struct resolving *r, const struct pending *p, const struct domain_row *domain)
{
	if (!str_eq(p->local, STR("postmaster")) && !str_eq(p->local, STR("abuse")))
		return false;
	return domain->first.n && take_account(r, p, domain->first);
}

static bool first_row(void *arg, const struct engine_row *row)
{
	struct buf *domain = arg;

	buf_add(domain, str_from(row->key, 1));
	return false;
}

/* A letter to this server's own postmaster, named without a domain or with the server's name, which need not be a domain of ours. */
static bool own_duty(struct resolving *r, struct pending *p)
{
	struct engine_range all = { .partition = PARTITION_DIRECTORY, .from = STR("d"), .to = STR("e") };
	struct buf domain;

	if (!str_eq(p->local, STR("postmaster")) || !str_ieq(p->domain, r->d->shard->limits->hostname))
		return false;
	buf_init(&domain, ENGINE_KEY_MAX);
	engine_range(r->d->part.port, &all, first_row, &domain);
	p->domain = arena_dup(r->a, buf_str(&domain));
	buf_fini(&domain);
	return p->domain.n > 0;
}

static void look(struct resolving *r, const struct pending *p)
{
	ssize_t plus = str_find(p->local, DETAIL);
	struct str base = plus > 0 ? str_sub(p->local, 0, (size_t)plus) : STR("");
	struct domain_row domain;

	if (!domain_get(r, p->domain, &domain)) {
		if (p->depth && r->d->shard->limits->forwarding)
			add_target(r, 0, p); /* an alias leads to another server */
		return;
	}
	if (take_account(r, p, p->local) || follow_alias(r, p, p->local))
		return;
	if (base.n && (take_account(r, p, base) || follow_alias(r, p, base)))
		return;
	take_duty(r, p, &domain);
}

static bool seen_before(struct resolving *r, const struct pending *p)
{
	struct str key = arena_fmt(r->a, "%.*s@%.*s", STR_ARG(p->local), STR_ARG(p->domain));

	if (map_get(&r->seen, key))
		return true;
	map_put(&r->seen, key, r);
	return false;
}

enum outcome directory_resolve(
	struct directory *d, const struct ipc_addr *address, struct arena *a, struct targets *out)
{
	struct resolving r = { .d = d, .a = a, .out = out };
	struct pending first = { mail_local_fold(a, address->local), mail_domain_fold(a, address->domain), 0 };
	struct domain_row domain;

	*out = (struct targets){ 0 };
	if (!domain_get(&r, first.domain, &domain) && !own_duty(&r, &first))
		return DENIED;
	if (first.local.n == 0)
		return NO_SUCH;
	map_init(&r.seen, 0);
	*vec_push(&r.todo) = first;
	while (r.todo.n > 0 && r.seen.n < LOOKED_AT_MAX) {
		struct pending p = r.todo.v[--r.todo.n];

		if (p.depth <= ALIAS_DEPTH_MAX && !seen_before(&r, &p))
			look(&r, &p);
	}
	vec_free(&r.todo);
	map_fini(&r.seen);
	return out->n ? OK : NO_SUCH;
}

bool directory_leads_to(struct directory *d, const struct ipc_addr *address, uint64_t account)
{
	struct targets *t = mem_new(struct targets);
	struct arena a;
	bool leads = false;

	arena_init(&a, "store-resolve", (size_t)64 << 20);
	if (directory_resolve(d, address, &a, t) == OK)
		for (size_t i = 0; i < t->n; i++)
			leads |= t->v[i].account == account;
	arena_fini(&a);
	free(t);
	return leads;
}

enum outcome directory_account(struct directory *d, struct str address, uint64_t *account)
{
	struct str local, domain;
	struct entry_row row;
	enum outcome o = NO_SUCH;
	struct arena a;
	struct buf v;

	if (!split_address(address, &local, &domain))
		return NO_SUCH;
	arena_init(&a, "store-login", 8192);
	buf_init(&v, ROW_MAX);
	if (address.n <= 1000 && directory_get(d, 'a', mail_domain_fold(&a, domain), mail_local_fold(&a, local), &v))
		o = !entry_row_decode(buf_str(&v), &row) ? FAILED : row.state == ENTRY_LIVE ? OK : NO_SUCH;
	if (o == OK)
		*account = row.account;
	buf_fini(&v);
	arena_fini(&a);
	return o;
}

/* ---- listing */

struct listing {
	struct directory *d;
	struct arena *a;
	struct str *lines;
	struct ipc_directory_list_reply *r;
	char tag;
	size_t room;
};

static struct str address_of(struct arena *a, struct str key)
{
	ssize_t at = str_find(key, '\0');

	if (at < 0)
		return arena_dup(a, key);
	return arena_fmt(a, "%.*s@%.*s", STR_ARG(str_from(key, (size_t)at + 1)), STR_ARG(str_sub(key, 0, (size_t)at)));
}

static struct str domain_line(struct listing *l, struct str key, struct str value)
{
	struct domain_row row = { 0 };
	char when[CLOCK_RFC3339_SIZE];

	if (!domain_row_decode(value, &row))
		return STR("damaged");
	clock_rfc3339(row.created_s * 1000000, when);
	return arena_fmt(l->a, "%.*s\t%s", STR_ARG(key), when);
}

static struct str account_line(struct listing *l, struct str key, struct str value)
{
	static const char *const states[] = { "live", "creating", "deleting", "deleting" };
	struct head_row head = { 0 };
	struct credential_row cred = { 0 };
	struct entry_row row;
	struct buf v, w;
	struct str line;

	if (!entry_row_decode(value, &row))
		return STR("damaged");
	buf_init(&v, ROW_MAX);
	buf_init(&w, ROW_MAX);
	if (engine_get(l->d->part.port, NULL, row.account, STR("H"), &v) && !head_row_decode(buf_str(&v), &head))
		head = (struct head_row){ 0 };
	if (engine_get(l->d->part.port, NULL, row.account, STR("C"), &w) && !credential_row_decode(buf_str(&w), &cred))
		cred = (struct credential_row){ 0 };
	line = arena_fmt(l->a, "%.*s\t%llu\t%s\t%llu\t%llu\t%llu\t%llu", STR_ARG(address_of(l->a, key)),
		(unsigned long long)row.account, states[row.state], (unsigned long long)head.messages,
		(unsigned long long)head.bytes, (unsigned long long)cred.quota_bytes,
		(unsigned long long)cred.quota_messages);
	buf_fini(&v);
	buf_fini(&w);
	return line;
}

static struct str alias_line(struct listing *l, struct str key, struct str value)
{
	struct alias_row *row = arena_new(l->a, struct alias_row);
	struct buf line;
	struct str s;

	if (!alias_row_decode(value, row))
		return STR("damaged");
	buf_init(&line, IPC_DIRECTORY_LIST_LINES_EACH_MAX - 4);
	buf_add(&line, address_of(l->a, key));
	for (uint32_t i = 0; i < row->n; i++) {
		buf_addc(&line, i ? ' ' : '\t');
		buf_add(&line, row->to[i]);
	}
	s = arena_fmt(l->a, "%.*s%s", STR_ARG(buf_str(&line)), line.full ? " ..." : "");
	buf_fini(&line);
	return s;
}

static bool list_row(void *arg, const struct engine_row *row)
{
	struct listing *l = arg;
	struct str key = str_from(row->key, 1), line;

	line = l->tag == 'd'   ? domain_line(l, key, row->value)
	       : l->tag == 'a' ? account_line(l, key, row->value)
			       : alias_line(l, key, row->value);
	if (l->r->n_lines == IPC_DIRECTORY_LIST_LINES_MAX || l->room < line.n + 4) {
		l->r->more = 1;
		return false;
	}
	l->room -= line.n + 4;
	l->lines[l->r->n_lines++] = line;
	l->r->next = arena_dup(l->a, key);
	return true;
}

void directory_list(
	struct directory *d, const struct ipc_directory_list *q, struct arena *a, struct ipc_directory_list_reply *r)
{
	static const char tags[] = { [DIRECTORY_DOMAINS] = 'd', [DIRECTORY_ACCOUNTS] = 'a', [DIRECTORY_ALIASES] = 'l' };
	struct listing l = { .d = d, .a = a, .r = r, .tag = tags[q->kind], .room = IPC_RECORD_MAX - 4096 };
	char to = (char)(l.tag + 1);
	struct engine_range range = { .partition = PARTITION_DIRECTORY, .to = str_of(&to, 1) };
	struct buf from;

	buf_init(&from, ENGINE_KEY_MAX);
	buf_addc(&from, l.tag);
	buf_add(&from, q->after);
	if (q->after.n)
		buf_addc(&from, '\0'); /* the next key there can be */
	range.from = buf_str(&from);
	l.lines = arena_array(a, IPC_DIRECTORY_LIST_LINES_MAX, sizeof *l.lines);
	r->lines = l.lines;
	engine_range(d->part.port, &range, list_row, &l);
	buf_fini(&from);
}
