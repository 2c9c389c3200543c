/* role/master_certs.c - certificates by name: read, judged, handed out; how long they last
 * Purpose     a set of certificates that work, whatever became of their files: at a reload each that cannot be used keeps its
 *             place in the set that was there before.
 * Trust       files are the operator's. Private keys are not read here: a process made for it looks whether a key fits its
 *             certificate, says so, and ends.
 * Owns        chains and descriptors of the set in use.
 */
#include "role/master_impl.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/file.h"
#include "ipc_gen.h"
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY_FILE_MAX ((size_t)64 * 1024)
#define DAY_S ((int64_t)86400)
#define WARN_DAYS 14
#define LOOK_EVERY_MS (DAY_S * 1000)

/* ---- does a key fit: in a process of its own */

static _Noreturn void judge_key(int fd, struct str chain, int out)
{
	char why[256] = "cannot be read";
	char *pem = mem_alloc(KEY_FILE_MAX);
	struct tls_key *key = NULL;
	size_t n = 0;
	ssize_t r;

	prctl(PR_SET_DUMPABLE, 0);
	while ((r = pread(fd, pem + n, KEY_FILE_MAX - n, (off_t)n)) > 0)
		n += (size_t)r;
	if (r == 0)
		key = tls_key_new(str_of(pem, n), why);
	if (key && tls_key_fits(key, chain))
		why[0] = 0;
	else if (key)
		snprintf(why, sizeof why, "the key does not belong to the certificate");
	explicit_bzero(pem, KEY_FILE_MAX);
	if (why[0] && write(out, why, strlen(why)) < 0)
		_exit(2);
	_exit(why[0] != 0);
}

/* why: what is wrong. */
static bool key_fits(int fd, struct str chain, char why[256])
{
	int pipe_fds[2], status = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		die_errno("role/master: no pipe");
	pid = fork();
	if (pid == 0)
		judge_key(fd, chain, pipe_fds[1]);
	close(pipe_fds[1]);
	n = read(pipe_fds[0], why, 255);
	why[n > 0 ? n : 0] = 0;
	close(pipe_fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || (status != 0 && !why[0]))
		snprintf(why, 256, "it could not be looked at");
	return !why[0];
}

/* ---- one certificate */

static void cert_fini(struct cert *c)
{
	free((void *)(uintptr_t)c->chain.p);
	if (c->key_fd >= 0)
		close(c->key_fd);
}

/* False: why has got a line about the file that cannot be used. */
static bool cert_read(struct cert *c, struct str certificate, struct str key, struct buf *why)
{
	char reason[256] = "";

	*c = (struct cert){ .key_fd = -1 };
	if (!file_read(certificate.p, IPC_CERTIFICATE_CHAIN_MAX, &c->chain, why))
		return false;
	if (!tls_chain_facts(c->chain, c->key, &c->ends_s, reason)) {
		buf_addf(why, "%s: %s\n", certificate.p, reason);
	} else if ((c->key_fd = open(key.p, O_RDONLY | O_CLOEXEC)) < 0) {
		buf_addf(why, "%s: cannot be opened: %s\n", key.p, strerror(errno));
	} else if (!key_fits(c->key_fd, c->chain, reason)) {
		buf_addf(why, "%s: %s (%s)\n", key.p, reason, certificate.p);
	} else {
		return true;
	}
	cert_fini(c);
	return false;
}

static void names_copy(struct cert *c, const struct conf_certificate *from)
{
	c->n_names = from ? from->n_names : 0;
	for (size_t i = 0; i < c->n_names; i++)
		snprintf(c->names[i], sizeof c->names[i], "%.*s", STR_ARG(from->names[i]));
}

/* The one in use for the first of these names; the default has none. */
static const struct cert *cert_before(const struct master *m, const struct conf_certificate *wanted)
{
	for (size_t i = 0; i < m->n_certs; i++)
		for (size_t k = 0; wanted && k < m->certs[i].n_names; k++)
			if (str_eq(str_z(m->certs[i].names[k]), wanted->names[0]))
				return &m->certs[i];
	return !wanted && m->n_certs ? &m->certs[0] : NULL;
}

/* False: it cannot be used, and there is none from before. */
static bool cert_load(struct master *m, struct cert *c, const struct conf *conf, const struct conf_certificate *wanted, struct buf *why)
{
	const struct cert *old = cert_before(m, wanted);
	size_t before = why->n;

	if (!cert_read(c, wanted ? wanted->certificate : conf->tls.certificate, wanted ? wanted->key : conf->tls.key, why)) {
		if (!old)
			return false;
		log_error(&m->log, "certificate-refused", "%.*s; the one in use stays", STR_ARG(str_trim(str_from(buf_str(why), before))));
		buf_cut(why, before);
		*c = *old;
		c->chain = str_of(mem_dup(old->chain.p, old->chain.n), old->chain.n);
		c->key_fd = fcntl(old->key_fd, F_DUPFD_CLOEXEC, 3);
	}
	names_copy(c, wanted);
	return true;
}

