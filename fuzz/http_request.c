/* fuzz/http_request.c - the head of an HTTP request: the views that come out lie in what went in. */
#include "base/die.h"
#include "http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void lies_in(struct str part, struct str whole)
{
	if (part.n && (part.p < whole.p || part.p + part.n > whole.p + whole.n))
		die("a view outside of its line");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of((const char *)data, size), line;
	struct http_request r = { 0 };

	if (!str_split(&rest, '\n', &line))
		line = rest;
	if (http_request_line(line, &r) == OK) {
		lies_in(r.path, line);
		lies_in(r.query, line);
	}
	while (rest.p && str_split(&rest, '\n', &line))
		if (http_field_line(line, &r) == BAD_SYNTAX)
			break;
	return 0;
}
