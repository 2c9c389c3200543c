/* pop/transaction.c - the verbs of the TRANSACTION state (RFC 1939 5, 7)
 * Trust       input is hostile.
 * Suspends    reading messages, flushing.
 * Invariants  I1 a message marked deleted is not shown, counted or sent until RSET.
 */
#include "pop/session.h"

/* A message number that may be used; NULL after the refusal has been said. */
static SUSPENDS struct pop_message *need_message(struct pop *p, struct str number)
{
	uint32_t n;

	if (!str_to_u32(number, &n) || n == 0)
		pop_err(p, "A message number is needed");
	else if (n > p->drop.n)
		pop_err(p, "No such message");
	else if (p->drop.v[n - 1].deleted)
		pop_err(p, "The message is deleted");
	else
		return &p->drop.v[n - 1];
	return NULL;
}

static uint64_t octets(const struct pop_drop *drop)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < drop->n; i++)
		sum += drop->v[i].deleted ? 0 : drop->v[i].size;
	return sum;
}

SUSPENDS void pop_stat(struct pop *p, struct str args)
{
	(void)args;
	pop_ok(p, "%zu %llu", p->drop.n - p->drop.n_deleted, (unsigned long long)octets(&p->drop));
}

static SUSPENDS void list_line(struct pop *p, const char *lead, size_t i)
{
	stream_printf(&p->d->stream, "%s%zu %u\r\n", lead, i + 1, p->drop.v[i].size);
}

/* RFC 1939 7: the unique id is UIDVALIDITY and UID, which are never used again together. */
static SUSPENDS void uidl_line(struct pop *p, const char *lead, size_t i)
{
	stream_printf(&p->d->stream, "%s%zu %u.%u\r\n", lead, i + 1, p->drop.uidvalidity, p->drop.v[i].uid);
}

static SUSPENDS void listing(struct pop *p, struct str args, void (*line)(struct pop *, const char *, size_t))
{
	struct pop_message *m;

	if (args.n) {
		m = need_message(p, args);
		if (m)
			line(p, "+OK ", (size_t)(m - p->drop.v));
		return;
	}
	pop_ok(p, "%zu messages", p->drop.n - p->drop.n_deleted);
	for (size_t i = 0; i < p->drop.n && stream_ok(&p->d->stream); i++)
		if (!p->drop.v[i].deleted)
			line(p, "", i);
	stream_write(&p->d->stream, STR(".\r\n"));
}

SUSPENDS void pop_list(struct pop *p, struct str args)
{
	listing(p, args, list_line);
}

SUSPENDS void pop_uidl(struct pop *p, struct str args)
{
	listing(p, args, uidl_line);
}

SUSPENDS void pop_retr(struct pop *p, struct str args)
{
	const struct pop_message *m = need_message(p, args);

	if (m)
		pop_drop_send(p, m, UINT32_MAX);
}

SUSPENDS void pop_top(struct pop *p, struct str args)
{
	struct str number = { 0 };
	const struct pop_message *m;
	uint32_t lines;

	str_split(&args, ' ', &number);
	if (!str_to_u32(str_trim(args), &lines)) {
		pop_err(p, "A message number and a number of lines are needed");
		return;
	}
	m = need_message(p, number);
	if (m)
		pop_drop_send(p, m, lines < UINT32_MAX ? lines : UINT32_MAX - 1);
}

SUSPENDS void pop_dele(struct pop *p, struct str args)
{
	struct pop_message *m = need_message(p, args);

	if (!m)
		return;
	m->deleted = true;
	p->drop.n_deleted++;
	pop_ok(p, "Deleted when you quit");
}

SUSPENDS void pop_rset(struct pop *p, struct str args)
{
	(void)args;
	for (size_t i = 0; i < p->drop.n; i++)
		p->drop.v[i].deleted = false;
	p->drop.n_deleted = 0;
	pop_ok(p, "%zu messages", p->drop.n);
}
