/* ctl/report.h - what a command found out: lines of ok, warning and error, each with what, why and the way out.
 *
 * As text "level<TAB>check<TAB>what and why<TAB>way out"; under --json one object a finding, in an array.
 */
#ifndef SALLYPORT_CTL_REPORT_H
#define SALLYPORT_CTL_REPORT_H

#include "base/buf.h"

#include <stdarg.h>

enum report_level { REPORT_OK, REPORT_WARNING, REPORT_ERROR };

struct report {
	bool json;
	bool quiet; /* what is ok is not told */
	bool strict; /* report_problem is an error */
	unsigned n[3]; /* findings by level */
	struct buf out; /* under --json: the array so far, without its end */
};

void report_init(struct report *r, bool json);
void report_fini(struct report *r);
/* Text is printed at once. way_out: NULL or what to do. */
void report_add(struct report *r, enum report_level level, const char *check, const char *way_out, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* Ends the array; a view until report_fini. */
struct str report_json(struct report *r);
void report_print_json(struct report *r); /* the array alone, with a newline */

#define report_ok(r, check, ...) report_add((r), REPORT_OK, (check), NULL, __VA_ARGS__)
#define report_warning(r, check, way_out, ...) report_add((r), REPORT_WARNING, (check), (way_out), __VA_ARGS__)
#define report_error(r, check, way_out, ...) report_add((r), REPORT_ERROR, (check), (way_out), __VA_ARGS__)

/* A warning where things may still be on their way (quickstart), an error where they should be there (doctor). */
#define report_problem(r, check, way_out, ...) \
	report_add((r), (r)->strict ? REPORT_ERROR : REPORT_WARNING, (check), (way_out), __VA_ARGS__)

#endif
