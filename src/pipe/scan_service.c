/* pipe/scan_service.c - the scan role's service: the part index of a letter, what its signatures are made of, and the search in one. See the header.
 * Trust       the letters are hostile; this process has no files and no secrets.
 * Owns        memory for one call.
 * Invariants  I1 an index never passes SCAN_INDEX_MAX: when it would, it is made again with tighter limits.
 */
#include "pipe/scan_service.h"

#include "base/die.h"
#include "check/author.h"
#include "check/dkim_sign.h"
#include "ipc/words.h"
#include "ipc_gen.h"
#include "mail/index.h"
#include "mail/match.h"

#include <stdlib.h>
#include <sys/time.h>

struct scan {
	struct sched *sched;
	struct log *log;
	struct mail_index_limits limits;
	int64_t cpu_ms;
	uint64_t n_works; /* a call may take; 0: any */
	struct ipc_service service;
	ipc_handler *handlers[IPC_TYPE_COUNT];
};

/* Bytes that mail_index_make asks of the arena (mail/index.h). */
static size_t index_memory(const struct mail_index_limits *l)
{
	return (size_t)l->parts_max * sizeof(struct mail_part) * 2 + (size_t)l->text_max * 4 + (size_t)l->field_max * 8 + 65536;
}

struct indexing {
	struct str letter;
	struct mail_index_limits limits;
	struct buf *out;
};

/* On the scheduler's large stack. */
static void make_index(void *arg)
{
	struct indexing *x = arg;
	struct mail_index index;
	struct arena a;

	arena_init(&a, "index", index_memory(&x->limits));
	mail_index_make(x->letter, &x->limits, &a, &index);
	mail_index_encode(&index, x->out);
	arena_fini(&a);
}

