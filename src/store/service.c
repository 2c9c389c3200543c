/* store/service.c - the table of handlers, and what requests with a handle share.
 * Trust       requests come from other roles: handles, names and numbers are checked here and in the handlers.
 */
#include "store/service.h"

#include "store/backup.h"
#include "store/names.h"
#include "store/restore.h"
#include "store/service_audit.h"

#define X(name, NAME) [IPC_##NAME] = serve_##name,
static ipc_handler *const store_handlers[IPC_TYPE_COUNT] = { STORE_HANDLERS(X) };
#undef X

/* What commands do is recorded before it is done. */
static SUSPENDS void serve_act(void *ctx, struct ipc_call *c, const void *msg)
{
	struct store *s = ctx;

	if (!audit_act_begin(s, c, msg))
		return;
	store_handlers[call_type(c)](ctx, c, msg);
	audit_act_end(s, c, msg);
}

static void gone(void *ctx, struct peer *p)
{
	struct store *s = ctx;

	if (peer_role(p) == ROLE_EDGE_USER || peer_role(p) == ROLE_CTL)
		handles_holder_gone(&s->shard, holder_of(p));
	backup_gone(s, p);
	restore_gone(s, p);
}

void store_service_init(struct store *s)
{
	for (int type = 0; type < IPC_TYPE_COUNT; type++)
		s->handlers[type] = audit_is_act(type) ? serve_act : store_handlers[type];
	s->service = (struct ipc_service){ .ctx = s, .handlers = s->handlers, .gone = gone };
}

const struct ipc_service *store_service(struct store *s)
{
	return &s->service;
}

static void refuse(struct store *s, struct ipc_call *c, enum outcome o)
{
	struct peer *p = call_peer(c);

	call_reply(c, o, NULL);
	if (o != DENIED)
		return;
	log_error(s->log, "handle-denied", "%s %u presented a handle that was never given to it",
		role_name(peer_role(p)), (unsigned)peer_index(p));
	peer_close(p);
}

bool session_enter(struct session *x, struct store *s, struct ipc_call *c, uint64_t handle)
{
	struct peer *p = call_peer(c);
	enum outcome o;

	*x = (struct session){ .store = s, .call = c, .number = handle };
	o = handle_find(&s->shard, handle, holder_of(p), &x->handle);
	if (o != OK) {
		refuse(s, c, o);
		return false;
	}
	x->handle->peer = peer_role(p) == ROLE_EDGE_USER ? p : NULL; /* a command asks when it wants to know */
	x->account = x->handle->account;
	account_pin(x->account);
	arena_init(&x->work, "store-work", STORE_WORK_MAX);
	return true;
}

static bool find_selection(struct session *x)
{
	x->sel = selection_find(x->handle, x->sel_number);
	return x->sel && !x->sel->mailbox->gone;
}

bool session_enter_selected(struct session *x, struct store *s, struct ipc_call *c, uint64_t handle, uint32_t sel)
{
	if (!session_enter(x, s, c, handle))
		return false;
	x->sel_number = sel;
	if (find_selection(x))
		return true;
	call_reply(c, x->sel ? REVOKED : BAD_STATE, NULL);
	session_leave(x);
	return false;
}

bool session_again(struct session *x)
{
	if (x->account->part.dead ||
		handle_find(&x->store->shard, x->number, holder_of(call_peer(x->call)), &x->handle) != OK)
		return false;
	return x->sel_number == 0 || find_selection(x);
}

enum outcome session_wait(struct session *x, uint64_t serial)
{
	return account_wait(x->account, serial) ? OK : TRY_LATER;
}

void session_leave(struct session *x)
{
	arena_fini(&x->work);
	account_put(x->account);
}

enum outcome session_name(struct session *x, struct str name, struct str *out)
{
	const struct store_limits *l = &x->store->limits;
	struct buf clean;
	enum outcome o;

	buf_init(&clean, 4096);
	o = name_clean(name, l->mailbox_name_size_max, l->mailbox_depth_max, &clean);
	*out = arena_dup(&x->work, buf_str(&clean));
	buf_fini(&clean);
	return o;
}

struct seqmap session_map(struct session *x)
{
	return seqmap_make(x->sel->mailbox->view, x->sel->seen_dead, x->sel->known, &x->work);
}

bool selection_recent(const struct selection *x, uint32_t uid)
{
	for (size_t i = x->recent.n; i > 0; i--)
		if (uid >= x->recent.v[i - 1].lo)
			return uid < x->recent.v[i - 1].hi;
	return false;
}
