/* test/unit/check/test_dkim.c - canonical forms, signatures, records and keys of DKIM, by the examples of the RFCs where they have any. */
#include "check/dkim_canon.h"
#include "check/dkim_private.h"
#include "check/dkim_record.h"
#include "check/dkim_sign.h"

#include "unit/mail/unit.h"

#include "base/die.h"
#include "mail/base64.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* ---- canonical forms */

static void add(void *ctx, struct str piece)
{
	buf_add(ctx, piece);
}

static void is_form(void (*form)(struct str, dkim_add_fn *, void *), struct str in, const char *want)
{
	struct buf out;

	buf_init(&out, in.n + 16);
	form(in, add, &out);
	is_str(buf_str(&out), want);
	buf_fini(&out);
}

/* RFC 6376 3.4.5. */
static void forms_of_the_rfc(void **state)
{
	is_form(dkim_field_relaxed, STR("A: X\r\n"), "a:X");
	is_form(dkim_field_relaxed, STR("B : Y\t\r\n\tZ  \r\n"), "b:Y Z");
	is_form(dkim_body_relaxed, STR(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
	is_form(dkim_field_simple, STR("B : Y\t\r\n\tZ  \r\n"), "B : Y\t\r\n\tZ  ");
	is_form(dkim_body_simple, STR(" C \r\nD \t E\r\n\r\n\r\n"), " C \r\nD \t E\r\n");
}

static void bodies_at_their_ends(void **state)
{
	is_form(dkim_body_relaxed, STR(""), "");
	is_form(dkim_body_simple, STR(""), "\r\n");
	is_form(dkim_body_relaxed, STR("\r\n\r\n"), "");
	is_form(dkim_body_simple, STR("\r\n\r\n"), "\r\n");
	is_form(dkim_body_relaxed, STR(" \r\n\t\r\n"), "");
	is_form(dkim_body_relaxed, STR("a"), "a\r\n");
	is_form(dkim_body_simple, STR("a"), "a\r\n");
	is_form(dkim_body_relaxed, STR("a \t"), "a\r\n");
	is_form(dkim_body_relaxed, STR("a\r\n \t\r\n  \r\n"), "a\r\n");
	is_form(dkim_body_relaxed, STR("\r\n\r\na\r\n"), "\r\n\r\na\r\n");
	is_form(dkim_body_relaxed, STR("a\t\tb  \r\n \tc"), "a b\r\n c\r\n");
	is_form(dkim_body_relaxed, STR("a \rb \nc\n"), "a \rb \nc\n\r\n"); /* alone they end no line */
}

/* The plain rule, a byte at a time. */
static void slow_relaxed(struct str s, struct buf *out)
{
	size_t lines_end = 0;

	for (size_t at = 0; at < s.n;) {
		ssize_t crlf = str_search(str_from(s, at), STR("\r\n"));
		size_t end = crlf < 0 ? s.n : at + (size_t)crlf, from = out->n;

		for (size_t i = at; i < end; i++) {
			bool blank = s.p[i] == ' ' || s.p[i] == '\t';

			if (!blank)
				buf_addc(out, s.p[i]);
			else if (i == at || (s.p[i - 1] != ' ' && s.p[i - 1] != '\t'))
				buf_addc(out, ' ');
		}
		while (out->n > from && out->p[out->n - 1] == ' ')
			buf_cut(out, out->n - 1);
		if (out->n > from)
			lines_end = out->n + 2;
		buf_addz(out, "\r\n");
		at = crlf < 0 ? s.n : end + 2;
	}
	buf_cut(out, lines_end < out->n ? lines_end : out->n);
}

static void bodies_of_every_kind(void **state)
{
	static const char letters[] = "ab \t\r\n ";
	struct buf fast, slow;
	char bytes[200];
	uint32_t x = 12345;

	buf_init(&fast, 1000);
	buf_init(&slow, 1000);
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)round % sizeof bytes;

		for (size_t i = 0; i < n; i++) {
			x = x * 1664525 + 1013904223;
			bytes[i] = round & 1 ? letters[x >> 24 & 7 ? x >> 28 & 1 ? 0 : x % 7 : 4] : letters[(x >> 16) % 7];
			if (i && bytes[i - 1] == '\r' && x >> 9 & 1)
				bytes[i] = '\n';
		}
		buf_reset(&fast);
		buf_reset(&slow);
		dkim_body_relaxed(str_of(bytes, n), add, &fast);
		slow_relaxed(str_of(bytes, n), &slow);
		if (!str_eq(buf_str(&fast), buf_str(&slow)))
			print_error("round %d\n", round);
		assert_true(str_eq(buf_str(&fast), buf_str(&slow)));
	}
	buf_fini(&fast);
	buf_fini(&slow);
}

