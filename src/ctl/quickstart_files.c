/* ctl/quickstart_files.c - a new server's directories: made whole beside their place and renamed into it.
 * Invariants  I1 conf_dir comes into being by one rename, with everything in it; whoever finds it finds a finished server.
 *             I2 where data_dir is elsewhere it is renamed first, and the stage says so before: a quickstart that was killed between the two
 *                is undone by the next, and nothing that a server ever ran on is.
 */
#include "ctl/start_impl.h"

#include "base/die.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)64 * 1024)
#define MOVED "data-moved" /* in the stage: data_dir is, or is about to be, of this stage */
#define CERTIFICATE_DAYS 825 /* as long as clients take one */

/* ---- what is there */

/* The name of something in a directory, or NULL: it is empty or not there. */
static const char *something_in(const char *dir, struct arena *a)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	const char *found = NULL;

	while (d && !found && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			found = arena_dupz(a, str_z(e->d_name));
	if (d)
		closedir(d);
	return found;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static bool is_usable(const struct plan *p, const char *dir, const char *what, struct buf *why)
{
	struct stat st;
	const char *name;

	if (lstat(dir, &st) != 0)
		return true;
	if (!S_ISDIR(st.st_mode)) {
		buf_addf(why, "%s exists and is no directory; move it away\n", dir);
		return false;
	}
	name = something_in(dir, p->arena);
	if (name)
		buf_addf(why, "%s exists already and holds %s; quickstart overwrites nothing: %s\n", dir, name, what);
	return !name;
}

static bool was_moved(const struct plan *p)
{
	struct str marker = arena_fmt(p->arena, "%.*s/" MOVED "%c", STR_ARG(p->stage), 0);

	return exists(marker.p) && !exists(p->stage_data.p);
}

bool quickstart_refuse_existing(const struct plan *p, struct buf *why)
{
	bool ok = is_usable(p, p->conf_dir.p, "start that server with `sallyport run`, move the directory away, or name another with --dir", why);

	if (ok && !p->in_one_dir && !was_moved(p))
		ok = is_usable(p, p->data_dir.p, "move that mail away, or name another directory with --dir", why);
	return ok;
}

/* ---- removing */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	remove(path);
	return 0;
}

#define REMOVE_TRIES 100
#define REMOVE_PAUSE_US 20000

/* Again, where it is still there: the server of a quickstart that was killed may be writing for the moment that it takes to end. */
static void remove_tree(const char *path)
{
	for (int i = 0; i < REMOVE_TRIES && exists(path); i++) {
		if (i)
			usleep(REMOVE_PAUSE_US);
		nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	}
}

void quickstart_stage_remove(struct plan *p)
{
	if (p->lock_fd < 0)
		return;
	if (!p->in_one_dir && was_moved(p))
		remove_tree(p->data_dir.p);
	if (!p->in_one_dir)
		remove_tree(p->stage_data.p);
	remove_tree(p->stage.p);
	close(p->lock_fd);
	p->lock_fd = -1;
}

/* ---- making */

static bool fail(struct buf *why, const char *path, const char *what)
{
	buf_addf(why, "%s: cannot be %s: %s\n", path, what, strerror(errno));
	return false;
}

static bool make_parents(const char *path, struct buf *why)
{
	char z[1100];
	size_t n = strnlen(path, sizeof z - 1);

	memcpy(z, path, n);
	z[n] = 0;
	for (size_t i = 1; i < n; i++) {
		if (z[i] != '/')
			continue;
		z[i] = 0;
		if (mkdir(z, 0755) != 0 && errno != EEXIST)
			return fail(why, z, "made");
		z[i] = '/';
	}
	return true;
}

static int lock_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

bool quickstart_stage_open(struct plan *p, struct buf *why)
{
	if (!make_parents(p->stage.p, why) || (!p->in_one_dir && !make_parents(p->stage_data.p, why)))
		return false;
	if (exists(p->stage.p)) {
		p->lock_fd = lock_dir(p->stage.p);
		if (p->lock_fd < 0) {
			buf_addf(why, "%s is in use; another quickstart is at work: wait for it\n", p->stage.p);
			return false;
		}
		quickstart_stage_remove(p);
	}
	if (!p->in_one_dir)
		remove_tree(p->stage_data.p);
	if (mkdir(p->stage.p, 0755) != 0)
		return fail(why, p->stage.p, "made");
	p->lock_fd = lock_dir(p->stage.p);
	return p->lock_fd >= 0 || fail(why, p->stage.p, "locked");
}

static bool write_file(const struct plan *p, const char *name, mode_t mode, struct str text, struct buf *why)
{
	struct str path = arena_fmt(p->arena, "%.*s/%s%c", STR_ARG(p->stage), name, 0);
	int fd = open(path.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	ssize_t n;

	if (fd < 0)
		return fail(why, path.p, "made");
	n = write(fd, text.p, text.n);
	if (n != (ssize_t)text.n || fchmod(fd, mode) != 0 || fsync(fd) != 0) {
		close(fd);
		return fail(why, path.p, "written");
	}
	close(fd);
	return true;
}

static bool make_dir(const struct plan *p, const char *name, struct buf *why)
{
	struct str path = arena_fmt(p->arena, "%.*s/%s%c", STR_ARG(p->stage), name, 0);

	return mkdir(path.p, 0700) == 0 || fail(why, path.p, "made");
}

static void add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	if (!e || X509_add_ext(x, e, -1) != 1)
		die("the certificate's extension %s cannot be made", value);
	X509_EXTENSION_free(e);
}

