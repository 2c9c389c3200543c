/* http/session.h - what the files of http/ share about a connection. */
#ifndef SALLYPORT_HTTP_SESSION_H
#define SALLYPORT_HTTP_SESSION_H

#include "http/request.h"
#include "net/door.h"

struct http_reply {
	unsigned status;
	struct str type, text;
	const char *allow; /* of a 405 */
};

/* Reads requests and answers them with what serve makes of them, until the connection ends; only bodiless ones. text and type may
 * be in the arena, which ends with the reply. */
SUSPENDS void http_serve(struct door *d, void (*serve)(struct door *d, const struct http_request *r, struct arena *a, struct http_reply *out));

#endif
