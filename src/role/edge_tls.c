/* role/edge_tls.c - the edges' TLS: certificates as master sends them, signatures by keys
 * Suspends    nothing: the signature from keys blocks the process, with a deadline.
 */
#include "role/edge_impl.h"

#include "role/keys.h"

#include <stdlib.h>

#define IDENTITIES_ARENA_MAX ((size_t)32 << 20)
#define KEYS_TIMEOUT_MS 2000

enum outcome edge_ask_keys(void *ctx, struct str key, int padding, struct str digest, struct buf *signature)
{
	struct edge *e = ctx;
	struct ipc_sign m = { .key = key, .padding = (uint8_t)padding, .digest = digest };
	struct ipc_sign_reply reply;
	struct arena a;
	enum outcome o;

	if (e->host->keys)
		return keys_sign(e->host->keys->self, m.key, padding, digest, signature);
	if (e->keys_fd < 0 || digest.n > IPC_SIGN_DIGEST_MAX)
		return TRY_LATER;
	if (!e->keys_greeted && ipc_sync_hello(e->keys_fd, e->host->role, ROLE_KEYS, KEYS_TIMEOUT_MS) != OK)
		return TRY_LATER;
	e->keys_greeted = true;
	arena_init(&a, "signature", IPC_RECORD_MAX * 4);
	o = ipc_sync_call(e->keys_fd, IPC_SIGN, &m, &reply, &a, KEYS_TIMEOUT_MS);
	if (o == OK)
		buf_add(signature, reply.signature);
	arena_fini(&a);
	return o;
}

void edge_renew_tls(struct edge *e)
{
	struct tls_server *t;
	char why[256];

	if (e->inside.n == 0)
		return;
	t = tls_server_new(e->inside.v, e->inside.n, e->ticket_key, e->host->conf->conf->tls.min_version, &e->signer, why);
	if (!t) {
		log_error(&e->host->log, "certificate-refused", "%s; the one in use stays", why);
		return;
	}
	tls_server_put(e->tls);
	e->tls = t;
}

static struct str own(struct str s)
{
	return str_of(mem_dup(s.p, s.n), s.n);
}

void edge_identities_fini(struct identities *x)
{
	if (x->n)
		arena_fini(&x->arena);
	*x = (struct identities){ 0 };
}

static void identity_keep(struct identities *x, const struct ipc_certificate *m)
{
	struct str *names = arena_array(&x->arena, m->n_names, sizeof *names);

	for (size_t i = 0; i < m->n_names; i++)
		names[i] = arena_dup(&x->arena, m->names[i]);
	x->v[m->number] = (struct tls_identity){ .chain = arena_dup(&x->arena, m->chain), .key = arena_dup(&x->arena, m->key), .names = names,
		.n_names = m->n_names };
	x->n_known++;
}

/* They count when all are there. */
void edge_certificate(void *self, const struct ipc_certificate *m)
{
	struct edge *e = self;
	struct identities *x = &e->coming;

	if (m->number == 0) {
		edge_identities_fini(x);
		arena_init(&x->arena, "certificates", IDENTITIES_ARENA_MAX);
		x->n = m->count;
		x->v = arena_array(&x->arena, x->n, sizeof *x->v);
	}
	die_unless(m->number == x->n_known && m->number < x->n && m->count == x->n, "role/edge: certificates out of order");
	identity_keep(x, m);
	if (x->n_known < x->n)
		return;
	edge_identities_fini(&e->inside);
	e->inside = *x;
	*x = (struct identities){ 0 };
	edge_renew_tls(e);
}

void edge_ticket_key(void *self, struct str key)
{
	struct edge *e = self;

	free((void *)(uintptr_t)e->ticket_key.p);
	e->ticket_key = own(key);
	edge_renew_tls(e);
}
