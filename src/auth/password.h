/* auth/password.h - password hashes (Argon2id, RFC 9106, in the PHC string form). */
#ifndef SALLYPORT_AUTH_PASSWORD_H
#define SALLYPORT_AUTH_PASSWORD_H

#include "base/str.h"

#define PASSWORD_HASH_SIZE 128 /* room for a hash with its NUL */
#define PASSWORD_SIZE_MAX 1024 /* bytes */

/* Hashes with 19 MiB, 2 passes, 1 lane (OWASP's least for Argon2id): some 20 ms. False: the password is empty or too long. */
bool password_hash(struct str password, char out[PASSWORD_HASH_SIZE]);
/* True when the password is the one that was hashed, by us or by what auth/import.h knows. An empty hash is false after the work of ours.
 * Threads may call it at once. */
bool password_verify(struct str password, struct str hash);
/* Made by password_hash() as it is now; else the password is worth hashing anew when it is seen. */
bool password_hash_is_current(struct str hash);

#endif
