/* mail/decode.h - header text and bodies as UTF-8 (RFC 2047, RFC 2045 6, charsets by ICU).
 *
 * What these add is always well-formed UTF-8. When out is full they add what fits, cut between characters, and out->full
 * is set. A charset that nobody knows counts as UTF-8 where the bytes are that, else as windows-1252.
 */
#ifndef SALLYPORT_MAIL_DECODE_H
#define SALLYPORT_MAIL_DECODE_H

#include "base/buf.h"
#include "mail/index.h"

/* Bytes of a charset, named as in mail: gb2312 means gb18030, ks_c_5601-1987 cp949, iso-8859-1 windows-1252. */
void mail_charset_decode(struct str bytes, struct str charset, struct buf *out);

/* The value of an unstructured field, folded as found: encoded words decoded, adjacent ones joined, every run of white space and
 * control characters one space, none at the ends. Raw 8-bit bytes are UTF-8 or windows-1252. */
void mail_header_decode(struct str value, struct buf *out);

/* Adds the bytes of a body without its transfer encoding. OTHER counts as none. */
void mail_body_decode(struct str body, enum mail_encoding encoding, struct buf *out);
/* The same, and from its charset to UTF-8. size_max bounds the bytes before charset conversion. */
void mail_text_decode(
	struct str body, enum mail_encoding encoding, struct str charset, size_t size_max, struct buf *out);

/* What a Content-Transfer-Encoding field says; absent is 7BIT. */
enum mail_encoding mail_encoding_parse(struct str value);

/* A parameter of a Content-Type or Content-Disposition value as text: RFC 2231, and the encoded words that much software
 * writes instead. False when there is none. */
bool mail_param_decode(struct str value, struct str name, struct buf *out);

#endif
