/* ctl/firewall.c - command firewall: nftables rules that let in what the configuration opens, and no more.
 * Purpose     a text for `nft -f`: one table of our own, replaced as a whole, so that loading it again is safe.
 */
#include "ctl/start_impl.h"

#include "base/cidr.h"
#include "ctl/options.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define OUT_MAX ((size_t)256 * 1024)
#define RATE_DEFAULT 120 /* new connections of one source in a minute, where connection_rate sets none */
#define SOURCES_MAX 65536

/* A door of the pool that it belongs to, whose limits hold. */
static bool is_strangers(enum conf_service s)
{
	return s == CONF_SMTP || s == CONF_LMTP;
}

static bool is_outside(const struct conf_listener *l)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (l->address.family == AF_INET)
		return l->address.bytes[0] != 127;
	return l->address.family == AF_INET6 && memcmp(l->address.bytes, one, 16) != 0;
}

static void add_sets(struct buf *out)
{
	static const char *const pools[] = { "strangers", "users" };

	for (int i = 0; i < 2; i++)
		for (int v6 = 0; v6 < 2; v6++) {
			const char *family = v6 ? "6" : "4", *type = v6 ? "ipv6_addr" : "ipv4_addr";

			buf_addf(out, "\tset rate%s_%s { type %s; flags dynamic; size %d; timeout 2m; }\n", family, pools[i], type, SOURCES_MAX);
			buf_addf(out, "\tset open%s_%s { type %s; flags dynamic; size %d; }\n", family, pools[i], type, SOURCES_MAX);
		}
}

/* What a source of this pool may do: so many new connections a minute, so many at once. IPv6 sources count by /64. */
static void add_pool(const char *pool, uint32_t rate, uint32_t at_once, struct buf *out)
{
	rate = rate ? rate : RATE_DEFAULT;
	buf_addf(out, "\n\tchain %s {\n", pool);
	for (int v6 = 0; v6 < 2; v6++) {
		const char *family = v6 ? "6" : "4", *source = v6 ? "ip6 saddr and ffff:ffff:ffff:ffff::" : "ip saddr";

		buf_addf(out, "\t\tmeta nfproto %s update @rate%s_%s { %s limit rate over %u/minute burst %u packets } counter drop\n",
			v6 ? "ipv6" : "ipv4", family, pool, source, rate, rate);
		buf_addf(out, "\t\tmeta nfproto %s add @open%s_%s { %s ct count over %u } counter reject with tcp reset\n", v6 ? "ipv6" : "ipv4", family,
			pool, source, at_once);
	}
	buf_addz(out, "\t\taccept\n\t}\n");
}

/* nft refuses a set whose parts overlap. */
static bool is_within_another(const struct conf_networks *networks, size_t i)
{
	const struct cidr *own = &networks->v[i];

	for (size_t k = 0; k < networks->n; k++) {
		const struct cidr *other = &networks->v[k];
		struct cidr cut = *own;

		if (k == i || other->v6 != own->v6 || other->bits > own->bits || (other->bits == own->bits && k > i))
			continue;
		for (unsigned bit = other->bits; bit < own->bits; bit++)
			cut.bytes[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
		if (memcmp(cut.bytes, other->bytes, own->v6 ? 16 : 4) == 0)
			return true;
	}
	return false;
}

static void add_networks(const struct conf_networks *networks, int family, struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < networks->n; i++) {
		if (networks->v[i].v6 != (family == AF_INET6) || is_within_another(networks, i))
			continue;
		buf_addz(out, first ? family == AF_INET ? " ip saddr { " : " ip6 saddr { " : ", ");
		cidr_show(&networks->v[i], out);
		first = false;
	}
	if (!first)
		buf_addz(out, " }");
}

static bool has_network(const struct conf_networks *networks, int family)
{
	for (size_t i = 0; i < networks->n; i++)
		if (networks->v[i].v6 == (family == AF_INET6))
			return true;
	return networks->n == 0;
}

