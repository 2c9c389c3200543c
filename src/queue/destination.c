/* queue/destination.c - the jobs of a destination, and the site it belongs to.
 * Invariants  D1 a destination stands in its site exactly when it has a job that is due and does not pause. D2 it is among the wakes when time alone will
 *             change that. D3 one that had a job when nothing was known of its site, or what is known was old, is in a list of those until it is asked about.
 */
#include "queue/destination.h"

#include "queue/site.h"

#include <string.h>

#define MINUTE_MS 60000
#define REMEMBER_MS (30 * MINUTE_MS) /* the site, and with it the window that has been found */
#define PRUNE_FIRST 1000
#define IN_VAIN_MS MINUTE_MS /* before one of whose hosts nothing could be found out is asked about again */
#define PRIORITY_TURNS 8 /* of others that a step of priority is ahead in a site: nobody is kept back for good */
#define PRIORITY_S 300 /* a step of priority (RFC 6710) counts like so long a wait: whoever waits long enough comes first */

/* ---- orders */

static int64_t standing_since(const struct job *j)
{
	return j->due_s - ((int64_t)j->priority - PRIORITY_OF_NORMAL) * PRIORITY_S;
}

static bool by_number(const struct job *a, const struct job *b)
{
	return a->id != b->id ? a->id < b->id : a->group < b->group;
}

static bool ready_before(const void *a, const void *b)
{
	int64_t x = standing_since(a), y = standing_since(b);

	return x != y ? x < y : by_number(a, b);
}

static bool later_before(const void *a, const void *b)
{
	const struct job *x = a, *y = b;

	return x->due_s != y->due_s ? x->due_s < y->due_s : by_number(x, y);
}

static const struct heap_kind ready_kind = { ready_before, offsetof(struct job, at) };
static const struct heap_kind later_kind = { later_before, offsetof(struct job, at) };

struct job *destination_first(const struct destination *d)
{
	return heap_top(&d->ready);
}

static int64_t turn_of(const struct destination *d, const struct job *first)
{
	return (int64_t)d->turn - first->priority * PRIORITY_TURNS;
}

/* Where groups of a letter may go together they have to stand together; elsewhere a domain with many letters keeps nobody waiting. */
static bool stands_before(const void *a, const void *b)
{
	const struct destination *x = a, *y = b;
	const struct job *i = destination_first(x), *j = destination_first(y);

	if (x->site->joins)
		return ready_before(i, j);
	return turn_of(x, i) != turn_of(y, j) ? turn_of(x, i) < turn_of(y, j) : ready_before(i, j);
}

const struct heap_kind standing_kind = { stands_before, offsetof(struct destination, stand_at) };

void destination_served(struct destination *d)
{
	if (d->turn > d->site->round)
		d->site->round = d->turn;
	d->turn = d->site->round + 1;
}

/* ---- its site */

static void leave_site(struct destination *d)
{
	if (d->stands)
		heap_remove(&d->site->standing, d);
	d->stands = false;
	if (d->site)
		d->site->n_destinations--;
	d->site = NULL;
}

static void enter_site(struct queue *q, struct destination *d, struct str hosts, bool joins, int64_t now_ms)
{
	struct site *s = site_need(q, d->route_number, hosts, joins, now_ms), *before = d->site;

	if (s == before)
		return;
	leave_site(d);
	if (before)
		site_look(q, before, now_ms);
	d->site = s;
	d->turn = 0;
	s->n_destinations++;
}

static void add_hop(struct buf *out, const struct conf_hop *h)
{
	if (out->n)
		buf_addz(out, ", ");
	buf_addf(out, h->mx ? "%.*s:%u" : "[%.*s]:%u", STR_ARG(h->host), h->port);
}

/* The configuration, or a command, says where its mail goes: nobody has to be asked. */
static void take_chosen_site(struct queue *q, struct destination *d, int64_t now_ms)
{
	const struct conf_route *r = d->route_number >= 0 ? &q->conf->routes[d->route_number] : NULL;
	struct buf hops;

	d->known_until_ms = QUEUE_NEVER_MS;
	d->found = d->secure = d->alone = false;
	buf_init(&hops, (size_t)CONF_HOPS_MAX * 300);
	for (size_t i = 0; !d->route.n && i < r->hops.n; i++)
		add_hop(&hops, &r->hops.v[i]);
	enter_site(q, d, d->route.n ? d->route : buf_str(&hops), true, now_ms);
	buf_fini(&hops);
}

