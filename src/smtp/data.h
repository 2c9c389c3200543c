/* smtp/data.h - the text of a letter as DATA brings it (RFC 5321 4.5.2): ends at <CRLF>.<CRLF> and nowhere else.
 *
 * Bytes are fed as they come, in any pieces; what belongs to the letter, without the dots of transparency, goes to a body
 * writer. A CR or LF that is not of a CRLF and a NUL spoil the letter (they are how letters are smuggled): what follows is
 * swallowed up to the true end, and nothing of it is kept.
 */
#ifndef SALLYPORT_SMTP_DATA_H
#define SALLYPORT_SMTP_DATA_H

#include "ipc/body.h"

enum smtp_data_at { SMTP_DATA_START, SMTP_DATA_MID, SMTP_DATA_CR, SMTP_DATA_DOT, SMTP_DATA_DOT_CR, SMTP_DATA_END };

struct smtp_data {
	struct body_writer *writer;
	enum smtp_data_at at;
	uint64_t line_max; /* bytes of a line with its CRLF; 0: any */
	uint64_t line_n;
	bool bare, nul, long_line; /* sticky */
};

void smtp_data_init(struct smtp_data *d, struct body_writer *w, uint64_t line_max);
/* Takes bytes from the front of in; returns how many: less than in.n only when the end was met. */
size_t smtp_data_feed(struct smtp_data *d, struct str in) MUST_USE;
bool smtp_data_ended(const struct smtp_data *d);

/* The same of text that comes in chunks (RFC 3030): all of it belongs to the letter, dots are nothing special. */
void smtp_chunk_feed(struct smtp_data *d, struct str in);
void smtp_chunk_end(struct smtp_data *d); /* that was the last: a CR at its end stands alone */

#endif