/* ---- the set */

void master_certs_free(struct cert *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cert_fini(&v[i]);
	free(v);
}

bool master_read_certs(struct master *m, const struct conf *c, struct cert **out, size_t *n, struct buf *why)
{
	size_t all = c->tls.certificate.n ? 1 + c->n_certificates : 0;
	bool ok = true;

	*out = mem_array(all + 1, sizeof **out);
	*n = 0;
	for (size_t i = 0; i < all; i++) {
		if (cert_load(m, &(*out)[*n], c, i ? &c->certificates[i - 1] : NULL, why))
			++*n;
		else
			ok = false;
	}
	if (!ok) {
		master_certs_free(*out, *n);
		*out = NULL;
		*n = 0;
	}
	return ok;
}

void master_send_certs(struct child *c)
{
	struct master *m = c->master;

	for (size_t i = 0; i < m->n_certs; i++) {
		const struct cert *x = &m->certs[i];
		struct str names[CONF_CERTIFICATE_NAMES_MAX];

		for (size_t k = 0; k < x->n_names; k++)
			names[k] = str_z(x->names[k]);
		ipc_certificate_cast(c->peer, &(struct ipc_certificate){ .number = (uint16_t)i, .count = (uint16_t)m->n_certs, .key = str_z(x->key),
			.names = names, .n_names = x->n_names, .chain = x->chain });
	}
}

void master_send_keys(struct child *c)
{
	struct master *m = c->master;

	for (size_t i = 0; i < m->n_certs; i++)
		ipc_private_key_cast(c->peer, &(struct ipc_private_key){ .name = str_z(m->certs[i].key), .pem = m->certs[i].key_fd });
}

/* ---- how long they last */

static void names_show(const struct cert *c, struct buf *out)
{
	if (c->n_names == 0)
		buf_addz(out, "default");
	for (size_t i = 0; i < c->n_names; i++)
		buf_addf(out, "%s%s", i ? "," : "", c->names[i]);
}

static long long days_left(const struct cert *c)
{
	int64_t left = c->ends_s - clock_wall_us() / 1000000;

	return (long long)(left < 0 ? -1 : left / DAY_S);
}

void master_warn_of_ends(struct master *m)
{
	struct buf names;

	buf_init(&names, 8192);
	for (size_t i = 0; i < m->n_certs; i++) {
		long long days = days_left(&m->certs[i]);

		buf_reset(&names);
		names_show(&m->certs[i], &names);
		if (days < 0)
			log_error(&m->log, "certificate-ended", "the certificate for %.*s has ended; put a new one in its file and send SIGHUP",
				STR_ARG(buf_str(&names)));
		else if (days < WARN_DAYS)
			log_warning(&m->log, "certificate-ends", "the certificate for %.*s ends in %lld day%s; put a new one in its file and send SIGHUP",
				STR_ARG(buf_str(&names)), days, days == 1 ? "" : "s");
	}
	buf_fini(&names);
}

SUSPENDS void master_watch_ends(void *arg)
{
	struct master *m = arg;

	do
		master_warn_of_ends(m);
	while (task_sleep(m->sched, LOOK_EVERY_MS) != WAIT_STOP);
}

void master_cert_lines(struct master *m, void (*line)(void *ctx, struct str text), void *ctx)
{
	struct buf b;

	buf_init(&b, IPC_ROLE_LINE_TEXT_MAX);
	for (size_t i = 0; i < m->n_certs; i++) {
		const struct cert *c = &m->certs[i];
		struct tm tm;
		time_t t = (time_t)c->ends_s;
		long long days = days_left(c);

		buf_reset(&b);
		buf_addz(&b, "certificate\t");
		names_show(c, &b);
		if (b.n > 300)
			buf_cut(&b, 300); /* many names: the first of them tell which it is */
		gmtime_r(&t, &tm);
		buf_addf(&b, "\tends %04d-%02d-%02d\t", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
		if (days < 0)
			buf_addz(&b, "HAS ENDED");
		else
			buf_addf(&b, "%s%lld days", days < WARN_DAYS ? "SOON: " : "", days);
		line(ctx, buf_str(&b));
	}
	buf_fini(&b);
}
