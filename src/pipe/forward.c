/* pipe/forward.c - what aliases send on to other servers, and the way back. See the header.
 * Suspends    in calls to store, and until letters are durable in the queue.
 * Invariants  F1 a forwarded letter leaves in the name of the alias's domain, unless its sender is of that domain or would become too long: its next server
 *             may ask whether we may send for that name (SPF), and reports come back through us.
 *             F2 a letter that has passed the same alias before is not sent on again (RFC 5321 6.3): its Delivered-To says so.
 *             F3 a rewritten sender is believed by its hash alone.
 */
#include "pipe/forward.h"

#include "ipc/words.h"
#include "mail/header.h"
#include "mail/idn.h"
#include "mail/path.h"
#include "mail/traits.h"
#include "pipe/outgoing.h"

/* ---- the key */

static SUSPENDS enum outcome need_key(struct post *p)
{
	struct ipc_installation_reply r;
	struct arena a;
	enum outcome o;

	if (p->has_srs)
		return OK;
	arena_init(&a, "srs secret", 4096);
	o = ipc_installation(p->lanes[0].store, &r, &a);
	if (o == OK && r.secret.n) {
		srs_key_of(r.secret, &p->srs);
		explicit_bzero((char *)(uintptr_t)r.secret.p, r.secret.n); /* our own copy of it */
		p->has_srs = true;
	}
	arena_fini(&a);
	return p->has_srs ? OK : TRY_LATER;
}

/* ---- the way back */

static int64_t now_s(const struct post *p)
{
	return sched_wall_us(p->sched) / 1000000;
}

SUSPENDS enum outcome post_reverse(struct post *p, const struct ipc_addr *rcpt, bool from_null, struct arena *a, struct ipc_addr *out)
{
	enum outcome o;

	if (!from_null || !str_istarts(rcpt->local, STR("SRS")))
		return NO_SUCH;
	o = need_key(p);
	if (o != OK)
		return o;
	return srs_reverse(&p->srs, rcpt->local, now_s(p), a, &out->local, &out->domain) == SRS_VALID ? OK : NO_SUCH; /* F3 */
}

SUSPENDS enum outcome post_sender_behind(struct post *p, const struct ipc_addr *from, struct arena *a, struct ipc_addr *out)
{
	enum outcome o = OK;

	*out = *from;
	if (!str_istarts(from->local, STR("SRS")))
		return OK;
	o = need_key(p);
	if (o == OK && srs_reverse(&p->srs, from->local, now_s(p), a, &out->local, &out->domain) != SRS_VALID)
		*out = *from;
	return o;
}

/* ---- the way out */

static bool same_address(const struct ipc_addr *x, const struct ipc_addr *y, struct arena *a)
{
	return str_eq(mail_domain_fold(a, x->domain), mail_domain_fold(a, y->domain)) && str_eq(mail_local_fold(a, x->local), mail_local_fold(a, y->local));
}

/* F2. */
static bool was_here(struct pipe_letter *l, struct str letter, const struct ipc_addr *alias)
{
	struct mail_header h = mail_header_of(letter);
	struct mail_field f;

	while (mail_header_next(&h, &f)) {
		struct str v = str_trim(f.value);
		struct ipc_addr x;
		struct arena a;
		bool same;

		if (!str_ieq(f.name, STR("Delivered-To")) || v.n > 400)
			continue;
		if (str_starts(v, STR("<")) && str_ends(v, STR(">")))
			v = str_sub(v, 1, v.n - 2);
		if (!mail_address_cut(v, &x.local, &x.domain))
			continue;
		arena_init(&a, "delivered to", 65536);
		same = same_address(&x, alias, &a);
		arena_fini(&a);
		if (same)
			return true;
	}
	(void)l;
	return false;
}

static SUSPENDS enum outcome sender_of(struct pipe_letter *l, const struct ipc_addr *alias, struct ipc_addr *from)
{
	const struct ipc_letter *m = l->m;
	enum outcome o;

	*from = m->from;
	if (m->from_null || str_eq(mail_domain_fold(l->a, m->from.domain), mail_domain_fold(l->a, alias->domain)))
		return OK;
	o = need_key(l->post);
	if (o == OK && srs_forward(&l->post->srs, m->from.local, m->from.domain, l->date_s, l->a, &from->local)) /* F1 */
		from->domain = alias->domain;
	else
		*from = m->from;
	return o;
}

