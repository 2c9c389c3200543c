/* ctl/options.h - words of a command line that begin with --, by a table of the command's own. */
#ifndef SALLYPORT_CTL_OPTIONS_H
#define SALLYPORT_CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct option_row {
	const char *name;   /* "--dir"; NULL ends the table */
	const char **value; /* where the word behind it goes; or NULL */
	bool *given;        /* a switch without a value */
};

/* Takes all options off words (n of them), which keeps the others in order; how many are left, or -1: one is unknown, comes twice or lacks its
 * value, which is said on standard error. */
int options_take(const struct option_row *table, char **words, int n);

#endif
