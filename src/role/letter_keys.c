/* role/letter_keys.c - the keys that sign letters. See the header.
 * Trust       post asks; the letters whose digests it sends are anybody's who has an account.
 * Owns        the keys, in the order in which master sent them.
 * Suspends    never: a signature is made on the scheduler's own stack.
 * Invariants  I1 a key that was changed or whose file cannot be read is the one that there was before, until a configuration comes without it.
 */
#include "role/letter_keys.h"

#include "base/die.h"
#include "base/vec.h"
#include "check/dkim_private.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

#define PEM_MAX ((size_t)64 * 1024)

struct letter_key {
	struct str domain, selector, record; /* heap */
	struct dkim_private *private;
	int64_t made_s;
	bool named; /* in the configuration that is coming in */
};

struct letter_keys {
	struct sched *sched;
	struct log *log;
	struct link post;
	struct VEC(struct letter_key) keys;
	struct ipc_service service;
	ipc_handler *handlers[IPC_TYPE_COUNT];
	uint64_t n_signatures;
};

static struct str heap_dup(struct str s)
{
	return str_of(mem_dup(s.p, s.n), s.n);
}

static void key_fini(struct letter_key *x)
{
	free((void *)(uintptr_t)x->domain.p);
	free((void *)(uintptr_t)x->selector.p);
	free((void *)(uintptr_t)x->record.p);
	dkim_private_free(x->private);
}

static struct letter_key *find(struct letter_keys *k, struct str domain, struct str selector)
{
	for (size_t i = 0; i < k->keys.n; i++)
		if (str_eq(k->keys.v[i].domain, domain) && str_eq(k->keys.v[i].selector, selector))
			return &k->keys.v[i];
	return NULL;
}

/* ---- signing */

struct signing {
	struct dkim_private *key;
	struct str digest;
	struct buf *signature;
	enum outcome outcome;
};

static void sign(void *arg)
{
	struct signing *x = arg;

	x->outcome = dkim_private_sign(x->key, x->digest, x->signature);
}

static void on_sign(void *ctx, struct ipc_call *call, const void *msg)
{
	struct letter_keys *k = ctx;
	const struct ipc_dkim_sign *m = msg;
	struct letter_key *key = find(k, m->domain, m->selector);
	struct buf signature;
	struct signing x = { .key = key ? key->private : NULL, .digest = m->digest, .signature = &signature, .outcome = NO_SUCH };

	buf_init(&signature, IPC_DKIM_SIGN_SIGNATURE_MAX);
	if (key) {
		k->n_signatures++;
		sched_call(k->sched, sign, &x);
	}
	ipc_dkim_sign_reply_send(call, x.outcome, &(struct ipc_dkim_sign_reply){ .signature = buf_str(&signature) });
	buf_fini(&signature);
}

/* ---- what there is */

static void on_list(void *ctx, struct ipc_call *call, const void *msg)
{
	struct letter_keys *k = ctx;
	const struct ipc_dkim_list *m = msg;
	struct ipc_dkim_entry *entries = arena_array(call_arena(call), IPC_DKIM_LIST_ENTRIES_MAX, sizeof *entries);
	struct ipc_dkim_list_reply r = { .entries = entries };

	for (size_t i = m->after; i < k->keys.n && r.n_entries < IPC_DKIM_LIST_ENTRIES_MAX; i++) {
		const struct letter_key *x = &k->keys.v[i];

		entries[r.n_entries++] = (struct ipc_dkim_entry){ .domain = x->domain, .selector = x->selector,
			.algorithm = (uint8_t)dkim_private_algorithm(x->private), .made_s = x->made_s, .record = x->record };
	}
	r.more = m->after + r.n_entries < k->keys.n;
	ipc_dkim_list_reply_send(call, OK, &r);
}

/* ---- from master */

static struct dkim_private *read_key(int fd, char why[256])
{
	char *pem = mem_alloc(PEM_MAX);
	struct dkim_private *key = NULL;
	size_t n = 0;
	ssize_t r;

	while ((r = pread(fd, pem + n, PEM_MAX - n, (off_t)n)) > 0)
		n += (size_t)r;
	if (r == 0)
		key = dkim_private_new(str_of(pem, n), why);
	OPENSSL_cleanse(pem, PEM_MAX);
	free(pem);
	return key;
}

static struct str record_of(const struct dkim_private *key)
{
	struct buf b;
	struct str s;

	buf_init(&b, IPC_DKIM_ENTRY_RECORD_MAX);
	dkim_private_record(key, &b);
	s = heap_dup(buf_str(&b));
	buf_fini(&b);
	return s;
}

void letter_keys_add(struct letter_keys *k, const struct ipc_dkim_key *m, int fd)
{
	char why[256] = "cannot be read";
	struct dkim_private *key = read_key(fd, why);
	struct letter_key *x = find(k, m->domain, m->selector);

	close(fd);
	if (!key) { /* I1 */
		log_error(k->log, "dkim-key-refused", "the key %.*s of %.*s: %s", STR_ARG(m->selector), STR_ARG(m->domain), why);
		if (x)
			x->named = true;
		return;
	}
	if (x)
		key_fini(x);
	else
		x = vec_push(&k->keys);
	*x = (struct letter_key){ heap_dup(m->domain), heap_dup(m->selector), record_of(key), key, m->made_s, true };
}

void letter_keys_end(struct letter_keys *k)
{
	size_t n = 0;

	for (size_t i = 0; i < k->keys.n; i++) {
		if (!k->keys.v[i].named) {
			key_fini(&k->keys.v[i]);
			continue;
		}
		k->keys.v[n] = k->keys.v[i];
		k->keys.v[n++].named = false;
	}
	k->keys.n = n;
	if (k->post.peer)
		ipc_dkim_changed_cast(k->post.peer);
}

/* ---- life */

struct letter_keys *letter_keys_new(struct sched *s, struct log *log)
{
	struct letter_keys *k = mem_new(struct letter_keys);

	k->sched = s;
	k->log = log;
	link_init(&k->post, s);
	k->handlers[IPC_DKIM_SIGN] = on_sign;
	k->handlers[IPC_DKIM_LIST] = on_list;
	k->service = (struct ipc_service){ .ctx = k, .handlers = k->handlers };
	return k;
}

const struct ipc_service *letter_keys_service(struct letter_keys *k)
{
	return &k->service;
}

struct link *letter_keys_link(struct letter_keys *k)
{
	return &k->post;
}

uint64_t letter_keys_count(const struct letter_keys *k)
{
	return k->n_signatures;
}

void letter_keys_free(struct letter_keys *k)
{
	for (size_t i = 0; i < k->keys.n; i++)
		key_fini(&k->keys.v[i]);
	vec_free(&k->keys);
	free(k);
}
