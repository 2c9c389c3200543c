/* pipe/stages.c - the stages of the way in: admit, resolve, scan, store. See letter.h.
 * Suspends    in calls to store and scan.
 * Invariants  I1 an account gets a letter once, however many of its addresses were named.
 *             I2 one account: delivered under the trace id, which the account remembers; asking again does no harm.
 *             I3 several: durable in one lane before anybody is told, delivered afterwards; each account remembers the trace id too.
 *             I4 LMTP (RFC 2033 4.2): each recipient has an outcome of its own, and nothing is left in a lane.
 *             I5 what may have been kept is never called refused: it ends UNANSWERED.
 */
#include "pipe/letter.h"

#include "base/map.h"
#include "base/rng.h"
#include "ipc/words.h"
#include "pipe/forward.h"
#include "pipe/scan_service.h"

#define DELIVERIES_MAX 16 /* of a letter that came by LMTP, at once */
#define TRACE_MAX 24 /* as a delivery id it gets the number of a part: IPC_DELIVER_DELIVERY_MAX in all */

/* ---- admit: an edge says who is logged in; store knows */

SUSPENDS enum outcome pipe_admit(struct pipe_letter *l)
{
	struct ipc_owns m = { .edge = l->edge, .edge_life = l->edge_life, .handle = l->m->handle };
	struct ipc_owns_reply r;
	enum outcome o;

	if (l->m->n_rcpts == 0 || l->m->trace.n == 0 || l->m->trace.n > TRACE_MAX)
		return BAD_SYNTAX;
	if (!post_takes_size(l->post, l->m->body.size))
		return OVER_LIMIT;
	if ((l->m->service == SERVICE_SMTP || l->m->service == SERVICE_LMTP) == l->submission)
		return DENIED;
	if (!l->submission)
		return OK;
	if (!l->m->from_null)
		m.from = l->m->from;
	o = post_owns_now(l->post, &m, &r);
	l->account = o == OK ? r.account : 0;
	l->sender = o == OK && r.sent_copy && !l->m->from_null ? r.account : 0;
	return o == UNANSWERED ? TRY_LATER : o;
}

/* ---- resolve */

/* Adds the accounts of one recipient that are not there yet (I1). */
static void add_targets(struct pipe_letter *l, struct map *seen, const struct ipc_addr *rcpt,
	const struct ipc_resolve_reply *r)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		uint64_t account = r->targets[i].account;
		size_t at;

		if (!account) {
			*vec_push(&l->forwards) = (struct pipe_forward){ (size_t)(rcpt - l->m->rcpts), r->targets[i].address };
			continue;
		}
		at = (size_t)(uintptr_t)map_get(seen, MAP_KEY(account));
		if (!at) {
			*vec_push(&l->targets) = (struct pipe_target){ .account = account, .rcpt = *rcpt };
			at = l->targets.n;
			map_put(seen, MAP_KEY(account), (void *)(uintptr_t)at);
		}
		if (l->outcomes)
			*vec_push(&l->shares) = (struct pipe_share){ (size_t)(rcpt - l->m->rcpts), at - 1 };
	}
}

/* A report to a sender that was rewritten here: to whom it stands for, elsewhere or here. */
static SUSPENDS enum outcome resolve_back(struct pipe_letter *l, struct map *seen, const struct ipc_addr *rcpt)
{
	struct ipc_resolve m = { .size = l->m->body.size };
	struct ipc_resolve_reply r;
	enum outcome o = post_reverse(l->post, rcpt, l->m->from_null, l->a, &m.rcpt);

	if (o != OK)
		return o;
	o = ipc_resolve(post_store_of_address(l->post, &m.rcpt), &m, &r, l->a);
	if (o == OK)
		add_targets(l, seen, rcpt, &r);
	else if (o == DENIED)
		*vec_push(&l->forwards) = (struct pipe_forward){ (size_t)(rcpt - l->m->rcpts), m.rcpt };
	return o == DENIED ? OK : o;
}

