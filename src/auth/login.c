/* auth/login.c - logging in: credential from store, hash, grant.
 * Purpose     one answer for a wrong name and a wrong password, in the same time; hashing on threads of its own.
 * Trust       the secret comes from an edge, hence from anybody; store is trusted.
 * Owns        a bounded table of recently verified secrets, as keyed digests bound to the credential's version.
 * Suspends    while store answers and while a thread hashes; nothing of the table is held across either.
 * Invariants  I1 a handle is given out only after store has granted it. I2 no secret outlives its request.
 */
#include "auth/login.h"

#include "audit/chain.h"
#include "auth/code.h"
#include "auth/network.h"
#include "auth/password.h"
#include "base/clock.h"
#include "base/die.h"
#include "base/map.h"
#include "base/rng.h"
#include "ipc/words.h"
#include "ipc_gen.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_SIZE 32
#define REMEMBERED_MAX 20000
#define REMEMBER_MS ((int64_t)3600 * 1000)
#define THREADS_MAX 16
#define CHANGES_MAX 4 /* of an account while its login is checked, before it is told to come later */

struct hash_job {
	struct node node;
	struct str secret, hash;
	bool right, done;
	struct gate gate;
};

struct login {
	struct login_opts o;
	struct ipc_service service;
	unsigned char key[DIGEST_SIZE];
	struct map verified; /* digest -> expiry in ms, as an allocated int64_t */
	pthread_t threads[THREADS_MAX];
	unsigned n_threads;
	pthread_mutex_t lock; /* guards todo, finished, quit */
	pthread_cond_t wake;
	struct node todo, finished;
	bool quit;
	struct bell bell;
	struct task *collector;
	uint64_t n_ok, n_denied, n_remembered;
};

/* ---- hashing threads */

