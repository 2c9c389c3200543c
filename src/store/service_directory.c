/* store/service_directory.c - who is deliverable, and the commands of an operator. */
#include "store/service.h"

#include "ipc/words.h"

/* ---- post */

static enum outcome check_target(struct store *s, const struct target *t, uint64_t size)
{
	struct account *a;
	enum outcome o;

	if (!t->account)
		return OK;
	o = account_get(&s->shard, t->account, &a);
	if (o != OK)
		return o;
	o = account_over_quota(a, size, 1) ? OVER_QUOTA : OK;
	account_put(a);
	return o;
}

/* With several targets one full mailbox does not keep the letter from the others. */
static enum outcome check_targets(struct store *s, const struct targets *t, uint64_t size)
{
	enum outcome worst = NO_SUCH;
	bool any = false;

	if (!shard_has_room(&s->shard))
		return NO_ROOM;
	for (size_t i = 0; i < t->n; i++) {
		enum outcome o = check_target(s, &t->v[i], size);

		if (o == TRY_LATER)
			return o;
		any |= o == OK;
		if (o != OK)
			worst = o;
	}
	return any ? OK : worst;
}

void serve_resolve(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_resolve *q = msg;
	struct ipc_resolve_reply r = { 0 };
	struct store *s = ctx;
	struct targets *t = arena_new(call_arena(c), struct targets);
	struct ipc_target *list = arena_array(call_arena(c), IPC_RESOLVE_TARGETS_MAX, sizeof *list);
	struct arena work;
	enum outcome o;

	arena_init(&work, "store-resolve", (size_t)64 << 20);
	o = directory_resolve(&s->directory, &q->rcpt, &work, t);
	if (o == OK && s->limits.message_size_max && q->size > s->limits.message_size_max)
		o = OVER_LIMIT;
	if (o == OK)
		o = check_targets(s, t, q->size);
	for (size_t i = 0; o == OK && i < t->n; i++)
		list[i] = (struct ipc_target){ t->v[i].account, { t->v[i].local, t->v[i].domain } };
	r.targets = list;
	r.n_targets = o == OK ? t->n : 0;
	ipc_resolve_reply_send(c, o, &r);
	arena_fini(&work);
}

/* ---- commands */

SUSPENDS void serve_domain_add(void *ctx, struct ipc_call *c, const void *msg)
{
	ipc_domain_add_reply_send(
		c, directory_domain_add(&((struct store *)ctx)->directory, ((const struct ipc_domain_add *)msg)->name));
}

SUSPENDS void serve_domain_delete(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_domain_delete *q = msg;

	ipc_domain_delete_reply_send(c, directory_domain_delete(&((struct store *)ctx)->directory, q->name));
}

SUSPENDS void serve_account_add(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_account_add_reply r = { 0 };
	enum outcome o = directory_account_add(&((struct store *)ctx)->directory, msg, &r.account);

	ipc_account_add_reply_send(c, o, &r);
}

SUSPENDS void serve_account_delete(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_account_delete *q = msg;

	ipc_account_delete_reply_send(c, directory_account_delete(&((struct store *)ctx)->directory, &q->address, q->now));
}

SUSPENDS void serve_alias_add(void *ctx, struct ipc_call *c, const void *msg)
{
	ipc_alias_add_reply_send(c, directory_alias_add(&((struct store *)ctx)->directory, msg));
}

SUSPENDS void serve_alias_delete(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_alias_delete *q = msg;

	ipc_alias_delete_reply_send(c, directory_alias_delete(&((struct store *)ctx)->directory, &q->address));
}

void serve_directory_list(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_directory_list *q = msg;
	struct ipc_directory_list_reply r = { 0 };
	struct store *s = ctx;
	struct arena work;

	if (q->kind > DIRECTORY_ALIASES) {
		call_reply(c, BAD_SYNTAX, NULL);
		return;
	}
	arena_init(&work, "store-list", (size_t)64 << 20);
	directory_list(&s->directory, q, &work, &r);
	ipc_directory_list_reply_send(c, OK, &r);
	arena_fini(&work);
}

/* ---- status */

struct status {
	struct arena *a;
	struct str *lines;
	size_t n;
};

static void line(struct status *s, const char *name, uint64_t v)
{
	s->lines[s->n++] = arena_fmt(s->a, "%s\t%llu", name, (unsigned long long)v);
}

static void engine_lines(struct status *st, struct engine *e)
{
	struct engine_stats x = { 0 };

	e->ops->stats(e, &x);
	st->lines[st->n++] = arena_fmt(st->a, "engine\t%s", e->ops->name);
	line(st, "life", e->life);
	line(st, "commits", x.n_batches);
	line(st, "groups", x.n_groups);
	line(st, "group_largest", x.n_group_max);
	line(st, "syncs", x.n_syncs);
	line(st, "bytes_rows_written", x.bytes_rows);
	line(st, "bytes_bodies_written", x.bytes_bodies);
	line(st, "bodies", x.n_blobs);
	line(st, "bytes_bodies_live", x.bytes_live);
	line(st, "bytes_bodies_dead", x.bytes_dead);
	line(st, "segments", x.n_segments);
	line(st, "segments_rewritten", x.n_compacted);
	line(st, "bytes_free", e->ops->bytes_free(e));
}

void serve_store_status(void *ctx, struct ipc_call *c, const void *msg)
{
	struct store *s = ctx;
	struct shard *x = &s->shard;
	struct status st = { call_arena(c), arena_array(call_arena(c), IPC_STORE_STATUS_LINES_MAX, sizeof(struct str)),
		0 };
	struct ipc_store_status_reply r = { 0 };

	(void)msg;
	engine_lines(&st, s->engine);
	line(&st, "accounts_loaded", x->accounts.n);
	line(&st, "accounts_loads", x->stats.n_accounts_loaded);
	line(&st, "views_loads", x->stats.n_views_loaded);
	line(&st, "views_dropped", x->stats.n_views_dropped);
	line(&st, "bytes_cached", x->memory);
	line(&st, "handles", x->handles.n);
	line(&st, "delivered", x->stats.n_delivered);
	line(&st, "appended", x->stats.n_appended);
	line(&st, "sent_copies", x->stats.n_sent_copies);
	line(&st, "sent_joined", x->stats.n_sent_joined);
	line(&st, "moved_in", x->stats.n_moved_in);
	line(&st, "deliveries_repeated", x->stats.n_duplicates);
	line(&st, "commits_failed", x->stats.n_failed_commits);
	line(&st, "queue_next", x->lane.next);
	r.lines = st.lines;
	r.n_lines = st.n;
	ipc_store_status_reply_send(c, OK, &r);
}
