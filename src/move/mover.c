/* move/mover.c - the command as a client of post and store. See the header.
 * Trust       runs as who called it. Letters are hostile, and only scan reads them.
 * Owns        letters under way: a body writer and an arena each.
 * Suspends    the source's task while enough is under way, senders until post has answered.
 * Invariants  I1 letters are sent in the order of mover_send: at most one sender is yet to run, and the source waits behind those that
 *             wait for room. I2 what is not known to be kept is never counted as moved.
 */
#include "move/mover.h"

#include "base/die.h"
#include "base/vec.h"
#include "ipc/words.h"
#include "move/source.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNDER_WAY_MAX 128
#define BYTES_UNDER_WAY_MAX ((uint64_t)32 << 20)
#define IMPORT_MS 120000
#define TRIES 4
#define TRY_AGAIN_MS 1000
#define LETTER_ARENA_MAX ((size_t)1 << 20)
#define FIND_STEP 1000 /* ids a call */

/* ---- reports */

/* Names come from files and servers: none of it may speak to the terminal, be it by a control of two bytes. */
static bool is_control(struct str s, size_t i)
{
	unsigned char c = (unsigned char)s.p[i];

	return c < 0x20 || c == 0x7f || (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0);
}

static void say(struct mover *m, const char *fmt, va_list ap)
{
	struct buf text;

	buf_init(&text, 65536);
	buf_vaddf(&text, fmt, ap);
	for (size_t i = 0; i < text.n; i++)
		if (is_control(buf_str(&text), i))
			text.p[i] = '?';
	progress_clear(&m->progress);
	fflush(stdout);
	fprintf(stderr, "sallyport: %.*s\n", STR_ARG(buf_str(&text)));
	buf_fini(&text);
}

void mover_say(struct mover *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(m, fmt, ap);
	va_end(ap);
}

void mover_fail(struct mover *m, const char *fmt, ...)
{
	va_list ap;

	m->failed = true;
	va_start(ap, fmt);
	say(m, fmt, ap);
	va_end(ap);
}

void mover_stop(struct mover *m, const char *why)
{
	if (m->why_stopped)
		return;
	m->why_stopped = why;
	mover_fail(m, "%s", why);
}

bool mover_goes_on(const struct mover *m)
{
	return !m->why_stopped;
}

static void count(struct mover *m, uint64_t size)
{
	m->progress.letters++;
	m->progress.bytes += size;
	progress_show(&m->progress, sched_now_ms(m->sched));
}

void mover_refuse(struct mover *m, struct str name, const char *why)
{
	m->n_refused++;
	mover_fail(m, "%.*s: not moved: %s", STR_ARG(name), why);
	count(m, 0);
}

void mover_skip(struct mover *m, uint64_t size)
{
	m->n_known++;
	count(m, size);
}

struct folder_counts mover_counts(const struct mover *m)
{
	return (struct folder_counts){ m->n_moved, m->n_known, m->n_refused };
}

static void print_counts(struct mover *m, const struct folder_counts *before)
{
	printf("\tmoved\t%llu\tknown\t%llu\trefused\t%llu", (unsigned long long)(m->n_moved - before->moved),
		(unsigned long long)(m->n_known - before->known), (unsigned long long)(m->n_refused - before->refused));
}

void mover_folder_line(struct mover *m, const struct folder_to *to, const struct folder_counts *before)
{
	progress_clear(&m->progress);
	printf("folder\t%.*s", STR_ARG(to->name));
	print_counts(m, before);
	printf("\t%s\n", to->keeps_uids ? "UIDs kept" : "new UIDs");
}

static void summary(struct mover *m)
{
	int64_t ms = sched_now_ms(m->sched) - m->progress.began_ms;
	struct buf rate;

	buf_init(&rate, 100);
	if (ms > 0) {
		add_bytes_text(&rate, m->bytes_moved * 1000 / (uint64_t)ms);
		buf_addz(&rate, "/s");
	}
	progress_clear(&m->progress);
	printf("all");
	print_counts(m, &(struct folder_counts){ 0 });
	printf("\tbytes\t%llu\tseconds\t%lld.%lld\t%.*s%s\n", (unsigned long long)m->bytes_moved, (long long)(ms / 1000),
		(long long)(ms / 100 % 10), STR_ARG(buf_str(&rate)), m->opts->dry_run ? "\tdry run: nothing was changed" : "");
	fflush(stdout);
	buf_fini(&rate);
	if (m->n_renumbered)
		mover_say(m, "%llu letters could not keep their UIDs: the mailbox has got letters with those or higher ones since",
			(unsigned long long)m->n_renumbered);
	if (m->n_left_out)
		mover_say(m, "%llu keywords could not be kept: a mailbox has room for so many only, or they are no IMAP keywords",
			(unsigned long long)m->n_left_out);
}

