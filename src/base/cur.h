/* base/cur.h - a cursor over bytes with a sticky error: the way all parsing is done.
 *
 * A grammar function takes what its ABNF says and looks at bad once at the end. After the first failure every take
 * returns an empty or zero value and moves nothing. Offsets and lengths never leave the view the cursor was made of.
 */
#ifndef SALLYPORT_BASE_CUR_H
#define SALLYPORT_BASE_CUR_H

#include "base/str.h"

struct cur {
	const char *p, *end;
	bool bad;
};

struct cur cur_of(struct str s);
bool cur_ok(const struct cur *c);   /* nothing failed so far */
bool cur_end(const struct cur *c);  /* nothing left, or bad */
bool cur_done(const struct cur *c); /* nothing left and nothing failed: the whole input matched */
void cur_fail(struct cur *c);
size_t cur_left(const struct cur *c);
struct str cur_rest(const struct cur *c);

int cur_peek(const struct cur *c);                 /* next byte as 0..255, or -1 at the end or when bad */
int cur_take(struct cur *c);                       /* the same, and moves past it; fails at the end */
bool cur_try(struct cur *c, char ch);              /* takes ch if it is next; no failure if not */
bool cur_try_lit(struct cur *c, struct str lit);   /* exact */
bool cur_try_ilit(struct cur *c, struct str lit);  /* ASCII case folded */
void cur_need(struct cur *c, char ch);             /* fails if ch is not next */
void cur_need_ilit(struct cur *c, struct str lit); /* fails if it is not next */

/* The longest run (possibly empty) of bytes for which is(byte) holds. */
struct str cur_span(struct cur *c, bool (*is)(unsigned char));
struct str cur_need_span(struct cur *c, bool (*is)(unsigned char)); /* the same, fails when empty */
struct str cur_bytes(struct cur *c, size_t n);                      /* exactly n bytes, or fails */

/* Decimal digits, at least one; fails on overflow. */
uint32_t cur_u32(struct cur *c);
uint64_t cur_u64(struct cur *c);

/* Little-endian integers of fixed width, for records of our own. */
uint8_t cur_le8(struct cur *c);
uint16_t cur_le16(struct cur *c);
uint32_t cur_le32(struct cur *c);
uint64_t cur_le64(struct cur *c);

#endif