static X509 *make_certificate(const struct plan *p, EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	unsigned char serial[16];
	BIGNUM *number;
	struct str names = arena_fmt(p->arena, "DNS:%.*s,DNS:mail.%.*s,DNS:autoconfig.%.*s,DNS:mta-sts.%.*s%c",
		STR_ARG(p->hostname), STR_ARG(p->domain), STR_ARG(p->domain), STR_ARG(p->domain), 0);

	RAND_bytes(serial, sizeof serial);
	serial[0] &= 0x7f;
	number = BN_bin2bn(serial, sizeof serial, NULL);
	BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
	BN_free(number);
	X509_set_version(x, 2);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_time_adj_ex(X509_getm_notAfter(x), CERTIFICATE_DAYS, 0, NULL);
	/* A common name holds 64 bytes; the names that count are in the extension. */
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)p->hostname.p, p->hostname.n <= 64 ? (int)p->hostname.n : 64, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	add_extension(x, NID_basic_constraints, "critical,CA:FALSE");
	add_extension(x, NID_key_usage, "critical,digitalSignature");
	add_extension(x, NID_ext_key_usage, "serverAuth");
	add_extension(x, NID_subject_alt_name, names.p);
	if (X509_sign(x, key, EVP_sha256()) <= 0)
		die("the certificate cannot be signed");
	return x;
}

static struct str bio_view(BIO *b)
{
	char *text;
	long n = BIO_get_mem_data(b, &text);

	return str_of(text, (size_t)n);
}

static bool write_certificate(const struct plan *p, struct buf *why)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *cert_pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_secmem());
	X509 *x = make_certificate(p, key);
	bool ok;

	PEM_write_bio_X509(cert_pem, x);
	PEM_write_bio_PKCS8PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL);
	ok = write_file(p, "keys/cert.pem", 0644, bio_view(cert_pem), why) && write_file(p, "keys/key.pem", 0600, bio_view(key_pem), why);
	X509_free(x);
	EVP_PKEY_free(key);
	BIO_free(cert_pem);
	BIO_free(key_pem);
	return ok;
}

static bool write_dkim(const struct plan *p, enum dkim_algorithm kind, struct buf *why)
{
	struct arena *a = p->arena;
	struct buf pem;
	bool ok;

	buf_init(&pem, TEXT_MAX);
	dkim_key_make(kind, &pem);
	ok = write_file(p, arena_fmt(a, "keys/dkim/%.*s/%c%.8s.pem%c", STR_ARG(p->domain), kind == DKIM_RSA_SHA256 ? 'r' : 'e', p->policy_id.p, 0).p, 0600,
		buf_str(&pem), why);
	OPENSSL_cleanse(pem.p, pem.n);
	buf_fini(&pem);
	return ok;
}

static bool write_conf(const struct plan *p, bool setup, struct buf *why)
{
	struct buf text;
	bool ok;

	buf_init(&text, TEXT_MAX);
	quickstart_conf_text(p, setup, &text);
	ok = write_file(p, setup ? "setup.conf" : "sallyport.conf", 0644, buf_str(&text), why);
	buf_fini(&text);
	return ok;
}

bool quickstart_write_files(const struct plan *p, struct buf *why)
{
	struct arena *a = p->arena;

	return make_dir(p, "keys", why) && make_dir(p, "keys/dkim", why) &&
		make_dir(p, arena_fmt(a, "keys/dkim/%.*s%c", STR_ARG(p->domain), 0).p, why) && write_certificate(p, why) &&
		write_dkim(p, DKIM_RSA_SHA256, why) && write_dkim(p, DKIM_ED25519_SHA256, why) && write_conf(p, false, why) && write_conf(p, true, why);
}

/* ---- into place */

static void sync_parent(const char *path)
{
	char z[1100];
	char *slash;
	int fd;

	snprintf(z, sizeof z, "%s", path);
	slash = strrchr(z, '/');
	if (slash && slash != z)
		*slash = 0;
	fd = open(z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

/* An empty directory in the way gives way; anything else does not. */
static bool move(const char *from, const char *to, struct buf *why)
{
	if (rename(from, to) != 0)
		return fail(why, to, "put into place");
	sync_parent(to);
	return true;
}

static void drop(const struct plan *p, struct str dir, const char *name)
{
	remove_tree(arena_fmt(p->arena, "%.*s/%s%c", STR_ARG(dir), name, 0).p);
}

bool quickstart_commit(struct plan *p, struct buf *why)
{
	drop(p, p->stage, "setup.conf");
	drop(p, p->stage, "setup.log");
	drop(p, p->stage, "run");
	if (!p->in_one_dir) { /* I2 */
		if (!write_file(p, MOVED, 0600, p->data_dir, why))
			return false;
		fsync(p->lock_fd);
		if (!move(p->stage_data.p, p->data_dir.p, why))
			return false;
	}
	fsync(p->lock_fd);
	if (!move(p->stage.p, p->conf_dir.p, why))
		return false;
	close(p->lock_fd);
	p->lock_fd = -1;
	if (!p->in_one_dir)
		drop(p, p->conf_dir, MOVED);
	return true;
}
