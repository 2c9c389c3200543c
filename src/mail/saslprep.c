/* mail/saslprep.c - SASLprep by ICU's StringPrep. See the header.
 * Trust       any bytes; ICU is given valid UTF-16 of bounded length.
 * Invariants  what comes out is UTF-8, and preparing it again gives itself.
 */
#include "mail/saslprep.h"

#include "base/die.h"

#include <stdlib.h>
#include <openssl/crypto.h>
#include <unicode/usprep.h>
#include <unicode/ustring.h>

#define UNITS_MAX (SASLPREP_MAX * 4) /* compatibility forms can be longer */

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_print(s.p[i]))
			return false;
	return true;
}

static bool prepare(struct str in, int32_t options, UChar *from, UChar *to, struct buf *out)
{
	UErrorCode e = U_ZERO_ERROR;
	int32_t n = 0, n_to, n_bytes = 0;
	UStringPrepProfile *profile;
	char *room;

	u_strFromUTF8(from, UNITS_MAX, &n, in.p, (int32_t)in.n, &e);
	if (U_FAILURE(e))
		return false;
	profile = usprep_openByType(USPREP_RFC4013_SASLPREP, &e);
	if (U_FAILURE(e))
		die("saslprep: ICU has no profile of it: %s", u_errorName(e));
	n_to = usprep_prepare(profile, from, n, to, UNITS_MAX, options, NULL, &e);
	usprep_close(profile);
	if (U_FAILURE(e) || n_to > UNITS_MAX)
		return false;
	room = buf_room(out, SASLPREP_MAX);
	if (!room)
		return false;
	u_strToUTF8(room, SASLPREP_MAX, &n_bytes, to, n_to, &e);
	if (U_FAILURE(e) || n_bytes > SASLPREP_MAX)
		return false;
	buf_grew(out, (size_t)n_bytes);
	return true;
}

bool saslprep(struct str in, bool stored, struct buf *out)
{
	UChar *units;
	bool ok;

	if (in.n > SASLPREP_MAX)
		return false;
	if (is_plain(in)) {
		buf_add(out, in);
		return !out->full;
	}
	units = mem_alloc(2 * UNITS_MAX * sizeof *units);
	ok = prepare(in, stored ? USPREP_DEFAULT : USPREP_ALLOW_UNASSIGNED, units, units + UNITS_MAX, out);
	OPENSSL_cleanse(units, 2 * UNITS_MAX * sizeof *units); /* it may be a password */
	free(units);
	return ok;
}
