/* test/unit/relay/test_target.c - where letters go by the configuration, which connections may be shared; addresses and their memory. */
#include "relay/target.h"

#include "relay/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "hostname mail.ours.test\n"
			   "data_dir /nowhere\n"
			   "listen imap {\n address 127.0.0.1\n auth_without_tls yes\n}\n"
			   "source red {\n address 192.0.2.1\n helo red.ours.test\n}\n"
			   "source blue {\n address 192.0.2.2\n}\n"
			   "route smart.test two.test {\n next_hop [relay.test]:587 [spare.test]:587\n tls verify\n}\n"
			   "route mx.test {\n next_hop other.test\n}\n"
			   "route boxes.test {\n next_hop [127.0.0.1]:24\n protocol lmtp\n}\n"
			   "route locked.test {\n tls verify\n}\n";

struct fixture {
	struct conf *conf;
	struct arena arena;
};

static int setup(void **state)
{
	static struct fixture f;
	struct conf_errors errors;

	conf_errors_init(&errors);
	if (!conf_parse(str_z(text), "test", &f.conf, &errors))
		fail_msg("%.*s", STR_ARG(buf_str(&errors.text)));
	conf_errors_fini(&errors);
	arena_init(&f.arena, "test", 1 << 20);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	conf_free(f->conf);
	arena_fini(&f->arena);
	return 0;
}

static struct target make(struct fixture *f, struct target_ask ask)
{
	struct target t;

	assert_true(target_make(f->conf, &ask, &f->arena, &t));
	return t;
}

#define TARGET(f, name, ...) make((f), (struct target_ask){ .domain = STR(name), __VA_ARGS__ })

static void hop_is(const struct target *t, size_t i, const char *host, unsigned port, bool mx)
{
	assert_true(i < t->n_hops);
	assert_true(str_eq(t->hops[i].host, str_z(host)));
	assert_int_equal(t->hops[i].port, port);
	assert_int_equal(t->hops[i].mx, mx);
}

static void a_domains_way(void **state)
{
	struct fixture *f = *state;
	struct target t = TARGET(f, "far.test");

	hop_is(&t, 0, "far.test", 25, true);
	assert_true(!t.chosen && !t.route && t.n_hops == 1 && str_eq(t.helo, STR("mail.ours.test")) && !t.source);
	t = TARGET(f, "smart.test");
	hop_is(&t, 0, "relay.test", 587, false);
	hop_is(&t, 1, "spare.test", 587, false);
	assert_true(t.chosen && t.tls == CONF_ROUTE_TLS_VERIFY);
	t = TARGET(f, "mx.test");
	hop_is(&t, 0, "other.test", 25, true);
	t = TARGET(f, "boxes.test");
	hop_is(&t, 0, "127.0.0.1", 24, false);
	assert_int_equal(t.protocol, CONF_ROUTE_LMTP);
	t = TARGET(f, "locked.test"); /* a route without hops: the domain's own MX, but as it says */
	hop_is(&t, 0, "locked.test", 25, true);
	assert_true(!t.chosen && t.tls == CONF_ROUTE_TLS_VERIFY);
	t = TARGET(f, "[192.0.2.7]");
	hop_is(&t, 0, "192.0.2.7", 25, false);
	assert_false(t.chosen);
	t = TARGET(f, "[IPv6:2001:DB8::7]");
	hop_is(&t, 0, "2001:db8::7", 25, false);
}

static void a_reroute_counts_before_all(void **state)
{
	struct fixture *f = *state;
	struct target t = TARGET(f, "smart.test", .route = STR("[elsewhere.test]:2525"));

	hop_is(&t, 0, "elsewhere.test", 2525, false);
	assert_true(t.chosen && !t.route && t.tls == CONF_ROUTE_TLS_AUTO);
	t = TARGET(f, "far.test", .route = STR("other.test:26"));
	hop_is(&t, 0, "other.test", 26, true);
	t = TARGET(f, "far.test", .route = STR("[relay.test]:587")); /* a server that a route names: as that route speaks to it */
	assert_true(t.route == &f->conf->routes[0] && t.tls == CONF_ROUTE_TLS_VERIFY);
	assert_false(target_make(f->conf, &(struct target_ask){ .domain = STR("far.test"), .route = STR("[broken") }, &f->arena, &t));
	assert_false(target_make(f->conf, &(struct target_ask){ .domain = STR("[nonsense]") }, &f->arena, &t));
}