static void *hash_thread(void *arg)
{
	struct login *l = arg;

	pthread_mutex_lock(&l->lock);
	for (;;) {
		struct hash_job *j;

		while (!l->quit && list_empty(&l->todo))
			pthread_cond_wait(&l->wake, &l->lock);
		if (l->quit)
			break;
		j = list_entry(l->todo.next, struct hash_job, node);
		list_del(&j->node);
		pthread_mutex_unlock(&l->lock);
		j->right = password_verify(j->secret, j->hash);
		pthread_mutex_lock(&l->lock);
		list_add_last(&l->finished, &j->node);
		bell_ring(&l->bell);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static void collect_main(void *arg)
{
	struct login *l = arg;

	while (bell_wait(&l->bell, NEVER_MS) == 0) {
		pthread_mutex_lock(&l->lock);
		list_each(it, nxt, &l->finished) {
			struct hash_job *j = list_entry(it, struct hash_job, node);

			list_del(&j->node);
			j->done = true;
			gate_open(l->o.sched, &j->gate);
		}
		pthread_mutex_unlock(&l->lock);
	}
	bell_close(&l->bell);
}

struct inline_job {
	struct str secret, hash;
	bool right;
};

static void verify_here(void *arg)
{
	struct inline_job *j = arg;

	j->right = password_verify(j->secret, j->hash);
}

static SUSPENDS bool verify(struct login *l, struct str secret, struct str hash)
{
	struct hash_job job = { .secret = secret, .hash = hash };
	struct gate *g = &job.gate;

	if (!l->n_threads) {
		struct inline_job j = { secret, hash, false };

		sched_call(l->o.sched, verify_here, &j);
		return j.right;
	}
	gate_init(&job.gate);
	pthread_mutex_lock(&l->lock);
	list_add_last(&l->todo, &job.node);
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	while (!job.done) /* the thread writes to job: not even a cancelled task may leave before */
		if (task_wait(l->o.sched, &g, 1, NEVER_MS) == WAIT_STOP && !job.done)
			die("auth/login: cancelled while a password was hashed");
	return job.right;
}

/* ---- what was verified lately */

static void digest_of(const struct login *l, const struct ipc_login *m, const struct ipc_credential_reply *c, unsigned char out[DIGEST_SIZE])
{
	unsigned n = DIGEST_SIZE;
	struct buf b;

	buf_init(&b, 4096);
	buf_add(&b, str_of(&c->account, sizeof c->account));
	buf_add(&b, str_of(&c->version, sizeof c->version));
	buf_add(&b, m->secret);
	HMAC(EVP_sha256(), l->key, DIGEST_SIZE, (const unsigned char *)b.p, b.n, out, &n);
	explicit_bzero(b.p, b.n);
	buf_fini(&b);
}

static bool remembered(struct login *l, const unsigned char digest[DIGEST_SIZE])
{
	int64_t *until = map_get(&l->verified, str_of(digest, DIGEST_SIZE));

	return until && *until > sched_now_ms(l->o.sched);
}

static void forget_all(struct login *l)
{
	struct str key;
	void *v;

	for (size_t at = 0; map_next(&l->verified, &at, &key, &v);)
		free(v);
	map_fini(&l->verified);
}

static void remember(struct login *l, const unsigned char digest[DIGEST_SIZE])
{
	int64_t *until = map_get(&l->verified, str_of(digest, DIGEST_SIZE));

	if (!until) {
		if (l->verified.n >= REMEMBERED_MAX)
			forget_all(l);
		until = mem_new(int64_t);
		map_put(&l->verified, str_of(digest, DIGEST_SIZE), until);
	}
	*until = sched_now_ms(l->o.sched) + REMEMBER_MS;
}

/* ---- the request */

static SUSPENDS bool secret_is_right(struct login *l, const struct ipc_login *m, const struct ipc_credential_reply *c)
{
	unsigned char digest[DIGEST_SIZE];
	bool right;

	digest_of(l, m, c, digest);
	if (remembered(l, digest)) {
		l->n_remembered++;
		return true;
	}
	right = verify(l, m->secret, c->hash);
	if (right)
		remember(l, digest);
	explicit_bzero(digest, sizeof digest);
	return right;
}

/* A code that this secret is, in use here and now; 0: none. Every one is tried, so that time tells nothing. */
static uint32_t matching_code(const struct ipc_login *m, const struct ipc_credential_reply *c)
{
	int64_t now_s = clock_wall_us() / 1000000;
	uint32_t found = 0;

	for (size_t i = 0; i < c->n_codes; i++) {
		const struct ipc_code *k = &c->codes[i];

		if (code_matches(m->secret, k->hash) && (k->services & access_of(m->service)) && (!k->expires_s || k->expires_s > now_s) &&
			networks_have(k->networks, m->ip))
			found = k->id;
	}
	return found;
}

/* What opens the account: a code, else the main password. The hash is verified also where it opens nothing. */
static SUSPENDS bool may_enter(struct login *l, const struct ipc_login *m, const struct ipc_credential_reply *c, uint32_t *code)
{
	bool open = (c->services & access_of(m->service)) != 0;

	*code = matching_code(m, c);
	if (*code && open)
		return true;
	return secret_is_right(l, m, c) && open && !(c->flags & SETTING_SECOND_FACTOR);
}

static SUSPENDS enum outcome check(struct login *l, struct peer *edge, const struct ipc_login *m, struct ipc_login_reply *out, struct arena *a)
{
	struct ipc_credential ask = { .login = m->user };
	struct ipc_credential_reply c = { 0 };
	struct ipc_grant grant;
	struct ipc_grant_reply granted;
	uint32_t code;
	enum outcome o = ipc_credential(&l->o.stores[0], &ask, &c, a);

	if (o != OK && o != NO_SUCH && o != DENIED)
		return TRY_LATER;
	if (o != OK) {
		verify(l, m->secret, (struct str){ 0 }); /* the same work for a name that does not exist */
		return DENIED;
	}
	if (!may_enter(l, m, &c, &code))
		return DENIED;
	grant = (struct ipc_grant){ .edge = peer_index(edge), .edge_life = peer_life(edge), .account = c.account, .version = c.version,
		.code = code, .service = m->service, .ip = m->ip };
	o = ipc_grant(&l->o.stores[c.account % l->o.n_stores], &grant, &granted, a);
	if (o != OK)
		return o == DENIED || o == NO_SUCH ? DENIED : o == BAD_STATE ? BAD_STATE : TRY_LATER; /* changed or deleted meanwhile */
	*out = (struct ipc_login_reply){ .handle = granted.handle, .account = c.account, .address = c.address };
	return OK;
}

static void record(struct login *l, const struct ipc_login *m, enum outcome o, uint64_t account)
{
	struct ipc_audited a = { .kind = o == OK ? AUDIT_LOGIN : AUDIT_LOGIN_REFUSED, .account = account, .service = m->service, .ip = m->ip,
		.user = m->user };

	if (o == OK || o == DENIED)
		ipc_audited_cast(l->o.stores[0].peer, &a);
}

static void on_login(void *ctx, struct ipc_call *call, const void *msg)
{
	struct login *l = ctx;
	struct ipc_login_reply out = { 0 };
	enum outcome o = BAD_STATE;

	for (int i = 0; i < CHANGES_MAX && o == BAD_STATE; i++)
		o = check(l, call_peer(call), msg, &out, call_arena(call));
	if (o == BAD_STATE)
		o = TRY_LATER;

	l->n_ok += o == OK;
	l->n_denied += o == DENIED;
	record(l, msg, o, out.account);
	ipc_login_reply_send(call, o, &out);
}

static void on_status(void *ctx, struct ipc_call *call, const void *msg)
{
	struct login *l = ctx;
	struct str lines[1];
	struct ipc_auth_status_reply reply = { .lines = lines, .n_lines = 1 };

	(void)msg;
	lines[0] = arena_fmt(call_arena(call), "logins\t%llu\trefused\t%llu\tremembered\t%llu", (unsigned long long)l->n_ok,
		(unsigned long long)l->n_denied, (unsigned long long)l->n_remembered);
	ipc_auth_status_reply_send(call, OK, &reply);
}

static ipc_handler *const handlers[IPC_TYPE_COUNT] = { [IPC_LOGIN] = on_login, [IPC_AUTH_STATUS] = on_status };

struct login *login_new(const struct login_opts *opts)
{
	struct login *l = mem_new(struct login);

	l->o = *opts;
	l->service = (struct ipc_service){ .ctx = l, .handlers = handlers };
	rng_bytes(l->key, sizeof l->key);
	map_init(&l->verified, rng_u64());
	list_init(&l->todo);
	list_init(&l->finished);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->wake, NULL);
	l->n_threads = opts->n_threads < THREADS_MAX ? opts->n_threads : THREADS_MAX;
	return l;
}

void login_start(struct login *l)
{
	if (l->n_threads) {
		bell_open(&l->bell, l->o.sched);
		l->collector = task_spawn(l->o.sched, "hashes", collect_main, l);
	}
	for (unsigned i = 0; i < l->n_threads; i++)
		if (pthread_create(&l->threads[i], NULL, hash_thread, l) != 0)
			die("auth/login: no thread for hashing");
}

const struct ipc_service *login_service(struct login *l)
{
	return &l->service;
}

void login_stop(struct login *l)
{
	pthread_mutex_lock(&l->lock);
	l->quit = true;
	pthread_cond_broadcast(&l->wake);
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < l->n_threads; i++)
		pthread_join(l->threads[i], NULL);
	if (l->collector)
		task_cancel(l->collector);
	l->collector = NULL;
}

void login_count(const struct login *l, struct counters *out)
{
	out->server[COUNT_PASSWORDS_RIGHT] = l->n_ok;
	out->server[COUNT_PASSWORDS_WRONG] = l->n_denied;
	out->server[COUNT_PASSWORDS_REMEMBERED] = l->n_remembered;
}

void login_free(struct login *l)
{
	forget_all(l);
	explicit_bzero(l->key, sizeof l->key);
	free(l);
}
