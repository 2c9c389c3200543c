/* check/dkim_sign.c - DKIM signatures up to the private key. See the header.
 * Purpose     choose the fields, hash the body once and the header for each signer.
 * Trust       the letter is hostile, if only a user of ours wrote it.
 * Invariants  I1 what readers are shown of a letter is signed once more than it is there, so that nobody can add another (RFC 6376 8.15): a
 *             letter that is sent on to others as it was made has the To, the Subject and the Date that it was made with.
 *             I2 what lists and resenders put on top is not among that: Sender, List-* and Resent-* are signed where they are there.
 *             I3 no l=: nothing can be appended.
 */
#include "check/dkim_sign.h"

#include "base/die.h"
#include "check/dkim_canon.h"
#include "mail/base64.h"
#include "mail/header.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_COLUMNS 78
#define STAGE_SIZE 8192 /* small pieces are gathered before they are hashed */

/* ---- hashing */

struct hash {
	EVP_MD_CTX *md;
	size_t n;
	char stage[STAGE_SIZE];
};

static struct hash *hash_new(void)
{
	struct hash *h = mem_new(struct hash);

	h->md = EVP_MD_CTX_new();
	if (!h->md || EVP_DigestInit_ex(h->md, EVP_sha256(), NULL) != 1)
		die("no SHA-256");
	return h;
}

static void hash_flush(struct hash *h)
{
	EVP_DigestUpdate(h->md, h->stage, h->n);
	h->n = 0;
}

static void hash_add(void *ctx, struct str piece)
{
	struct hash *h = ctx;

	if (piece.n > sizeof h->stage - h->n)
		hash_flush(h);
	if (piece.n > sizeof h->stage) {
		EVP_DigestUpdate(h->md, piece.p, piece.n);
		return;
	}
	memcpy(h->stage + h->n, piece.p, piece.n);
	h->n += piece.n;
}

/* Ready for the next. */
static void hash_take(struct hash *h, unsigned char digest[DKIM_DIGEST_SIZE])
{
	hash_flush(h);
	EVP_DigestFinal_ex(h->md, digest, NULL);
	EVP_DigestInit_ex(h->md, NULL, NULL);
}

static void hash_free(struct hash *h)
{
	EVP_MD_CTX_free(h->md);
	free(h);
}

/* ---- the fields that are signed */

/* I1, I2. */
enum cover {
	COVER_CLOSED,	/* all, and that there is no other, even where there is none */
	COVER_CLOSED_IF, /* the same, where there is one */
	COVER_FOUND,	/* all that are there; more may come on top */
};

static const struct {
	struct str name;
	enum cover cover;
} signed_fields[] = {
	{ STR("From"), COVER_CLOSED },
	{ STR("To"), COVER_CLOSED },
	{ STR("Cc"), COVER_CLOSED },
	{ STR("Subject"), COVER_CLOSED },
	{ STR("Date"), COVER_CLOSED },
	{ STR("Message-ID"), COVER_CLOSED },
	{ STR("Reply-To"), COVER_CLOSED },
	{ STR("In-Reply-To"), COVER_CLOSED },
	{ STR("References"), COVER_CLOSED },
	{ STR("MIME-Version"), COVER_CLOSED },
	{ STR("Content-Type"), COVER_CLOSED },
	{ STR("Content-Transfer-Encoding"), COVER_CLOSED },
	{ STR("Sender"), COVER_CLOSED_IF },
	{ STR("Autocrypt"), COVER_CLOSED_IF },
	{ STR("List-Id"), COVER_CLOSED_IF },
	{ STR("List-Help"), COVER_CLOSED_IF },
	{ STR("List-Unsubscribe"), COVER_CLOSED_IF },
	{ STR("List-Unsubscribe-Post"), COVER_CLOSED_IF }, /* RFC 8058 4 */
	{ STR("List-Subscribe"), COVER_CLOSED_IF },
	{ STR("List-Post"), COVER_CLOSED_IF },
	{ STR("List-Owner"), COVER_CLOSED_IF },
	{ STR("List-Archive"), COVER_CLOSED_IF },
	{ STR("Resent-Date"), COVER_FOUND },
	{ STR("Resent-From"), COVER_FOUND },
	{ STR("Resent-Sender"), COVER_FOUND },
	{ STR("Resent-To"), COVER_FOUND },
	{ STR("Resent-Cc"), COVER_FOUND },
	{ STR("Resent-Message-ID"), COVER_FOUND },
};
#define N_SIGNED (sizeof signed_fields / sizeof *signed_fields)

struct chosen {
	struct str fields[DKIM_FIELDS_MAX]; /* in the order of the header */
	unsigned char kind[DKIM_FIELDS_MAX]; /* index in signed_fields */
	size_t n;
	unsigned counts[N_SIGNED];
};

static int kind_of(struct str name)
{
	for (size_t i = 0; i < N_SIGNED; i++)
		if (str_ieq(name, signed_fields[i].name))
			return (int)i;
	return -1;
}

static bool choose(struct str letter, struct chosen *c)
{
	struct mail_header h = mail_header_of(letter);
	struct mail_field f;

	while (mail_header_next(&h, &f)) {
		int kind = f.name.n ? kind_of(f.name) : -1;

		if (kind < 0)
			continue;
		if (c->n == DKIM_FIELDS_MAX)
			return false;
		c->fields[c->n] = str_sub(letter, f.at, f.n);
		c->kind[c->n++] = (unsigned char)kind;
		c->counts[kind]++;
	}
	return c->counts[0] > 0;
}

