/* ctl/json.h - JSON objects written for programs (RFC 8259): one a line. Bytes that are no UTF-8 text become '?', control characters are escaped. */
#ifndef SALLYPORT_CTL_JSON_H
#define SALLYPORT_CTL_JSON_H

#include "base/buf.h"

/* Appends a JSON string with its quotes. */
void json_add(struct buf *out, struct str s);

/* Each appends a member with the comma it needs; key NULL: an element of an array, or what stands alone. */
void json_open(struct buf *out, const char *key, char bracket); /* '{' or '[' */
void json_close(struct buf *out, char bracket);			/* '}' or ']' */
void json_str(struct buf *out, const char *key, struct str s);
void json_num(struct buf *out, const char *key, uint64_t n);
void json_bool(struct buf *out, const char *key, bool b);
void json_time(struct buf *out, const char *key, int64_t s); /* "2026-11-22T10:00:00Z"; 0: null */

#endif
