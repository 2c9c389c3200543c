/* fuzz/check_dkim.c - canonical forms, signed fields, records and authors of any bytes. */
#include "base/arena.h"
#include "base/die.h"
#include "check/author.h"
#include "check/dkim_canon.h"
#include "check/dkim_record.h"
#include "check/dkim_sign.h"
#include "mail/header.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(void *ctx, struct str piece)
{
	buf_add(ctx, piece);
}

/* A canonical form is its own canonical form, has no byte too many, and no white space that it must not have. */
static void check_body(struct str s)
{
	struct buf once, twice;

	buf_init(&once, s.n + 2);
	buf_init(&twice, s.n + 2);
	dkim_body_relaxed(s, add, &once);
	dkim_body_relaxed(buf_str(&once), add, &twice);
	die_unless(!once.full && str_eq(buf_str(&once), buf_str(&twice)), "a relaxed body is not its own");
	die_unless(str_search(buf_str(&once), STR("  ")) < 0 && str_find(buf_str(&once), '\t') < 0 && str_search(buf_str(&once), STR(" \r\n")) < 0,
		"white space in a relaxed body");
	die_unless(once.n == 0 || (str_ends(buf_str(&once), STR("\r\n")) && !str_ends(buf_str(&once), STR("\r\n\r\n"))), "the end of a relaxed body");
	buf_reset(&once);
	buf_reset(&twice);
	dkim_body_simple(s, add, &once);
	dkim_body_simple(buf_str(&once), add, &twice);
	die_unless(!once.full && str_eq(buf_str(&once), buf_str(&twice)), "a simple body is not its own");
	buf_fini(&once);
	buf_fini(&twice);
}

static void check_field(struct str s)
{
	struct buf once, twice;

	buf_init(&once, s.n + 2);
	buf_init(&twice, s.n + 2);
	dkim_field_relaxed(s, add, &once);
	dkim_field_relaxed(buf_str(&once), add, &twice);
	die_unless(!once.full && str_eq(buf_str(&once), buf_str(&twice)), "a relaxed field is not its own");
	buf_fini(&once);
	buf_fini(&twice);
}

/* What relays may do to a letter changes no digest: fields on top, and empty lines at the end. */
static void check_signing(struct str s)
{
	const struct dkim_signer signer = { STR("demo.test"), STR("s"), DKIM_ED25519_SHA256 };
	struct dkim_work w = { s, &signer, 1, 1, 0 };
	struct dkim_unsigned x, y;
	struct arena a;
	struct buf b;

	arena_init(&a, "fuzz", (size_t)16 << 20);
	buf_init(&b, s.n + 100);
	buf_addz(&b, "Received: by a\r\n");
	buf_add(&b, s);
	if (dkim_prepare(&w, &a, &x)) {
		die_unless(x.field.n <= DKIM_FIELD_MAX && str_ends(x.field, STR("b=")), "a field");
		w.letter = buf_str(&b);
		die_unless(dkim_prepare(&w, &a, &y), "a field on top");
		if (s.p[0] != ' ' && s.p[0] != '\t') /* else it goes on what was put on top */
			die_unless(str_eq(x.field, y.field) && memcmp(x.digest, y.digest, sizeof x.digest) == 0, "the digest with a field on top");
	}
	buf_fini(&b);
	arena_fini(&a);
}

static void check_rest(struct str s)
{
	struct str local, domain;
	struct dkim_record r;
	struct arena a;

	arena_init(&a, "fuzz", (size_t)16 << 20);
	if (check_author(s, &a, &local, &domain))
		die_unless(domain.n > 0, "an author without a domain");
	if (dkim_record_parse(s, &r))
		die_unless(dkim_record_fit(&s, 1, s) != DKIM_OTHER_KEY && dkim_record_fit(&s, 1, s) != DKIM_ABSENT, "a record does not fit itself");
	dkim_record_fini(&r);
	arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_of(data, size);

	check_body(s);
	check_field(s);
	if (size)
		check_signing(s);
	check_rest(s);
	return 0;
}