static bool is_chosen(const struct queue *q, const struct destination *d)
{
	return d->route.n || (d->route_number >= 0 && q->conf->routes[d->route_number].hops.n);
}

static int route_number(const struct queue *q, const struct destination *d)
{
	const struct conf_route *r = d->route.n ? NULL : conf_route_find(q->conf, d->name);

	return r ? (int)(r - q->conf->routes) : -1;
}

void destination_configure(struct queue *q, struct destination *d, int64_t now_ms)
{
	int before = d->route_number;
	bool was_chosen = d->known_until_ms == QUEUE_NEVER_MS;

	d->route_number = route_number(q, d);
	if (is_chosen(q, d))
		take_chosen_site(q, d, now_ms);
	else if (d->site && (was_chosen || before != d->route_number))
		leave_site(d);
	if (!d->site)
		d->known_until_ms = 0;
	if (d->site)
		site_limits(q, d->site, d->route_number);
}

void queue_learn(struct queue *q, struct destination *d, const struct site_facts *f, int64_t now_ms, int64_t now_s)
{
	d->asked = false;
	if (!is_chosen(q, d)) { /* it may be by now */
		d->found = f != NULL;
		d->secure = f && f->secure;
		d->alone = !f || f->alone;
		d->known_until_ms = now_ms + (f ? f->valid_ms : IN_VAIN_MS);
		enter_site(q, d, f ? f->hosts : d->name, false, now_ms);
	}
	destination_look(q, d, now_ms, now_s);
}

struct destination *queue_ask(struct queue *q)
{
	struct destination *d = list_first(&q->unknown, struct destination, asking);

	if (!d)
		d = list_first(&q->unknown_again, struct destination, asking);
	if (!d)
		return NULL;
	list_del(&d->asking);
	d->asked = true;
	return d;
}

struct str queue_known_hosts(const struct destination *d)
{
	return d->site && d->found ? d->site->name : STR("");
}

bool queue_shares_hosts(const struct destination *d, int64_t now_ms)
{
	return d->site && d->found && !d->alone && d->known_until_ms > now_ms;
}

void queue_forget_hosts(struct destination *d)
{
	if (d->found)
		d->known_until_ms = 0;
}

/* ---- where its jobs stand */

static void become_ready(struct queue *q, struct destination *d, int64_t now_s)
{
	for (struct job *j; (j = heap_top(&d->later)) && j->due_s <= now_s;) {
		heap_remove(&d->later, j);
		heap_push(&d->ready, j);
		q->n_placed[JOB_LATER]--;
		q->n_placed[JOB_READY]++;
		j->place = JOB_READY;
	}
}

static void stand(struct queue *q, struct destination *d, bool stands, int64_t now_ms)
{
	struct heap *h = &d->site->standing;

	if (d->stands && stands)
		heap_moved(h, d);
	else if (d->stands)
		heap_remove(h, d);
	else if (stands) {
		if (d->turn <= d->site->round) /* who comes anew comes behind those that wait */
			d->turn = d->site->round + 1;
		heap_push(h, d);
	}
	d->stands = stands;
	site_look(q, d->site, now_ms);
}

void destination_leave(struct destination *d, struct job *j)
{
	heap_remove(&d->ready, j);
	if (!d->stands)
		return;
	d->stands = d->ready.all.n > 0;
	(d->stands ? heap_moved : heap_remove)(&d->site->standing, d);
}

/* D3. */
static void ask_if_old(struct queue *q, struct destination *d, int64_t now_ms)
{
	const struct job *first = destination_first(d);

	if (d->asked || !list_empty(&d->asking) || !first || d->known_until_ms > now_ms)
		return;
	list_add_last(first->attempts ? &q->unknown_again : &q->unknown, &d->asking);
}

