/* smtp/data.c - the text of a letter as DATA brings it. See the header.
 * Trust       input is hostile.
 * Invariants  I1 the end is CRLF "." CRLF, or "." CRLF as the very first line; no other bytes end the letter.
 *             I2 what is written, and where the end is, do not depend on how the input is cut into pieces.
 *             I3 a CR is written only once its LF has come.
 */
#include "smtp/data.h"

#include <string.h>

/* Sixteen bytes at once, on any processor. */
typedef unsigned char lanes __attribute__((vector_size(16)));

static lanes lanes_at(const char *p)
{
	lanes v;

	memcpy(&v, p, sizeof v);
	return v;
}

static bool any_set(lanes v)
{
	uint64_t w[2];

	memcpy(w, &v, sizeof w);
	return w[0] | w[1];
}

/* The byte at i is where the fast run must stop: NUL, a CR without its LF, a LF without its CR, a LF before a dot, or a
 * LF whose next byte is not here yet. A byte before the view counts as no CR. */
static bool is_event(const char *p, size_t n, size_t i)
{
	if (p[i] == '\r')
		return i + 1 == n || p[i + 1] != '\n';
	if (p[i] == '\n')
		return i == 0 || p[i - 1] != '\r' || i + 1 == n || p[i + 1] == '.';
	return p[i] == 0;
}

/* Offset of the first event, or n. */
static size_t plain_run(const char *p, size_t n)
{
	size_t i = 0;

	if (n && is_event(p, n, 0))
		return 0;
	for (i = 1; i + sizeof(lanes) + 1 <= n; i += sizeof(lanes)) {
		lanes before = lanes_at(p + i - 1), here = lanes_at(p + i), after = lanes_at(p + i + 1);
		lanes lf = (lanes)(here == '\n'), cr = (lanes)(here == '\r');
		lanes event = (lf ^ (lanes)(before == '\r')) | (cr ^ (lanes)(after == '\n')) | (lf & (lanes)(after == '.')) |
			(lanes)(here == 0);

		if (any_set(event))
			break;
	}
	while (i < n && !is_event(p, n, i))
		i++;
	return i;
}

void smtp_data_init(struct smtp_data *d, struct body_writer *w, uint64_t line_max)
{
	*d = (struct smtp_data){ .writer = w, .line_max = line_max };
}

bool smtp_data_ended(const struct smtp_data *d)
{
	return d->at == SMTP_DATA_END;
}

static void check_lines(struct smtp_data *d, struct str s)
{
	while (s.n) {
		ssize_t lf = str_find(s, '\n');
		size_t n = lf < 0 ? s.n : (size_t)lf + 1;

		d->line_n += n;
		if (d->line_n > d->line_max)
			d->long_line = true;
		if (lf >= 0)
			d->line_n = 0;
		s = str_from(s, n);
	}
}

static void emit(struct smtp_data *d, struct str s)
{
	if (s.n == 0 || d->bare || d->nul)
		return;
	if (d->line_max)
		check_lines(d, s);
	if (!d->long_line)
		body_writer_add(d->writer, s);
}

/* Within a line: everything up to the next event, and the event. Returns the bytes taken. */
static size_t feed_mid(struct smtp_data *d, struct str in)
{
	size_t i = plain_run(in.p, in.n);

	if (i == in.n) {
		emit(d, in);
		return i;
	}
	if (in.p[i] == '\r') {
		emit(d, str_sub(in, 0, i));
		d->at = SMTP_DATA_CR;
	} else if (in.p[i] == '\n' && i > 0 && in.p[i - 1] == '\r') {
		emit(d, str_sub(in, 0, i + 1));
		d->at = SMTP_DATA_START;
	} else if (in.p[i] == '\n') {
		d->bare = true;
	} else {
		d->nul = true;
	}
	return i + 1;
}

/* One byte in a state where a single byte decides. Returns 1 when it was taken. */
static size_t feed_byte(struct smtp_data *d, char c)
{
	switch (d->at) {
	case SMTP_DATA_START:
		d->at = c == '.' ? SMTP_DATA_DOT : SMTP_DATA_MID;
		return c == '.';
	case SMTP_DATA_DOT: /* the dot is of transparency unless the line is it alone */
		d->at = c == '\r' ? SMTP_DATA_DOT_CR : SMTP_DATA_MID;
		return c == '\r';
	case SMTP_DATA_DOT_CR:
		d->bare |= c != '\n';
		d->at = c == '\n' ? SMTP_DATA_END : SMTP_DATA_MID;
		return c == '\n';
	default: /* SMTP_DATA_CR */
		d->bare |= c != '\n';
		d->at = c == '\n' ? SMTP_DATA_START : SMTP_DATA_MID;
		emit(d, STR("\r\n"));
		return c == '\n';
	}
}

size_t smtp_data_feed(struct smtp_data *d, struct str in)
{
	size_t i = 0;

	while (i < in.n && d->at != SMTP_DATA_END)
		i += d->at == SMTP_DATA_MID ? feed_mid(d, str_from(in, i)) : feed_byte(d, in.p[i]);
	return i;
}

/* Offset behind the first CR, LF or NUL of in, or in.n and 0. */
static size_t find_control(struct str in, char *which)
{
	for (size_t i = 0; i < in.n; i++)
		if (in.p[i] == '\r' || in.p[i] == '\n' || in.p[i] == 0) {
			*which = in.p[i];
			return i + 1;
		}
	*which = 'x';
	return in.n;
}

void smtp_chunk_feed(struct smtp_data *d, struct str in)
{
	while (in.n) {
		char which;
		size_t n = find_control(in, &which);
		bool after_cr = d->at == SMTP_DATA_CR;

		d->bare |= after_cr != (n == 1 && which == '\n');
		d->bare |= which == '\n' && n > 1;
		d->nul |= which == 0;
		d->at = which == '\r' ? SMTP_DATA_CR : SMTP_DATA_MID;
		emit(d, str_sub(in, 0, n));
		in = str_from(in, n);
	}
}

void smtp_chunk_end(struct smtp_data *d)
{
	d->bare |= d->at == SMTP_DATA_CR;
}
