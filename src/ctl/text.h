/* ctl/text.h - what commands print of others' texts and of times, and times as words of a command. */
#ifndef SALLYPORT_CTL_TEXT_H
#define SALLYPORT_CTL_TEXT_H

#include "base/buf.h"

/* Appends a text that may be anybody's: nothing of it may steer a terminal or pretend to be another line. Control characters, those of Unicode
 * that end lines or turn the direction of writing, and what is no UTF-8 become \xNN, a backslash \x5c. */
void text_add(struct buf *out, struct str s);
/* "2026-11-22T10:00:00Z". */
void text_time(struct buf *out, int64_t s);
/* The same, or "-" for 0. */
void text_time_or_dash(struct buf *out, int64_t s);
/* "2026-11-22", "2026-11-22T10:00:00Z" (the machine's time without Z), or "3h" and "2d": so long ago. False: what option wants is said on standard
 * error. */
bool text_parse_time(const char *option, const char *word, int64_t *out);

#endif
