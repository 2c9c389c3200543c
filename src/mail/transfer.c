/* mail/transfer.c - undoing a transfer encoding a piece at a time. See the header.
 * Trust       the text is hostile; output and what is held are bounded.
 * Invariants  T1 held is empty, or blanks (perhaps with a CR), or "=" and blanks (perhaps with a CR), or "=" and one hex digit.
 */
#include "mail/transfer.h"

#include "mail/base64.h"

void mail_transfer_init(struct mail_transfer *t, enum mail_encoding encoding)
{
	t->encoding = (uint8_t)encoding;
	t->have = 0;
	t->n_held = 0;
	t->acc = 0;
}

/* ---- base64: groups go on from piece to piece */

static void base64_add(struct mail_transfer *t, struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		int v = mail_base64_value(in.p[i]);

		if (v < 0) {
			t->have = in.p[i] == '=' ? 0 : t->have;
			continue;
		}
		t->acc = t->acc << 6 | (uint32_t)v;
		if (t->have++)
			buf_addc(out, (char)(t->acc >> (8 - t->have * 2)));
		t->have %= 4;
	}
}

/* ---- quoted-printable */

static void flush(struct mail_transfer *t, struct buf *out)
{
	buf_add(out, str_of(t->held, t->n_held));
	t->n_held = 0;
}

static void hold(struct mail_transfer *t, char ch, struct buf *out)
{
	if (t->n_held == MAIL_TRANSFER_HELD)
		flush(t, out);
	t->held[t->n_held++] = ch;
}

static bool holds_escape(const struct mail_transfer *t)
{
	return t->n_held && t->held[0] == '=';
}

/* Blanks before a line's end are not of the text, and neither is a "=" there with the line's end itself. */
static void line_end(struct mail_transfer *t, struct buf *out)
{
	bool soft = holds_escape(t), crlf = t->n_held && t->held[t->n_held - 1] == '\r';

	if (soft && t->n_held > 1 && mail_hex_digit(t->held[1]) >= 0) {
		flush(t, out);
		soft = false;
	}
	t->n_held = 0;
	if (!soft)
		buf_add(out, crlf ? STR("\r\n") : STR("\n"));
}

/* The second character of an escape, or what may be it. True: taken. */
static bool escape_add(struct mail_transfer *t, char ch, struct buf *out)
{
	int hi, lo = mail_hex_digit(ch);

	if (t->n_held == 1 && lo >= 0) {
		t->held[t->n_held++] = ch;
		return true;
	}
	hi = t->n_held == 2 ? mail_hex_digit(t->held[1]) : -1;
	if (hi < 0 || lo < 0)
		return false;
	buf_addc(out, (char)(hi << 4 | lo));
	t->n_held = 0;
	return true;
}

static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t';
}

static void qp_char(struct mail_transfer *t, char ch, struct buf *out)
{
	bool after_cr = t->n_held && t->held[t->n_held - 1] == '\r', cut_escape;

	if (ch == '\n') {
		line_end(t, out);
		return;
	}
	if (holds_escape(t) && escape_add(t, ch, out))
		return;
	cut_escape = holds_escape(t) && t->n_held > 1 && mail_hex_digit(t->held[1]) >= 0;
	if ((is_blank(ch) || ch == '\r') && !after_cr && !cut_escape) {
		hold(t, ch, out);
		return;
	}
	flush(t, out);
	if (ch == '=' || is_blank(ch) || ch == '\r')
		hold(t, ch, out);
	else
		buf_addc(out, ch);
}

static bool is_plain(char ch)
{
	return ch != '=' && ch != '\r' && ch != '\n' && !is_blank(ch);
}

static void qp_add(struct mail_transfer *t, struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.n;) {
		size_t n = 0;

		while (t->n_held == 0 && i + n < in.n && is_plain(in.p[i + n]))
			n++;
		buf_add(out, str_of(in.p + i, n));
		i += n;
		if (i < in.n)
			qp_char(t, in.p[i++], out);
	}
}

static void qp_end(struct mail_transfer *t, struct buf *out)
{
	bool escape = holds_escape(t), kept;

	kept = t->n_held && (t->held[t->n_held - 1] == '\r' || (escape && t->n_held > 1 && !is_blank(t->held[1])));
	if (kept)
		flush(t, out);
	t->n_held = 0;
}

/* ---- all of them */

void mail_transfer_add(struct mail_transfer *t, struct str in, struct buf *out)
{
	if (t->encoding == MAIL_ENCODING_BASE64)
		base64_add(t, in, out);
	else if (t->encoding == MAIL_ENCODING_QP)
		qp_add(t, in, out);
	else
		buf_add(out, in);
}

void mail_transfer_end(struct mail_transfer *t, struct buf *out)
{
	if (t->encoding == MAIL_ENCODING_QP)
		qp_end(t, out);
	t->have = 0;
}