static uint32_t at_most(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Limits under which any index is below SCAN_INDEX_MAX (tested). */
static struct mail_index_limits tighter(struct mail_index_limits l)
{
	l.parts_max = at_most(l.parts_max, 500);
	l.text_max = at_most(l.text_max, 16384);
	l.field_max = at_most(l.field_max, 2048);
	return l;
}

/* Work on a letter, on the scheduler's large stack and under the limit of processor time. */
static void work(struct scan *s, void (*fn)(void *), void *arg)
{
	struct itimerval t = { .it_value = { .tv_sec = s->cpu_ms / 1000, .tv_usec = s->cpu_ms % 1000 * 1000 } }, off = { 0 };

	s->n_works++;
	if (s->cpu_ms)
		setitimer(ITIMER_VIRTUAL, &t, NULL);
	sched_call(s->sched, fn, arg);
	if (s->cpu_ms)
		setitimer(ITIMER_VIRTUAL, &off, NULL);
}

/* ---- signatures */

struct signing {
	const struct ipc_index_letter *m;
	struct str letter;
	struct arena *arena;
	struct ipc_index_letter_reply *reply;
};

static void find_author(struct signing *x)
{
	struct ipc_addr a = { 0 };

	if (check_author(x->letter, x->arena, &a.local, &a.domain) && a.local.n <= IPC_ADDR_LOCAL_MAX && a.domain.n <= IPC_ADDR_DOMAIN_MAX)
		x->reply->author = a;
}

static void make_digests(struct signing *x)
{
	struct dkim_signer signers[IPC_INDEX_LETTER_SIGNERS_MAX];
	struct dkim_unsigned *made = arena_array(x->arena, x->m->n_signers, sizeof *made);
	struct ipc_dkim_unsigned *out = arena_array(x->arena, x->m->n_signers, sizeof *out);
	struct dkim_work w = { x->letter, signers, x->m->n_signers, x->m->signed_s, x->m->expires_s };

	for (size_t i = 0; i < w.n_signers; i++) {
		const struct ipc_dkim_signer *s = &x->m->signers[i];

		if (s->algorithm >= DKIM_ALGORITHM_COUNT)
			return;
		signers[i] = (struct dkim_signer){ s->domain, s->selector, (enum dkim_algorithm)s->algorithm };
	}
	if (!dkim_prepare(&w, x->arena, made))
		return;
	for (size_t i = 0; i < w.n_signers; i++)
		out[i] = (struct ipc_dkim_unsigned){ made[i].field, str_of(made[i].digest, DKIM_DIGEST_SIZE) };
	x->reply->to_sign = out;
	x->reply->n_to_sign = w.n_signers;
}

/* On the scheduler's large stack. */
static void prepare_signatures(void *arg)
{
	struct signing *x = arg;

	find_author(x);
	if (x->m->n_signers)
		make_digests(x);
}

static void on_index_letter(void *ctx, struct ipc_call *c, const void *msg)
{
	struct scan *s = ctx;
	const struct ipc_index_letter *m = msg;
	struct ipc_index_letter_reply r = { 0 };
	struct body_map map;
	struct buf out;
	struct indexing x = { .limits = s->limits, .out = &out };
	struct signing g = { .m = m, .arena = call_arena(c), .reply = &r };

	if (body_map(&m->body, &map) != OK) {
		ipc_index_letter_reply_send(c, TRY_LATER, &r);
		return;
	}
	buf_init(&out, SCAN_INDEX_MAX);
	x.letter = map.bytes;
	work(s, make_index, &x);
	if (out.full) { /* I1 */
		buf_reset(&out);
		x.limits = tighter(x.limits);
		work(s, make_index, &x);
	}
	if (m->signed_s) {
		g.letter = map.bytes;
		work(s, prepare_signatures, &g);
	}
	r.index = buf_str(&out);
	ipc_index_letter_reply_send(c, out.full ? FAILED : OK, &r);
	buf_fini(&out);
	body_unmap(&map);
}

/* ---- search */

struct matching {
	struct str prefix, letter;
	struct mail_match_term terms[IPC_MATCH_LETTER_TERMS_MAX];
	size_t n;
	const struct mail_match_limits *limits;
	uint64_t found;
};

static void match_in(struct matching *x, struct str letter)
{
	bool results[IPC_MATCH_LETTER_TERMS_MAX] = { 0 };

	mail_match(letter, x->terms, x->n, results, x->limits);
	for (size_t i = 0; i < x->n; i++)
		x->found |= (uint64_t)results[i] << i;
}

/* The prefix is part of the letter's header: what it says counts like the rest (its body is empty). */
static void match_letter(void *arg)
{
	struct matching *x = arg;

	match_in(x, x->letter);
	if (x->prefix.n)
		match_in(x, x->prefix);
}

static bool match_terms(const struct ipc_match_letter *m, struct matching *x)
{
	static const int kinds[] = { [MATCH_HEADER] = MAIL_MATCH_HEADER, [MATCH_BODY] = MAIL_MATCH_BODY,
		[MATCH_TEXT] = MAIL_MATCH_TEXT };

	x->n = m->n_terms;
	for (size_t i = 0; i < m->n_terms; i++) {
		if (m->terms[i].where >= sizeof kinds / sizeof *kinds)
			return false;
		x->terms[i].kind = kinds[m->terms[i].where];
		x->terms[i].field = m->terms[i].field;
		x->terms[i].needle = m->terms[i].needle;
	}
	return true;
}

static void on_match_letter(void *ctx, struct ipc_call *c, const void *msg)
{
	struct scan *s = ctx;
	const struct ipc_match_letter *m = msg;
	struct mail_match_limits limits = mail_match_limits_default;
	struct matching *x = arena_new(call_arena(c), struct matching);
	struct ipc_match_letter_reply r = { 0 };
	struct body_map map;

	limits.walk = s->limits;
	if (!match_terms(m, x)) {
		ipc_match_letter_reply_send(c, BAD_SYNTAX, &r);
		return;
	}
	if (body_map(&m->body, &map) != OK) {
		ipc_match_letter_reply_send(c, TRY_LATER, &r);
		return;
	}
	x->prefix = m->prefix;
	x->letter = map.bytes;
	x->limits = &limits;
	work(s, match_letter, x);
	body_unmap(&map);
	r.found = x->found;
	ipc_match_letter_reply_send(c, OK, &r);
}

/* ---- life */

struct scan *scan_new(struct sched *sched, struct log *l, const struct conf *c)
{
	struct scan *s = mem_new(struct scan);

	s->sched = sched;
	s->log = l;
	s->limits = mail_index_limits_default;
	s->limits.parts_max = at_most(c->limits.mime_parts_max, 65535);
	s->limits.depth_max = at_most(c->limits.mime_depth_max, 200);
	s->handlers[IPC_INDEX_LETTER] = on_index_letter;
	s->handlers[IPC_MATCH_LETTER] = on_match_letter;
	s->service = (struct ipc_service){ .ctx = s, .handlers = s->handlers };
	return s;
}

const struct ipc_service *scan_service(struct scan *s)
{
	return &s->service;
}

void scan_limit(struct scan *s, int64_t cpu_ms)
{
	s->cpu_ms = cpu_ms;
}

uint64_t scan_count(const struct scan *s)
{
	return s->n_works;
}

void scan_free(struct scan *s)
{
	free(s);
}
