/* base/cidr.c - networks. See the header. */
#include "base/cidr.h"

#include "base/cur.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* An address, with IPv4-mapped IPv6 as IPv4. */
static bool address_parse(struct str text, bool *v6, uint8_t bytes[16])
{
	char z[INET6_ADDRSTRLEN];

	memset(bytes, 0, 16);
	if (text.n == 0 || text.n >= sizeof z || str_find(text, 0) >= 0)
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = 0;
	*v6 = str_find(text, ':') >= 0;
	if (inet_pton(*v6 ? AF_INET6 : AF_INET, z, bytes) != 1)
		return false;
	if (*v6 && memcmp(bytes, mapped, sizeof mapped) == 0) {
		memmove(bytes, bytes + 12, 4);
		memset(bytes + 4, 0, 12);
		*v6 = false;
	}
	return true;
}

static bool bit(const uint8_t *bytes, unsigned i)
{
	return bytes[i / 8] >> (7 - i % 8) & 1;
}

static bool bits_parse(struct str text, bool was_v6, const struct cidr *c, uint32_t *bits)
{
	struct cur cur = cur_of(text);
	uint32_t most = was_v6 ? 128 : 32;

	*bits = cur_u32(&cur);
	if (!cur_done(&cur) || *bits > most || text.n > 3)
		return false;
	if (was_v6 && !c->v6) { /* mapped: its prefix counts the 96 bits before */
		if (*bits < 96)
			return false;
		*bits -= 96;
	}
	return true;
}

const char *cidr_parse(struct str text, struct cidr *out)
{
	ssize_t slash = str_find(text, '/');
	struct str address = slash < 0 ? text : str_sub(text, 0, (size_t)slash);
	uint32_t bits;

	*out = (struct cidr){ 0 };
	if (!address_parse(address, &out->v6, out->bytes))
		return "is not a network; give it as 192.0.2.0/24 or 2001:db8::/32";
	bits = out->v6 ? 128 : 32;
	if (slash >= 0 && !bits_parse(str_from(text, (size_t)slash + 1), str_find(address, ':') >= 0, out, &bits))
		return "has a wrong number of bits behind the /; IPv4 has 0 to 32, IPv6 0 to 128";
	for (unsigned i = bits; i < (out->v6 ? 128u : 32u); i++)
		if (bit(out->bytes, i))
			return "has bits set behind its prefix; write its first address, as 192.0.2.0/24";
	out->bits = (uint8_t)bits;
	return NULL;
}

void cidr_text(const struct cidr *c, char out[CIDR_TEXT_SIZE])
{
	char z[INET6_ADDRSTRLEN];

	inet_ntop(c->v6 ? AF_INET6 : AF_INET, c->bytes, z, sizeof z);
	snprintf(out, CIDR_TEXT_SIZE, "%s/%u", z, c->bits);
}

void cidr_show(const struct cidr *c, struct buf *out)
{
	char z[CIDR_TEXT_SIZE];

	cidr_text(c, z);
	buf_addz(out, z);
}

static bool has_bytes(const struct cidr *c, bool v6, const uint8_t bytes[16])
{
	unsigned whole = c->bits / 8, rest = c->bits % 8;

	if (c->v6 != v6 || memcmp(c->bytes, bytes, whole) != 0)
		return false;
	return rest == 0 || (c->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

bool cidr_any_has(const struct cidr *list, size_t n, struct str ip)
{
	uint8_t bytes[16];
	bool v6;

	if (!address_parse(ip, &v6, bytes))
		return false;
	for (size_t i = 0; i < n; i++)
		if (has_bytes(&list[i], v6, bytes))
			return true;
	return false;
}

bool cidr_has(const struct cidr *c, struct str ip)
{
	return cidr_any_has(c, 1, ip);
}

bool cidr_list_has(struct str list, struct str ip)
{
	struct cidr c;
	struct str one;

	if (list.n == 0)
		return true;
	while (str_split(&list, ',', &one))
		if (!cidr_parse(one, &c) && cidr_has(&c, ip))
			return true;
	return false;
}

bool cidr_of_peer(struct str ip, struct cidr *out)
{
	*out = (struct cidr){ 0 };
	if (!address_parse(ip, &out->v6, out->bytes))
		return false;
	out->bits = out->v6 ? 64 : 32;
	memset(out->bytes + (out->v6 ? 8 : 4), 0, out->v6 ? 8 : 12);
	return true;
}

bool cidr_is_loopback(const struct cidr *c)
{
	static const uint8_t one[16] = { [15] = 1 };

	return c->v6 ? c->bits == 128 && memcmp(c->bytes, one, 16) == 0 : c->bits >= 8 && c->bytes[0] == 127;
}
