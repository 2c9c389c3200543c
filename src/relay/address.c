/* relay/address.c - addresses of other servers. See the header. */
#include "relay/address.h"

#include "base/cidr.h"
#include "base/rng.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

static const struct {
	const char *network;
	enum address_kind kind;
} special[] = { /* RFC 6890 and its registries; those for documentation and benchmarks lead nowhere and harm nobody */
	{ "0.0.0.0/8", ADDRESS_NO_HOST },
	{ "10.0.0.0/8", ADDRESS_PRIVATE },
	{ "100.64.0.0/10", ADDRESS_PRIVATE },
	{ "127.0.0.0/8", ADDRESS_PRIVATE },
	{ "169.254.0.0/16", ADDRESS_PRIVATE },
	{ "172.16.0.0/12", ADDRESS_PRIVATE },
	{ "192.0.0.0/24", ADDRESS_PRIVATE },
	{ "192.168.0.0/16", ADDRESS_PRIVATE },
	{ "224.0.0.0/4", ADDRESS_NO_HOST },
	{ "240.0.0.0/4", ADDRESS_NO_HOST },
	{ "::/128", ADDRESS_NO_HOST },
	{ "::1/128", ADDRESS_PRIVATE },
	{ "fc00::/7", ADDRESS_PRIVATE },
	{ "fe80::/10", ADDRESS_PRIVATE },
	{ "fec0::/10", ADDRESS_PRIVATE },
	{ "ff00::/8", ADDRESS_NO_HOST },
};

bool address_make(int family, const uint8_t *bytes, uint16_t port, struct address *out)
{
	*out = (struct address){ .family = family, .port = port };
	memcpy(out->bytes, bytes, family == AF_INET ? 4 : 16);
	return inet_ntop(family, out->bytes, out->text, sizeof out->text) != NULL;
}

bool address_read(struct str text, uint16_t port, struct address *out)
{
	char z[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	int family = str_find(text, ':') >= 0 ? AF_INET6 : AF_INET;

	if (text.n == 0 || text.n >= sizeof z || str_find(text, 0) >= 0)
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = 0;
	return inet_pton(family, z, bytes) == 1 && address_make(family, bytes, port, out);
}

enum address_kind address_kind(const struct address *a)
{
	for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
		struct cidr network;

		if (!cidr_parse(str_z(special[i].network), &network) && cidr_has(&network, str_z(a->text)))
			return special[i].kind;
	}
	return ADDRESS_PUBLIC;
}

bool address_same(const struct address *a, const struct address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

struct str address_key(const struct address *a)
{
	_Static_assert(offsetof(struct address, port) == offsetof(struct address, bytes) + 16, "bytes and port are one piece");
	return str_of(a->bytes, 16 + sizeof a->port);
}

socklen_t address_socket(const struct address *a, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof *out);
	out->ss_family = (sa_family_t)a->family;
	if (a->family == AF_INET) {
		v4->sin_port = htons(a->port);
		memcpy(&v4->sin_addr, a->bytes, 4);
		return sizeof *v4;
	}
	v6->sin6_port = htons(a->port);
	memcpy(&v6->sin6_addr, a->bytes, 16);
	return sizeof *v6;
}

static void shuffle(struct address *v, size_t n, uint64_t *seed)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = rng_step(seed) % i;
		struct address x = v[i - 1];

		v[i - 1] = v[k];
		v[k] = x;
	}
}

/* Moves the first of that family to from, and says where the next one goes. */
static size_t move_family(struct address *v, size_t from, size_t n, int family)
{
	for (size_t i = from; i < n; i++)
		if (v[i].family == family) {
			struct address x = v[i];

			memmove(&v[from + 1], &v[from], (i - from) * sizeof *v);
			v[from] = x;
			return from + 1;
		}
	return from;
}

static void alternate(struct address *v, size_t n)
{
	int family = AF_INET6;

	for (size_t at = 0; at < n;) {
		size_t next = move_family(v, at, n, family);

		family = family == AF_INET6 ? AF_INET : AF_INET6;
		at = next == at ? move_family(v, at, n, family) : next;
	}
}

void addresses_order(struct address *v, size_t n, const struct bad *bad, int64_t now_ms, uint64_t *seed)
{
	size_t n_good = 0;

	shuffle(v, n, seed);
	for (size_t i = 0; i < n; i++)
		if (!bad_is(bad, address_key(&v[i]), now_ms)) {
			struct address x = v[i];

			v[i] = v[n_good];
			v[n_good++] = x;
		}
	alternate(v, n_good);
	alternate(v + n_good, n - n_good);
}