/* ---- the example of RFC 8463, appendix A */

#define ED25519_PEM "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n"
#define ED25519_RECORD "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define RSA_PEM                                                              \
	"-----BEGIN RSA PRIVATE KEY-----\n"                                  \
	"MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n" \
	"Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n" \
	"KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n" \
	"AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n" \
	"6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n" \
	"zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n" \
	"6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n" \
	"uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n" \
	"WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n" \
	"WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n" \
	"licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n" \
	"o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n" \
	"uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"                     \
	"-----END RSA PRIVATE KEY-----\n"
#define RSA_RECORD                                                                                    \
	"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qh" \
	"dR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5" \
	"QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"

#define FROM "From: Joe SixPack <joe@football.example.com>\r\n"
#define TO "To: Suzie Q <suzie@shopping.example.net>\r\n"
#define SUBJECT "Subject: Is dinner ready?\r\n"
#define DATE "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
#define ID "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
#define BODY "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
#define BODY_HASH "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="

static void digest_of(struct buf *bytes, unsigned char digest[32])
{
	assert_int_equal(EVP_Digest(bytes->p, bytes->n, digest, NULL, EVP_sha256(), NULL), 1);
}

/* Both kinds of signatures are the same each time: they must be those of the RFC. */
static void signs_as_the_rfc(struct str pem, const char *record, const char *field, const char *want)
{
	static const char *const fields[] = { FROM, TO, SUBJECT, DATE, ID };
	char why[256];
	struct dkim_private *k = dkim_private_new(pem, why);
	unsigned char digest[32];
	struct buf b, signature;

	assert_non_null(k);
	buf_init(&b, 4000);
	buf_init(&signature, DKIM_SIGNATURE_MAX);
	dkim_private_record(k, &b);
	is_str(buf_str(&b), record);
	buf_reset(&b);
	for (size_t i = 0; i < 5; i++) {
		dkim_field_relaxed(str_z(fields[i]), add, &b);
		buf_addz(&b, "\r\n");
	}
	dkim_field_relaxed(str_z(field), add, &b);
	digest_of(&b, digest);
	assert_int_equal(dkim_private_sign(k, str_of(digest, 32), &signature), OK);
	assert_int_equal(dkim_private_sign(k, str_of(digest, 31), &signature), FAILED);
	buf_reset(&b);
	mail_base64_encode(buf_str(&signature), &b);
	is_str(buf_str(&b), want);
	buf_fini(&b);
	buf_fini(&signature);
	dkim_private_free(k);
}

static void keys_sign_as_the_rfc(void **state)
{
	signs_as_the_rfc(STR(ED25519_PEM), ED25519_RECORD,
		"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n"
		" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n bh=" BODY_HASH ";\r\n b=\r\n",
		"/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==");
	signs_as_the_rfc(STR(RSA_PEM), RSA_RECORD,
		"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n"
		" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n date : message-id : from : subject : date;\r\n bh=" BODY_HASH ";\r\n b=\r\n",
		"F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz"
		"dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=");
}

static void keys_that_are_none(void **state)
{
	static const char ec[] = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIHcHbQpzGKV9PBbBclGyZkXfTC+H68CZKrF3+6UduSwq\n-----END PRIVATE KEY-----\n";
	char why[256];

	assert_null(dkim_private_new(STR("nothing"), why));
	is_str(str_z(why), "no private key in the PEM file");
	assert_null(dkim_private_new(str_z(ec), why)); /* X25519 */
	is_str(str_z(why), "the private key is neither RSA nor Ed25519");
}

/* ---- signing */

static const struct dkim_signer both[] = {
	{ STR("football.example.com"), STR("brisbane"), DKIM_ED25519_SHA256 },
	{ STR("football.example.com"), STR("test"), DKIM_RSA_SHA256 },
};

