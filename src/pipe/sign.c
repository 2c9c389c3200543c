/* pipe/sign.c - the stage that signs what our users send (RFC 6376), and letters of our own. See sign.h.
 * Purpose     the domain of the author signs, so that DMARC finds it aligned; where the account may not write as that author, or we have no key
 *             of that domain, the domain of the envelope's sender does, which store has found to be the account's.
 * Trust       the letter is read by scan, which also says who its author is; store says whose that address is.
 * Suspends    in calls to scan, keys and store; while DNS is asked about keys for the first time.
 * Invariants  I1 a letter is never refused for want of a signature.
 *             I2 what is signed are the bytes of l->body: no stage changes them afterwards, and only fields are put before them.
 */
#include "pipe/sign.h"

#include "mail/idn.h"
#include "pipe/letter.h"
#include "pipe/signers.h"

/* What scan made of a letter with these signers. */
struct signing {
	struct dkim_signer signers[SIGNERS_OF_DOMAIN_MAX];
	size_t n;
	struct ipc_index_letter_reply reply;
};

static SUSPENDS enum outcome prepare(struct post *p, const struct body *body, struct signing *x, struct arena *a)
{
	struct ipc_dkim_signer to[SIGNERS_OF_DOMAIN_MAX];
	struct ipc_index_letter m = { .body = *body, .signers = to, .n_signers = x->n, .signed_s = sched_wall_us(p->sched) / 1000000 };

	for (size_t i = 0; i < x->n; i++)
		to[i] = (struct ipc_dkim_signer){ x->signers[i].domain, x->signers[i].selector, (uint8_t)x->signers[i].algorithm };
	if (p->conf->dkim.expire_ms)
		m.expires_s = m.signed_s + p->conf->dkim.expire_ms / 1000;
	return post_read(p, &m, a, &x->reply);
}

static SUSPENDS struct str sign_all(struct post *p, const struct signing *x, struct arena *a)
{
	struct str fields = { 0 };
	struct buf out;

	buf_init(&out, SIGNATURES_MAX);
	for (size_t i = 0; i < x->n && i < x->reply.n_to_sign; i++) {
		struct ipc_dkim_sign m = { x->signers[i].domain, x->signers[i].selector, x->reply.to_sign[i].digest };
		struct ipc_dkim_sign_reply r;
		enum outcome o = ipc_dkim_sign(p->keys, &m, &r, a);

		if (o == OK)
			dkim_finish(x->reply.to_sign[i].field, r.signature, &out);
		else
			log_warning(p->log, "dkim-unsigned", "the key %.*s of %.*s: %s", STR_ARG(m.selector), STR_ARG(m.domain), outcome_name(o));
	}
	fields = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	return fields;
}

/* ---- letters of our own */

/* The keys of the domain, or else of the nearest one above it: reports are from the server's name, whose letters its domain answers for. */
static SUSPENDS void find_signers(struct post *p, struct str domain, struct signing *x, struct arena *a)
{
	while (x->n == 0 && str_find(domain, '.') > 0) {
		x->n = signers_of(p->signers, domain, a, x->signers);
		domain = str_from(domain, (size_t)str_find(domain, '.') + 1);
	}
}

SUSPENDS enum outcome post_sign(struct post *p, struct str domain, const struct body *body, struct arena *a, struct str *fields)
{
	struct signing *x = arena_new(a, struct signing);

	*fields = (struct str){ 0 };
	find_signers(p, mail_domain_fold(a, domain), x, a);
	if (x->n && prepare(p, body, x, a) == OK) /* I1 */
		*fields = sign_all(p, x, a);
	return OK;
}

/* ---- the stage */

static SUSPENDS bool is_theirs(struct pipe_letter *l, const struct ipc_addr *author)
{
	struct ipc_owns m = { .edge = l->edge, .edge_life = l->edge_life, .handle = l->m->handle, .from = *author };
	struct ipc_owns_reply r;

	return ipc_owns(post_store_of_handle(l->post, m.handle), &m, &r, NULL) == OK;
}

/* The author's domain, where it is another than the sender's. */
static SUSPENDS void sign_as_author(struct pipe_letter *l, const struct ipc_addr *author)
{
	struct signing *x = arena_new(l->a, struct signing);

	if (author->domain.n == 0)
		return;
	x->n = signers_of(l->post->signers, author->domain, l->a, x->signers);
	if (x->n && is_theirs(l, author) && prepare(l->post, &l->body, x, l->a) == OK)
		l->signatures = sign_all(l->post, x, l->a);
}

SUSPENDS enum outcome pipe_sign(struct pipe_letter *l)
{
	struct signing *x = arena_new(l->a, struct signing);
	struct str domain = { 0 };
	enum outcome o;

	if (!l->submission || !signers_any(l->post->signers))
		return OK;
	if (!l->m->from_null)
		domain = mail_domain_fold(l->a, l->m->from.domain);
	x->n = signers_of(l->post->signers, domain, l->a, x->signers);
	o = prepare(l->post, &l->body, x, l->a);
	if (o != OK)
		return o; /* the index is wanted in any case */
	l->index = x->reply.index;
	if (!str_eq(x->reply.author.domain, domain))
		sign_as_author(l, &x->reply.author);
	if (l->signatures.n == 0)
		l->signatures = sign_all(l->post, x, l->a);
	return OK;
}
