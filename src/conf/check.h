/* conf/check.h - what settings demand of each other, inside conf/ only. */
#ifndef SALLYPORT_CONF_CHECK_H
#define SALLYPORT_CONF_CHECK_H

#include "conf/schema.h"

struct conf_parser;

/* Adds errors; lowers defaults that do not fit below what was written. */
void conf_check(struct conf_parser *p, struct conf *c);
void conf_check_routes(struct conf_parser *p, const struct conf *c); /* part of it */

/* From parse.c: counts an error and writes it as "file:line: text"; line 0 is the last of the text. */
void conf_error(struct conf_parser *p, unsigned line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
unsigned conf_line_of(const struct conf_parser *p, const struct conf_setting *s); /* 0: it is not in the text */

#endif