/* How often a name stands in h=. */
static unsigned n_named(const struct chosen *c, size_t kind)
{
	unsigned n = c->counts[kind];

	return signed_fields[kind].cover == COVER_CLOSED || (signed_fields[kind].cover == COVER_CLOSED_IF && n) ? n + 1 : n;
}

/* In the order of h=; those of one name from the last one up (RFC 6376 5.4.2). A name more often than there are fields adds nothing. */
static void hash_fields(const struct chosen *c, struct hash *h)
{
	for (size_t kind = 0; kind < N_SIGNED; kind++)
		for (size_t i = c->counts[kind] ? c->n : 0; i-- > 0;)
			if (c->kind[i] == kind) {
				dkim_field_relaxed(c->fields[i], hash_add, h);
				hash_add(h, STR("\r\n"));
			}
}

/* ---- the field itself */

/* Lines are filled to 78 columns; a tag moves to the next line whole, the names of h= each. */
struct line {
	struct buf out;
	size_t column;
};

static void line_add(struct line *l, struct str word, bool blank_before)
{
	if (l->column + blank_before + word.n > LINE_MAX_COLUMNS) {
		buf_addz(&l->out, "\r\n\t");
		l->column = 8;
	} else if (blank_before) {
		buf_addc(&l->out, ' ');
		l->column++;
	}
	buf_add(&l->out, word);
	l->column += word.n;
}

static void add_names(struct line *l, const struct chosen *c, struct arena *a)
{
	const char *before = "h=", *end = "";
	struct str last = { 0 };

	for (size_t kind = 0; kind < N_SIGNED; kind++)
		for (unsigned n = n_named(c, kind); n; n--) {
			if (last.n)
				line_add(l, arena_fmt(a, "%s%.*s:", before, STR_ARG(last)), before[0] != 0);
			if (last.n)
				before = end;
			last = signed_fields[kind].name;
		}
	line_add(l, arena_fmt(a, "%s%.*s;", before, STR_ARG(last)), before[0] != 0);
}

static struct str make_field(const struct dkim_work *w, const struct dkim_signer *s, const struct chosen *c, struct str body_hash, struct arena *a)
{
	static const char *const algorithms[DKIM_ALGORITHM_COUNT] = { "rsa-sha256", "ed25519-sha256" };
	struct line l = { 0 };
	struct str field;

	buf_init(&l.out, DKIM_FIELD_MAX);
	line_add(&l, STR("DKIM-Signature: v=1;"), false);
	line_add(&l, arena_fmt(a, "a=%s;", algorithms[s->algorithm]), true);
	line_add(&l, STR("c=relaxed/relaxed;"), true);
	line_add(&l, arena_fmt(a, "d=%.*s;", STR_ARG(s->domain)), true);
	line_add(&l, arena_fmt(a, "s=%.*s;", STR_ARG(s->selector)), true);
	line_add(&l, arena_fmt(a, "t=%lld;", (long long)w->signed_s), true);
	if (w->expires_s)
		line_add(&l, arena_fmt(a, "x=%lld;", (long long)w->expires_s), true);
	add_names(&l, c, a);
	line_add(&l, arena_fmt(a, "bh=%.*s;", STR_ARG(body_hash)), true);
	line_add(&l, STR("b="), true);
	field = l.out.full ? (struct str){ 0 } : arena_dup(a, buf_str(&l.out));
	buf_fini(&l.out);
	return field;
}

static struct str hash_body(struct str letter, struct hash *h, struct arena *a)
{
	unsigned char digest[DKIM_DIGEST_SIZE];
	struct buf b64;
	struct str out;

	dkim_body_relaxed(str_from(letter, mail_header_size(letter)), hash_add, h);
	hash_take(h, digest);
	buf_init(&b64, 64);
	mail_base64_encode(str_of(digest, sizeof digest), &b64);
	out = arena_dup(a, buf_str(&b64));
	buf_fini(&b64);
	return out;
}

bool dkim_prepare(const struct dkim_work *w, struct arena *a, struct dkim_unsigned *out)
{
	struct chosen *c = arena_new(a, struct chosen);
	bool ok = choose(w->letter, c);
	struct hash *h;
	struct str body_hash;

	if (!ok)
		return false;
	h = hash_new();
	body_hash = hash_body(w->letter, h, a);
	for (size_t i = 0; i < w->n_signers && ok; i++) {
		out[i].field = make_field(w, &w->signers[i], c, body_hash, a);
		ok = out[i].field.n > 0;
		hash_fields(c, h);
		dkim_field_relaxed(out[i].field, hash_add, h); /* with an empty b= and without a line end (3.7) */
		hash_take(h, out[i].digest);
	}
	hash_free(h);
	return ok;
}

void dkim_finish(struct str field, struct str signature, struct buf *out)
{
	ssize_t lf = str_rfind(field, '\n');
	size_t column = lf < 0 ? field.n : field.n - (size_t)lf - 2 + 8;
	struct buf b64;

	buf_init(&b64, signature.n * 2 + 8);
	mail_base64_encode(signature, &b64);
	buf_add(out, field);
	for (struct str rest = buf_str(&b64); rest.n;) {
		size_t room = column < LINE_MAX_COLUMNS ? LINE_MAX_COLUMNS - column : 0;

		buf_add(out, str_sub(rest, 0, room));
		rest = str_from(rest, room);
		if (rest.n)
			buf_addz(out, "\r\n\t");
		column = 8;
	}
	buf_addz(out, "\r\n");
	buf_fini(&b64);
}
