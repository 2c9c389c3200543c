/* mail/idn.c - addresses as they are compared. See the header.
 * Trust  input is hostile; it is bounded before it is given to a library, and what a library refuses stays as it is.
 */
#include "mail/idn.h"

#include "mail/utf8.h"

#include <idn2.h>
#include <string.h>
#include <unicode/unorm2.h>

#define DOMAIN_MAX 255
#define LOCAL_MAX 256 /* IPC carries at most 64; on the stack: 1.3 KiB */

static struct str lowered(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_lower(s.p[i]);
	return str_of(p, s.n);
}

struct str mail_domain_fold(struct arena *a, struct str domain)
{
	struct str made = { 0 };
	uint8_t *out = NULL;

	if (mail_ascii_ok(domain) || domain.n > DOMAIN_MAX || !mail_utf8_ok(domain) || str_find(domain, 0) >= 0)
		return lowered(a, domain);
	if (idn2_lookup_u8((const uint8_t *)arena_dupz(a, domain), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK)
		made = lowered(a, str_z((const char *)out));
	idn2_free(out);
	/* A label of which nothing is left is none. */
	return made.n && made.p[0] != '.' && str_search(made, STR("..")) < 0 ? made : lowered(a, domain);
}

struct str mail_local_fold(struct arena *a, struct str local)
{
	UErrorCode e = U_ZERO_ERROR;
	const UNormalizer2 *nfc = unorm2_getNFCInstance(&e);
	UChar from[LOCAL_MAX], to[LOCAL_MAX];
	char out[LOCAL_MAX];
	int32_t n_from, n_to, n;

	if (mail_ascii_ok(local) || local.n > LOCAL_MAX || !mail_utf8_ok(local) || U_FAILURE(e))
		return lowered(a, local);
	u_strFromUTF8(from, LOCAL_MAX, &n_from, local.p, (int32_t)local.n, &e);
	n_to = unorm2_normalize(nfc, from, n_from, to, LOCAL_MAX, &e);
	u_strToUTF8(out, LOCAL_MAX, &n, to, n_to, &e);
	return lowered(a, U_SUCCESS(e) ? str_of(out, (size_t)n) : local);
}
