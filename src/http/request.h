/* http/request.h - the head of an HTTP/1.1 request (RFC 9112): pure grammar. */
#ifndef SALLYPORT_HTTP_REQUEST_H
#define SALLYPORT_HTTP_REQUEST_H

#include "base/outcome.h"
#include "base/str.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_CONNECT, HTTP_OPTIONS, HTTP_TRACE, HTTP_PATCH, HTTP_UNKNOWN };

struct http_request {
	enum http_method method;
	struct str path, query; /* of the origin form, as sent; query without "?" */
	unsigned minor;	/* of HTTP/1.x */
	bool has_host, close, has_body;
};

/* A request line without its CRLF (RFC 9112 3). BAD_SYNTAX; NO_SUCH: another major version than 1. Views into line. */
enum outcome http_request_line(struct str line, struct http_request *out) MUST_USE;
/* A field line (RFC 9112 5). BAD_SYNTAX: no field, a folded one, white space before the colon, a second Host, lengths that contradict. */
enum outcome http_field_line(struct str line, struct http_request *r) MUST_USE;

#endif
