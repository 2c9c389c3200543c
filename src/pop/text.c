/* pop/text.c - a message as POP3 sends it. See the header.
 * Trust       the message is hostile.
 * Invariants  I1 what is sent does not depend on how the message is cut into pieces.
 */
#include "pop/text.h"

void pop_text_init(struct pop_text *t, uint32_t lines)
{
	*t = (struct pop_text){ .lines = lines, .blank_line = true };
}

/* A line has ended: is there more to send? */
static void line_ended(struct pop_text *t)
{
	if (t->in_body && t->lines != UINT32_MAX)
		t->lines--;
	if (t->blank_line)
		t->in_body = true;
	t->cut = t->in_body && t->lines == 0;
	t->mid_line = false;
	t->blank_line = true;
}

void pop_text_feed(struct pop_text *t, struct str in, void (*out)(void *ctx, struct str piece), void *ctx)
{
	size_t from = 0, at = 0;

	while (at < in.n && !t->cut) {
		struct str rest = str_from(in, at);
		ssize_t lf = str_find(rest, '\n');
		size_t n = lf < 0 ? rest.n : (size_t)lf + 1;
		size_t text = lf < 0 ? n : n - 1;

		if (!t->mid_line && rest.p[0] == '.') {
			if (at > from)
				out(ctx, str_sub(in, from, at - from));
			out(ctx, STR("."));
			from = at;
		}
		if (text > 1 || (text == 1 && (rest.p[0] != '\r' || t->mid_line)))
			t->blank_line = false;
		t->mid_line = true;
		if (lf >= 0)
			line_ended(t);
		at += n;
	}
	if (at > from)
		out(ctx, str_sub(in, from, at - from));
}

struct str pop_text_end(const struct pop_text *t)
{
	return t->mid_line ? STR("\r\n.\r\n") : STR(".\r\n");
}
