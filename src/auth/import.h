/* auth/import.h - password hashes that other servers made: crypt(3)'s, and Dovecot's with their scheme in braces.
 *
 * They are verified as they are until the password has been seen once; then role auth makes its own of it.
 */
#ifndef SALLYPORT_AUTH_IMPORT_H
#define SALLYPORT_AUTH_IMPORT_H

#include "base/buf.h"

#define IMPORT_HASH_MAX 512

enum import_result { IMPORT_OK, IMPORT_PLAIN, IMPORT_UNKNOWN, IMPORT_MALFORMED };
/* Looks at a hash. OK: hash gets what is to be kept, scram verifiers when it is a SCRAM scheme. PLAIN: it is a password ({PLAIN}, {CLEARTEXT}), *secret
 * a view of it: hash that. */
enum import_result import_hash(struct str text, struct buf *hash, struct buf *scram, struct str *secret);
/* The schemes, with blanks between. */
const char *import_schemes(void);
/* Threads may call it at once. False also for a hash that is none of these. */
bool import_verify(struct str secret, struct str hash);

#endif
