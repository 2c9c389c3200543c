/* move/folder.c - folders of the account that letters come into.
 * Purpose     each is made when it is not there, with the numbers that it had elsewhere as long as nobody has seen others.
 * Suspends    in calls to store.
 * Invariants  I1 a folder that the account was made with gives its special use away, and goes, only while no letter was ever in it.
 */
#include "move/mover.h"

#include "ipc/words.h"

static const char no_answer[] = "the server does not answer any more; when it is up again run the same command again: it goes on where it stopped";

static bool is_no_answer(enum outcome o)
{
	return o == TRY_LATER || o == UNANSWERED || o == REVOKED;
}

static SUSPENDS enum outcome status_of(struct mover *m, struct str name, struct ipc_status_reply *r)
{
	struct ipc_status q = { .handle = m->handle, .name = name };

	return ipc_status(&m->store, &q, r, NULL);
}

/* The mailbox that has a special use, "" when none has. */
static SUSPENDS enum outcome find_special(struct mover *m, uint32_t special, struct arena *a, struct str *name)
{
	struct ipc_mailboxes q = { .handle = m->handle };
	struct ipc_mailboxes_reply r;

	*name = STR("");
	do {
		enum outcome o = ipc_mailboxes(&m->store, &q, &r, a);

		if (o != OK)
			return o;
		for (size_t i = 0; i < r.n_list; i++)
			if (r.list[i].flags & special & MBOX_SPECIAL && !(r.list[i].flags & MBOX_HAS_CHILDREN))
				*name = r.list[i].name;
		q.after = r.n_list ? r.list[r.n_list - 1].name : STR("");
	} while (r.more && name->n == 0);
	return OK;
}

/* I1. What of the special use the new folder may have. */
static SUSPENDS uint32_t take_special(struct mover *m, uint32_t special)
{
	struct ipc_status_reply st;
	struct str holder;
	struct arena a;
	uint32_t left = special;

	arena_init(&a, "special uses", IPC_REPLY_MEMORY * 4);
	if (!special || find_special(m, special, &a, &holder) != OK) {
		left = 0;
	} else if (holder.n) {
		struct ipc_mailbox_delete del = { .handle = m->handle, .name = holder };
		struct ipc_subscribe off = { .handle = m->handle, .name = holder };

		if (status_of(m, holder, &st) != OK || st.uidnext != 1 || ipc_mailbox_delete(&m->store, &del) != OK)
			left = 0;
		else
			(void)!ipc_subscribe(&m->store, &off);
	}
	arena_fini(&a);
	return left;
}

static SUSPENDS enum outcome make(struct mover *m, const struct folder_in *in)
{
	struct ipc_mailbox_create q = { .handle = m->handle, .name = in->name, .special = take_special(m, in->special) };
	struct ipc_mailbox_create_reply r;
	enum outcome o = ipc_mailbox_create(&m->store, &q, &r, NULL);

	return o == EXISTS ? OK : o;
}

static SUSPENDS enum outcome set_numbers(struct mover *m, const struct folder_in *in, struct ipc_mailbox_numbers_reply *r)
{
	struct ipc_mailbox_numbers q = { .handle = m->handle, .name = in->name, .uidvalidity = in->uidvalidity };

	return ipc_mailbox_numbers(&m->store, &q, r, NULL);
}

static bool refuse(struct mover *m, const struct folder_in *in, enum outcome o)
{
	if (is_no_answer(o))
		mover_stop(m, no_answer);
	else if (o == IN_USE)
		mover_fail(m, "folder %.*s: a session has it open; its UIDs cannot be kept while one looks. Let nobody be logged in, and run the "
			      "same command again", STR_ARG(in->name));
	else
		mover_fail(m, "folder %.*s: it cannot be made: %s", STR_ARG(in->name),
			o == BAD_SYNTAX ? "no mailbox may have this name" : o == OVER_LIMIT ? "its name is too long or too deep, or there are too "
			"many (limits mailbox_name_size, mailbox_depth, mailboxes)" : outcome_name(o));
	return false;
}

SUSPENDS bool mover_folder(struct mover *m, const struct folder_in *in, struct folder_to *out)
{
	struct ipc_mailbox_numbers_reply r = { 0 };
	struct ipc_status_reply st = { 0 };
	enum outcome o = status_of(m, in->name, &st);

	*out = (struct folder_to){ .name = in->name };
	if (m->opts->dry_run) {
		out->keeps_uids = in->uidvalidity && (o == NO_SUCH || st.uidnext == 1 || st.uidvalidity == in->uidvalidity);
		return !is_no_answer(o) || refuse(m, in, o);
	}
	if (o == NO_SUCH)
		o = make(m, in);
	if (o == OK && in->subscribe)
		o = ipc_subscribe(&m->store, &(struct ipc_subscribe){ .handle = m->handle, .name = in->name, .on = 1 });
	if (o == OK)
		o = set_numbers(m, in, &r);
	if (o != OK)
		return refuse(m, in, o);
	out->keeps_uids = in->uidvalidity && r.uidvalidity == in->uidvalidity;
	if (in->uidvalidity && !out->keeps_uids)
		mover_say(m, "folder %.*s: it had letters before; those that come get new UIDs", STR_ARG(in->name));
	return true;
}

SUSPENDS void mover_folder_end(struct mover *m, const struct folder_in *in)
{
	struct ipc_mailbox_numbers q = { .handle = m->handle, .name = in->name, .uidnext = in->uidnext };
	struct ipc_mailbox_numbers_reply r;

	mover_wait_all(m);
	if (in->uidnext && mover_goes_on(m) && !m->opts->dry_run && ipc_mailbox_numbers(&m->store, &q, &r, NULL) != OK)
		mover_stop(m, no_answer);
}
