/* fuzz/auth_scram.c - SCRAM: a client's two messages and a verifier's text. What is taken names somebody and is bound to this connection; an imported hash does
 * not crash what looks at it. */
#include "auth/import.h"
#include "auth/scram.h"
#include "base/die.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void exchange(struct str first, struct str last, bool plus)
{
	struct scram_bindings b = { .exporter = STR("exported"), .end_point = STR("certificate") };
	struct scram_salt salt = { .iterations = 4096, .n = 4, .bytes = "salt" };
	struct scram_verifier v = { .salt = salt };
	struct buf out;
	struct scram x;

	scram_init(&x, SCRAM_SHA_256, plus);
	memcpy(x.server_nonce, "SERVER", sizeof "SERVER");
	buf_init(&out, 4096);
	if (scram_client_first(&x, first, &b, true) == OK) {
		die_unless(x.user.n && !str_starts(first, STR("y")), "nobody, or a hidden -PLUS");
		die_unless(plus == str_starts(first, STR("p=")), "a binding that is not the mechanism's");
		scram_server_first(&x, &salt, &out);
		die_unless(!out.full && !x.auth_message.full, "bounds");
		if (scram_client_final(&x, last) == OK) {
			die_unless(str_search(last, STR("SERVER")) > 0, "another nonce");
			buf_reset(&out);
			die_unless(!scram_proven(&x, &v, &out), "a proof by a verifier of zeroes");
		}
	}
	scram_fini(&x);
	buf_fini(&out);
}

/* Not crypt's and Argon2's: their work is the library's, and takes as long as the text says. */
static void import(struct str text)
{
	struct buf hash, scram;
	struct str secret;

	if (str_starts(text, STR("$")) || str_ifind(text, STR("CRYPT}")) >= 0 || str_ifind(text, STR("ARGON")) >= 0)
		return;
	buf_init(&hash, IMPORT_HASH_MAX);
	buf_init(&scram, SCRAM_TEXT_MAX);
	if (import_hash(text, &hash, &scram, &secret) == IMPORT_OK)
		die_unless(hash.n && !hash.full && !scram.full, "a hash that is empty or cut");
	buf_fini(&hash);
	buf_fini(&scram);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scram_verifier v, again;
	struct str s = str_of(data, size), first;
	struct buf text;

	if (!size || size > 4000)
		return 0;
	import(s);
	if (scram_decode(s, SCRAM_SHA_1, &v)) {
		buf_init(&text, SCRAM_TEXT_MAX);
		scram_encode(SCRAM_SHA_1, &v, &text);
		die_unless(scram_decode(buf_str(&text), SCRAM_SHA_1, &again) && memcmp(v.stored, again.stored, 20) == 0, "text and back");
		buf_fini(&text);
	}
	str_split(&s, '\n', &first);
	exchange(first, s, false);
	exchange(first, s, true);
	return 0;
}
