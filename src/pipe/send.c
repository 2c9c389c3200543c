/* pipe/send.c - the part of a letter that leaves: to recipients in domains that are not ours, and to where aliases lead
 * Suspends    until it is durable in the queue.
 * Invariants  I1 the sender of what an alias sends on is rewritten, so that reports come back by the same way (SRS).
 */
#include "pipe/letter.h"

#include "ipc/words.h"
#include "mail/idn.h"
#include "mail/traits.h"
#include "pipe/outgoing.h"

bool post_takes_elsewhere(const struct post *p, bool submission, const struct ipc_addr *rcpt)
{
	const struct conf_route *route;
	struct arena a;

	if (submission)
		return true;
	arena_init(&a, "relay domain", 8192);
	route = conf_route_find(p->conf, mail_domain_fold(&a, rcpt->domain));
	arena_fini(&a);
	return route && route->relay;
}

static struct str prefix_of(struct pipe_letter *l)
{
	return arena_fmt(l->a, "%.*s%.*s", STR_ARG(l->signatures), STR_ARG(l->trace));
}

uint32_t pipe_flags(const struct pipe_letter *l)
{
	struct mail_traits t;
	struct body_map map;

	if (body_map(&l->body, &map) != OK)
		return OUT_8BIT_HEADER | OUT_8BIT_BODY; /* what is true of every letter that is looked at again */
	t = mail_traits_of(map.bytes);
	body_unmap(&map);
	return (t.tls_optional ? OUT_TLS_OPTIONAL : 0u) | (t.header_8bit ? OUT_8BIT_HEADER : 0u) | (t.body_8bit ? OUT_8BIT_BODY : 0u);
}

static struct ipc_out_facts facts_of(const struct pipe_letter *l)
{
	const struct ipc_letter *m = l->m;

	return (struct ipc_out_facts){ .trace = m->trace, .account = l->account, .login = m->login, .date_s = l->date_s, .from_null = m->from_null,
		.from = m->from, .wishes = m->wishes, .wire = m->wire, .flags = pipe_flags(l) | (l->submission ? 0u : OUT_RELAYED) };
}

static SUSPENDS enum outcome send_elsewhere(struct pipe_letter *l)
{
	struct ipc_addr *rcpts = arena_array(l->a, l->elsewhere.n, sizeof *rcpts);
	struct ipc_rcpt_dsn *dsn = arena_array(l->a, l->elsewhere.n, sizeof *dsn);
	struct outgoing o = { .facts = facts_of(l), .rcpts = rcpts, .dsn = l->m->n_dsn ? dsn : NULL, .n = l->elsewhere.n, .prefix = prefix_of(l),
		.body = l->body };

	for (size_t i = 0; i < l->elsewhere.n; i++) {
		rcpts[i] = l->m->rcpts[l->elsewhere.v[i]];
		if (l->m->n_dsn)
			dsn[i] = l->m->dsn[l->elsewhere.v[i]];
	}
	return outgoing_put(l->post, &o, l->a);
}

SUSPENDS enum outcome pipe_send(struct pipe_letter *l)
{
	return l->elsewhere.n ? send_elsewhere(l) : OK;
}
