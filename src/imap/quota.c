/* imap/quota.c - GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208): one root, "", over all mailboxes of an account with limits
 * Trust       names come from a hostile client; figures from store.
 * Suspends    in the calls to store.
 */
#include "imap/imap.h"

static void add_resource(struct buf *out, const char *name, uint64_t used, uint64_t max, bool *first)
{
	if (!max)
		return;
	buf_addf(out, "%s%s %llu %llu", *first ? "" : " ", name, (unsigned long long)used, (unsigned long long)max);
	*first = false;
}

/* STORAGE is in units of 1024 octets: what is used is never said to be less than it is, nor the limit more. */
static void add_quota(struct imap *im, const struct ipc_quota_reply *r)
{
	bool first = true;

	buf_addz(&im->out, "* QUOTA \"\" (");
	add_resource(&im->out, "STORAGE", (r->bytes + 1023) / 1024, r->bytes_max / 1024, &first);
	add_resource(&im->out, "MESSAGE", r->messages, r->messages_max, &first);
	buf_addz(&im->out, ")\r\n");
}

/* A QUOTA answer names one resource at least (RFC 9208 7, quota-list): an account without limits has no root. */
static SUSPENDS enum outcome ask(struct imap *im, struct ipc_quota_reply *r, bool *has_root)
{
	struct ipc_quota m = { .handle = im->d->account.handle };
	enum outcome o = ipc_quota(im->d->account.store, &m, r, NULL);

	*has_root = o == OK && (r->bytes_max / 1024 || r->messages_max);
	return o;
}

SUSPENDS enum outcome imap_getquota(struct imap *im, struct cur *args)
{
	struct str root = imap_astring(args, &im->cmd);
	struct ipc_quota_reply r = { 0 };
	bool has_root;
	enum outcome o;

	if (!cur_done(args))
		return BAD_SYNTAX;
	if (root.n)
		return imap_fail(im, NO_SUCH, STR("NONEXISTENT"), STR("The only quota root is \"\""));
	o = ask(im, &r, &has_root);
	if (o != OK)
		return o;
	if (!has_root)
		return imap_fail(im, NO_SUCH, STR("NONEXISTENT"), STR("There is no quota here"));
	add_quota(im, &r);
	return OK;
}

SUSPENDS enum outcome imap_getquotaroot(struct imap *im, struct cur *args)
{
	struct ipc_status m = { .handle = im->d->account.handle };
	struct ipc_status_reply r;
	struct ipc_quota_reply q = { 0 };
	enum outcome o = imap_mailbox(im, args, &m.name);
	bool has_root = false;

	if (!cur_done(args))
		return BAD_SYNTAX;
	if (o == OK)
		o = ipc_status(im->d->account.store, &m, &r, NULL);
	if (o == OK)
		o = ask(im, &q, &has_root);
	if (o != OK)
		return o == DENIED ? NO_SUCH : o;
	buf_addz(&im->out, "* QUOTAROOT ");
	imap_add_mailbox(im, &im->out, m.name);
	buf_addz(&im->out, has_root ? " \"\"\r\n" : "\r\n");
	if (has_root)
		add_quota(im, &q);
	return OK;
}

/* setquota-list = "(" [setquota-resource *(SP setquota-resource)] ")" */
static void limits_parse(struct cur *c)
{
	cur_need(c, '(');
	if (cur_try(c, ')'))
		return;
	do {
		imap_atom(c);
		imap_need_sp(c);
		(void)cur_u64(c);
	} while (cur_ok(c) && cur_try(c, ' '));
	cur_need(c, ')');
}

/* Understood, and refused: limits are the administrator's. */
enum outcome imap_setquota(struct imap *im, struct cur *args)
{
	imap_astring(args, &im->cmd);
	imap_need_sp(args);
	limits_parse(args);
	if (!cur_done(args))
		return BAD_SYNTAX;
	return imap_fail(im, DENIED, STR("NOPERM"), STR("Quotas are set by who runs this server"));
}