static SUSPENDS enum outcome resolve_each(struct pipe_letter *l, struct map *seen)
{
	bool all = l->m->n_rcpts == 1 || l->outcomes;

	for (size_t i = 0; i < l->m->n_rcpts; i++) {
		struct ipc_resolve m = { .rcpt = l->m->rcpts[i], .size = l->m->body.size };
		struct ipc_resolve_reply r;
		enum outcome o = l->submission ? post_resolve_users(l->post, &m, &r, l->a) :
						 ipc_resolve(post_store_of_address(l->post, &m.rcpt), &m, &r, l->a);

		if (o == NO_SUCH && l->m->from_null) {
			o = resolve_back(l, seen, &l->m->rcpts[i]);
			if (o == OK) {
				if (l->outcomes)
					l->outcomes[i] = OK;
				continue;
			}
		}
		/* It was fine at RCPT a moment ago. When one of several is not any more, the client shall ask again for
		 * each; a refusal here would be one of all. */
		if (o == DENIED && post_takes_elsewhere(l->post, l->submission, &m.rcpt) && !l->outcomes) {
			*vec_push(&l->elsewhere) = i;
			continue;
		}
		if (o == UNANSWERED || (o != OK && !all && o != NO_ROOM))
			o = TRY_LATER;
		if (o != OK && !l->outcomes)
			return o;
		if (l->outcomes)
			l->outcomes[i] = o == OK && r.n_targets == 0 ? NO_SUCH : o;
		if (o != OK)
			continue;
		add_targets(l, seen, &l->m->rcpts[i], &r);
	}
	return l->targets.n || l->elsewhere.n || l->forwards.n || l->outcomes ? OK : NO_SUCH;
}

SUSPENDS enum outcome pipe_resolve(struct pipe_letter *l)
{
	struct map seen;
	enum outcome o;

	map_init(&seen, rng_u64());
	o = resolve_each(l, &seen);
	map_fini(&seen);
	return o;
}

/* ---- scan */

SUSPENDS enum outcome pipe_scan(struct pipe_letter *l)
{
	if ((l->targets.n == 0 && !l->sender) || l->index.n) /* nobody here gets it; or it was read already */
		return OK;
	return post_index(l->post, &l->body, l->a, &l->index);
}

/* ---- store */

/* I5. */
static enum outcome second_try(enum outcome first, enum outcome second)
{
	return second != OK && first == UNANSWERED ? UNANSWERED : second;
}

static SUSPENDS enum outcome deliver(struct pipe_letter *l, const struct pipe_target *t)
{
	struct ipc_deliver m = {
		.account = t->account, .delivery = l->m->trace, .mailbox = STR("INBOX"), .date_s = l->date_s,
		.prefix = pipe_prefix(l, t), .index = l->index, .body = l->body,
	};
	struct ipc_deliver_reply r;
	struct link *store = post_store_of_account(l->post, t->account);
	enum outcome o = ipc_deliver(store, &m, &r, NULL);

	if (o == TRY_LATER || o == UNANSWERED) /* I2: a store that went and came back may have it already */
		o = second_try(o, ipc_deliver(store, &m, &r, NULL));
	return o;
}

/* A record holds the letter (or its descriptor), its index and so many prefixes. */
#define PREFIXES_MAX ((size_t)IPC_RECORD_MAX - BODY_INLINE_MAX - SCAN_INDEX_MAX - 8192)

/* Fills rcpts from the targets at *at on, as many as one record takes. */
static size_t fill_rcpts(struct pipe_letter *l, size_t *at, struct ipc_queued_rcpt *rcpts)
{
	size_t n = 0, bytes = 0;

	while (*at < l->targets.n && n < IPC_QUEUE_PUT_RCPTS_MAX) {
		const struct pipe_target *t = &l->targets.v[*at];
		struct str prefix = pipe_prefix(l, t);

		bytes += prefix.n + IPC_QUEUED_RCPT_FIXED;
		if (bytes > PREFIXES_MAX)
			break;
		rcpts[n++] = (struct ipc_queued_rcpt){ .account = t->account, .prefix = prefix };
		++*at;
	}
	return n;
}

