/* unit/auth/test_import.c - hashes made by real tools: each is taken, and is the hash of its password and of no other. */
#include "auth/import.h"

#include "auth/password.h"
#include "auth/scram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* doveadm pw -s SCHEME -p 'pass wörd' (2.3.19), in UTF-8 */
static const char *const by_doveadm[] = {
	"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$62xSS5hYtrIEvUUIUG6ujw$zJKWibp8E1yZTYoYf8MPBOX/C5K2pTvxo7c65niLgvQ",
	"{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$+V7WdBsxQokdBhdxYhD7ug$eAShV3QAAT+libek9+kwykmDElj6Iugkj4sH/ViLTNk",
	"{SHA512-CRYPT}$6$svE8dhtSeZOwoprc$lqWE6ZKa5UjOzYVCqVuyQrXsOZUng08JLP.gTlUGhFpJRgCAWkJAKvHxnquTj1rQ4adabL9kNKPM.zsdV4JcM/",
	"{SHA256-CRYPT}$5$0FKqT9QmJv4iwNIX$l9SZjqQ8c.n7IuYpQ9JjuvypQELF.6wL74pCvuOM15D",
	"{BLF-CRYPT}$2y$05$mbhxvxEt1PK1oaaVSzJh0uBNIiYt9EdLIDb08J1gz1xvZ3qJR3yka",
	"{MD5-CRYPT}$1$Xb5byMU/$Nz4EhAasRCzw4rTiNJQjA0",
	"{SSHA}80Zt2lbwppgA1m8mOTOYQLI8Ele6bUVR",
	"{SSHA256}qZhctd9Y0ceiGEsMl/QyG/lXJBIIILx7QCP8LN38+epI2xcu",
	"{SSHA512}uK9V/N0RXURAfm2jIhFb3KOONccMAQ3UfTiyzsFEKqwWXiZ2myiENd5mhjCxOeSqRbIztxW/s0zJdP7fPX0MXdcZreQ=",
	"{SMD5}740R8ktEVQuSqqrGilyrz+T5234=",
	"{SHA}B/PcQHeAKywePq/ztWiCWf9lImE=",
	"{SHA1}B/PcQHeAKywePq/ztWiCWf9lImE=",
	"{SHA256}OiJnkCVYiolCxym6OY5vSw4KcK5/4byVl4xwY92nKW4=",
	"{SHA512}zNC2/6f2hn0TF9T9rZD547wrjHSb4QzAd6Ka2pPoW8SpdvPx3wCEucqGdC89XUEQapM6HFqXiGHAibw6tmkzKg==",
	"{SHA256.HEX}3a22679025588a8942c729ba398e6f4b0e0a70ae7fe1bc95978c7063dda7296e",
	"{PLAIN-MD5}504d29647770fc46e054b810d4725657",
	"{LDAP-MD5}UE0pZHdw/EbgVLgQ1HJWVw==",
	"{PBKDF2}$1$pD8UworMg.2JBE4A$5000$0608663d3832ff6bf83c91501d5d6d67b3ef874d",
	"{SCRAM-SHA-1}4096,0dmLVtYL/+VeeIZcXNRVMQ==,oY8KdSZdMFmyBa0uAh00WdMENjc=,ec9N1RTFnP6S+gZ+1tnO4XdoeQE=",
	"{SCRAM-SHA-256}4096,SJuGPM7mmi6HprkKRqbBGw==,6e2sUFKJNvgicckNZ0SYKt+xGDxmxi4gR2sgG3tiYwU=,0r5n1LlNcPaPFmrBjzaTq4Rd/tx6hxgK17t4TzF7Fiw=",
	"{DES-CRYPT}6t5JCntA.k8Rg",
	"{CRYPT}$2y$05$n6h0Gi2w4xk51td8rGNPbuVYJ6txTab05m8mDO4Ui/SZxQntdZbea",
	NULL,
};

