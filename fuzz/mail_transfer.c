/* fuzz/mail_transfer.c - transfer encodings undone in pieces: as in one, as the decoders of whole texts do it, and no longer than the text. */
#include "base/die.h"
#include "mail/base64.h"
#include "mail/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(struct str text, enum mail_encoding encoding, size_t piece, struct buf *out)
{
	struct mail_transfer t;

	mail_transfer_init(&t, encoding);
	for (size_t at = 0; at < text.n; at += piece) {
		size_t before = out->n;

		mail_transfer_add(&t, str_sub(text, at, piece), out);
		die_unless(out->n - before <= piece + MAIL_TRANSFER_HELD, "a piece that grows");
	}
	mail_transfer_end(&t, out);
}

static void check(struct str text, enum mail_encoding encoding, size_t piece)
{
	struct buf whole, pieces, other;

	buf_init(&whole, 2 * text.n + 16);
	buf_init(&pieces, 2 * text.n + 16);
	buf_init(&other, 2 * text.n + 16);
	decode(text, encoding, text.n ? text.n : 1, &whole);
	decode(text, encoding, piece, &pieces);
	die_unless(whole.n <= text.n && str_eq(buf_str(&whole), buf_str(&pieces)), "pieces decode to something else");
	if (encoding == MAIL_ENCODING_BASE64)
		mail_base64_decode_lax(text, &other);
	else
		mail_qp_decode(text, &other);
	if (text.n < MAIL_TRANSFER_HELD) /* beyond it long runs of blanks are told apart */
		die_unless(str_eq(buf_str(&whole), buf_str(&other)), "not what the decoder of whole texts makes");
	buf_fini(&whole);
	buf_fini(&pieces);
	buf_fini(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text;

	if (size < 1)
		return 0;
	text = size > 1 ? str_of(data + 1, size - 1) : STR("");
	check(text, MAIL_ENCODING_BASE64, 1u + data[0]);
	check(text, MAIL_ENCODING_QP, 1u + data[0]);
	return 0;
}