/* All rows before OK (I3); where a later one fails, those before it are delivered and the client asks again. */
static SUSPENDS enum outcome queue(struct pipe_letter *l)
{
	struct ipc_queued_rcpt *rcpts = arena_array(l->a, IPC_QUEUE_PUT_RCPTS_MAX, sizeof *rcpts);
	struct lane *lane = &l->post->lanes[str_hash(l->m->trace, 0) % l->post->n_lanes];

	for (size_t at = 0, part = 0; at < l->targets.n; part++) {
		struct ipc_queue_put m = {
			.trace = part ? arena_fmt(l->a, "%.*s-%zu", STR_ARG(l->m->trace), part) : l->m->trace,
			.date_s = l->date_s, .index = l->index, .body = l->body,
		};
		struct ipc_queue_put_reply r;
		enum outcome o;

		m.n_rcpts = fill_rcpts(l, &at, rcpts);
		m.rcpts = rcpts;
		o = ipc_queue_put(lane->store, &m, &r, NULL);
		if (o == TRY_LATER || o == UNANSWERED)
			o = second_try(o, ipc_queue_put(lane->store, &m, &r, NULL));
		if (o != OK)
			return part ? UNANSWERED : o;
		lane_add(lane, r.id);
	}
	return OK;
}

/* ---- LMTP */

struct delivery {
	struct pipe_letter *letter;
	struct pipe_target *target;
	unsigned *n_running;
	struct gate *ended;
};

static SUSPENDS void delivery_main(void *arg)
{
	struct delivery *x = arg;

	x->target->outcome = deliver(x->letter, x->target);
	--*x->n_running;
	gate_open(x->letter->post->sched, x->ended);
}

/* All of them at the same time, or nearly: store makes one commit of what comes together. */
static SUSPENDS void deliver_all(struct pipe_letter *l)
{
	struct delivery *all = arena_array(l->a, l->targets.n, sizeof *all);
	struct gate ended, *g = &ended;
	unsigned n_running = 0;

	gate_init(&ended);
	for (size_t i = 0; i < l->targets.n; i++) {
		all[i] = (struct delivery){ l, &l->targets.v[i], &n_running, &ended };
		while (n_running >= DELIVERIES_MAX)
			task_wait(l->post->sched, &g, 1, NEVER_MS);
		n_running++;
		task_spawn(l->post->sched, "delivery", delivery_main, &all[i]);
	}
	while (n_running)
		task_wait(l->post->sched, &g, 1, NEVER_MS);
}

/* Of several accounts behind one recipient: what asks the client to try again goes before what does not. */
static unsigned weight(enum outcome o)
{
	return o == OK ? 0 : o == UNANSWERED ? 3 : o == TRY_LATER || o == NO_ROOM || o == OVER_QUOTA ? 2 : 1;
}

/* I4. */
static SUSPENDS enum outcome deliver_each(struct pipe_letter *l)
{
	deliver_all(l);
	for (size_t i = 0; i < l->shares.n; i++) {
		const struct pipe_share *s = &l->shares.v[i];
		enum outcome o = l->targets.v[s->target].outcome;

		if (weight(o) > weight((enum outcome)l->outcomes[s->rcpt]))
			l->outcomes[s->rcpt] = o;
	}
	return OK;
}

/* Recipients elsewhere, and what aliases send on. */
static SUSPENDS enum outcome let_out(struct pipe_letter *l)
{
	enum outcome o = pipe_send(l);

	return o == OK ? pipe_forward(l) : o;
}

SUSPENDS enum outcome pipe_store(struct pipe_letter *l)
{
	if (l->outcomes) {
		enum outcome o = pipe_forward(l);

		return o == OK ? deliver_each(l) : o;
	}
	if (l->elsewhere.n || l->forwards.n) {
		enum outcome o = let_out(l), own;

		if (o != OK || l->targets.n == 0)
			return o;
		own = queue(l); /* which takes what an account would refuse for now, since the others' letters are on their way */
		return own == OK ? OK : UNANSWERED;
	}
	return l->targets.n == 1 ? deliver(l, &l->targets.v[0]) : queue(l);
}
