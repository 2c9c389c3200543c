/* store/service_directory.c - credentials, grants, who is deliverable, and the commands of an operator.
 * Trust       password hashes leave towards auth alone (ipc.def), and are never logged.
 */
#include "store/service.h"

#include "ipc/words.h"

#define ROW_MAX 65536

/* ---- auth */

/* The committed record of an account, whether it is loaded or not. Views into v. */
static enum outcome credential_of(struct store *s, uint64_t account, struct buf *v, struct credential_row *row)
{
	if (!engine_get(s->shard.port, NULL, account, STR("C"), v))
		return NO_SUCH;
	return credential_row_decode(buf_str(v), row) ? OK : FAILED;
}

void serve_credential(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_credential *q = msg;
	struct ipc_credential_reply r = { 0 };
	struct credential_row row;
	struct store *s = ctx;
	struct buf v;
	enum outcome o = directory_account(&s->directory, q->login, &r.account);

	buf_init(&v, ROW_MAX);
	if (o == OK)
		o = credential_of(s, r.account, &v, &row);
	if (o == OK) {
		r.version = row.version;
		r.hash = row.hash;
		r.flags = row.flags;
		r.address = row.address;
	}
	ipc_credential_reply_send(c, o, &r);
	buf_fini(&v);
}

void serve_grant(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_grant *q = msg;
	struct ipc_grant_reply r = { 0 };
	struct credential_row row;
	struct store *s = ctx;
	struct account *a;
	struct buf v;
	enum outcome o;

	buf_init(&v, ROW_MAX);
	o = credential_of(s, q->account, &v, &row);
	if (o == OK && row.version != q->version)
		o = DENIED; /* the password changed while it was being checked */
	buf_fini(&v);
	if (o == OK)
		o = account_get(&s->shard, q->account, &a);
	if (o == OK) {
		o = handle_grant(&s->shard, holder_edge(q->edge, q->edge_life), a, &r.handle);
		account_put(a);
	}
	ipc_grant_reply_send(c, o, &r);
}

/* What a command does in an account's name passes here first. */
void serve_open_account(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_open_account *q = msg;
	struct ipc_open_account_reply r = { 0 };
	struct str address = arena_fmt(call_arena(c), "%.*s@%.*s", STR_ARG(q->address.local), STR_ARG(q->address.domain));
	struct store *s = ctx;
	struct account *a;
	enum outcome o = directory_account(&s->directory, address, &r.account);

	if (o == OK)
		o = account_get(&s->shard, r.account, &a);
	if (o == OK) {
		o = handle_grant(&s->shard, holder_of(call_peer(c)), a, &r.handle);
		log_info(s->log, "account-opened", "a command opens %.*s", STR_ARG(a->address));
		account_put(a);
	}
	ipc_open_account_reply_send(c, o, &r);
}

void serve_logout(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_logout *q = msg;
	struct peer *p = call_peer(c);
	struct store *s = ctx;
	struct handle *h;
	enum outcome o = handle_find(&s->shard, q->handle, holder_of(p), &h);

	if (o == OK)
		handle_release(&s->shard, h);
	else if (o == DENIED)
		peer_close(p);
}

/* ---- post */

static enum outcome check_target(struct store *s, const struct target *t, uint64_t size)
{
	struct account *a;
	enum outcome o = account_get(&s->shard, t->account, &a);

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

SUSPENDS void serve_account_password(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_account_password *q = msg;

	ipc_account_password_reply_send(
		c, directory_account_password(&((struct store *)ctx)->directory, &q->address, q->hash));
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
	line(&st, "moved_in", x->stats.n_moved_in);
	line(&st, "deliveries_repeated", x->stats.n_duplicates);
	line(&st, "commits_failed", x->stats.n_failed_commits);
	line(&st, "queue_next", x->lane.next);
	r.lines = st.lines;
	r.n_lines = st.n;
	ipc_store_status_reply_send(c, OK, &r);
}
