/* base/buf.h - a growing byte buffer with a mandatory maximum.
 *
 * A buf owns its memory. An addition that would pass max adds nothing and sets full, which stays set until
 * buf_reset: so a writer adds without looking and asks once at the end. Memory grows by doubling.
 */
#ifndef SALLYPORT_BASE_BUF_H
#define SALLYPORT_BASE_BUF_H

#include "base/str.h"

#include <stdarg.h>

struct buf {
	char *p;
	size_t n;   /* bytes in use */
	size_t cap; /* bytes allocated */
	size_t max; /* n never exceeds this */
	bool full;  /* sticky: something did not fit */
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);  /* frees; the buf is empty with the same max and may be used again */
void buf_reset(struct buf *b); /* empties, keeps the memory, clears full */
void buf_trim(struct buf *b);  /* gives back the memory of an empty buf */

void buf_add(struct buf *b, struct str s);
void buf_addz(struct buf *b, const char *z);
void buf_addc(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t v); /* decimal */
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *fmt, va_list ap);

/* Room for n more bytes at the end (write there, then buf_grew); NULL and full when it would pass max. */
char *buf_room(struct buf *b, size_t n);
void buf_grew(struct buf *b, size_t n);

void buf_consume(struct buf *b, size_t n); /* drops n bytes (n <= b->n) from the front */
void buf_cut(struct buf *b, size_t n);     /* keeps the first n bytes */
struct str buf_str(const struct buf *b);   /* valid until the next change */

#endif