/* openssl passwd -1, -5, -6; mkpasswd -m yescrypt, bcrypt, gost-yescrypt, scrypt */
static const char *const by_others[] = {
	"$1$vBp.mcYn$fDlhm.67SUolV96Unfasa0",
	"$5$KiUKU8DgTcDYJRXG$ad0sGWrBk6jeNEyKbuucy/72uotUeXIUMZOPPfAwAC4",
	"$6$bp6IueCgwNHZv73f$rMsLsu2aYfsOD3A18FCBeJNUlvGfsUd45xs/vmQUOCxpJhAwyzC2w4NnP6aeD1qwKZOTTZ0C5d1IGB5WBWZPb1",
	"$y$j9T$RKhC0zrSX32g0BDMRdYvx/$gzb72GhhQlktMUtMtJehsZaPLT3vnauR.uZiDsAp7Z8",
	"$2b$05$nw.y3gspRaSiqGRgumgqjOU4f3ZX9zNBowIOuHk6/5n9s/tFVjfwS",
	"$gy$j9T$W7LyiEBwOUD3FyOaFGF/Y1$Gv2DJk0LPIezGB6XTWwZXqJ4tzehAMC0i0n878zYsC2",
	"$7$CU..../.....kwmccFZZS8i3S9TlN0k30$pq8m.cfsOP/dzvwHS7ENDn8qP/RPSyE/Rp6eW0OkdvC",
	NULL,
};

static void one(const char *text)
{
	struct buf hash, scram;
	struct str secret;

	buf_init(&hash, IMPORT_HASH_MAX);
	buf_init(&scram, SCRAM_TEXT_MAX);
	if (import_hash(str_z(text), &hash, &scram, &secret) != IMPORT_OK)
		fail_msg("%s is not taken", text);
	if (!password_verify(STR("pass w\xc3\xb6rd"), buf_str(&hash)))
		fail_msg("%s: the password is not known", text);
	assert_false(password_verify(STR("pess w\xc3\xb6rd"), buf_str(&hash)));
	assert_false(password_verify(STR(""), buf_str(&hash)));
	assert_false(password_hash_is_current(buf_str(&hash)));
	assert_int_equal(scram.n > 0, strstr(text, "SCRAM") != NULL);
	buf_fini(&hash);
	buf_fini(&scram);
}

static void doveadm(void **state)
{
	(void)state;
	for (size_t i = 0; by_doveadm[i]; i++)
		one(by_doveadm[i]);
}

static void others(void **state)
{
	(void)state;
	for (size_t i = 0; by_others[i]; i++)
		one(by_others[i]);
}

static enum import_result look(const char *text)
{
	struct buf hash, scram;
	struct str secret;
	enum import_result r;

	buf_init(&hash, IMPORT_HASH_MAX);
	buf_init(&scram, SCRAM_TEXT_MAX);
	r = import_hash(str_z(text), &hash, &scram, &secret);
	if (r != IMPORT_OK)
		assert_int_equal(hash.n, 0);
	if (r == IMPORT_PLAIN)
		assert_true(str_eq(secret, STR("secret")));
	buf_fini(&hash);
	buf_fini(&scram);
	return r;
}

static void refused(void **state)
{
	static const char *const unknown[] = { "", "secret", "{NONSENSE}x", "{SSHA", "{CRAM-MD5}aaaa", "{SHA256.XYZ}aaaa", "{}x", "{SKEY}x" };
	static const char *const malformed[] = { "{SSHA}", "{SSHA}AAAA", "{SHA256}AAAA", "{SHA256}!!", "{PLAIN-MD5}504d", "{PBKDF2}$1$salt$0$00",
		"{PBKDF2}x", "{PLAIN}",
		"$6$", "$6$salt$short", "$1$vBp.mcYn", "{CRYPT}", "$9$what$is", "{SCRAM-SHA-256}4096,aa", "{SCRAM-SHA-1}0,YQ==,YQ==,YQ==", "{ARGON2ID}x",
		"{SHA512-CRYPT}$2y$05$mbhxvxEt1PK1oaaVSzJh0u" };

	(void)state;
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		assert_int_equal(look(unknown[i]), IMPORT_UNKNOWN);
	for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
		if (look(malformed[i]) != IMPORT_MALFORMED)
			fail_msg("%s is not refused", malformed[i]);
	assert_int_equal(look("{PLAIN}secret"), IMPORT_PLAIN);
	assert_int_equal(look("{cleartext}secret"), IMPORT_PLAIN);
}

static void own(void **state)
{
	char hash[PASSWORD_HASH_SIZE];

	(void)state;
	assert_true(password_hash(STR("x"), hash));
	assert_true(password_hash_is_current(str_z(hash)));
	assert_int_equal(look(hash), IMPORT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(doveadm), cmocka_unit_test(others), cmocka_unit_test(refused), cmocka_unit_test(own) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
