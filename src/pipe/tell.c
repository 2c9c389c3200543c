/* pipe/tell.c - word of success to senders who asked for it, about recipients whose mail ends here (RFC 3461 4.1, 5.2.3)
 * Suspends    until the report is durable.
 * Invariants  T1 the letter is accepted and durable when this begins; whatever becomes of the report, it stays so.
 *             T2 nothing is said of recipients who have it not, or whose letters went on: others report on those.
 */
#include "pipe/letter.h"

#include "ipc/words.h"
#include "pipe/forward.h"
#include "pipe/report_impl.h"

/* T2. */
static bool ends_here(const struct pipe_letter *l, size_t rcpt)
{
	if (l->outcomes && l->outcomes[rcpt] != OK)
		return false;
	for (size_t i = 0; i < l->elsewhere.n; i++)
		if (l->elsewhere.v[i] == rcpt)
			return false;
	for (size_t i = 0; i < l->forwards.n; i++)
		if (l->forwards.v[i].rcpt == rcpt)
			return false;
	return true;
}

static size_t collect(const struct pipe_letter *l, struct mail_dsn_rcpt *v)
{
	size_t n = 0;

	for (size_t i = 0; i < l->m->n_dsn; i++)
		if ((l->m->dsn[i].notify & NOTIFY_SUCCESS) && ends_here(l, i))
			v[n++] = (struct mail_dsn_rcpt){ .local = l->m->rcpts[i].local, .domain = l->m->rcpts[i].domain, .orcpt = l->m->dsn[i].orcpt,
				.status = STR("2.1.5"), .at_s = l->date_s };
	return n;
}

SUSPENDS enum outcome pipe_tell(struct pipe_letter *l)
{
	const struct ipc_letter *m = l->m;
	struct mail_dsn_rcpt *v;
	struct mail_dsn d = { .action = MAIL_DSN_DELIVERED, .hostname = l->post->conf->hostname, .envid = m->wishes.envid, .arrival_s = l->date_s,
		.now_s = l->date_s, .utf8 = m->wire & WIRE_UTF8, .headers_only = true };
	struct report_job j = { .trace = m->trace, .now_s = l->date_s, .a = l->a };
	struct body_map map;

	if (m->from_null || m->n_dsn == 0)
		return OK;
	v = arena_array(l->a, m->n_dsn, sizeof *v);
	d.n_rcpts = collect(l, v);
	d.rcpts = v;
	if (d.n_rcpts == 0 || post_sender_behind(l->post, &m->from, l->a, &j.to) != OK || body_map(&l->body, &map) != OK)
		return OK; /* T1 */
	d.id = j.id = arena_fmt(l->a, "s%016llx", (unsigned long long)str_hash(m->trace, 0));
	d.to_local = j.to.local;
	d.to_domain = j.to.domain;
	d.original = map.bytes;
	if (report_dispatch(l->post, &j, &d) != OK)
		log_fields(l->post->log, LOG_LEVEL_WARNING, "report-dropped", LOG_S("trace", m->trace), LOG_S("why", STR("try-later")));
	body_unmap(&map);
	return OK;
}
