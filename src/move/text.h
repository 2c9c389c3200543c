/* move/text.h - a letter's bytes as they are kept: line ends CRLF. Pure but for the body writer that takes them. */
#ifndef SALLYPORT_MOVE_TEXT_H
#define SALLYPORT_MOVE_TEXT_H

#include "ipc/body.h"

#define LETTER_BLOCK 16384

struct letter_text {
	struct body_writer *to;
	bool after_cr;	/* the last byte was CR */
	bool has_nul;	/* sticky: such a letter cannot be kept */
	bool looked;	/* at its beginning */
	bool is_binary; /* it begins with no header field, and with bytes that no text has */
	uint64_t n;	/* bytes that came */
	size_t n_block;
	char block[LETTER_BLOCK]; /* lines on their way to the writer: it is called for many at once */
};

void letter_text_open(struct letter_text *t, struct body_writer *to);
void letter_text_add(struct letter_text *t, struct str bytes);
/* Why it cannot be kept, or NULL. Asked at the end; over the writer's size_max is among the reasons. */
const char *letter_text_fault(const struct letter_text *t);

#endif
