/* pipe/signers.c - which keys of ours sign letters now. See the header.
 * Trust       keys is trusted; what DNS says is hostile, and only compared with our own record.
 * Owns        the list of keys and what was seen of each; a task that reads the list from keys, one for each domain that is asked about.
 * Suspends    in calls to keys and relay, at the gate that opens when something is known.
 * Invariants  I1 keys are in the order of domain, then newest first. I2 a letter waits FIRST_WAIT_MS at most, and only where nothing of the domain's
 *             keys is known yet or what is known is older than STALE_MS; otherwise it is signed by what was known, and DNS is asked meanwhile.
 *             I3 across a suspension keys are found again by name: the list may be another. I4 while DNS has not answered about any key of a domain the
 *             oldest sign, if they are old enough to have been published: a signature that nobody can check counts like none (RFC 6376 6.1).
 */
#include "pipe/signers.h"

#include "base/vec.h"
#include "check/dkim_record.h"
#include "dns/answer.h"
#include "ipc_gen.h"

#define SECOND_MS ((int64_t)1000)
#define FIRST_WAIT_MS (2 * SECOND_MS)
#define COMMAND_WAIT_MS (5 * SECOND_MS)
#define AGAIN_MIN_MS (60 * SECOND_MS)   /* between two questions about a key */
#define AGAIN_MAX_MS (3600 * SECOND_MS) /* whatever the record's TTL */
#define STALE_MS (86400 * SECOND_MS)
#define WARN_MS (86400 * SECOND_MS)     /* between two warnings about a domain */
#define LIST_RETRY_MS SECOND_MS
#define SETTLED_S 86400 /* a key this old is where it shall be, for all that we know */

struct signing_key {
	struct str domain, selector, record; /* heap */
	enum dkim_algorithm algorithm;
	int64_t made_s;
	bool known;          /* DNS has said what is in fit */
	enum dkim_fit fit;
	int64_t known_ms, due_ms, warned_ms;
	bool asking;
};

struct key_list VEC(struct signing_key);

struct signers {
	struct sched *sched;
	struct log *log;
	const struct conf *conf;
	struct link *keys, *relay;
	struct key_list list; /* I1 */
	bool listed, changed, stopping;
	uint32_t life; /* of the process it was read from */
	struct task *task;
	struct gate wake, news;
	unsigned n_asking;
};

static struct str heap_dup(struct str s)
{
	return str_of(mem_dup(s.p, s.n), s.n);
}

static void key_fini(struct signing_key *k)
{
	free((void *)(uintptr_t)k->domain.p);
	free((void *)(uintptr_t)k->selector.p);
	free((void *)(uintptr_t)k->record.p);
}

static int by_domain_and_age(const void *va, const void *vb)
{
	const struct signing_key *a = va, *b = vb;
	int c = str_cmp(a->domain, b->domain);

	if (c == 0 && a->made_s != b->made_s)
		c = a->made_s > b->made_s ? -1 : 1;
	return c ? c : str_cmp(b->selector, a->selector);
}

