/* store/service_audit.c - the audit log's messages, and the acts of commands.
 * Trust       auth says who logged in; commands are root's, or the server's user's.
 * Invariants  L3 what a command asks for is recorded, durably, before it is done; that it failed is recorded after.
 */
#include "store/service_audit.h"

#include "ipc/words.h"
#include "store/audit.h"

#include <stdio.h>

/* Where in the message stands what the act is about; 0 is a place too, so absent ones are NOWHERE. */
#define NOWHERE SIZE_MAX
struct act {
	int type;
	const char *name;
	size_t address; /* struct ipc_addr */
	size_t text;	/* struct str */
};

static const struct act acts[] = {
	{ IPC_DOMAIN_ADD, "domain add", NOWHERE, offsetof(struct ipc_domain_add, name) },
	{ IPC_DOMAIN_DELETE, "domain delete", NOWHERE, offsetof(struct ipc_domain_delete, name) },
	{ IPC_ACCOUNT_ADD, "account add", offsetof(struct ipc_account_add, address), NOWHERE },
	{ IPC_ACCOUNT_DELETE, "account delete", offsetof(struct ipc_account_delete, address), NOWHERE },
	{ IPC_ACCOUNT_PASSWORD, "passwd", offsetof(struct ipc_account_password, address), NOWHERE },
	{ IPC_ALIAS_ADD, "alias add", offsetof(struct ipc_alias_add, address), NOWHERE },
	{ IPC_ALIAS_DELETE, "alias delete", offsetof(struct ipc_alias_delete, address), NOWHERE },
	{ IPC_SUPPRESSION_ADD, "suppression add", offsetof(struct ipc_suppression_add, address), NOWHERE },
	{ IPC_SUPPRESSION_DELETE, "suppression delete", offsetof(struct ipc_suppression_delete, address), NOWHERE },
	{ IPC_ACCOUNT_SET, "account set", offsetof(struct ipc_account_set, address), NOWHERE },
	{ IPC_ACCOUNT_UNDELETE, "undelete --account", offsetof(struct ipc_account_undelete, address), NOWHERE },
	{ IPC_CODE_ADD, "code add", offsetof(struct ipc_code_add, address), offsetof(struct ipc_code_add, name) },
	{ IPC_CODE_DELETE, "code delete", offsetof(struct ipc_code_delete, address), NOWHERE },
	{ IPC_PIN_ADD, "certificate pin", offsetof(struct ipc_pin_add, address), offsetof(struct ipc_pin_add, name) },
	{ IPC_PIN_DELETE, "certificate unpin", offsetof(struct ipc_pin_delete, address), NOWHERE },
	{ IPC_BACKUP_BEGIN, "backup", NOWHERE, NOWHERE },
	{ IPC_RESTORE_BEGIN, "restore", NOWHERE, NOWHERE },
	{ IPC_RESTORE_ACCOUNT, "restore account", offsetof(struct ipc_restore_account, address), NOWHERE },
	{ IPC_UNDELETE, "undelete", offsetof(struct ipc_undelete, address), offsetof(struct ipc_undelete, mailbox) },
	{ IPC_QUEUE_COMMAND, "queue", NOWHERE, offsetof(struct ipc_queue_command, words) },
	{ IPC_OPEN_ACCOUNT, "account opened", offsetof(struct ipc_open_account, address), NOWHERE },
};

static const struct act *find(int type)
{
	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
		if (acts[i].type == type)
			return &acts[i];
	return NULL;
}

bool audit_is_act(int type)
{
	return find(type) != NULL;
}

static void tell_setting(const struct ipc_account_set *m, struct buf *out)
{
	static const char *const names[SET_COUNT] = { [SET_SERVICE_ON] = "services on", [SET_SERVICE_OFF] = "services off", [SET_FLAG_ON] = "flags on",
		[SET_FLAG_OFF] = "flags off", [SET_POP_FOLDERS] = "pop-folders", [SET_POP_SINCE] = "pop-since", [SET_POP_DELE] = "pop-dele",
		[SET_QUOTA_BYTES] = "quota", [SET_QUOTA_MESSAGES] = "quota-messages" };

	buf_addf(out, " %s", m->what < SET_COUNT ? names[m->what] : "?");
	if (m->what != SET_POP_FOLDERS)
		buf_addf(out, " %llu", (unsigned long long)m->number);
	for (size_t i = 0; i < m->n_folders; i++)
		buf_addf(out, " \"%.*s\"", STR_ARG(m->folders[i]));
}

static void tell_rcpt(const struct ipc_addr *rcpt, struct buf *out)
{
	buf_addf(out, " %.*s@%.*s", STR_ARG(rcpt->local), STR_ARG(rcpt->domain));
}

