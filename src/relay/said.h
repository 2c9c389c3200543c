/* relay/said.h - why an attempt came to nothing, as recipients are told. */
#ifndef SALLYPORT_RELAY_SAID_H
#define SALLYPORT_RELAY_SAID_H

#include "base/str.h"
#include "ipc/words.h"

#define SAID_TEXT_MAX 450

struct said {
	bool never;		/* trying again will not help */
	enum feedback feedback;
	uint16_t code;		/* of the other server's reply; 0: the text is ours */
	char status[12];	/* RFC 3463; its class is made that of never */
	char text[SAID_TEXT_MAX + 1];
};

void said_set(struct said *s, bool never, enum feedback feedback, const char *status, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