static void a_sources_name(void **state)
{
	struct fixture *f = *state;
	struct target t = TARGET(f, "far.test", .source = 1);

	assert_true(t.source == &f->conf->sources[0] && str_eq(t.helo, STR("red.ours.test")));
	t = TARGET(f, "far.test", .source = 2);
	assert_true(t.source == &f->conf->sources[1] && str_eq(t.helo, STR("mail.ours.test")));
	t = TARGET(f, "far.test", .source = 3); /* the configuration has changed since it was chosen */
	assert_null(t.source);
}

static bool share(struct target a, struct target b)
{
	return str_eq(a.key, b.key);
}

static void who_shares_a_connection(void **state)
{
	struct fixture *f = *state;

	assert_true(share(TARGET(f, "far.test"), TARGET(f, "far.test")));
	assert_false(share(TARGET(f, "far.test"), TARGET(f, "near.test")));
	assert_true(share(TARGET(f, "smart.test"), TARGET(f, "two.test"))); /* one smart host for both */
	assert_false(share(TARGET(f, "smart.test"), TARGET(f, "mx.test")));
	assert_false(share(TARGET(f, "far.test"), TARGET(f, "far.test", .source = 1)));
	assert_false(share(TARGET(f, "far.test", .source = 2), TARGET(f, "far.test", .source = 1)));
	assert_false(share(TARGET(f, "far.test"), TARGET(f, "far.test", .require_tls = true)));
	assert_false(share(TARGET(f, "far.test"), TARGET(f, "far.test", .tls_optional = true)));
	assert_false(share(TARGET(f, "far.test"), TARGET(f, "far.test", .route = STR("[x.test]:25"))));
	assert_true(share(TARGET(f, "near.test", .route = STR("[x.test]:25")), TARGET(f, "far.test", .route = STR("[x.test]:25"))));
}

static bool share_hosts(struct target a, struct target b)
{
	return a.shared_key.n && str_eq(a.shared_key, b.shared_key);
}

static void domains_of_the_same_hosts_share(void **state)
{
	struct fixture *f = *state;
	struct str h = STR("mx.host.test");

	assert_true(share_hosts(TARGET(f, "far.test", .hosts = h), TARGET(f, "near.test", .hosts = h)));
	assert_false(share(TARGET(f, "far.test", .hosts = h), TARGET(f, "near.test", .hosts = h)));
	assert_false(share_hosts(TARGET(f, "far.test"), TARGET(f, "near.test")));
	assert_false(share_hosts(TARGET(f, "far.test", .hosts = h, .secure = true), TARGET(f, "near.test", .hosts = h)));
	assert_false(share_hosts(TARGET(f, "far.test", .hosts = STR("mx.other.test")), TARGET(f, "near.test", .hosts = h)));
	assert_false(share_hosts(TARGET(f, "far.test", .hosts = h), TARGET(f, "near.test", .hosts = h, .source = 1)));
	assert_false(share_hosts(TARGET(f, "far.test", .hosts = h), TARGET(f, "near.test", .hosts = h, .require_tls = true)));
	assert_false(share_hosts(TARGET(f, "far.test", .hosts = h), TARGET(f, "near.test", .hosts = h, .tls_optional = true)));
	assert_false(share_hosts(TARGET(f, "far.test", .hosts = h), TARGET(f, "locked.test", .hosts = h))); /* a route asks more of it */
	assert_int_equal(TARGET(f, "smart.test", .hosts = h).shared_key.n, 0); /* the operator's host, whatever DNS says */
	assert_false(str_eq(TARGET(f, "far.test", .hosts = h).shared_key, TARGET(f, "mx.host.test").key)); /* no domain can be named so */
}

/* ---- addresses */

static enum address_kind kind(const char *z)
{
	struct address a;

	assert_true(address_read(str_z(z), 25, &a));
	return address_kind(&a);
}

