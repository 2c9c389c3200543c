/* pop/text.h - a message as POP3 sends it (RFC 1939 3, 7 TOP): dots doubled, CRLF at the end, cut for TOP. Pure.
 *
 * Bytes are kept as they are. A dot after any LF is doubled, also after one that stands alone: a client that takes it for a
 * line end must not see the end of the answer there.
 */
#ifndef SALLYPORT_POP_TEXT_H
#define SALLYPORT_POP_TEXT_H

#include "base/str.h"

struct pop_text {
	/* TOP: lines of the body still to be sent; UINT32_MAX: all (RETR). */
	uint32_t lines;
	bool in_body;    /* the empty line has been seen */
	bool mid_line;   /* something of the present line has been seen */
	bool blank_line; /* of it, a CR at most */
	bool cut;        /* TOP has enough: nothing more is wanted */
};

void pop_text_init(struct pop_text *t, uint32_t lines);
/* Takes the next bytes of the message and calls out with what is to be sent of them. */
void pop_text_feed(struct pop_text *t, struct str in, void (*out)(void *ctx, struct str piece), void *ctx);
/* What ends the answer: a CRLF when the last line has none, and the line with the dot. */
struct str pop_text_end(const struct pop_text *t);

#endif
