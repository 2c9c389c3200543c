/* mail/nfc.c - text in the one composed form. See the header.
 * Trust       the text is hostile: it is checked and bounded before ICU sees it.
 */
#include "mail/nfc.h"

#include "base/die.h"
#include "mail/utf8.h"

#include <stdlib.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#define UNITS_MAX (4 * MAIL_NFC_MAX) /* a unit becomes three at most (UAX 15 9) */

struct work {
	UChar in[MAIL_NFC_MAX], out[UNITS_MAX];
	char text[3 * UNITS_MAX];
};

static bool compose(struct work *w, struct str text, struct buf *out)
{
	UErrorCode err = U_ZERO_ERROR;
	const UNormalizer2 *nfc = unorm2_getNFCInstance(&err);
	int32_t n = 0, n_out, n_text = 0;

	u_strFromUTF8(w->in, MAIL_NFC_MAX, &n, text.p, (int32_t)text.n, &err);
	n_out = unorm2_normalize(nfc, w->in, n, w->out, UNITS_MAX, &err);
	u_strToUTF8(w->text, sizeof w->text, &n_text, w->out, n_out, &err);
	if (U_FAILURE(err) || (size_t)n_text > out->max - out->n)
		return false;
	buf_add(out, str_of(w->text, (size_t)n_text));
	return true;
}

bool mail_nfc(struct str text, struct buf *out)
{
	struct work *w;
	bool good;

	if (text.n > MAIL_NFC_MAX || !mail_utf8_ok(text))
		return false;
	w = mem_alloc(sizeof *w);
	good = compose(w, text, out);
	free(w);
	return good;
}
