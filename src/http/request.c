/* http/request.c - the head of an HTTP/1.1 request. See the header.
 * Trust       input is hostile. What could be read in two ways is refused (RFC 9112 11.1, 11.2).
 */
#include "http/request.h"

#include "base/cur.h"

static bool is_token(unsigned char c) /* RFC 9110 5.6.2 */
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c && str_find(STR("!#$%&'*+-.^_`|~"), (char)c) >= 0);
}

static bool is_target(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '#' && c != '?';
}

static bool is_query(unsigned char c)
{
	return is_target(c) || c == '?';
}

static enum http_method method_of(struct str name)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH" };

	for (int i = 0; i < HTTP_UNKNOWN; i++)
		if (str_eq(name, str_z(names[i])))
			return (enum http_method)i;
	return HTTP_UNKNOWN;
}

static unsigned digit(struct cur *c)
{
	int d = cur_take(c);

	if (d < '0' || d > '9')
		cur_fail(c);
	return (unsigned)(d - '0');
}

enum outcome http_request_line(struct str line, struct http_request *out)
{
	struct cur c = cur_of(line);
	unsigned major;

	*out = (struct http_request){ 0 };
	out->method = method_of(cur_need_span(&c, is_token));
	cur_need(&c, ' ');
	if (cur_peek(&c) != '/' && cur_peek(&c) != '*')
		cur_fail(&c);
	out->path = cur_need_span(&c, is_target);
	if (cur_try(&c, '?'))
		out->query = cur_span(&c, is_query);
	cur_need(&c, ' ');
	if (!cur_try_lit(&c, STR("HTTP/")))
		cur_fail(&c);
	major = digit(&c);
	cur_need(&c, '.');
	out->minor = digit(&c);
	out->close = out->minor == 0;
	if (!cur_done(&c))
		return BAD_SYNTAX;
	return major == 1 ? OK : NO_SUCH;
}

static bool is_value(struct str v)
{
	for (size_t i = 0; i < v.n; i++)
		if (((unsigned char)v.p[i] < 0x20 && v.p[i] != '\t') || v.p[i] == 0x7f)
			return false;
	return true;
}

static bool lists(struct str value, struct str what)
{
	struct str part;

	while (str_split(&value, ',', &part))
		if (str_ieq(str_trim(part), what))
			return true;
	return str_ieq(str_trim(part), what);
}

static enum outcome length(struct str value, struct http_request *r)
{
	uint32_t n;

	if (!str_to_u32(value, &n))
		return BAD_SYNTAX;
	r->has_body |= n > 0;
	return OK;
}

enum outcome http_field_line(struct str line, struct http_request *r)
{
	struct cur c = cur_of(line);
	struct str name = cur_need_span(&c, is_token), value;

	cur_need(&c, ':');
	value = str_trim(cur_rest(&c));
	if (!cur_ok(&c) || !is_value(value))
		return BAD_SYNTAX;
	if (str_ieq(name, STR("host"))) {
		if (r->has_host)
			return BAD_SYNTAX;
		r->has_host = true;
	} else if (str_ieq(name, STR("connection"))) {
		r->close = lists(value, STR("close")) || (r->close && !lists(value, STR("keep-alive")));
	} else if (str_ieq(name, STR("content-length"))) {
		return length(value, r);
	} else if (str_ieq(name, STR("transfer-encoding"))) {
		r->has_body = true;
	}
	return OK;
}