/* ---- ids */

struct str move_id(struct arena *a, const struct str *parts, size_t n)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		die("move: no SHA-256");
	for (size_t i = 0; i < n; i++) {
		uint64_t size = parts[i].n;

		EVP_DigestUpdate(ctx, &size, sizeof size);
		EVP_DigestUpdate(ctx, parts[i].p, parts[i].n);
	}
	EVP_DigestFinal_ex(ctx, digest, NULL);
	EVP_MD_CTX_free(ctx);
	return arena_dup(a, str_of(digest, MOVE_ID_SIZE));
}

/* ---- letters */

static bool is_full(const struct mover *m, uint64_t size)
{
	return m->n_under_way >= UNDER_WAY_MAX || (m->n_under_way && m->bytes_under_way + size > BYTES_UNDER_WAY_MAX);
}

static SUSPENDS void wait_while(struct mover *m, bool (*full)(const struct mover *m, uint64_t size), uint64_t size)
{
	struct gate *moved = &m->moved;

	while (full(m, size)) {
		task_wait(m->sched, &moved, 1, sched_now_ms(m->sched) + 1000);
		progress_show(&m->progress, sched_now_ms(m->sched));
	}
}

static bool is_any(const struct mover *m, uint64_t size)
{
	(void)size;
	return m->n_under_way > 0;
}

SUSPENDS void mover_wait_all(struct mover *m)
{
	wait_while(m, is_any, 0);
}

SUSPENDS struct sending *mover_begin(struct mover *m, uint64_t size)
{
	struct sending *s = mem_new(struct sending);

	wait_while(m, is_full, size);
	s->mover = m;
	s->size = size;
	s->q.handle = m->handle;
	arena_init(&s->arena, "letter moved", LETTER_ARENA_MAX);
	body_writer_open(&s->writer, &m->budget, m->opts->conf->limits.message_size_max);
	letter_text_open(&s->text, &s->writer);
	return s;
}

static void sending_free(struct sending *s)
{
	body_writer_close(&s->writer);
	arena_fini(&s->arena);
	free(s);
}

void mover_forget(struct sending *s)
{
	sending_free(s);
}

void mover_drop(struct sending *s, const char *why)
{
	mover_refuse(s->mover, s->name, why ? why : source_why(errno));
	sending_free(s);
}

void mover_sent(struct mover *m, uint64_t size)
{
	m->n_moved++;
	m->bytes_moved += size;
	m->progress.bytes_moved += size;
	count(m, size);
}

static void moved(struct sending *s, const struct ipc_import_reply *r)
{
	struct mover *m = s->mover;

	m->n_left_out += r->left_out;
	m->n_renumbered += s->q.uid && r->uid != s->q.uid;
	mover_sent(m, s->size);
}

static void not_moved(struct sending *s, enum outcome o)
{
	struct mover *m = s->mover;

	switch (o) {
	case OVER_LIMIT: /* its size was looked at before */
		mover_stop(m, "the account's quota is full, or the mailbox can take no more; raise the quota and run the same command again: "
			      "it goes on where it stopped");
		break;
	case NO_ROOM:
		mover_stop(m, "the server's disk is full up to its reserve; make room and run the same command again: it goes on where it stopped");
		break;
	case TRY_LATER:
	case UNANSWERED:
	case REVOKED:
		mover_stop(m, "the server does not answer any more; when it is up again run the same command again: it goes on where it stopped");
		break;
	default:
		mover_refuse(m, s->name, o == NO_SUCH ? "its folder is not there any more" : outcome_name(o));
		break;
	}
}

static SUSPENDS void send_main(void *arg)
{
	struct sending *s = arg;
	struct mover *m = s->mover;
	struct ipc_import_reply r = { 0 };
	enum outcome o = TRY_LATER;

	for (int i = 0; i < TRIES && (o == TRY_LATER || o == UNANSWERED) && !m->why_stopped; i++) {
		if (i)
			task_sleep(m->sched, TRY_AGAIN_MS);
		o = ipc_import_within(&m->post, &s->q, &r, NULL, IMPORT_MS);
	}
	if (o == OK)
		moved(s, &r);
	else
		not_moved(s, o);
	m->n_under_way--;
	m->bytes_under_way -= s->size;
	gate_open(m->sched, &m->moved);
	sending_free(s);
}

