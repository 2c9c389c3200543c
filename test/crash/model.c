/* crash/model.c - what must be in the store, as the marks of a load say. See the header. */
#include "crash/model.h"

#include "base/die.h"

#include <stdio.h>
#include <string.h>

struct model_box *model_box_find(struct model *m, uint32_t account, uint64_t id)
{
	for (size_t i = 0; i < m->boxes.n; i++)
		if (m->boxes.v[i].account == account && m->boxes.v[i].id == id)
			return &m->boxes.v[i];
	return NULL;
}

struct model_box *model_inbox(struct model *m, uint32_t account)
{
	for (size_t i = 0; i < m->boxes.n; i++)
		if (m->boxes.v[i].account == account && strcmp(m->boxes.v[i].name, "INBOX") == 0)
			return &m->boxes.v[i];
	return NULL;
}

struct model_out *model_out_find(struct model *m, uint32_t serial)
{
	for (size_t i = 0; i < m->out.n; i++)
		if (m->out.v[i].serial == serial)
			return &m->out.v[i];
	return NULL;
}

static struct model_out *out_need(struct model *m, const struct mark *k)
{
	struct model_out *x = model_out_find(m, k->letters[0].serial);

	if (!x || k->letters[0].uid >= WORK_OUT_GROUPS)
		die("marks: letter %u does not leave", k->letters[0].serial);
	return x;
}

static struct model_box *box_need(struct model *m, uint32_t account, uint64_t id)
{
	struct model_box *b = model_box_find(m, account, id);

	if (!b) {
		b = vec_push(&m->boxes);
		*b = (struct model_box){ .account = account, .id = id };
	}
	return b;
}

static struct model_letter *letter_need(struct model *m, const struct mark *k, const struct mark_letter *l)
{
	for (size_t i = 0; i < m->letters.n; i++) {
		struct model_letter *x = &m->letters.v[i];

		if (x->account == k->account && x->mailbox == k->mailbox && x->uid == l->uid && !x->gone)
			return x;
	}
	die("marks: letter %u is not in its mailbox", l->serial);
}

static void add(struct model *m, const struct mark *k, uint64_t mailbox, uint32_t serial, uint32_t uid, uint32_t flags)
{
	struct model_box *b = box_need(m, k->account, mailbox);

	for (size_t i = 0; i < m->letters.n; i++)
		if (m->letters.v[i].account == k->account && m->letters.v[i].mailbox == mailbox && m->letters.v[i].uid == uid)
			die("marks: uid %u of mailbox %llu was given twice: to letters %u and %u (I4)", uid, (unsigned long long)mailbox,
				m->letters.v[i].serial, serial);
	*vec_push(&m->letters) = (struct model_letter){ k->account, serial, uid, flags, mailbox, false };
	if (uid >= b->uidnext)
		b->uidnext = uid + 1;
}

static void copied(struct model *m, const struct mark *k)
{
	for (uint32_t i = 0; i < k->n; i++) {
		struct model_letter *l = letter_need(m, k, &k->letters[i]);

		l->gone = k->work == WORK_MOVE;
		add(m, k, k->to_mailbox, k->letters[i].serial, k->letters[i].to_uid, l->flags);
	}
}

static void deleted(struct model *m, const struct mark *k)
{
	box_need(m, k->account, k->mailbox)->gone = true;
	for (size_t i = 0; i < m->letters.n; i++)
		if (m->letters.v[i].account == k->account && m->letters.v[i].mailbox == k->mailbox)
			m->letters.v[i].gone = true;
}

static void looked(struct model *m, const struct mark *k)
{
	struct model_box *b = box_need(m, k->account, k->mailbox);

	if (b->uidvalidity && b->uidvalidity != k->uidvalidity)
		die("marks: UIDVALIDITY of mailbox %llu changed (I4)", (unsigned long long)k->mailbox);
	b->uidvalidity = k->uidvalidity;
	b->uidnext = k->uidnext > b->uidnext ? k->uidnext : b->uidnext; /* answers to several tasks may cross */
	b->modseq = k->value > b->modseq ? k->value : b->modseq;
	memcpy(b->name, k->name, sizeof b->name);
	if (k->value > m->accounts[k->account].modseq)
		m->accounts[k->account].modseq = k->value;
}

static void finish(struct model *m, const struct mark *k)
{
	struct model_account *a = &m->accounts[k->account];

	switch ((enum work)k->work) {
	case WORK_DELIVER:
		a->last_serial = k->letters[0].serial;
		a->last_uid = k->letters[0].uid;
		add(m, k, k->mailbox, k->letters[0].serial, k->letters[0].uid, 0);
		break;
	case WORK_APPEND:
		for (uint32_t i = 0; i < k->n; i++)
			add(m, k, k->mailbox, k->letters[i].serial, k->letters[i].uid, k->flags);
		break;
	case WORK_COPY:
	case WORK_MOVE:
		copied(m, k);
		break;
	case WORK_FLAGS:
		for (uint32_t i = 0; i < k->n; i++)
			letter_need(m, k, &k->letters[i])->flags = k->flags;
		break;
	case WORK_EXPUNGE:
		for (uint32_t i = 0; i < k->n; i++)
			letter_need(m, k, &k->letters[i])->gone = true;
		break;
	case WORK_CREATE:
	case WORK_RENAME:
		memcpy(box_need(m, k->account, k->mailbox)->name, k->name, sizeof k->name);
		break;
	case WORK_DELETE:
		deleted(m, k);
		break;
	case WORK_QUEUE_PUT:
		*vec_push(&m->queued) = (struct model_queued){ k->letters[0].serial, (uint32_t)k->value };
		break;
	case WORK_PASSWORD:
		a->password = k->value;
		break;
	case WORK_STATUS:
		looked(m, k);
		break;
	case WORK_ACCOUNT:
		a->exists = true;
		a->id = k->value;
		break;
	case WORK_OUT_PUT:
		*vec_push(&m->out) = (struct model_out){ .serial = k->letters[0].serial, .id = k->value };
		break;
	case WORK_OUT_BEGIN:
		out_need(m, k)->groups[k->letters[0].uid].attempts = k->flags;
		break;
	case WORK_OUT_SETTLE:
		out_need(m, k)->groups[k->letters[0].uid].gone = k->letters[0].to_uid;
		break;
	case WORK_QUEUE_DELIVER:
	case WORK_KINDS:
		break;
	}
	m->n_done++;
}

void model_apply(struct model *m, const struct mark *k)
{
	struct mark whole;

	if (k->kind == MARK_SENT)
		vec_push(&m->open)->m = *k;
	if (k->kind != MARK_DONE)
		return;
	for (size_t i = 0; i < m->open.n; i++)
		if (m->open.v[i].m.number == k->number) {
			whole = *k;
			if (k->work == WORK_QUEUE_PUT)
				whole.value = m->open.v[i].m.value; /* the accounts */
			vec_remove(&m->open, i);
			finish(m, &whole);
			return;
		}
	die("marks: operation %u was answered and never asked for", k->number);
}
