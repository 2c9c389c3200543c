/* mail/fold.c - text made comparable for search. See the header.
 * Purpose     ASCII sixteen bytes at a time; anything else by ICU in short segments.
 * Trust       the text is hostile.
 * Invariants  I1 a segment is at most SEGMENT_MAX bytes: normalization sorts combining marks, in quadratic time.
 */
#include "mail/fold.h"

#include "base/die.h"
#include "mail/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#define SEGMENT_MIN 128 /* bytes after which a segment ends where it may */
#define SEGMENT_MAX 256 /* bytes at which it ends in any case */
#define CHUNK 65536	/* of ASCII between looks at the room */

typedef signed char lanes __attribute__((vector_size(16)));

static bool has_high(lanes v)
{
	uint64_t w[2];

	memcpy(w, &v, sizeof w);
	return (w[0] | w[1]) & 0x8080808080808080ULL;
}

/* Lowers ASCII up to the first other byte; how many bytes that were. */
static size_t lower_ascii(const char *p, size_t n, char *to)
{
	size_t i = 0;

	for (; n - i >= 16; i += 16) {
		lanes v;

		memcpy(&v, p + i, sizeof v);
		if (has_high(v))
			break;
		v += ((v >= 'A') & (v <= 'Z')) & 32;
		memcpy(to + i, &v, sizeof v);
	}
	for (; i < n && !(p[i] & 0x80); i++)
		to[i] = ascii_lower(p[i]);
	return i;
}

/* ASCII at the start of text goes to out; how many bytes of it. */
static size_t fold_ascii(struct str text, struct buf *out)
{
	size_t at = 0;

	while (at < text.n) {
		size_t room = text.n - at < CHUNK ? text.n - at : CHUNK, n;
		char *q = buf_room(out, room);

		if (!q)
			break;
		n = lower_ascii(text.p + at, room, q);
		buf_grew(out, n);
		at += n;
		if (n < room)
			break;
	}
	return at;
}

static void add_utf16(const UChar *u, int32_t n, struct buf *out)
{
	for (int32_t i = 0; i < n;) {
		UChar32 c;
		char t[4];
		size_t k = 0;

		U16_NEXT(u, i, n, c);
		U8_APPEND_UNSAFE(t, k, c);
		buf_add(out, str_of(t, k));
	}
}

static void normalize(const UNormalizer2 *norm, const UChar *in, int32_t n_in, struct buf *out)
{
	UErrorCode err = U_ZERO_ERROR;
	UChar few[256], *many;
	int32_t n = unorm2_normalize(norm, in, n_in, few, 256, &err);

	if (U_SUCCESS(err)) {
		add_utf16(few, n, out);
		return;
	}
	if (err != U_BUFFER_OVERFLOW_ERROR)
		return;
	err = U_ZERO_ERROR;
	many = mem_array((size_t)n, sizeof *many);
	n = unorm2_normalize(norm, in, n_in, many, n, &err);
	if (U_SUCCESS(err))
		add_utf16(many, n, out);
	free(many);
}

static UChar32 take_char(struct str text, size_t *at)
{
	struct str rest = str_from(text, *at);
	size_t n = mail_utf8_size(rest);
	UChar32 c;
	size_t i = 0;

	*at += n ? n : 1;
	if (!n)
		return 0xfffd;
	U8_NEXT_UNSAFE(rest.p, i, c);
	return c;
}

/* Whether a segment of so many bytes ends before c. */
static bool ends_before(const UNormalizer2 *norm, UChar32 c, size_t size)
{
	return c < 0x80 || size >= SEGMENT_MAX || (size >= SEGMENT_MIN && unorm2_hasBoundaryBefore(norm, c));
}

/* Folds from a character that is not ASCII to where a new segment may begin; how many bytes. last: the folded ASCII character
 * before it, which it may combine with, or -1. */
static size_t fold_segment(const UNormalizer2 *norm, struct str text, int last, struct buf *out)
{
	UChar in[SEGMENT_MAX + 2];
	int32_t n = 0;
	size_t at = 0, next = 0;

	if (last >= 0)
		in[n++] = (UChar)last;
	while (next < text.n) {
		UChar32 c = take_char(text, &next);

		if (at && ends_before(norm, c, at))
			break;
		U16_APPEND_UNSAFE(in, n, c);
		at = next;
	}
	normalize(norm, in, n, out);
	return at;
}

void mail_fold(struct str text, struct buf *out)
{
	size_t from = out->n, at = fold_ascii(text, out);
	const UNormalizer2 *norm = NULL;
	UErrorCode err = U_ZERO_ERROR;

	while (at < text.n && !out->full) {
		int last = -1;

		if (!norm)
			norm = unorm2_getNFKCCasefoldInstance(&err);
		die_unless(U_SUCCESS(err), "ICU has no normalization data");
		if (out->n > from && at && !(text.p[at - 1] & 0x80)) {
			last = (unsigned char)out->p[out->n - 1];
			buf_cut(out, out->n - 1);
		}
		at += fold_segment(norm, str_from(text, at), last, out);
		at += fold_ascii(str_from(text, at), out);
	}
}

bool mail_folded_contains(struct str hay, struct str needle)
{
	return str_search(hay, needle) >= 0;
}
