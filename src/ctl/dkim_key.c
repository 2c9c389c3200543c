/* ctl/dkim_key.c - keys that sign letters. See the header. */
#include "ctl/dkim_key.h"

#include "base/die.h"
#include "base/file.h"
#include "check/dkim_private.h"

#include <dirent.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEM_MAX ((size_t)64 * 1024)
#define RECORD_MAX 4096

void dkim_key_make(enum dkim_algorithm kind, struct buf *pem)
{
	EVP_PKEY *key = kind == DKIM_RSA_SHA256 ? EVP_RSA_gen(2048) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *bio = BIO_new(BIO_s_secmem());
	char *p;
	long n;

	if (!key || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		die("no key can be made");
	n = BIO_get_mem_data(bio, &p);
	buf_add(pem, str_of(p, (size_t)n));
	BIO_free(bio);
	EVP_PKEY_free(key);
}

bool dkim_key_record(struct str pem, struct arena *a, struct str *record)
{
	char why[256];
	struct dkim_private *k = dkim_private_new(pem, why);
	struct buf out;

	if (!k)
		return false;
	buf_init(&out, RECORD_MAX);
	dkim_private_record(k, &out);
	*record = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	dkim_private_free(k);
	return true;
}

static int is_pem(const struct dirent *e)
{
	return str_ends(str_z(e->d_name), STR(".pem"));
}

static bool read_key(const char *path, struct str selector, struct arena *a, struct dkim_key *out, struct buf *why)
{
	struct str pem;
	bool ok;

	if (!file_read(path, PEM_MAX, &pem, why))
		return false;
	ok = dkim_key_record(pem, a, &out->record);
	if (!ok)
		buf_addf(why, "%s: is no private key of RSA or Ed25519\n", path);
	OPENSSL_cleanse((void *)(uintptr_t)pem.p, pem.n);
	free((void *)(uintptr_t)pem.p);
	out->selector = selector;
	return ok;
}

size_t dkim_keys_read(const char *keys_dir, struct str domain, struct arena *a, struct dkim_key out[DKIM_KEYS_MAX], struct buf *why)
{
	struct str dir = arena_fmt(a, "%s/dkim/%.*s%c", keys_dir, STR_ARG(domain), 0);
	struct dirent **names;
	int n = scandir(dir.p, &names, is_pem, alphasort);
	size_t found = 0;

	for (int i = 0; i < n; i++) {
		struct str path = arena_fmt(a, "%s/%s%c", dir.p, names[i]->d_name, 0), name = arena_dup(a, str_z(names[i]->d_name));

		if (found < DKIM_KEYS_MAX && read_key(path.p, str_sub(name, 0, name.n - 4), a, &out[found], why))
			found++;
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return found;
}
