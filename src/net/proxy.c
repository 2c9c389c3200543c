/* net/proxy.c - the header of the PROXY protocol. See the header; section numbers are of proxy-protocol.txt.
 * Trust       the bytes come from a listed network, and may be wrong all the same: every length is checked, and what is not
 *             in the specification is no header.
 */
#include "net/proxy.h"

#include "base/cur.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

static const struct str v1_start = { "PROXY ", 6 };
static const struct str v2_start = { "\r\n\r\n\0\r\nQUIT\n", 12 };

/* The shortest header of either version: "PROXY UNKNOWN\r\n". */
#define SHORTEST 15

/* ---- addresses */

static void address_show(int family, const void *bytes, char out[46])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (family == AF_INET6 && memcmp(bytes, mapped, sizeof mapped) == 0)
		inet_ntop(AF_INET, (const char *)bytes + 12, out, 46);
	else
		inet_ntop(family, bytes, out, 46);
}

static bool is_address_char(unsigned char c)
{
	return ascii_is_alnum((char)c) || c == '.' || c == ':';
}

static void take_address(struct cur *c, int family, char out[46])
{
	struct str s = cur_need_span(c, is_address_char);
	unsigned char bytes[16];
	char z[INET6_ADDRSTRLEN];

	if (s.n >= sizeof z) {
		cur_fail(c);
		return;
	}
	memcpy(z, s.p ? s.p : "", s.n);
	z[s.n] = 0;
	if (!cur_ok(c) || inet_pton(family, z, bytes) != 1)
		cur_fail(c);
	else
		address_show(family, bytes, out);
}

/* 2.1: 0 to 65535, no leading zero. */
static uint16_t take_port(struct cur *c)
{
	bool zero = cur_peek(c) == '0';
	size_t before = cur_left(c);
	uint32_t v = cur_u32(c);

	if (v > 65535 || (zero && before - cur_left(c) != 1))
		cur_fail(c);
	return (uint16_t)v;
}

/* ---- version 1: one line */

static bool v1_line(struct str line, struct proxy *out)
{
	struct cur c = cur_of(str_from(line, v1_start.n));
	int family;

	if (cur_try_lit(&c, STR("UNKNOWN")))
		return cur_end(&c) || cur_peek(&c) == ' '; /* what stands behind it is ignored */
	family = cur_try_lit(&c, STR("TCP4 ")) ? AF_INET : AF_INET6;
	if (family == AF_INET6 && !cur_try_lit(&c, STR("TCP6 ")))
		return false;
	take_address(&c, family, out->ip);
	cur_need(&c, ' ');
	take_address(&c, family, out->local_ip);
	cur_need(&c, ' ');
	out->port = take_port(&c);
	cur_need(&c, ' ');
	out->local_port = take_port(&c);
	out->told = cur_done(&c);
	return out->told;
}

static enum proxy_result v1_parse(struct str head, struct proxy *out, size_t *need)
{
	ssize_t lf = str_find(head, '\n');

	if (lf >= 0 || head.n >= PROXY_V1_MAX) {
		if (lf < SHORTEST - 1 || (size_t)lf + 1 != head.n || head.p[lf - 1] != '\r')
			return PROXY_BAD;
		return v1_line(str_sub(head, 0, (size_t)lf - 1), out) ? PROXY_DONE : PROXY_BAD;
	}
	/* A CR is the last byte but one, wherever it stands; without one there are two more at least. */
	*need = head.n < SHORTEST ? SHORTEST - head.n : head.p[head.n - 1] == '\r' || head.n == PROXY_V1_MAX - 1 ? 1 : 2;
	return PROXY_MORE;
}

/* ---- version 2: fixed part, addresses, type-length-value triples */

enum { LOCAL = 0x20, PROXIED = 0x21 };

static uint16_t take_be16(struct cur *c)
{
	struct str s = cur_bytes(c, 2);

	return cur_ok(c) ? (uint16_t)((unsigned char)s.p[0] << 8 | (unsigned char)s.p[1]) : 0;
}

static void take_pair(struct cur *c, int family, struct proxy *out)
{
	size_t n = family == AF_INET ? 4 : 16;
	struct str from = cur_bytes(c, n), to = cur_bytes(c, n);

	out->port = take_be16(c);
	out->local_port = take_be16(c);
	if (!cur_ok(c))
		return;
	address_show(family, from.p, out->ip);
	address_show(family, to.p, out->local_ip);
	out->told = true;
}

/* 2.2.1 and on: none of them is used, but they must fill the header exactly. */
static void skip_tlvs(struct cur *c)
{
	while (cur_ok(c) && !cur_end(c)) {
		cur_take(c);
		cur_bytes(c, take_be16(c));
	}
}

static bool v2_addresses(unsigned char kind, struct str rest, struct proxy *out)
{
	struct cur c = cur_of(rest);

	switch (kind) {
	case 0x00: /* unspecified: whatever the rest holds */
		return true;
	case 0x11:
		take_pair(&c, AF_INET, out);
		break;
	case 0x21:
		take_pair(&c, AF_INET6, out);
		break;
	case 0x31: /* two paths of 108 bytes, of no use here */
		cur_bytes(&c, 216);
		break;
	default: /* datagrams, and what is not specified: 2.2 "must be rejected" */
		return false;
	}
	skip_tlvs(&c);
	return cur_ok(&c);
}

static enum proxy_result v2_parse(struct str head, size_t v2_max, struct proxy *out, size_t *need)
{
	unsigned char what;
	size_t all;

	if (head.n < PROXY_V2_FIXED) {
		*need = PROXY_V2_FIXED - head.n;
		return PROXY_MORE;
	}
	what = (unsigned char)head.p[12];
	all = PROXY_V2_FIXED + (size_t)((unsigned char)head.p[14] << 8 | (unsigned char)head.p[15]);
	if ((what != LOCAL && what != PROXIED) || all > v2_max || head.n > all)
		return PROXY_BAD;
	if (head.n < all) {
		*need = all - head.n;
		return PROXY_MORE;
	}
	if (what == LOCAL) /* 2.2: the family is ignored, and what follows skipped */
		return PROXY_DONE;
	return v2_addresses((unsigned char)head.p[13], str_from(head, PROXY_V2_FIXED), out) ? PROXY_DONE : PROXY_BAD;
}

/* head and start agree as far as both go. */
static bool begins_like(struct str head, struct str start)
{
	size_t n = head.n < start.n ? head.n : start.n;

	return str_eq(str_sub(head, 0, n), str_sub(start, 0, n));
}

enum proxy_result proxy_parse(struct str head, size_t v2_max, struct proxy *out, size_t *need)
{
	*out = (struct proxy){ 0 };
	*need = 0;
	if (head.n == 0) {
		*need = SHORTEST;
		return PROXY_MORE;
	}
	if (begins_like(head, v1_start))
		return v1_parse(head, out, need);
	return begins_like(head, v2_start) ? v2_parse(head, v2_max, out, need) : PROXY_BAD;
}
