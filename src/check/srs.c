/* check/srs.c - the sender rewriting scheme. See the header.
 * Trust       local parts are hostile; an address counts only when its hash is ours.
 * Invariants  I1 what the hash covers decides where a letter goes: day, domain and local part of SRS0, first server and rest of SRS1.
 */
#include "check/srs.h"

#include "base/buf.h"
#include "base/die.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string.h>

#define HASH_CHARS 6
#define DAYS 1024 /* after which day numbers come again */

static const char alphabet[33] = "abcdefghijklmnopqrstuvwxyz234567";

static void mac(const void *key, size_t n_key, struct str text, unsigned char out[32])
{
	unsigned n = 32;

	if (!HMAC(EVP_sha256(), key, (int)n_key, (const unsigned char *)text.p, text.n, out, &n))
		die("srs: HMAC failed");
}

void srs_key_of(struct str secret, struct srs_key *out)
{
	mac(secret.p, secret.n, STR("sallyport srs"), out->bytes);
}

/* Over both parts in lower case, with their lengths told apart. */
static void hash_of(const struct srs_key *k, char kind, struct str a, struct str b, char out[HASH_CHARS])
{
	unsigned char digest[32];
	struct buf text;

	buf_init(&text, 2048);
	buf_addf(&text, "%c%zu ", kind, a.n);
	buf_add(&text, a);
	buf_add(&text, b);
	for (size_t i = 0; i < text.n; i++)
		text.p[i] = ascii_lower(text.p[i]);
	mac(k->bytes, sizeof k->bytes, buf_str(&text), digest);
	buf_fini(&text);
	for (int i = 0; i < HASH_CHARS; i++)
		out[i] = alphabet[digest[i] & 31];
}

static bool hash_fits(const struct srs_key *k, char kind, struct str a, struct str b, struct str hash)
{
	char want[HASH_CHARS];

	hash_of(k, kind, a, b, want);
	return str_ieq(hash, str_of(want, sizeof want));
}

/* What stands behind "SRS0" and its separator, or false. Other servers write "SRS0+" and "SRS0-" too. */
static bool cut_tag(struct str local, char number, struct str *rest)
{
	if (local.n < 6 || !str_istarts(local, STR("SRS")) || local.p[3] != number || str_find(STR("=+-"), local.p[4]) < 0)
		return false;
	*rest = str_from(local, 5);
	return true;
}

static bool fits(struct str s)
{
	return s.n <= SRS_LOCAL_MAX;
}

/* SRS1: first is who made the SRS0; rest is what stands behind its "SRS0", separator and all. */
static bool forward_again(const struct srs_key *k, struct str first, struct str rest, struct arena *a, struct str *out)
{
	char hash[HASH_CHARS];

	hash_of(k, '1', first, rest, hash);
	*out = arena_fmt(a, "SRS1=%.*s=%.*s=%.*s", HASH_CHARS, hash, STR_ARG(first), STR_ARG(rest));
	return fits(*out);
}

/* "HASH=FIRST=REST" of an SRS1. */
static bool cut_again(struct str s, struct str *hash, struct str *first, struct str *rest)
{
	return str_split(&s, '=', hash) && str_split(&s, '=', first) && first->n && (*rest = s, s.n > 1);
}

bool srs_forward(const struct srs_key *k, struct str local, struct str domain, int64_t now_s, struct arena *a, struct str *out)
{
	unsigned day = (unsigned)(now_s / 86400 % DAYS);
	struct str rest, hash, first, stamp;
	char sum[HASH_CHARS];

	if (cut_tag(local, '0', &rest))
		return forward_again(k, domain, str_from(local, 4), a, out);
	if (cut_tag(local, '1', &rest) && cut_again(rest, &hash, &first, &rest))
		return forward_again(k, first, rest, a, out);
	stamp = arena_fmt(a, "%c%c", alphabet[day >> 5], alphabet[day & 31]);
	rest = arena_fmt(a, "%.*s=%.*s", STR_ARG(domain), STR_ARG(local));
	hash_of(k, '0', stamp, rest, sum);
	*out = arena_fmt(a, "SRS0=%.*s=%.*s=%.*s", HASH_CHARS, sum, STR_ARG(stamp), STR_ARG(rest));
	return fits(*out);
}

static int day_of(struct str s)
{
	int day = 0;

	if (s.n != 2)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		const char *at = strchr(alphabet, ascii_lower(s.p[i]));

		if (!at || !*at)
			return -1;
		day = day << 5 | (int)(at - alphabet);
	}
	return day;
}

static enum srs_result reverse_first(const struct srs_key *k, struct str s, int64_t now_s, struct arena *a, struct str *out_local, struct str *out_domain)
{
	struct str hash, stamp, domain, rest;
	int day, age;

	if (!str_split(&s, '=', &hash) || !str_split(&s, '=', &stamp) || (rest = s, !str_split(&s, '=', &domain)) || domain.n == 0 || s.n == 0)
		return SRS_FALSE;
	day = day_of(stamp);
	if (day < 0 || !hash_fits(k, '0', stamp, rest, hash)) /* I1 */
		return SRS_FALSE;
	age = ((int)(now_s / 86400 % DAYS) - day + DAYS) % DAYS;
	if (age > SRS_AGE_MAX_DAYS)
		return SRS_OLD;
	*out_local = arena_dup(a, s);
	*out_domain = arena_dup(a, domain);
	return SRS_VALID;
}

static enum srs_result reverse_again(const struct srs_key *k, struct str s, struct arena *a, struct str *out_local, struct str *out_domain)
{
	struct str hash, first, rest;

	if (!cut_again(s, &hash, &first, &rest) || !hash_fits(k, '1', first, rest, hash))
		return SRS_FALSE;
	*out_local = arena_fmt(a, "SRS0%.*s", STR_ARG(rest));
	*out_domain = arena_dup(a, first);
	return SRS_VALID;
}

enum srs_result srs_reverse(const struct srs_key *k, struct str local, int64_t now_s, struct arena *a, struct str *out_local, struct str *out_domain)
{
	struct str rest;

	if (cut_tag(local, '0', &rest))
		return reverse_first(k, rest, now_s, a, out_local, out_domain);
	if (cut_tag(local, '1', &rest))
		return reverse_again(k, rest, a, out_local, out_domain);
	return SRS_NONE;
}
