/* pop/pop2_parse.h - the arguments of POP2's commands (RFC 937, Quoting and Formal Syntax). Pure. */
#ifndef SALLYPORT_POP_POP2_PARSE_H
#define SALLYPORT_POP_POP2_PARSE_H

#include "base/buf.h"

/* Takes the next word off *line, up to a blank, into out: a backslash makes the next byte part of it, whatever it is. False: there is no
 * word, it does not fit out, or the line ends after a backslash. */
bool pop2_word(struct str *line, struct buf *out);
/* The rest of the line, where blanks need no backslash. */
bool pop2_string(struct str line, struct buf *out);

#endif