static const char *fault_of(struct sending *s)
{
	const char *fault = letter_text_fault(&s->text);

	if (!fault && body_writer_seal(&s->writer, &s->q.body) != OK)
		fault = "there is no memory for it";
	return fault;
}

SUSPENDS void mover_send(struct sending *s)
{
	struct mover *m = s->mover;
	const char *fault = fault_of(s);

	if (fault) {
		mover_drop(s, fault);
	} else if (m->opts->dry_run) {
		moved(s, &(struct ipc_import_reply){ .uid = s->q.uid });
		sending_free(s);
	} else {
		link_wait_room(&m->post, NEVER_MS); /* I1 */
		m->n_under_way++;
		m->bytes_under_way += s->size;
		task_spawn(m->sched, "send", send_main, s);
		task_yield(m->sched);
	}
}

SUSPENDS bool mover_known(struct mover *m, const struct str *ids, size_t n, uint32_t *uids)
{
	struct arena a;
	enum outcome o = OK;

	for (size_t at = 0; at < n && o == OK; at += FIND_STEP) {
		struct ipc_moved_find ask = { .handle = m->handle, .ids = ids + at, .n_ids = n - at < FIND_STEP ? n - at : FIND_STEP };
		struct ipc_moved_find_reply r;

		arena_init(&a, "known", IPC_REPLY_MEMORY);
		o = ipc_moved_find(&m->store, &ask, &r, &a);
		if (o == OK && r.n_uids == ask.n_ids)
			memcpy(uids + at, r.uids, r.n_uids * sizeof *uids);
		arena_fini(&a);
	}
	if (o != OK)
		mover_stop(m, "the server does not answer any more; when it is up again run the same command again: it goes on where it stopped");
	return o == OK;
}

/* ---- the run */

struct run {
	struct mover m;
	void (*body)(struct mover *m);
};

static SUSPENDS enum outcome open_account(struct mover *m)
{
	struct ipc_open_account q = { .address = m->opts->address };
	struct ipc_open_account_reply r = { 0 };
	enum outcome o = ipc_open_account(&m->store, &q, &r, NULL);

	m->handle = r.handle;
	if (o == NO_SUCH)
		mover_fail(m, "%.*s@%.*s: there is no such account; see: sallyport account list", STR_ARG(q.address.local),
			STR_ARG(q.address.domain));
	else if (o != OK)
		mover_fail(m, "the account cannot be opened: %s", outcome_name(o));
	return o;
}

static SUSPENDS void run_main(void *arg)
{
	struct run *r = arg;
	struct mover *m = &r->m;

	if (open_account(m) == OK) {
		r->body(m);
		mover_wait_all(m);
		summary(m);
	}
	link_close(&m->store);
	link_close(&m->post);
}

static bool join(struct mover *m, struct link *l, enum role other)
{
	int fd = m->opts->channels[other];

	link_init(l, m->sched);
	if (fd < 0) {
		mover_fail(m, "role %s is not up; see: sallyport status", role_name(other));
		return false;
	}
	m->opts->channels[other] = -1;
	link_set(l, peer_open(&(struct peer_opts){ .sched = m->sched, .log = &m->log, .self = ROLE_CTL, .other = other, .life = 1, .fd = fd,
				    .greeted = true }));
	return true;
}

int mover_run(const struct move_opts *o, void (*body)(struct mover *m))
{
	struct run *r = mem_new(struct run);
	struct mover *m = &r->m;
	bool failed, up;

	r->body = body;
	m->opts = o;
	m->sched = sched_new(NULL);
	m->budget.max = UINT64_MAX;
	log_init(&m->log, 2, "command");
	gate_init(&m->moved);
	progress_open(&m->progress, o->quiet ? -1 : 2, sched_now_ms(m->sched));
	up = join(m, &m->store, ROLE_STORE);
	up = join(m, &m->post, ROLE_POST) && up;
	if (up)
		task_spawn(m->sched, "move", run_main, r);
	else {
		link_close(&m->store);
		link_close(&m->post);
	}
	sched_run(m->sched);
	sched_free(m->sched);
	failed = m->failed || !up;
	free(r);
	return failed ? 1 : 0;
}
