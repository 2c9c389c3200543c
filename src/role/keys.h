/* role/keys.h - the signing function itself, which -X calls without a channel. */
#ifndef SALLYPORT_ROLE_KEYS_H
#define SALLYPORT_ROLE_KEYS_H

#include "base/buf.h"
#include "base/outcome.h"

/* ctx: the state of role keys. */
enum outcome keys_sign(void *ctx, struct str name, int padding, struct str digest, struct buf *signature) MUST_USE;

#endif
