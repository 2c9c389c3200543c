/* auth/network.c - networks in CIDR notation. See the header. */
#include "auth/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool address_parse(struct str text, struct network *out)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	char z[INET6_ADDRSTRLEN];

	if (text.n == 0 || text.n >= sizeof z || str_find(text, 0) >= 0)
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = 0;
	*out = (struct network){ .family = AF_INET, .n_bits = 32 };
	if (inet_pton(AF_INET, z, out->bytes) == 1)
		return true;
	if (inet_pton(AF_INET6, z, out->bytes) != 1)
		return false;
	out->family = AF_INET6;
	out->n_bits = 128;
	if (memcmp(out->bytes, mapped, sizeof mapped) == 0) {
		memmove(out->bytes, out->bytes + 12, 4);
		memset(out->bytes + 4, 0, 12);
		out->family = AF_INET;
		out->n_bits = 32;
	}
	return true;
}

static void cut(struct network *n, unsigned bits)
{
	n->n_bits = bits;
	for (unsigned i = 0; i < 16; i++) {
		unsigned kept = bits > i * 8 ? bits - i * 8 : 0;

		n->bytes[i] &= kept >= 8 ? 0xff : (unsigned char)(0xff00 >> kept);
	}
}

static bool same_bits(const struct network *a, const struct network *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool network_parse(struct str text, struct network *out)
{
	ssize_t slash = str_find(text, '/');
	struct network whole;
	uint32_t bits;

	if (!address_parse(slash < 0 ? text : str_sub(text, 0, (size_t)slash), out))
		return false;
	if (slash < 0)
		return true;
	if (!str_to_u32(str_from(text, (size_t)slash + 1), &bits))
		return false;
	if (out->family == AF_INET && str_find(str_sub(text, 0, (size_t)slash), ':') >= 0) {
		if (bits < 96) /* a mapped address: its prefix counts the bits in front, too */
			return false;
		bits -= 96;
	}
	if (bits > out->n_bits)
		return false;
	whole = *out;
	cut(out, bits);
	return same_bits(out, &whole);
}

void network_text(const struct network *n, char out[NETWORK_TEXT_SIZE])
{
	char z[INET6_ADDRSTRLEN];

	inet_ntop(n->family, n->bytes, z, sizeof z);
	snprintf(out, NETWORK_TEXT_SIZE, "%s/%u", z, n->n_bits);
}

bool network_has(const struct network *n, struct str address)
{
	struct network a;

	if (!address_parse(address, &a))
		return false;
	cut(&a, n->n_bits);
	return same_bits(n, &a);
}

bool networks_have(struct str list, struct str address)
{
	struct network n;
	struct str one;

	if (list.n == 0)
		return true;
	while (str_split(&list, ',', &one))
		if (network_parse(one, &n) && network_has(&n, address))
			return true;
	return false;
}

bool network_of_peer(struct str address, struct network *out)
{
	if (!address_parse(address, out))
		return false;
	if (out->family == AF_INET6)
		cut(out, 64);
	return true;
}
