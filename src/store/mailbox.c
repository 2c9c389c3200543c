/* store/mailbox.c - a mailbox in memory: its place in the account, its keywords, its view.
 * Suspends    mailbox_view and mailbox_settle.
 * Invariants  M1 while a view is being loaded nobody changes rows of the mailbox (mailbox_settle), and its load began with
 *             everything durable: so the rows read are all there is.
 */
#include "store/account.h"

#include "base/die.h"
#include "store/names.h"

#include <string.h>

#define LOAD_STEP 4000 /* rows between two yields */

struct mailbox *mailbox_new(struct account *a, struct str name)
{
	struct mailbox *m = mem_new(struct mailbox);

	m->account = a;
	m->name = str_of(mem_dup(name.p, name.n), name.n);
	m->uidnext = m->watermark = 1;
	gate_init(&m->loaded);
	return m;
}

static void mailbox_free(struct mailbox *m)
{
	if (m->view) {
		view_fini(m->view);
		free(m->view);
	}
	for (uint32_t i = 0; i < m->n_keywords; i++)
		free((char *)(uintptr_t)m->keywords[i].p);
	free((char *)(uintptr_t)m->name.p);
	free(m);
}

void mailbox_pin(struct mailbox *m)
{
	m->pins++;
}

void mailbox_unpin(struct mailbox *m)
{
	die_unless(m->pins > 0, "mailbox unpinned once too often");
	if (--m->pins == 0 && m->gone)
		mailbox_free(m);
}

size_t mailbox_place(const struct account *a, struct str name)
{
	size_t lo = 0, hi = a->mailboxes.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (name_cmp(a->mailboxes.v[mid]->name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct mailbox *mailbox_find(const struct account *a, struct str name)
{
	size_t i = mailbox_place(a, name);

	return i < a->mailboxes.n && str_eq(a->mailboxes.v[i]->name, name) ? a->mailboxes.v[i] : NULL;
}

void mailbox_insert(struct account *a, struct mailbox *m)
{
	size_t at = mailbox_place(a, m->name);

	vec_push(&a->mailboxes);
	memmove(a->mailboxes.v + at + 1, a->mailboxes.v + at, (a->mailboxes.n - 1 - at) * sizeof *a->mailboxes.v);
	a->mailboxes.v[at] = m;
}

void mailbox_remove(struct account *a, struct mailbox *m)
{
	for (size_t i = 0; i < a->mailboxes.n; i++)
		if (a->mailboxes.v[i] == m) {
			vec_remove(&a->mailboxes, i);
			break;
		}
	m->gone = true;
	if (m->pins == 0)
		mailbox_free(m);
}

struct mailbox *mailbox_make(struct account *a, struct str name, uint32_t special)
{
	struct mailbox *m = mailbox_new(a, name);

	m->id = a->head.mailbox_next++;
	m->uidvalidity = a->head.uidvalidity_next++;
	m->special = special;
	m->modseq = ++a->head.modseq;
	mailbox_insert(a, m);
	account_change(a, m);
	return m;
}

/* ---- the view */

struct load {
	struct view *view;
	struct mailbox *m;
	uint32_t n;
	uint32_t next_uid;
	bool bad;
};

static bool load_row(void *arg, const struct engine_row *row)
{
	struct load *l = arg;
	struct cur c = cur_of(str_from(row->key, 5));
	uint32_t uid = cur_be32(&c);
	struct message_row r;

	if (l->n == LOAD_STEP) {
		l->next_uid = uid;
		return false;
	}
	if (!cur_done(&c) || !message_row_decode(row->value, &r)) {
		l->bad = true;
		return false;
	}
	view_add(l->view, uid, &r);
	l->n++;
	return true;
}

/* One step; false at the end. */
static bool load_step(struct load *l)
{
	struct account *a = l->m->account;
	struct key from = key_message('M', l->m->id, l->next_uid), to = key_u32(key_of('M'), l->m->id + 1);
	struct engine_range r = { .partition = a->id, .from = KEY_STR(from), .to = KEY_STR(to) };

	l->n = 0;
	l->next_uid = 0;
	engine_range(a->part.port, &r, load_row, l);
	return l->next_uid != 0 && !l->bad;
}

static SUSPENDS struct view *load(struct mailbox *m)
{
	struct account *a = m->account;
	struct load l = { .view = mem_new(struct view), .m = m, .next_uid = 1 };
	bool ok = account_wait(a, a->part.staged);

	while (ok && !a->part.dead && load_step(&l))
		task_yield(a->shard->sched);
	if (l.bad)
		log_error(a->shard->log, "mailbox-damaged", "account %llu mailbox %u: a row does not decode",
			(unsigned long long)a->id, m->id);
	if (ok && !a->part.dead && !l.bad && !m->gone) {
		a->shard->stats.n_views_loaded++;
		return l.view;
	}
	view_fini(l.view);
	free(l.view);
	return NULL;
}

struct view *mailbox_view(struct mailbox *m)
{
	struct account *a = m->account;

	if (!mailbox_settle(m))
		return NULL;
	if (m->view || m->gone)
		return m->gone ? NULL : m->view;
	m->loading = true;
	mailbox_pin(m);
	account_pin(a);
	m->view = load(m);
	m->loading = false;
	gate_open(a->shard->sched, &m->loaded);
	account_touch(a);
	{
		struct view *v = m->view;

		mailbox_unpin(m);
		account_put(a);
		return v;
	}
}

bool mailbox_settle(struct mailbox *m)
{
	struct gate *gates[] = { &m->loaded };
	struct account *a = m->account;
	bool alive = !a->part.dead;

	if (!m->loading)
		return alive;
	mailbox_pin(m);
	account_pin(a);
	while (m->loading && task_wait(a->shard->sched, gates, 1, NEVER_MS) != WAIT_STOP)
		;
	alive = !a->part.dead && !m->loading;
	mailbox_unpin(m);
	account_put(a);
	return alive;
}

/* ---- keywords */

static bool is_atom(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_print(s.p[i]) || str_find(STR("(){%*\"\\] "), s.p[i]) >= 0)
			return false;
	return s.n > 0 && s.n <= KEYWORD_SIZE_MAX;
}

static int keyword_at(const struct mailbox *m, struct str name)
{
	for (uint32_t i = 0; i < m->n_keywords; i++)
		if (str_ieq(m->keywords[i], name))
			return (int)i;
	return -1;
}

enum outcome mailbox_keywords(struct mailbox *m, const struct str *names, size_t n, bool make, uint64_t *bits)
{
	uint32_t max = m->account->shard->limits->keywords_max;

	*bits = 0;
	max = max < KEYWORDS_MAX ? max : KEYWORDS_MAX;
	for (size_t i = 0; i < n; i++) {
		int at = keyword_at(m, names[i]);

		if (at < 0 && make) {
			if (!is_atom(names[i]))
				return BAD_SYNTAX;
			if (m->n_keywords >= max)
				return OVER_LIMIT;
			at = (int)m->n_keywords;
			m->keywords[m->n_keywords++] = str_of(mem_dup(names[i].p, names[i].n), names[i].n);
			account_change_lazily(m->account, m);
		}
		if (at >= 0)
			*bits |= (uint64_t)1 << at;
	}
	return OK;
}

void mailbox_purge(struct mailbox *m)
{
	uint64_t upto = UINT64_MAX;

	if (!m->view || m->view->dead.n == 0)
		return;
	list_each (n, nxt, &m->account->selections) {
		struct selection *x = list_entry(n, struct selection, in_account);

		if (x->mailbox == m && x->seen_dead < upto)
			upto = x->seen_dead;
	}
	view_purge(m->view, upto);
}
