/* role/keys.c - the role that holds private keys and signs what edges and post ask it to.
 * Purpose     one key a name, read from a descriptor that master opened; master never reads it.
 * Trust       requests come from edges, which a stranger may have taken over: it can make signatures while it lives, never
 *             take the key away. Keys that sign letters are another table (role/letter_keys.c), which edges do not reach.
 */
#include "role/keys.h"

#include "base/die.h"
#include "base/map.h"
#include "ipc_gen.h"
#include "net/tls.h"
#include "role/host.h"
#include "role/letter_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEM_MAX ((size_t)64 * 1024)

/* Keys stay for one configuration longer than they are named, for handshakes that began before. */
struct held {
	struct tls_key *key;
	unsigned named; /* in this configuration */
};

struct keys {
	struct host *host;
	struct map by_name; /* struct held */
	unsigned n_configurations;
	struct ipc_service service;
	uint64_t n_signatures;
	struct letter_keys *letters;
};

enum outcome keys_sign(void *ctx, struct str name, int padding, struct str digest, struct buf *signature)
{
	struct keys *k = ctx;
	struct held *held = map_get(&k->by_name, name);

	k->n_signatures++;
	return held ? tls_key_sign(held->key, padding, digest, signature) : NO_SUCH;
}

static void on_sign(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_sign *m = msg;
	struct ipc_sign_reply reply = { 0 };
	struct buf signature;
	enum outcome o;

	buf_init(&signature, IPC_SIGN_SIGNATURE_MAX);
	o = keys_sign(ctx, m->key, m->padding, m->digest, &signature);
	reply.signature = buf_str(&signature);
	ipc_sign_reply_send(call, o, &reply);
	buf_fini(&signature);
}

static ipc_handler *const handlers[IPC_TYPE_COUNT] = { [IPC_SIGN] = on_sign };

static void *keys_open(struct host *h)
{
	struct keys *k = mem_new(struct keys);

	k->host = h;
	map_init(&k->by_name, 0);
	k->letters = letter_keys_new(h->sched, &h->log);
	k->service = (struct ipc_service){ .ctx = k, .handlers = handlers };
	return k;
}

static const struct ipc_service *keys_service(void *self, enum role other)
{
	struct keys *k = self;

	return other == ROLE_POST ? letter_keys_service(k->letters) : &k->service;
}

static struct link *keys_link(void *self, enum role other, uint16_t index)
{
	struct keys *k = self;

	return other == ROLE_POST && index == 0 ? letter_keys_link(k->letters) : NULL;
}

static void keys_dkim_key(void *self, const struct ipc_dkim_key *m, int fd)
{
	letter_keys_add(((struct keys *)self)->letters, m, fd);
}

static void keys_dkim_keys_end(void *self)
{
	letter_keys_end(((struct keys *)self)->letters);
}

static void keys_private_key(void *self, struct str name, int fd)
{
	struct keys *k = self;
	struct tls_key *key = NULL;
	struct held *held;
	char why[256] = "cannot be read";
	char *pem = mem_alloc(PEM_MAX);
	size_t n = 0;
	ssize_t r;

	while ((r = pread(fd, pem + n, PEM_MAX - n, (off_t)n)) > 0)
		n += (size_t)r;
	close(fd);
	if (r == 0)
		key = tls_key_new(str_of(pem, n), why);
	explicit_bzero(pem, PEM_MAX);
	free(pem);
	if (!key) { /* the one that was there stays in use */
		log_error(&k->host->log, "key-refused", "the private key %.*s: %s", STR_ARG(name), why);
		return;
	}
	held = map_get(&k->by_name, name);
	if (!held) {
		held = mem_new(struct held);
		map_put(&k->by_name, name, held);
	}
	tls_key_free(held->key);
	*held = (struct held){ key, k->n_configurations };
}

static void forget(struct held *h)
{
	tls_key_free(h->key);
	free(h);
}

/* The keys of the new one come after it. */
static void keys_reconfigured(void *self)
{
	struct keys *k = self;
	struct str name;
	void *v;

	k->n_configurations++;
	for (size_t at = 0; map_next(&k->by_name, &at, &name, &v);)
		if (((struct held *)v)->named + 1 < k->n_configurations)
			forget(map_del(&k->by_name, name));
}

static bool keys_go(void *self)
{
	(void)self;
	return true;
}

static void keys_stop(void *self, int64_t grace_ms)
{
	struct keys *k = self;

	(void)grace_ms;
	host_done(k->host);
}

static void keys_count(void *self, struct counters *out)
{
	struct keys *k = self;

	out->server[COUNT_SIGNATURES] = k->n_signatures;
	out->server[COUNT_DKIM_SIGNATURES] = letter_keys_count(k->letters);
}

static void keys_close(void *self)
{
	struct keys *k = self;
	struct str name;
	void *v;

	for (size_t at = 0; map_next(&k->by_name, &at, &name, &v);)
		forget(v);
	map_fini(&k->by_name);
	letter_keys_free(k->letters);
	free(k);
}

const struct host_ops keys_ops = {
	.role = ROLE_KEYS,
	.open = keys_open,
	.service = keys_service,
	.link = keys_link,
	.private_key = keys_private_key,
	.dkim_key = keys_dkim_key,
	.dkim_keys_end = keys_dkim_keys_end,
	.reconfigured = keys_reconfigured,
	.go = keys_go,
	.stop = keys_stop,
	.count = keys_count,
	.close = keys_close,
};
