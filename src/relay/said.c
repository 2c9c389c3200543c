/* relay/said.c - why an attempt came to nothing. See the header. */
#include "relay/said.h"

#include <stdarg.h>
#include <stdio.h>

void said_set(struct said *s, bool never, enum feedback feedback, const char *status, const char *fmt, ...)
{
	va_list ap;

	s->never = never;
	s->feedback = feedback;
	s->code = 0;
	snprintf(s->status, sizeof s->status, "%c%s", never ? '5' : '4', status + 1);
	va_start(ap, fmt);
	vsnprintf(s->text, sizeof s->text, fmt, ap);
	va_end(ap);
}
