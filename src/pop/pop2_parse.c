/* pop/pop2_parse.c - the arguments of POP2's commands. See the header.
 * Trust       input is hostile.
 */
#include "pop/pop2_parse.h"

static bool take(struct str *line, bool to_blank, struct buf *out)
{
	size_t i = 0;

	for (; i < line->n && !(to_blank && line->p[i] == ' '); i++) {
		if (line->p[i] == '\\' && ++i == line->n)
			return false;
		buf_addc(out, line->p[i]);
	}
	*line = str_from(*line, i < line->n ? i + 1 : i);
	return out->n > 0 && !out->full;
}

bool pop2_word(struct str *line, struct buf *out)
{
	return take(line, true, out);
}

bool pop2_string(struct str line, struct buf *out)
{
	return take(&line, false, out);
}
