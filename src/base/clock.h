/* base/clock.h - wall and monotonic time, and the date formats of mail as pure functions. */
#ifndef SALLYPORT_BASE_CLOCK_H
#define SALLYPORT_BASE_CLOCK_H

#include "base/str.h"

struct buf;

int64_t clock_wall_us(void);      /* since 1970, UTC */
int64_t clock_monotonic_ms(void); /* never goes back */

#define CLOCK_RFC3339_SIZE 28
void clock_rfc3339(int64_t wall_us, char out[CLOCK_RFC3339_SIZE]); /* 2026-11-22T15:30:00.123Z */

/* Civil date of a day number (days since 1970-01-01, may be negative) and back; proleptic Gregorian. */
struct civil {
	int year, month, day; /* month 1..12, day 1..31 */
};
struct civil civil_of_days(int64_t days);
int64_t civil_to_days(struct civil c);

/* "Sun, 22 Nov 2026 15:30:00 +0000" (RFC 5322 3.3), always UTC. */
void clock_add_rfc5322(struct buf *b, int64_t wall_s);

#endif