static void add_door(const struct conf_listener *l, struct buf *out)
{
	const struct conf_networks *networks = l->proxy_protocol ? &l->proxy_networks : &l->networks;
	bool v6 = l->address.family == AF_INET6;

	if (!has_network(networks, l->address.family))
		return;
	buf_addf(out, "\t\tmeta nfproto %s", v6 ? "ipv6" : "ipv4");
	if (!address_is_any(&l->address))
		buf_addf(out, " %s daddr %s", v6 ? "ip6" : "ip", l->address.text);
	add_networks(networks, l->address.family, out);
	/* Behind a proxy all clients come from one source, whom the limits here would stop; the server counts the clients that it tells. */
	buf_addf(out, " tcp dport %u ct state new %s comment \"%s\"\n", l->port,
		l->proxy_protocol ? "accept" : is_strangers(l->service) ? "goto strangers" : "goto users", conf_service_name(l->service));
}

static void add_base(const char *ssh, struct buf *out)
{
	buf_addz(out, "\n\tchain input {\n"
		      "\t\ttype filter hook input priority filter; policy drop;\n"
		      "\t\tiif lo accept\n"
		      "\t\tct state { established, related } accept\n"
		      "\t\tct state invalid drop\n"
		      "\t\t# Errors that connections need to hear of, path MTU above all; neighbours and routers of IPv6; echo, in measure.\n"
		      "\t\ticmp type { destination-unreachable, time-exceeded, parameter-problem } accept\n"
		      "\t\ticmp type echo-request limit rate 20/second accept\n"
		      "\t\ticmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept\n"
		      "\t\ticmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept\n"
		      "\t\ticmpv6 type { mld-listener-query, mld2-listener-report } ip6 saddr fe80::/10 accept\n"
		      "\t\ticmpv6 type echo-request limit rate 20/second accept\n"
		      "\t\t# Addresses given by DHCP.\n"
		      "\t\tudp sport 67 udp dport 68 accept\n"
		      "\t\tip6 saddr fe80::/10 udp dport 546 accept\n");
	if (strcmp(ssh, "0") != 0)
		buf_addf(out, "\t\ttcp dport %s ct state new accept comment \"ssh\"\n", ssh);
}

static void add_rules(const struct conf *c, const char *conf_path, const char *ssh, struct buf *out)
{
	buf_addf(out, "#!/usr/sbin/nft -f\n# Made by sallyport firewall of %s. Try it: nft -c -f FILE. Load it: nft -f FILE.\n"
		      "# Keep it: as /etc/nftables.conf, or included there; systemctl enable nftables. It replaces its own table and touches no other.\n"
		      "table inet sallyport\ndelete table inet sallyport\n\ntable inet sallyport {\n",
		conf_path);
	add_sets(out);
	add_pool("strangers", c->limits.connection_rate_max, c->limits.connections_per_address_strangers_max, out);
	add_pool("users", c->limits.connection_rate_max, c->limits.connections_per_address_users_max, out);
	add_base(ssh, out);
	for (size_t i = 0; i < c->n_listeners; i++)
		if (is_outside(&c->listeners[i]))
			add_door(&c->listeners[i], out);
	buf_addz(out, "\t}\n}\n");
}

int ctl_firewall(struct ctl *c)
{
	const char *ssh = NULL;
	const struct option_row table[] = { { "--ssh", &ssh, NULL }, { 0 } };
	struct buf out;
	uint32_t port;
	int n = options_take(table, c->words, c->n_words);

	if (n != 0) {
		if (n > 0)
			fprintf(stderr, "sallyport: firewall takes no word \"%s\"\n", c->words[0]);
		return 2;
	}
	if (!ssh)
		ssh = "22";
	if (!str_to_u32(str_z(ssh), &port) || port > 65535 || (ssh[0] == '0' && port)) {
		fprintf(stderr, "sallyport: --ssh %s: give the port of your secure shell, 1 to 65535, or 0 to let none in\n", ssh);
		return 2;
	}
	buf_init(&out, OUT_MAX);
	add_rules(c->conf, c->conf_path, ssh, &out);
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	return 0;
}
