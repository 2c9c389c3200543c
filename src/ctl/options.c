/* ctl/options.c - options of commands. See the header. */
#include "ctl/options.h"

#include <stdio.h>
#include <string.h>

static const struct option_row *find(const struct option_row *table, const char *word)
{
	for (; table->name; table++)
		if (strcmp(table->name, word) == 0)
			return table;
	return NULL;
}

int options_take(const struct option_row *table, char **words, int n)
{
	int left = 0;

	for (int i = 0; i < n; i++) {
		const struct option_row *o;

		if (strncmp(words[i], "--", 2) != 0) {
			words[left++] = words[i];
			continue;
		}
		o = find(table, words[i]);
		if (!o || (o->value && i + 1 == n) || (o->value && *o->value)) {
			fprintf(stderr, "sallyport: option %s %s\n", words[i],
				!o ? "is unknown here" : i + 1 == n ? "needs a value behind it" : "is given twice; remove one");
			return -1;
		}
		if (o->value)
			*o->value = words[++i];
		else
			*o->given = true;
	}
	return left;
}
