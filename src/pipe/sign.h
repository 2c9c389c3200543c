/* pipe/sign.h - DKIM signatures of letters of ours, inside pipe/ only. */
#ifndef SALLYPORT_PIPE_SIGN_H
#define SALLYPORT_PIPE_SIGN_H

#include "pipe/post_impl.h"

#define SIGNATURES_MAX 8000 /* bytes of the fields of a letter */

/* The fields to be put before a letter of our own (a report) whose author is of that domain; empty where neither the domain nor one above it has a
 * key that may sign. OK in either case: a letter is sent without rather than not. The fields are in the arena. */
SUSPENDS enum outcome post_sign(struct post *p, struct str domain, const struct body *body, struct arena *a, struct str *fields);

#endif
