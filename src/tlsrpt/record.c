/* tlsrpt/record.c - where a domain wants reports about it: v=TLSRPTv1; rua=mailto:reports@example.com,https://... (RFC 8460 3).
 * Trust       the record is another domain's: addresses and hosts in it are looked at octet by octet.
 */
#include "tlsrpt/tlsrpt.h"

#include "mail/base64.h"

#define URI_MAX 500

static bool is_record(struct str text)
{
	return str_starts(text, STR("v=TLSRPTv1")) && (text.n == 10 || text.p[10] == ';' || text.p[10] == ' ' || text.p[10] == '\t');
}

/* %2c and the like. False: half a code, or a character that no address and no path may hold. */
static bool unescape(struct str s, struct arena *a, struct str *out)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int hi = s.p[i] == '%' && i + 2 < s.n ? mail_hex_digit(s.p[i + 1]) : -1, lo = hi >= 0 ? mail_hex_digit(s.p[i + 2]) : -1;
		char c = s.p[i];

		if (c == '%') {
			if (lo < 0)
				return false;
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		if (c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"' || c == '\\')
			return false;
		p[n++] = c;
	}
	*out = str_of(p, n);
	return true;
}

static bool parse_mailto(struct str s, struct arena *a, struct tlsrpt_uri *out)
{
	struct str address;
	ssize_t query = str_find(s, '?'), at;

	if (query >= 0)
		s = str_sub(s, 0, (size_t)query);
	if (!unescape(s, a, &address))
		return false;
	at = str_rfind(address, '@');
	out->address = address;
	return at > 0 && (size_t)at + 1 < address.n && at <= 64 && str_find(address, ',') < 0;
}

static bool parse_host(struct str host, struct tlsrpt_uri *out)
{
	ssize_t colon = str_rfind(host, ':');
	uint32_t port = 443;

	if (colon >= 0) {
		if (!str_to_u32(str_from(host, (size_t)colon + 1), &port) || port == 0 || port > 65535)
			return false;
		host = str_sub(host, 0, (size_t)colon);
	}
	for (size_t i = 0; i < host.n; i++)
		if (!ascii_is_alnum(host.p[i]) && host.p[i] != '-' && host.p[i] != '.')
			return false;
	out->port = (uint16_t)port;
	out->host = host;
	return host.n > 0 && host.n <= 253;
}

static bool parse_https(struct str s, struct arena *a, struct tlsrpt_uri *out)
{
	ssize_t slash = str_find(s, '/'), fragment = str_find(s, '#');

	if (fragment >= 0)
		s = str_sub(s, 0, (size_t)fragment);
	out->https = true;
	out->path = slash >= 0 ? arena_dup(a, str_from(s, (size_t)slash)) : STR("/");
	for (size_t i = 0; i < out->path.n; i++)
		if (out->path.p[i] <= ' ' || out->path.p[i] >= 0x7f)
			return false;
	return parse_host(arena_dup(a, slash >= 0 ? str_sub(s, 0, (size_t)slash) : s), out);
}

bool tlsrpt_uri_parse(struct str s, struct arena *a, struct tlsrpt_uri *out)
{
	*out = (struct tlsrpt_uri){ 0 };
	if (s.n > URI_MAX)
		return false;
	if (str_istarts(s, STR("mailto:")))
		return parse_mailto(str_from(s, 7), a, out);
	return str_istarts(s, STR("https://")) && parse_https(str_from(s, 8), a, out);
}

size_t tlsrpt_record_find(const struct str *texts, size_t n, struct arena *a, struct tlsrpt_uri out[TLSRPT_URIS_MAX])
{
	struct str record = { 0 }, field, uri;
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (is_record(texts[i])) {
			if (record.n) /* RFC 8460 3: several are none */
				return 0;
			record = texts[i];
		}
	str_split(&record, ';', &field);
	while (str_split(&record, ';', &field)) {
		field = str_trim(field);
		if (!str_starts(field, STR("rua=")))
			continue;
		field = str_from(field, 4);
		while (found < TLSRPT_URIS_MAX && str_split(&field, ',', &uri))
			found += tlsrpt_uri_parse(str_trim(uri), a, &out[found]);
		break;
	}
	return found;
}