/* RFC 3461 5.2.7: what the sender asked for goes along, and that it was asked about the alias. */
static struct ipc_rcpt_dsn dsn_of(struct pipe_letter *l, size_t rcpt)
{
	const struct ipc_letter *m = l->m;
	struct ipc_rcpt_dsn d = { 0 };

	if (m->n_dsn)
		d = m->dsn[rcpt];
	if (d.orcpt.n == 0) {
		struct buf b;
		const struct ipc_addr *to = &m->rcpts[rcpt];

		buf_init(&b, IPC_RCPT_DSN_ORCPT_MAX);
		buf_addz(&b, mail_has_8bit(to->local) || mail_has_8bit(to->domain) ? "utf-8;" : "rfc822;");
		mail_mailbox_add(&b, to->local, to->domain);
		d.orcpt = arena_dup(l->a, buf_str(&b));
		buf_fini(&b);
	}
	return d;
}

static struct str prefix_of(struct pipe_letter *l, const struct ipc_addr *alias)
{
	struct buf b;
	struct str s;

	buf_init(&b, IPC_QUEUE_SEND_PREFIX_MAX);
	buf_add(&b, l->signatures);
	pipe_add_delivered_to(&b, alias);
	buf_add(&b, l->trace);
	s = arena_dup(l->a, buf_str(&b));
	buf_fini(&b);
	return s;
}

/* All that one recipient's alias sends on: one letter. */
static SUSPENDS enum outcome put(struct pipe_letter *l, size_t rcpt, const struct ipc_addr *to, size_t n)
{
	const struct ipc_letter *m = l->m;
	const struct ipc_addr *alias = &m->rcpts[rcpt];
	struct ipc_rcpt_dsn *dsn = arena_array(l->a, n, sizeof *dsn);
	struct outgoing x = {
		.facts = { .trace = arena_fmt(l->a, "%.*s.f%zu", STR_ARG(m->trace), rcpt), .account = l->account, .login = m->login, .date_s = l->date_s,
			.from_null = m->from_null, .wishes = m->wishes, .wire = m->wire, .flags = pipe_flags(l) | OUT_FORWARDED },
		.rcpts = to, .dsn = dsn, .n = n, .prefix = prefix_of(l, alias), .body = l->body,
	};
	enum outcome o = sender_of(l, alias, &x.facts.from);

	for (size_t i = 0; i < n; i++)
		dsn[i] = dsn_of(l, rcpt);
	return o == OK ? outgoing_put(l->post, &x, l->a) : o;
}

/* The targets of one recipient among the forwards, which stand in the order of recipients. */
static SUSPENDS enum outcome forward_one(struct pipe_letter *l, size_t at, size_t n, struct str letter)
{
	struct ipc_addr *to = arena_array(l->a, n, sizeof *to);
	size_t rcpt = l->forwards.v[at].rcpt;

	if (was_here(l, letter, &l->m->rcpts[rcpt])) {
		log_fields(l->post->log, LOG_LEVEL_WARNING, "forward-loop", LOG_S("trace", l->m->trace), LOG_S("alias", l->m->rcpts[rcpt].local),
			LOG_S("domain", l->m->rcpts[rcpt].domain));
		return EXISTS;
	}
	for (size_t i = 0; i < n; i++)
		to[i] = l->forwards.v[at + i].to;
	return put(l, rcpt, to, n);
}

/* With several recipients one that loops is left out: refusing it would refuse all. */
static SUSPENDS enum outcome forward_all(struct pipe_letter *l, struct str letter)
{
	bool others = l->targets.n || l->elsewhere.n, any = others;
	enum outcome worst = OK;
	size_t n;

	for (size_t at = 0; at < l->forwards.n; at += n) {
		enum outcome o;

		for (n = 1; at + n < l->forwards.n && l->forwards.v[at + n].rcpt == l->forwards.v[at].rcpt;)
			n++;
		o = forward_one(l, at, n, letter);
		if (l->outcomes) {
			l->outcomes[l->forwards.v[at].rcpt] = o;
			continue;
		}
		if (o != OK && o != EXISTS)
			return any ? UNANSWERED : o;
		any |= o == OK;
		worst = o == OK ? worst : o;
	}
	return any || l->outcomes ? OK : worst;
}

SUSPENDS enum outcome pipe_forward(struct pipe_letter *l)
{
	struct body_map map;
	enum outcome o;

	if (l->forwards.n == 0)
		return OK;
	if (body_map(&l->body, &map) != OK)
		return TRY_LATER;
	o = forward_all(l, map.bytes);
	body_unmap(&map);
	return o;
}
