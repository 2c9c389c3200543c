/* mail/base64.h - base64 (RFC 4648 4) and quoted-printable (RFC 2045 6.7). */
#ifndef SALLYPORT_MAIL_BASE64_H
#define SALLYPORT_MAIL_BASE64_H

#include "base/buf.h"

/* Adds the canonical form, without line breaks. */
void mail_base64_encode(struct str bytes, struct buf *out);

/* Strict, for SASL and the like: whole quanta, padding only at the end and needed, unused bits zero, nothing else. False
 * (and out as it was) when text is anything else or the bytes do not fit. */
bool mail_base64_decode(struct str text, struct buf *out) __attribute__((warn_unused_result));

/* For bodies and encoded words: ignores what is not of the alphabet, takes padding as the end of a quantum and goes on behind
 * it, keeps the whole bytes of an unfinished quantum. Sets out->full when the bytes do not fit; then adds what does. */
void mail_base64_decode_lax(struct str text, struct buf *out);

/* Tolerant: a '=' that begins no code stands for itself, blanks at a line's end go, soft line breaks join. As above when full. */
void mail_qp_decode(struct str text, struct buf *out);

/* Value of a hexadecimal digit, or -1. */
int mail_base64_value(char c); /* 0 to 63; -1: not of the alphabet */
int mail_hex_digit(char c);

#endif