static struct arena memory(void)
{
	struct arena a;

	arena_init(&a, "test", 1 << 20);
	return a;
}

static bool prepare(struct arena *a, struct str letter, struct dkim_unsigned out[2])
{
	struct dkim_work w = { .letter = letter, .signers = both, .n_signers = 2, .signed_s = 1528637909, .expires_s = 1528637910 };

	return dkim_prepare(&w, a, out);
}

static void makes_fields(void **state)
{
	struct arena a = memory();
	struct dkim_unsigned out[2];
	unsigned char digest[32];
	struct buf b;

	assert_true(prepare(&a, STR(FROM TO SUBJECT DATE ID "\r\n" BODY), out));
	is_str(out[0].field,
		"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n\td=football.example.com; s=brisbane; t=1528637909; x=1528637910;\r\n"
		"\th=From:From:To:To:Cc:Subject:Subject:Date:Date:Message-ID:Message-ID:\r\n\tReply-To:In-Reply-To:References:MIME-Version:Content-Type:\r\n"
		"\tContent-Transfer-Encoding;\r\n\tbh=" BODY_HASH "; b=");
	buf_init(&b, 4000);
	buf_addz(&b, "from:Joe SixPack <joe@football.example.com>\r\nto:Suzie Q <suzie@shopping.example.net>\r\nsubject:Is dinner ready?\r\n"
		"date:Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\nmessage-id:<20030712040037.46341.5F8J@football.example.com>\r\n");
	dkim_field_relaxed(out[0].field, add, &b);
	digest_of(&b, digest);
	assert_memory_equal(digest, out[0].digest, 32);
	buf_reset(&b);
	dkim_finish(out[0].field, STR("0123456789012345678901234567890123456789012345678901234567890123"), &b);
	assert_true(str_starts(buf_str(&b), out[0].field));
	is_str(str_from(buf_str(&b), out[0].field.n),
		"MDEyMzQ1Njc4OTAxMjM\r\n\t0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMw==\r\n");
	assert_true(str_search(out[1].field, STR("a=rsa-sha256;")) > 0 && str_search(out[1].field, STR("s=test;")) > 0);
	buf_fini(&b);
	arena_fini(&a);
}

/* Whether it has these bytes, however it is folded. */
static bool names(struct str field, const char *bytes)
{
	struct buf b;
	bool found;

	buf_init(&b, DKIM_FIELD_MAX);
	for (size_t i = 0; i < field.n; i++)
		if (!strchr("\r\n\t", field.p[i]))
			buf_addc(&b, field.p[i]);
	found = str_search(buf_str(&b), str_z(bytes)) >= 0;
	buf_fini(&b);
	return found;
}

/* What is there several times is signed as often, from the last one up, and once more where it must not grow. */
static void covers_fields(void **state)
{
	struct arena a = memory();
	struct dkim_unsigned x[2], y[2];

	assert_true(prepare(&a, STR("List-Id: 1\r\nList-Id: 2\r\nfrom: a\r\nSender: b\r\nResent-From: c\r\nX-Other: d\r\n\r\n"), x));
	assert_true(names(x[0].field, "From:From:") && names(x[0].field, "Sender:Sender:"));
	assert_true(names(x[0].field, "List-Id:List-Id:List-Id:"));
	assert_false(names(x[0].field, "Resent-From:Resent-From") || names(x[0].field, "X-Other"));
	assert_true(prepare(&a, STR("List-Id: 2\r\nList-Id: 1\r\nfrom: a\r\nSender: b\r\nResent-From: c\r\n\r\n"), y));
	is_str(y[0].field, arena_dupz(&a, x[0].field));
	assert_memory_not_equal(x[0].digest, y[0].digest, 32); /* their order counts */
	assert_true(prepare(&a, STR("List-Id: 1\r\nfrom: a\r\nList-Id: 2\r\nX-Other: e\r\nSender:  b\r\nResent-From: c\r\n\r\n\r\n"), y));
	assert_memory_equal(x[0].digest, y[0].digest, 32);
	arena_fini(&a);
}