/* "name address text", and the account when it exists. */
static void tell(struct store *s, const struct act *act, const void *msg, struct buf *out, uint64_t *account)
{
	buf_addz(out, act->name);
	if (act->address != NOWHERE) {
		const struct ipc_addr *a = (const void *)((const char *)msg + act->address);
		size_t at = out->n + 1;

		buf_addf(out, " %.*s@%.*s", STR_ARG(a->local), STR_ARG(a->domain));
		if (directory_account(&s->directory, str_from(buf_str(out), at), account) != OK)
			*account = 0;
	}
	if (act->text != NOWHERE) {
		const struct str *t = (const void *)((const char *)msg + act->text);

		buf_addf(out, " %.*s", STR_ARG(*t));
	}
	if (act->type == IPC_ACCOUNT_SET)
		tell_setting(msg, out);
	else if (act->type == IPC_SUPPRESSION_ADD)
		tell_rcpt(&((const struct ipc_suppression_add *)msg)->rcpt, out);
	else if (act->type == IPC_SUPPRESSION_DELETE)
		tell_rcpt(&((const struct ipc_suppression_delete *)msg)->rcpt, out);
	else if (act->type == IPC_CODE_DELETE)
		buf_addf(out, " %u", (unsigned)((const struct ipc_code_delete *)msg)->id);
}

static void event_of(struct store *s, struct ipc_call *c, const void *msg, struct buf *text, struct audit_event *e)
{
	const struct act *act = find(call_type(c));

	buf_init(text, 4096);
	tell(s, act, msg, text, &e->account);
	e->kind = act->type == IPC_OPEN_ACCOUNT ? AUDIT_OPENED : AUDIT_COMMAND;
	e->who = arena_fmt(call_arena(c), "uid %u", (unsigned)peer_uid(call_peer(c)));
}

bool audit_act_begin(struct store *s, struct ipc_call *c, const void *msg)
{
	struct audit_event e = { 0 };
	struct buf text;
	enum outcome o;

	event_of(s, c, msg, &text, &e);
	e.text = buf_str(&text);
	o = audit_write(&s->shard, &e);
	buf_fini(&text);
	if (o != OK)
		call_reply(c, TRY_LATER, NULL);
	return o == OK;
}

void audit_act_end(struct store *s, struct ipc_call *c, const void *msg)
{
	struct audit_event e = { 0 };
	struct buf text;

	if (call_outcome(c) == OK)
		return;
	event_of(s, c, msg, &text, &e);
	buf_addf(&text, ": %s", outcome_name(call_outcome(c)));
	e.kind = AUDIT_COMMAND_FAILED;
	e.text = buf_str(&text);
	audit_note(&s->shard, &e);
	buf_fini(&text);
}

/* ---- messages */

void serve_audited(void *ctx, struct ipc_call *c, const void *msg)
{
	static const char *const services[SERVICE_COUNT] = {
		[SERVICE_SMTP] = "smtp", [SERVICE_SUBMISSION] = "submission", [SERVICE_SUBMISSIONS] = "submissions", [SERVICE_IMAP] = "imap",
		[SERVICE_IMAPS] = "imaps", [SERVICE_POP3] = "pop3", [SERVICE_POP3S] = "pop3s", [SERVICE_LMTP] = "lmtp", [SERVICE_POP2] = "pop2",
	};
	const struct ipc_audited *q = msg;
	struct store *s = ctx;
	uint64_t account = q->account;
	const char *service = q->service < SERVICE_COUNT ? services[q->service] : NULL;

	(void)c;
	if (!account && directory_account(&s->directory, q->user, &account) != OK)
		account = 0; /* whose owner may see who tries */
	audit_note(&s->shard, &(struct audit_event){ .kind = q->kind, .account = account, .who = q->user, .service = str_z(service ? service : ""),
		.ip = q->ip, .text = q->text });
}

/* The record is all of it: what follows goes through post, group by group. */
void serve_queue_command(void *ctx, struct ipc_call *c, const void *msg)
{
	(void)ctx;
	(void)msg;
	ipc_queue_command_reply_send(c, OK);
}

void serve_audit_list(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_audit_list_reply r = { 0 };
	struct store *s = ctx;

	audit_list(&s->shard, msg, call_arena(c), &r);
	ipc_audit_list_reply_send(c, OK, &r);
}

void serve_account_find(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_account_find *q = msg;
	struct ipc_account_find_reply r = { 0 };
	struct store *s = ctx;
	struct str address = arena_fmt(call_arena(c), "%.*s@%.*s", STR_ARG(q->address.local), STR_ARG(q->address.domain));

	ipc_account_find_reply_send(c, directory_account(&s->directory, address, &r.account), &r);
}
