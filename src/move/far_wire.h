/* move/far_wire.h - what an IMAP server says (RFC 3501 9, RFC 9051 9), as tokens of a stream: bounded, whatever it says.
 *
 * A token is read when it is asked for; a literal's bytes are not read before they are asked for or skipped. What is not as the grammar wants
 * it, or passes a limit, makes the reader bad for good: every later token is TOK_BAD.
 */
#ifndef SALLYPORT_MOVE_FAR_WIRE_H
#define SALLYPORT_MOVE_FAR_WIRE_H

#include "co/stream.h"

#define FAR_WORD_MAX 65536 /* of an atom or a quoted string, and of a literal that is taken as a string */
#define FAR_DEPTH_MAX 64

enum far_tok { TOK_ATOM, TOK_STRING, TOK_LITERAL, TOK_OPEN, TOK_CLOSE, TOK_EOL, TOK_BAD };

struct far_in {
	struct stream *s;
	struct buf word;  /* of the last atom or string */
	uint64_t literal; /* bytes of it that are not read yet */
	bool bad;
};

void far_in_open(struct far_in *in, struct stream *s);
void far_in_close(struct far_in *in);
/* text: of TOK_ATOM and TOK_STRING, valid until the next token. */
SUSPENDS enum far_tok far_token(struct far_in *in, struct str *text);
/* A string in whatever form, or an atom (NIL is one too: *nil). False: something else came, and the reader is bad. */
SUSPENDS bool far_string(struct far_in *in, struct str *text, bool *nil);
/* All bytes of the literal that has just been met, in pieces; add NULL: they vanish. */
SUSPENDS void far_literal(struct far_in *in, void (*add)(void *ctx, struct str piece), void *ctx);
/* The rest of a response, its literals too. */
SUSPENDS void far_skip(struct far_in *in);
/* The rest of a line of text (RFC 3501 resp-text), without its end. */
SUSPENDS struct str far_text(struct far_in *in);
/* A parenthesised value whose first token was tok is passed over. */
SUSPENDS void far_skip_value(struct far_in *in, enum far_tok tok);

/* MSG_* of "\Seen" ..., 0 of another: a keyword, or \Recent and \* which are none. */
uint32_t far_flag_of(struct str flag);

#endif
