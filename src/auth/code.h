/* auth/code.h - authorization codes: passwords that the server makes, one for a program or a device. */
#ifndef SALLYPORT_AUTH_CODE_H
#define SALLYPORT_AUTH_CODE_H

#include "base/str.h"

#define CODE_LETTERS 24 /* of 31 each: 118 bits */
#define CODE_GROUP 6
#define CODE_TEXT_SIZE (CODE_LETTERS + CODE_LETTERS / CODE_GROUP) /* with dashes and a NUL */
#define CODE_HASH_SIZE 48 /* a salt of 16 bytes, then SHA-256 of the salt and the letters */

void code_new(char text[CODE_TEXT_SIZE]); /* "k7qd3m-..." of letters and digits that are not mistaken for each other */
/* Fast, since what is hashed has too many bits to be guessed. */
void code_hash(struct str text, unsigned char out[CODE_HASH_SIZE]);
/* Case, dashes and blanks do not count. */
bool code_matches(struct str secret, struct str hash);

#endif
