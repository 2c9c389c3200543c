/* mail/date.h - dates of letters (RFC 5322 3.3, 4.3) and of IMAP (RFC 9051 9, date and date-time). */
#ifndef SALLYPORT_MAIL_DATE_H
#define SALLYPORT_MAIL_DATE_H

#include "base/buf.h"

/* The value of a Date: field, folded or not, as found in the wild: comments, obsolete and missing zones (UTC), years of two
 * digits, day names right, wrong or missing, "22-Nov-2026", asctime order. Seconds since 1970 UTC, years 1900 to 9999. zone_min may
 * be NULL: minutes east of UTC, for the day the writer saw. False when it is no date; then nothing is written. */
bool mail_date_parse(struct str value, int64_t *utc_s, int *zone_min);

/* IMAP date-time, with or without its quotes: "17-Jul-1996 02:44:25 -0700", " 1-Feb-1994 ...". Strict. */
bool mail_imap_datetime_parse(struct str s, int64_t *utc_s);
/* Adds it with quotes, in UTC: "17-Jul-1996 09:44:25 +0000". Years outside 0 to 9999 are clipped to them. */
void mail_imap_datetime_add(struct buf *out, int64_t utc_s);

/* IMAP date, with or without quotes: 1-Feb-1994, 01-Feb-1994. Days since 1970-01-01. Strict. */
bool mail_imap_date_parse(struct str s, int64_t *day);

/* The day since 1970-01-01 that the writer of a date saw on the calendar: what SENTON, SENTSINCE and SENTBEFORE compare. */
int64_t mail_date_day(int64_t utc_s, int zone_min);

#endif