static void addresses_that_are_not_gone_to(void **state)
{
	static const char *const private_ones[] = { "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.9.9.9", "169.254.1.1", "172.16.0.1",
		"172.31.255.255", "192.168.0.1", "::1", "fe80::1", "fc00::1", "fdff::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1" };
	static const char *const nobodys[] = { "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "ff02::1",
		"::ffff:0.0.0.0" };
	static const char *const public_ones[] = { "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
		"192.167.255.255", "192.169.0.0", "223.255.255.255", "2001:db8::1", "2a00::1", "fbff::1", "fe00::1" };

	(void)state;
	for (size_t i = 0; i < sizeof private_ones / sizeof *private_ones; i++)
		if (kind(private_ones[i]) != ADDRESS_PRIVATE)
			fail_msg("%s", private_ones[i]);
	for (size_t i = 0; i < sizeof nobodys / sizeof *nobodys; i++)
		if (kind(nobodys[i]) != ADDRESS_NO_HOST)
			fail_msg("%s", nobodys[i]);
	for (size_t i = 0; i < sizeof public_ones / sizeof *public_ones; i++)
		if (kind(public_ones[i]) != ADDRESS_PUBLIC)
			fail_msg("%s", public_ones[i]);
}

static void key_of(char out[8], unsigned i)
{
	snprintf(out, 8, "%u", i);
}

static void bad_addresses_are_remembered_for_a_while(void **state)
{
	struct bad b;
	int64_t now = 1000, wait = BAD_FIRST_MS;

	(void)state;
	bad_init(&b, 1);
	assert_false(bad_is(&b, STR("x"), now));
	for (int i = 0; i < 10; i++) {
		bad_note(&b, STR("x"), now);
		bad_note(&b, STR("x"), now + 1); /* the same trouble, met twice */
		assert_true(bad_is(&b, STR("x"), now + wait - 1));
		assert_false(bad_is(&b, STR("x"), now + wait));
		now += wait;
		wait = wait * 2 < BAD_LONGEST_MS ? wait * 2 : BAD_LONGEST_MS;
	}
	bad_note(&b, STR("x"), now);
	bad_forget(&b, STR("x"));
	assert_false(bad_is(&b, STR("x"), now));
	bad_note(&b, STR("x"), now);
	assert_false(bad_is(&b, STR("x"), now + BAD_FIRST_MS)); /* from the beginning */
	bad_fini(&b);
}

static void the_memory_is_bounded(void **state)
{
	char key[8];
	struct bad b;

	(void)state;
	bad_init(&b, 1);
	for (unsigned i = 0; i < BAD_MAX; i++) {
		key_of(key, i);
		bad_note(&b, str_z(key), 1000);
	}
	assert_true(bad_is(&b, STR("0"), 1001));
	bad_note(&b, STR("more"), 1000);
	assert_int_equal(bad_count(&b), BAD_MAX);
	assert_false(bad_is(&b, STR("0"), 1001));
	assert_true(bad_is(&b, STR("1"), 1001) && bad_is(&b, STR("more"), 1001));
	bad_fini(&b);
}

static void order_is(struct address *v, size_t n, const char *families)
{
	for (size_t i = 0; i < n; i++)
		if ((v[i].family == AF_INET6) != (families[i] == '6'))
			fail_msg("%zu of %s: %s", i, families, v[i].text);
}

static size_t read_all(const char *const *texts, struct address *v)
{
	size_t n = 0;

	for (; texts[n]; n++)
		assert_true(address_read(str_z(texts[n]), 25, &v[n]));
	return n;
}

static void families_take_turns_and_bad_ones_wait(void **state)
{
	static const char *const mixed[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2", NULL };
	struct address v[ADDRESSES_MAX], six;
	uint64_t seed = 3;
	struct bad b;
	size_t n;

	(void)state;
	bad_init(&b, 1);
	for (int i = 0; i < 50; i++) {
		n = read_all(mixed, v);
		addresses_order(v, n, &b, 0, &seed);
		order_is(v, n, "64644");
	}
	assert_true(address_read(STR("2001:db8::1"), 25, &six));
	bad_note(&b, address_key(&six), 0);
	for (int i = 0; i < 50; i++) {
		n = read_all(mixed, v);
		addresses_order(v, n, &b, 0, &seed);
		order_is(v, n, "64446");
		assert_true(address_same(&v[4], &six));
	}
	six.port = 26; /* another service there: nothing is known of it */
	assert_false(bad_is(&b, address_key(&six), 0));
	bad_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_domains_way),
		cmocka_unit_test(a_reroute_counts_before_all),
		cmocka_unit_test(a_sources_name),
		cmocka_unit_test(who_shares_a_connection),
		cmocka_unit_test(domains_of_the_same_hosts_share),
		cmocka_unit_test(addresses_that_are_not_gone_to),
		cmocka_unit_test(bad_addresses_are_remembered_for_a_while),
		cmocka_unit_test(the_memory_is_bounded),
		cmocka_unit_test(families_take_turns_and_bad_ones_wait),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