static void refuses(void **state)
{
	struct arena a = memory();
	struct dkim_unsigned out[2];
	struct buf b;

	assert_false(prepare(&a, STR("To: a\r\n\r\n"), out));
	buf_init(&b, 10000);
	for (int i = 0; i < DKIM_FIELDS_MAX; i++)
		buf_addz(&b, "From: a\r\n");
	assert_true(prepare(&a, buf_str(&b), out));
	buf_addz(&b, "From: a\r\n");
	assert_false(prepare(&a, buf_str(&b), out));
	buf_reset(&b);
	for (int i = 1; i < DKIM_FIELDS_MAX; i++)
		buf_addz(&b, "Content-Transfer-Encoding: a\r\n");
	buf_addz(&b, "From: a\r\n");
	assert_true(prepare(&a, buf_str(&b), out));
	assert_true(out[0].field.n <= DKIM_FIELD_MAX);
	for (struct str rest = out[0].field, line; str_split(&rest, '\n', &line);)
		assert_true(line.n <= 72);
	buf_fini(&b);
	arena_fini(&a);
}

/* ---- records */

static enum dkim_fit fit(const char *text)
{
	struct str s = str_z(text);

	return dkim_record_fit(&s, 1, STR(ED25519_RECORD));
}

static void fits(void **state)
{
	struct str two[] = { STR(ED25519_RECORD), STR("v=spf1 -all") };

	assert_int_equal(fit(ED25519_RECORD), DKIM_FITS);
	assert_int_equal(fit("k=ed25519 ; p = 11qYAYKxCrfVS/7TyWQHOg7hcvPa piMlrwIaaPcHURo=; n=note;"), DKIM_FITS);
	assert_int_equal(fit("v=DKIM1;t=s:y;k=ed25519;p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), DKIM_FITS_TESTING);
	assert_int_equal(fit("v=DKIM1; s=email; h=sha1 : sha256; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), DKIM_FITS);
	assert_int_equal(fit("v=DKIM1; s=tlsrpt; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), DKIM_NOT_FOR_MAIL);
	assert_int_equal(fit("v=DKIM1; h=sha1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), DKIM_NOT_FOR_MAIL);
	assert_int_equal(fit("v=DKIM1; k=ed25519; p=21qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), DKIM_OTHER_KEY);
	assert_int_equal(fit("v=DKIM1; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), DKIM_OTHER_KEY);
	assert_int_equal(fit("v=DKIM1; k=ed25519; p="), DKIM_REVOKED);
	assert_int_equal(fit("v=DKIM1; k=ed25519"), DKIM_ABSENT);
	assert_int_equal(fit("k=ed25519; v=DKIM1; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), DKIM_ABSENT);
	assert_int_equal(fit("v=DKIM2; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), DKIM_ABSENT);
	assert_int_equal(fit("v=DKIM1; nonsense; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), DKIM_ABSENT);
	assert_int_equal(dkim_record_fit(NULL, 0, STR(ED25519_RECORD)), DKIM_ABSENT);
	assert_int_equal(dkim_record_fit(two, 2, STR(ED25519_RECORD)), DKIM_FITS);
	two[1] = STR(RSA_RECORD);
	assert_int_equal(dkim_record_fit(two, 2, STR(ED25519_RECORD)), DKIM_SEVERAL);
}

static void records_have_a_size(void **state)
{
	struct buf b;
	struct str s;

	buf_init(&b, DKIM_RECORD_MAX + 1);
	buf_addz(&b, ED25519_RECORD "; n=");
	while (b.n < DKIM_RECORD_MAX)
		buf_addc(&b, 'x');
	s = buf_str(&b);
	assert_int_equal(dkim_record_fit(&s, 1, STR(ED25519_RECORD)), DKIM_FITS);
	buf_addc(&b, 'x');
	s = buf_str(&b);
	assert_int_equal(dkim_record_fit(&s, 1, STR(ED25519_RECORD)), DKIM_ABSENT);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_of_the_rfc), cmocka_unit_test(bodies_at_their_ends), cmocka_unit_test(bodies_of_every_kind),
		cmocka_unit_test(keys_sign_as_the_rfc), cmocka_unit_test(keys_that_are_none), cmocka_unit_test(makes_fields),
		cmocka_unit_test(covers_fields), cmocka_unit_test(refuses), cmocka_unit_test(fits), cmocka_unit_test(records_have_a_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
