/* net/limits.c - what one address has used. See the header. */
#include "net/limits.h"

#include "base/die.h"
#include "base/rng.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_MS ((int64_t)3600 * 1000)

struct window {
	int64_t since_ms; /* start of the present window */
	uint32_t now, before;
};

struct address {
	uint32_t n_connections;
	struct window windows[LIMIT_RATE_COUNT];
	int64_t seen_ms, banned_until_ms;
};

void limits_init(struct limits *l)
{
	map_init(&l->by_address, rng_u64());
	l->n_connections = 0;
}

void limits_fini(struct limits *l)
{
	struct str key;
	void *v;

	for (size_t at = 0; map_next(&l->by_address, &at, &key, &v);)
		free(v);
	map_fini(&l->by_address);
}

/* The bytes that count as one address: four of IPv4 (also when mapped into IPv6), eight of IPv6. */
static struct str key_of(struct str text, unsigned char key[16])
{
	char z[64];
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (text.n >= sizeof z)
		return text;
	memcpy(z, text.p, text.n);
	z[text.n] = 0;
	if (inet_pton(AF_INET, z, key) == 1)
		return str_of(key, 4);
	if (inet_pton(AF_INET6, z, key) != 1)
		return text;
	if (memcmp(key, mapped, 12) == 0)
		return str_of(key + 12, 4);
	return str_of(key, 8);
}

static struct address *find(struct limits *l, struct str text, bool make)
{
	unsigned char bytes[16];
	struct str key = key_of(text, bytes);
	struct address *a = map_get(&l->by_address, key);

	if (!a && make) {
		a = mem_new(struct address);
		map_put(&l->by_address, key, a);
	}
	return a;
}

static void roll(struct window *w, int64_t window_ms, int64_t now_ms)
{
	int64_t age = now_ms - w->since_ms;

	if (age < window_ms)
		return;
	w->before = age < 2 * window_ms ? w->now : 0;
	w->now = 0;
	w->since_ms = now_ms - age % window_ms;
}

static bool would_pass(struct window *w, uint32_t max, int64_t window_ms, int64_t now_ms)
{
	int64_t left;

	if (max == 0)
		return false;
	roll(w, window_ms, now_ms);
	left = window_ms - (now_ms - w->since_ms); /* of the previous window still in ours */
	return w->now + (uint64_t)w->before * (uint64_t)left / (uint64_t)window_ms >= max;
}

bool limits_count(struct limits *l, struct str address, enum limit_rate what, uint32_t max, int64_t window_ms, int64_t now_ms)
{
	struct address *a = find(l, address, true);

	if (would_pass(&a->windows[what], max, window_ms, now_ms))
		return false;
	roll(&a->windows[what], window_ms, now_ms);
	a->windows[what].now++;
	a->seen_ms = now_ms;
	return true;
}

bool limits_over(struct limits *l, struct str address, enum limit_rate what, uint32_t max, int64_t window_ms, int64_t now_ms)
{
	struct address *a = find(l, address, false);

	return a && would_pass(&a->windows[what], max, window_ms, now_ms);
}

bool limits_enter(struct limits *l, struct str address, const struct limit_bounds *b, int64_t now_ms)
{
	struct address *a = find(l, address, true);

	if ((b->total_max && l->n_connections >= b->total_max) || (b->per_address_max && a->n_connections >= b->per_address_max))
		return false;
	if (!limits_count(l, address, LIMIT_CONNECTIONS, b->rate_max, 60000, now_ms))
		return false;
	a->n_connections++;
	l->n_connections++;
	return true;
}

void limits_leave(struct limits *l, struct str address)
{
	struct address *a = find(l, address, false);

	if (a && a->n_connections) {
		a->n_connections--;
		l->n_connections--;
	}
}

void limits_ban(struct limits *l, struct str network, int64_t until_ms)
{
	struct str address;

	str_split(&network, '/', &address);
	find(l, address, true)->banned_until_ms = until_ms;
}

bool limits_banned(struct limits *l, struct str text, int64_t now_ms)
{
	struct address *a = find(l, text, false);

	return a && a->banned_until_ms > now_ms;
}

void limits_forget(struct limits *l, int64_t now_ms)
{
	struct str key;
	void *v;

	for (size_t at = 0; map_next(&l->by_address, &at, &key, &v);) {
		struct address *a = v;

		if (a->n_connections == 0 && a->banned_until_ms <= now_ms && now_ms - a->seen_ms > FORGET_MS) {
			map_del(&l->by_address, key);
			free(a);
		}
	}
}
