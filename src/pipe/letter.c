/* pipe/letter.c - the stages that every letter passes, and their runner
 * Purpose     from what an edge hands in to what is durable in store; the table below is the order of things.
 * Trust       runs in post; the edge may lie about everything, the letter's bytes are not read here but for the header
 *             of what our own users send.
 * Owns        struct pipe_letter and its arena, for as long as the call lasts.
 * Suspends    in stages that ask store or scan.
 * Invariants  I1 OK is answered only when the letter is durable for each of its accounts (LMTP: of those whose outcome is OK).
 *             I2 a stage that does not return OK ends the letter's way; nothing was kept.
 */
#include "pipe/letter.h"

#include "ipc/words.h"

static const struct pipe_stage stages[] = {
	{ "admit", pipe_admit },
	{ "resolve", pipe_resolve },
	{ "trace", pipe_trace },
	{ "complete", pipe_complete },
	{ "sign", pipe_sign },
	{ "scan", pipe_scan },
	{ "store", pipe_store },
	{ "sent", pipe_sent },
	{ "tell", pipe_tell },
};

#define LETTER_ARENA_MAX ((size_t)64 << 20) /* 200 recipients of 100 accounts each, their prefixes, an index */

static void log_letter(const struct pipe_letter *l, const char *stage, enum outcome o)
{
	log_fields(l->post->log, o == OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, o == OK ? "letter-stored" : "letter-refused",
		LOG_S("trace", l->m->trace), LOG_S("size", arena_fmt(l->a, "%llu", (unsigned long long)l->body.size)),
		LOG_S("accounts", arena_fmt(l->a, "%zu", l->targets.n)),
		LOG_S("elsewhere", arena_fmt(l->a, "%zu", l->elsewhere.n + l->forwards.n)),
		LOG_S("login", l->m->login), LOG_S(o == OK ? NULL : "stage", str_z(stage)),
		LOG_S("outcome", str_z(outcome_name(o))));
}

static SUSPENDS enum outcome run_stages(struct pipe_letter *l)
{
	for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
		enum outcome o = stages[i].fn(l);

		if (o != OK) {
			log_letter(l, stages[i].name, o);
			return o;
		}
	}
	log_letter(l, NULL, OK);
	return OK;
}

static SUSPENDS enum outcome take(struct post *p, struct ipc_call *c, const struct ipc_letter *m, struct ipc_letter_reply *r)
{
	struct arena a;
	struct pipe_letter l = {
		.post = p, .m = m, .a = &a, .edge = peer_index(call_peer(c)), .edge_life = peer_life(call_peer(c)),
		.submission = m->handle != 0, .date_s = sched_wall_us(p->sched) / 1000000, .body = m->body,
	};
	enum outcome o;

	arena_init(&a, "letter", LETTER_ARENA_MAX);
	if (m->service == SERVICE_LMTP)
		l.outcomes = arena_array(call_arena(c), m->n_rcpts, sizeof *l.outcomes);
	p->n_letters++;
	o = run_stages(&l);
	p->n_letters--;
	if (l.rewritten)
		body_writer_close(&l.writer);
	if (o == OK && l.outcomes) {
		r->outcomes = l.outcomes;
		r->n_outcomes = m->n_rcpts;
	}
	vec_free(&l.targets);
	vec_free(&l.shares);
	vec_free(&l.elsewhere);
	vec_free(&l.forwards);
	arena_fini(&a);
	return o;
}

SUSPENDS void post_letter(void *ctx, struct ipc_call *c, const void *msg)
{
	struct post *p = ctx;
	const struct ipc_letter *m = msg;
	struct ipc_letter_reply r = { .text = m->trace };
	enum outcome o = p->n_letters < POST_LETTERS_MAX && !p->stopping ? take(p, c, m, &r) : TRY_LATER;

	if (o == OK)
		p->n_accepted++;
	else
		p->n_refused++;
	ipc_letter_reply_send(c, o, &r);
}