/* Index of the domain's first key; l->n or another domain's: it has none. */
static size_t first_of(const struct key_list *l, struct str domain)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (str_cmp(l->v[mid].domain, domain) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_of(const struct key_list *l, size_t at, struct str domain)
{
	return at < l->n && str_eq(l->v[at].domain, domain);
}

static struct signing_key *find(const struct key_list *l, struct str domain, struct str selector)
{
	for (size_t i = first_of(l, domain); is_of(l, i, domain); i++)
		if (str_eq(l->v[i].selector, selector))
			return &l->v[i];
	return NULL;
}

/* ---- asking DNS */

struct question {
	struct signers *signers;
	struct str domain, selector; /* heap */
};

static bool is_answer(uint8_t result)
{
	return result == DNS_OK || result == DNS_NODATA || result == DNS_NXDOMAIN;
}

static bool fits(enum dkim_fit f)
{
	return f == DKIM_FITS || f == DKIM_FITS_TESTING;
}

static void learn(struct signers *s, struct signing_key *k, const struct ipc_dns_texts_reply *r)
{
	int64_t now = sched_now_ms(s->sched), ttl_ms = (int64_t)r->ttl_s * SECOND_MS;
	enum dkim_fit fit = dkim_record_fit(r->texts, r->n_texts, k->record);
	bool did = k->known && fits(k->fit);

	if (fits(fit) != did)
		log_fields(s->log, LOG_LEVEL_INFO, fits(fit) ? "dkim-key-published" : "dkim-key-withdrawn", LOG_S("domain", k->domain),
			LOG_S("selector", k->selector), LOG_S("record", str_z(dkim_fit_name(fit))));
	k->known = true;
	k->fit = fit;
	k->known_ms = now;
	k->due_ms = now + (fits(fit) && ttl_ms > AGAIN_MIN_MS ? ttl_ms < AGAIN_MAX_MS ? ttl_ms : AGAIN_MAX_MS : AGAIN_MIN_MS);
}

static SUSPENDS void ask_main(void *arg)
{
	struct question *q = arg;
	struct signers *s = q->signers;
	struct ipc_dns_texts_reply r;
	struct signing_key *k;
	enum outcome o;
	struct arena a;

	arena_init(&a, "dkim question", IPC_REPLY_MEMORY);
	o = ipc_dns_texts(s->relay, &(struct ipc_dns_texts){ .name = arena_fmt(&a, "%.*s._domainkey.%.*s", STR_ARG(q->selector), STR_ARG(q->domain)) },
		&r, &a);
	k = find(&s->list, q->domain, q->selector); /* I3 */
	if (k) {
		k->asking = false;
		k->due_ms = sched_now_ms(s->sched) + AGAIN_MIN_MS;
		if (o == OK && is_answer(r.result))
			learn(s, k, &r);
	}
	arena_fini(&a);
	free((void *)(uintptr_t)q->domain.p);
	free((void *)(uintptr_t)q->selector.p);
	free(q);
	s->n_asking--;
	gate_open(s->sched, &s->news);
}

static void ask(struct signers *s, struct signing_key *k)
{
	struct question *q;

	if (k->asking || s->stopping || !s->relay->peer)
		return;
	q = mem_new(struct question);
	*q = (struct question){ s, heap_dup(k->domain), heap_dup(k->selector) };
	k->asking = true;
	s->n_asking++;
	task_spawn(s->sched, "dkim-question", ask_main, q);
}

/* ---- the list */

/* What is known of a key that stays is taken over from before. */
static void add(struct key_list *l, const struct key_list *before, const struct ipc_dkim_entry *e)
{
	struct signing_key *old = find(before, e->domain, e->selector), *k;

	if (e->algorithm >= DKIM_ALGORITHM_COUNT)
		return;
	k = vec_push(l);
	if (old && str_eq(old->record, e->record))
		*k = *old;
	k->domain = heap_dup(e->domain);
	k->selector = heap_dup(e->selector);
	k->record = heap_dup(e->record);
	k->algorithm = (enum dkim_algorithm)e->algorithm;
	k->made_s = e->made_s;
}

static void free_list(struct key_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		key_fini(&l->v[i]);
	vec_free(l);
}

static SUSPENDS bool read_page(struct signers *s, struct key_list *l, bool *more)
{
	struct ipc_dkim_list m = { .after = (uint32_t)l->n };
	struct ipc_dkim_list_reply r;
	struct arena a;
	enum outcome o;

	arena_init(&a, "dkim list", IPC_REPLY_MEMORY);
	o = ipc_dkim_list(s->keys, &m, &r, &a);
	for (size_t i = 0; o == OK && i < r.n_entries; i++)
		add(l, &s->list, &r.entries[i]);
	*more = o == OK && r.more && r.n_entries;
	arena_fini(&a);
	return o == OK;
}

/* False: keys could not answer; the list that was there stays. */
static SUSPENDS bool read_list(struct signers *s)
{
	struct key_list l = { 0 }, old;
	bool more = true, ok = true;

	while (more && ok)
		ok = read_page(s, &l, &more);
	if (!ok || s->changed) { /* while it was read: from the beginning */
		free_list(&l);
		return false;
	}
	if (l.n)
		qsort(l.v, l.n, sizeof *l.v, by_domain_and_age);
	old = s->list;
	s->list = l;
	s->listed = true;
	free_list(&old);
	gate_open(s->sched, &s->news);
	return true;
}

/* Returns when to look again. */
static SUSPENDS int64_t list_if_new(struct signers *s)
{
	struct peer *now = s->keys->peer;

	if (!now || (s->listed && !s->changed && s->life == peer_life(now)))
		return NEVER_MS;
	s->life = peer_life(now);
	s->changed = false;
	if (read_list(s))
		return NEVER_MS;
	s->changed = true;
	return sched_now_ms(s->sched) + LIST_RETRY_MS;
}

static SUSPENDS void list_main(void *arg)
{
	struct signers *s = arg;
	struct gate *gates[] = { &s->wake, &s->keys->changed };

	while (!s->stopping) {
		int64_t again_ms = list_if_new(s);

		if (s->stopping || task_wait(s->sched, gates, 2, again_ms) == WAIT_STOP)
			break;
	}
	s->task = NULL;
}

void signers_changed(struct signers *s)
{
	s->changed = true;
	gate_open(s->sched, &s->wake);
}

/* ---- choosing */

static bool may_sign(const struct signers *s, const struct signing_key *k)
{
	return !s->conf->dkim.published_only || (k->known && fits(k->fit));
}

static bool nothing_known(const struct signers *s, size_t from)
{
	for (size_t i = from; is_of(&s->list, i, s->list.v[from].domain); i++)
		if (s->list.v[i].known)
			return false;
	return true;
}

static bool is_settled(const struct signers *s, const struct signing_key *k)
{
	return k->made_s + SETTLED_S <= sched_wall_us(s->sched) / 1000000;
}

/* The newest of each algorithm that may (I1); while nothing is known, the oldest (I4). */
static size_t choose(const struct signers *s, size_t from, struct arena *a, struct dkim_signer out[SIGNERS_OF_DOMAIN_MAX])
{
	struct str domain = s->list.v[from].domain;
	const struct signing_key *best[DKIM_ALGORITHM_COUNT] = { 0 };
	bool blind = s->conf->dkim.published_only && nothing_known(s, from);
	size_t n = 0;

	for (size_t i = from; is_of(&s->list, i, domain); i++) {
		const struct signing_key *k = &s->list.v[i];

		if (blind ? is_settled(s, k) : !best[k->algorithm] && may_sign(s, k))
			best[k->algorithm] = k;
	}
	for (size_t i = 0; i < DKIM_ALGORITHM_COUNT; i++)
		if (best[i])
			out[n++] = (struct dkim_signer){ arena_dup(a, best[i]->domain), arena_dup(a, best[i]->selector), best[i]->algorithm };
	return n;
}

/* Asks about what is due. True: a letter had better wait for the answer (I2). */
static bool look(struct signers *s, size_t from)
{
	struct str domain = s->list.v[from].domain;
	int64_t now = sched_now_ms(s->sched);
	bool fresh = false, asking = false;

	for (size_t i = from; is_of(&s->list, i, domain); i++) {
		struct signing_key *k = &s->list.v[i];

		if (k->due_ms <= now)
			ask(s, k);
		asking |= k->asking;
		fresh |= k->known && fits(k->fit) && now - k->known_ms < STALE_MS;
	}
	return asking && !fresh;
}

static void warn(struct signers *s, struct signing_key *k)
{
	int64_t now = sched_now_ms(s->sched);

	if (k->warned_ms && now - k->warned_ms < WARN_MS)
		return;
	k->warned_ms = now;
	log_fields(s->log, LOG_LEVEL_WARNING, "dkim-unsigned", LOG_S("domain", k->domain), LOG_S("selector", k->selector),
		LOG_S("record", str_z(k->known ? dkim_fit_name(k->fit) : "DNS could not be asked yet")),
		LOG_S("text", STR("letters leave without a signature until it is published; see: sallyport dkim list")));
}

static SUSPENDS bool wait_news(struct signers *s, int64_t until_ms)
{
	struct gate *g = &s->news;

	return task_wait(s->sched, &g, 1, until_ms) == 0;
}

bool signers_any(const struct signers *s)
{
	return s->conf->dkim.sign && (s->list.n > 0 || (!s->listed && s->keys && s->keys->peer));
}

SUSPENDS size_t signers_of(struct signers *s, struct str domain, struct arena *a, struct dkim_signer out[SIGNERS_OF_DOMAIN_MAX])
{
	int64_t until_ms = sched_now_ms(s->sched) + FIRST_WAIT_MS;
	size_t from, n;

	if (!signers_any(s) || domain.n == 0)
		return 0;
	while (!s->listed && s->keys->peer && wait_news(s, until_ms))
		;
	for (;;) {
		from = first_of(&s->list, domain);
		if (!is_of(&s->list, from, domain))
			return 0;
		if (!s->conf->dkim.published_only || !look(s, from) || !wait_news(s, until_ms))
			break;
	}
	from = first_of(&s->list, domain);
	if (!is_of(&s->list, from, domain))
		return 0;
	n = choose(s, from, a, out);
	if (n == 0)
		warn(s, &s->list.v[from]);
	return n;
}

/* ---- for commands */

static const char *role_of(const struct signers *s, const struct signing_key *k)
{
	struct dkim_signer out[SIGNERS_OF_DOMAIN_MAX];
	struct arena a;
	const char *role = may_sign(s, k) ? "ready" : "waits";
	size_t n;

	arena_init(&a, "dkim role", 4096);
	n = s->conf->dkim.sign ? choose(s, first_of(&s->list, k->domain), &a, out) : 0;
	for (size_t i = 0; i < n; i++)
		if (str_eq(out[i].selector, k->selector))
			role = "signs";
	arena_fini(&a);
	return role;
}

static struct str line_of(const struct signers *s, const struct signing_key *k, struct arena *a)
{
	static const char *const algorithms[DKIM_ALGORITHM_COUNT] = { "rsa-sha256", "ed25519-sha256" };

	return arena_fmt(a, "%.*s\t%.*s\t%s\t%s\t%s\t%.*s", STR_ARG(k->domain), STR_ARG(k->selector), algorithms[k->algorithm], role_of(s, k),
		k->known ? dkim_fit_name(k->fit) : "DNS could not be asked yet", STR_ARG(k->record));
}

static size_t page_end(const struct signers *s, struct str domain, size_t from, size_t n_max)
{
	size_t end = from + n_max < s->list.n ? from + n_max : s->list.n;

	for (size_t i = from; domain.n && i < end; i++)
		if (!str_eq(s->list.v[i].domain, domain))
			return i;
	return end;
}

static SUSPENDS void ask_page(struct signers *s, size_t from, size_t end)
{
	int64_t until_ms = sched_now_ms(s->sched) + COMMAND_WAIT_MS;
	bool asking = true;

	for (size_t i = from; i < end && i < s->list.n; i++)
		ask(s, &s->list.v[i]);
	while (asking) {
		asking = false;
		for (size_t i = from; i < end && i < s->list.n; i++)
			asking |= s->list.v[i].asking;
		if (asking && !wait_news(s, until_ms))
			return;
	}
}

SUSPENDS size_t signers_lines(struct signers *s, struct str domain, uint32_t *at, struct arena *a, struct str *lines, size_t n_max)
{
	size_t from, end, n = 0;

	if (s->keys && (s->changed || !s->listed))
		wait_news(s, sched_now_ms(s->sched) + FIRST_WAIT_MS);
	from = domain.n && *at == 0 ? first_of(&s->list, domain) : *at;
	end = page_end(s, domain, from, n_max);
	ask_page(s, from, end);
	for (size_t i = from; i < end && i < s->list.n; i++) /* I3: it may have become shorter */
		lines[n++] = line_of(s, &s->list.v[i], a);
	*at = end < s->list.n && page_end(s, domain, end, 1) > end ? (uint32_t)end : 0;
	return n;
}

/* ---- life */

struct signers *signers_new(const struct signers_opts *o)
{
	struct signers *s = mem_new(struct signers);

	s->sched = o->sched;
	s->log = o->log;
	s->conf = o->conf;
	s->keys = o->keys;
	s->relay = o->relay;
	gate_init(&s->wake);
	gate_init(&s->news);
	if (s->keys)
		s->task = task_spawn(s->sched, "dkim-list", list_main, s);
	return s;
}

void signers_configure(struct signers *s, const struct conf *conf)
{
	s->conf = conf;
}

void signers_stop(struct signers *s)
{
	s->stopping = true;
	if (s->task)
		task_cancel(s->task);
}

bool signers_stopped(const struct signers *s)
{
	return !s->task && s->n_asking == 0;
}

void signers_free(struct signers *s)
{
	free_list(&s->list);
	free(s);
}