void destination_look(struct queue *q, struct destination *d, int64_t now_ms, int64_t now_s)
{
	bool pauses = d->paused_until_ms > now_ms;
	int64_t wake_ms = QUEUE_NEVER_MS;
	const struct job *later;

	become_ready(q, d, now_s);
	if (d->site)
		stand(q, d, d->ready.all.n && !pauses, now_ms);
	ask_if_old(q, d, now_ms);
	if (d->ready.all.n && pauses)
		wake_ms = d->paused_until_ms;
	later = heap_top(&d->later);
	if (later && now_ms + (later->due_s - now_s) * 1000 < wake_ms)
		wake_ms = now_ms + (later->due_s - now_s) * 1000;
	wake_set(&q->destination_wakes, &d->wake, wake_ms);
}

int64_t destinations_wake(struct queue *q, int64_t now_ms, int64_t now_s)
{
	int64_t next_ms;

	for (struct wake *w; (w = wake_due(&q->destination_wakes, now_ms, &next_ms));) {
		destination_look(q, list_entry(w, struct destination, wake), now_ms, now_s);
		if (w->ms <= now_ms) /* of a clock that was set back: not now */
			wake_set(&q->destination_wakes, w, now_ms + 1);
	}
	return next_ms;
}

/* What is of the destination alone. */
void destination_learn(struct queue *q, struct destination *d, enum feedback f, int64_t now_ms)
{
	if (f == FEEDBACK_LOCAL)
		d->paused_until_ms = now_ms + queue_pause_ms(q, 1);
	else if (f == FEEDBACK_DOMAIN && d->paused_until_ms <= now_ms)
		d->paused_until_ms = now_ms + queue_pause_ms(q, ++d->n_failures);
	else if (f == FEEDBACK_FINE)
		d->paused_until_ms = d->n_failures = 0;
}

/* ---- life */

void destination_free(struct destination *d)
{
	list_del(&d->asking);
	heap_free(&d->later);
	heap_free(&d->ready);
	free(d);
}

/* Something is worth remembering: it is in use, was lately, or pauses. */
static bool remembered(const struct destination *d, int64_t now_ms)
{
	if (d->later.all.n || d->ready.all.n || d->n_running || d->n_aside || d->asked)
		return true;
	return d->paused_until_ms > now_ms || d->used_ms + REMEMBER_MS > now_ms;
}

void destinations_prune(struct queue *q, int64_t now_ms)
{
	struct str key;
	size_t at = 0;
	void *v;

	while (map_next(&q->destinations, &at, &key, &v)) {
		struct destination *d = v;

		if (remembered(d, now_ms))
			continue;
		leave_site(d);
		wake_set(&q->destination_wakes, &d->wake, QUEUE_NEVER_MS);
		map_del(&q->destinations, key);
		destination_free(d);
	}
	sites_prune(q, now_ms);
	q->destinations_prune = q->destinations.n * 2 > PRUNE_FIRST ? q->destinations.n * 2 : PRUNE_FIRST;
}

static struct destination *destination_new(struct str key, struct queue_to to)
{
	struct destination *d = mem_alloc(sizeof *d + key.n);
	char *text = (char *)(d + 1);

	memcpy(text, key.p, key.n);
	*d = (struct destination){ .key = str_of(text, key.n), .name = str_of(text, to.domain.n),
		.route = str_of(text + key.n - to.route.n, to.route.n), .ready = { .kind = &ready_kind }, .later = { .kind = &later_kind },
		.wake = { .ms = QUEUE_NEVER_MS }, .route_number = -1 };
	list_init(&d->asking);
	return d;
}

struct destination *destination_need(struct queue *q, struct queue_to to, int64_t now_ms)
{
	struct str key = to.domain;
	struct destination *d;
	struct buf b;

	buf_init(&b, to.domain.n + to.route.n + 1);
	if (to.route.n) {
		buf_add(&b, to.domain);
		buf_addc(&b, '\n');
		buf_add(&b, to.route);
		key = buf_str(&b);
	}
	d = map_get(&q->destinations, key);
	if (!d) {
		if (q->destinations.n >= q->destinations_prune)
			destinations_prune(q, now_ms);
		d = destination_new(key, to);
		map_put(&q->destinations, d->key, d);
		destination_configure(q, d, now_ms);
	}
	buf_fini(&b);
	return d;
}
