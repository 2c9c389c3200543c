/* test/unit/conf/test_conf.c - the configuration: values, messages, showing, every broken file of test/data/conf/bad. */
#include "conf/conf.h"

#include "conf/schema.h"
#include "conf/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/socket.h>

#define LEAST "hostname mail.example.org\nlisten smtp { address 127.0.0.1; port 10025 }\n"

static struct conf *good(const char *text)
{
	struct conf_errors errs;
	struct conf *c;

	conf_errors_init(&errs);
	if (!conf_parse(str_z(text), "test", &c, &errs))
		fail_msg("refused: %.*s", STR_ARG(buf_str(&errs.text)));
	assert_int_equal(errs.n, 0);
	conf_errors_fini(&errs);
	return c;
}

/* Expects the messages to be those exactly. */
static void wrong(const char *text, const char *messages)
{
	struct conf_errors errs;
	struct conf *c;

	conf_errors_init(&errs);
	assert_false(conf_parse(str_z(text), "test", &c, &errs));
	assert_null(c);
	buf_addc(&errs.text, '\0');
	assert_string_equal(errs.text.p, messages);
	conf_errors_fini(&errs);
}

static void assert_str(struct str s, const char *z)
{
	if (!str_eq(s, str_z(z)))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), z);
	if (s.p)
		assert_int_equal(s.p[s.n], '\0');
}

static void test_defaults(void **state)
{
	struct conf *c = good(LEAST);

	(void)state;
	assert_str(c->hostname, "mail.example.org");
	assert_str(c->data_dir, "/var/lib/sallyport");
	assert_str(c->run_dir, "/run/sallyport");
	assert_str(c->user, "sallyport");
	assert_str(c->log.file, "stderr");
	assert_str(c->tls.certificate, "");
	assert_int_equal(c->log.level, LOG_LEVEL_INFO);
	assert_int_equal(c->log.format, CONF_LOG_TEXT);
	assert_int_equal(c->body_budget_size, 0);
	assert_int_equal(c->disk_reserve_size, 256 << 20);
	assert_int_equal(c->pools.n_users, 2);
	assert_int_equal(c->store.engine, CONF_ENGINE_ROCKS);
	assert_true(c->store.sync);
	assert_int_equal(c->store.keep_expunged_ms, 7LL * 86400 * 1000);
	assert_int_equal(c->limits.message_size_max, 50 << 20);
	assert_int_equal(c->limits.recipients_max, 100);
	assert_int_equal(c->limits.pop_line_size_max, 255);
	assert_int_equal(c->timeouts.smtp_command_ms, 300000);
	assert_int_equal(c->timeouts.imap_idle_ms, 1800000);
	assert_int_equal(c->n_listeners, 1);
	assert_int_equal(c->listeners[0].tls, CONF_TLS_NONE);
	conf_free(c);
	conf_free(NULL);
}

static void test_values(void **state)
{
	struct conf *c = good("# all forms\n" LEAST "data_dir \"/srv/my \\\"mail\\\" \\\\x\"; user mailer\r\n"
				"disk_reserve 1G\nbody_budget 16777216\n"
				"log { level error; format json\n file /var/log/s.log }\n"
				"store { sync no; engine memory; keep_expunged 36h; segment_size 1536K }\n"
				"timeouts{pop 90s;stop 250ms}\n"
				"limits { quota_bytes 10G; keywords 0 # trailing\n }");

	(void)state;
	assert_str(c->data_dir, "/srv/my \"mail\" \\x");
	assert_str(c->user, "mailer");
	assert_int_equal(c->disk_reserve_size, 1 << 30);
	assert_int_equal(c->body_budget_size, 16 << 20);
	assert_int_equal(c->log.level, LOG_LEVEL_ERROR);
	assert_int_equal(c->log.format, CONF_LOG_JSON);
	assert_str(c->log.file, "/var/log/s.log");
	assert_false(c->store.sync);
	assert_int_equal(c->store.engine, CONF_ENGINE_MEMORY);
	assert_int_equal(c->store.keep_expunged_ms, 36 * 3600000);
	assert_int_equal(c->store.segment_size, 1536 << 10);
	assert_int_equal(c->timeouts.pop_ms, 90000);
	assert_int_equal(c->timeouts.stop_ms, 250);
	assert_true(c->limits.quota_size == 10ULL << 30);
	assert_int_equal(c->limits.keywords_max, 0);
	conf_free(c);
}

static void test_resolvers(void **state)
{
	static const char *const bad[][2] = {
		{ "resolver 127.0.0.1:0", "resolver: '127.0.0.1:0' has no port behind its last colon; give 1 to 65535, as 127.0.0.1:5353" },
		{ "resolver [::1]:65536", "resolver: '[::1]:65536' has no port behind its last colon; give 1 to 65535, as 127.0.0.1:5353" },
		{ "resolver localhost", "resolver: 'localhost' is not an IPv4 or IPv6 address; give numbers, as 127.0.0.1 or ::1" },
		{ "resolver 1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4 5.5.5.5",
			"resolver: takes at most 4 values, not 5; put a value with blanks in quotes, end a statement with ';'" },
		{ "blocklists a..b", "blocklists: 'a..b' is not a domain; give letters, digits, hyphens and dots, as zen.spamhaus.org" },
	};
	struct conf *c = good(LEAST);

	(void)state;
	assert_int_equal(c->dns.resolvers.n, 0);
	assert_int_equal(c->dns.blocklists.n, 3);
	assert_str(c->dns.blocklists.v[0], "zen.spamhaus.org");
	conf_free(c);
	c = good(LEAST "dns { resolver 127.0.0.1:5353 ::1 [2001:db8::1]:54 10.0.0.1; blocklists none }");
	assert_int_equal(c->dns.resolvers.n, 4);
	assert_int_equal(c->dns.resolvers.v[0].port, 5353);
	assert_int_equal(c->dns.resolvers.v[1].port, 53);
	assert_string_equal(c->dns.resolvers.v[1].address.text, "::1");
	assert_string_equal(c->dns.resolvers.v[2].address.text, "2001:db8::1");
	assert_int_equal(c->dns.resolvers.v[2].port, 54);
	assert_int_equal(c->dns.blocklists.n, 0);
	conf_free(c);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char text[300], want[300];

		snprintf(text, sizeof text, LEAST "dns { %s }\n", bad[i][0]);
		snprintf(want, sizeof want, "test:3: %s\n", bad[i][1]);
		wrong(text, want);
	}
}

static void test_listeners(void **state)
{
	struct conf *c = good("hostname localhost\n"
				"listen smtp { }\n"
				"listen submission { address 127.0.0.1 [::1]; port 10587 }\n"
				"listen imaps { address ::1 }\n"
				"listen pop3 { tls none; auth_without_tls yes }\n"
				"tls { certificate /c.pem; key /k.pem; min_version 1.3 }\n");
	static const uint8_t loopback[4] = { 127, 0, 0, 1 };

	(void)state;
	assert_int_equal(c->n_listeners, 7);
	assert_int_equal(c->listeners[0].port, 25);
	assert_int_equal(c->listeners[0].tls, CONF_TLS_STARTTLS);
	assert_int_equal(c->listeners[0].address.family, AF_INET);
	assert_int_equal(c->listeners[1].address.family, AF_INET6);
	assert_string_equal(c->listeners[1].address.text, "::");
	assert_false(c->listeners[1].address_given);
	assert_int_equal(c->listeners[2].service, CONF_SUBMISSION);
	assert_memory_equal(c->listeners[2].address.bytes, loopback, 4);
	assert_true(c->listeners[2].address_given);
	assert_string_equal(c->listeners[3].address.text, "::1");
	assert_int_equal(c->listeners[3].port, 10587);
	assert_int_equal(c->listeners[3].block, 1);
	assert_int_equal(c->listeners[3].line, 3);
	assert_int_equal(c->listeners[4].tls, CONF_TLS_IMPLICIT);
	assert_int_equal(c->listeners[4].port, 993);
	assert_int_equal(c->listeners[5].tls, CONF_TLS_NONE);
	assert_true(c->listeners[5].auth_without_tls);
	assert_false(conf_announces_plus(&c->listeners[2]));
	assert_true(conf_announces_plus(&c->listeners[4]));
	assert_int_equal(c->tls.min_version, CONF_TLS_1_3);
	conf_free(c);
}

/* A default that does not fit below what was written gives way to it. */
static void test_defaults_give_way(void **state)
{
	struct conf *c = good(LEAST "limits { message_size 100K; connections_users 3; smtp_commands 10 }");

	(void)state;
	assert_int_equal(c->limits.header_size_max, 100 << 10);
	assert_int_equal(c->limits.connections_per_address_users_max, 3);
	assert_int_equal(c->limits.smtp_errors_max, 10);
	conf_free(c);
}

static void test_edges(void **state)
{
	(void)state;
	conf_free(good(LEAST "limits { recipients 100; message_size 64K; keywords 56; pop_line 255; smtp_line 512 }"));
	conf_free(good(LEAST "limits { recipients 200; message_size 1G; smtp_line 64K; smtp_text_line 0 }"));
	conf_free(good("hostname a.b; listen smtp { address 10.0.0.1; port 1 }; listen smtp { address 10.0.0.1; port 65535 }"));
	conf_free(good("hostname a.b; listen smtp { address 0.0.0.0 }; listen smtp { address :: }"));
	wrong("hostname a.b\nlisten smtp { scram_plus yes }\nlisten imap { tls none; auth_without_tls yes; scram_plus yes }\n"
	      "listen pop3 { tls none; auth_without_tls yes; scram_plus no }\n",
		"test:2: smtp takes no logins; remove scram_plus\n"
		"test:3: scram_plus without TLS announces nothing; remove it, or give imap TLS\n");
	wrong(LEAST "limits { smtp_text_line 999 }",
		"test:3: smtp_text_line: '999' is out of bounds; give 0 or 1000 to 1G\n");
}

static void test_all_errors(void **state)
{
	(void)state;
	wrong("hostnam a.b\nlog { levle info; format xml }\nfoo { bar 1; baz { x } }\nlisten smtp { port 0; port 1 }\n",
		"test:1: unknown setting 'hostnam'; did you mean 'hostname'?\n"
		"test:2: unknown setting 'levle'; did you mean 'level'?\n"
		"test:2: format: 'xml' is not one of text or json\n"
		"test:3: unknown block 'foo'; see the list of settings\n"
		"test:4: port: '0' is not a port; give 1 to 65535\n"
		"test:4: port is given twice; remove this one or the one in line 4\n");
}

static void test_too_many_errors(void **state)
{
	struct conf_errors errs;
	struct buf text;
	struct conf *c;
	size_t lines = 0;

	(void)state;
	buf_init(&text, 10000);
	for (int i = 0; i < 50; i++)
		buf_addz(&text, "nonsense 1\n");
	conf_errors_init(&errs);
	assert_false(conf_parse(buf_str(&text), "test", &c, &errs));
	assert_int_equal(errs.n, 50);
	for (size_t i = 0; i < errs.text.n; i++)
		lines += errs.text.p[i] == '\n';
	assert_int_equal(lines, CONF_ERRORS_MAX);
	conf_errors_fini(&errs);
	buf_fini(&text);
}

static void test_too_large(void **state)
{
	struct conf_errors errs;
	struct conf *c;
	char *p = calloc(1, CONF_TEXT_MAX + 1);

	(void)state;
	memset(p, '\n', CONF_TEXT_MAX + 1);
	conf_errors_init(&errs);
	assert_false(conf_parse(str_of(p, CONF_TEXT_MAX + 1), "test", &c, &errs));
	assert_true(str_search(buf_str(&errs.text), STR("test:1: the file is larger than")) == 0);
	conf_errors_fini(&errs);
	free(p);
}

/* 17 blocks of 4 addresses are 68. */
static void test_too_many_listeners(void **state)
{
	struct conf_errors errs;
	struct buf text;
	struct conf *c;

	(void)state;
	buf_init(&text, 10000);
	buf_addz(&text, "hostname a.b\n");
	for (int i = 0; i < 17; i++)
		buf_addf(&text, "listen smtp { address 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4; port %d }\n", 1000 + i);
	conf_errors_init(&errs);
	assert_false(conf_parse(buf_str(&text), "test", &c, &errs));
	assert_true(str_search(buf_str(&errs.text), STR("test:18: more than 64 addresses to listen on")) == 0);
	conf_errors_fini(&errs);
	buf_fini(&text);
}

static void show_round(const struct conf *c, bool with_defaults)
{
	struct buf first, second;
	struct conf *again;

	buf_init(&first, 100000);
	buf_init(&second, 100000);
	conf_show(c, &first, with_defaults);
	buf_addc(&first, '\0');
	again = good(first.p);
	conf_show(again, &second, with_defaults);
	buf_addc(&second, '\0');
	assert_string_equal(first.p, second.p);
	/* Both ways of showing describe the same, whichever of them was read. */
	buf_reset(&first);
	buf_reset(&second);
	conf_show(c, &first, !with_defaults);
	conf_show(again, &second, !with_defaults);
	if (!with_defaults)
		assert_true(str_eq(buf_str(&first), buf_str(&second)));
	conf_free(again);
	buf_fini(&first);
	buf_fini(&second);
}

static void test_show(void **state)
{
	static const char *const texts[] = {
		LEAST,
		LEAST "dns { resolver 127.0.0.1:5353 ::1 [2001:db8::1]:54; blocklists none }",
		"hostname mail.example.org; listen smtp { }; listen smtp { address 127.0.0.1 ::1; port 2525 }",
		LEAST "data_dir \"/a b\\\\c\\\"d\"; user \"#x\"; disk_reserve 1025K; body_budget 17M\n"
		      "tls { certificate \"/c;.pem\"; key \"/{k}.pem\" }; listen imaps { }; listen imap { tls none; auth_without_tls yes }",
		LEAST "listen smtp { port 26; networks 10.0.0.0/8 ::1; proxy_protocol yes; proxy_networks 192.0.2.1 }",
		LEAST "tls { certificate /c; key /k }; certificate a.b *.c.d { certificate /x; key /y }; certificate E.f { key /z; certificate /w }",
		LEAST "route Example.org *.Example.org { next_hop [Mx.a]:2525 b.c [::1] 192.0.2.1:26; tls verify; implicit_tls yes\n"
		      "login \"a b\"; password_file /p }\n"
		      "route local.test { protocol lmtp; next_hop backend [c.d]:2424; relay yes; connections 3; rate 60 }; route * { source two }\n"
		      "source two { address ::1 192.0.2.7; helo out.example.org; domains Example.org x.y }; source one { address 192.0.2.8 }",
		LEAST "limits { message_size 100K }; timeouts { pop 61s; stop 10ms; imap_idle 2h }; store { keep_expunged 0s }",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct conf *c = good(texts[i]);

		show_round(c, false);
		show_round(c, true);
		conf_free(c);
	}
}

static void test_show_text(void **state)
{
	struct conf *c = good("hostname mail.example.org; disk_reserve 256M; log { level info; format json }\n"
				"listen smtp { }; listen submission { port 10587; auth_without_tls yes }; timeouts { pop 600s }");
	struct buf out;

	(void)state;
	buf_init(&out, 100000);
	conf_show(c, &out, false);
	buf_addc(&out, '\0');
	assert_string_equal(out.p, "hostname mail.example.org\n"
				   "\nlog {\n\tformat json\n}\n"
				   "\nlisten smtp {\n}\n"
				   "\nlisten submission {\n\tport 10587\n\tauth_without_tls yes\n}\n");
	buf_fini(&out);
	conf_free(c);
}

static void test_schema(void **state)
{
	struct buf doc;

	(void)state;
	buf_init(&doc, 100000);
	conf_schema_markdown(&doc);
	assert_false(doc.full);
	for (size_t i = 0; i < conf_n_settings; i++) {
		const struct conf_setting *s = &conf_settings[i];

		assert_ptr_equal(conf_setting_find(s->block, str_z(s->name)), s); /* no name twice */
		assert_true(!s->block || conf_block_find(str_z(s->block)));
		assert_true(str_search(buf_str(&doc), str_z(s->help)) > 0);
		assert_null(strchr(s->help, '|'));
	}
	for (int s = 0; s < CONF_SERVICE_COUNT; s++)
		assert_int_equal(conf_services[s].value, s);
	buf_fini(&doc);
}

/* ---- routes and sources */

static void test_hops(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
		bool mx;
	} hops[] = {
		{ "next_hop [Mx.Example.org]", "mx.example.org", 25, false },
		{ "next_hop [mx.example.org]:587", "mx.example.org", 587, false },
		{ "next_hop example.org", "example.org", 25, true },
		{ "next_hop EXAMPLE.org:26", "example.org", 26, true },
		{ "next_hop 192.0.2.1", "192.0.2.1", 25, false },
		{ "next_hop 192.0.2.1:26", "192.0.2.1", 26, false },
		{ "next_hop [192.0.2.1]:26", "192.0.2.1", 26, false },
		{ "next_hop [2001:DB8:0::1]", "2001:db8::1", 25, false },
		{ "next_hop [IPv6:2001:db8::1]:26", "2001:db8::1", 26, false },
		{ "next_hop [mx.example.org]; implicit_tls yes", "mx.example.org", 465, false },
		{ "protocol lmtp; next_hop backend", "backend", 24, false },
		{ "next_hop [backend]:65535; protocol lmtp; implicit_tls yes", "backend", 65535, false },
	};
	char text[300];

	(void)state;
	for (size_t i = 0; i < sizeof hops / sizeof *hops; i++) {
		struct conf *c;

		snprintf(text, sizeof text, LEAST "route a.b { %s }", hops[i].text);
		c = good(text);
		assert_int_equal(c->routes[0].hops.n, 1);
		assert_str(c->routes[0].hops.v[0].host, hops[i].host);
		assert_int_equal(c->routes[0].hops.v[0].port, hops[i].port);
		assert_int_equal(c->routes[0].hops.v[0].mx, hops[i].mx);
		conf_free(c);
	}
}

static void test_hop_of_a_command(void **state)
{
	static const char *const bad[] = { "", " ", "[a.b", "[a.b]:0", "a.b c.d", "a_b" };
	struct conf_hop hop;
	struct arena a;

	(void)state;
	arena_init(&a, "test", 10000);
	assert_true(conf_hop_parse(STR("[A.b]:26"), &a, &hop));
	assert_str(hop.host, "a.b");
	assert_int_equal(hop.port, 26);
	assert_false(hop.mx);
	assert_true(conf_hop_parse(STR("c.d"), &a, &hop));
	assert_true(hop.mx);
	assert_int_equal(hop.port, 25);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(conf_hop_parse(str_z(bad[i]), &a, &hop));
	arena_fini(&a);
}

static void test_routes(void **state)
{
	struct conf *c = good(LEAST "route one.test { rate 7 }\nroute deep.sub.test Two.Test { next_hop [a.b] }\nroute *.sub.test { source s; connections 9 }\n"
				    "source s { address 192.0.2.1 }\nroute * { next_hop [g.h]:587; login u; password_file /p; tls verify }");
	static const struct {
		const char *domain;
		int route;
	} wanted[] = { { "one.test", 0 }, { "ONE.test", 0 }, { "two.test", 1 }, { "x.one.test", 3 }, { "deep.sub.test", 1 }, { "a.sub.test", 2 },
		{ "a.b.sub.test", 2 }, { "sub.test", 3 }, { "asub.test", 3 }, { ".sub.test", 3 }, { "[192.0.2.1]", 3 }, { "", 3 } };

	(void)state;
	assert_int_equal(c->n_routes, 4);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		assert_ptr_equal(conf_route_find(c, str_z(wanted[i].domain)), &c->routes[wanted[i].route]);
	assert_int_equal(c->routes[0].rate_max, 7);
	assert_int_equal(c->routes[0].hops.n, 0);
	assert_str(c->routes[1].domains[1], "two.test");
	assert_int_equal(c->routes[1].rate_max, 0); /* not that of the block before */
	assert_int_equal(c->routes[2].connections_max, 9);
	assert_str(c->routes[3].login, "u");
	assert_int_equal(c->routes[3].tls, CONF_ROUTE_TLS_VERIFY);
	conf_free(c);
	c = good(LEAST "route one.test { }");
	assert_null(conf_route_find(c, STR("two.test")));
	conf_free(c);
}

static void sources_are(const struct conf *c, const char *destination, const char *sender, const char *names)
{
	uint16_t out[CONF_SOURCES_MAX];
	size_t n = conf_sources_for(c, conf_route_find(c, str_z(destination)), str_z(sender), out);
	char text[200] = "";

	for (size_t i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", c->sources[out[i]].name.p);
	assert_string_equal(text, names);
}

static void test_sources(void **state)
{
	struct conf *c = good(LEAST "source a { address 192.0.2.1 2001:db8::1; helo a.example.org }; source bulk { address 192.0.2.2; domains News.test }\n"
				    "source b { address ::1 }; source more { address 192.0.2.3; domains x.test news.test }; route via.test { source bulk }");

	(void)state;
	assert_str(c->sources[0].helo, "a.example.org");
	assert_string_equal(c->sources[0].address4.text, "192.0.2.1");
	assert_string_equal(c->sources[0].address6.text, "2001:db8::1");
	assert_int_equal(c->sources[2].address4.family, 0);
	sources_are(c, "far.test", "example.org", "a b");
	sources_are(c, "far.test", "news.test", "bulk more");
	sources_are(c, "far.test", "X.test", "more");
	sources_are(c, "far.test", "", "a b");
	sources_are(c, "via.test", "x.test", "bulk");
	conf_free(c);
	c = good(LEAST "source bulk { address 192.0.2.2; domains news.test }");
	sources_are(c, "far.test", "example.org", "");
	sources_are(c, "far.test", "", "");
	conf_free(c);
}

/* n blocks are taken, and one more is not. */
static void blocks_edge(const char *fmt, size_t n, const char *message)
{
	struct conf_errors errs;
	struct buf text;
	struct conf *c;

	for (size_t more = 0; more < 2; more++) {
		buf_init(&text, 1 << 20);
		buf_addz(&text, LEAST);
		for (size_t i = 0; i < n + more; i++)
			buf_addf(&text, fmt, (unsigned)i, (unsigned)i % 250 + 1);
		conf_errors_init(&errs);
		assert_int_equal(conf_parse(buf_str(&text), "test", &c, &errs), !more);
		if (more)
			assert_true(str_search(buf_str(&errs.text), str_z(message)) > 0);
		conf_free(c);
		conf_errors_fini(&errs);
		buf_fini(&text);
	}
}

static void test_too_many_blocks(void **state)
{
	(void)state;
	blocks_edge("route d%u.test { rate %u }\n", CONF_ROUTES_MAX, "more than 500 route blocks");
	blocks_edge("source s%u { address 192.0.2.%u }\n", CONF_SOURCES_MAX, "more than 64 source blocks");
}

static void test_login_within_the_machine(void **state)
{
	struct conf *c = good(LEAST "route a.b { next_hop [127.0.0.1]:2525 [::1]:2525; tls none; login u; password_file /p }");

	(void)state;
	assert_str(c->routes[0].password_file, "/p");
	conf_free(c);
}

/* The folder of broken files: below SALLYPORT_SOURCE, or found from this file. */
static DIR *bad_dir(char *path, size_t size)
{
	const char *root = getenv("SALLYPORT_SOURCE");
	const char *const tries[] = { root ? root : ".", ".", "..", NULL };
	DIR *d;

	for (size_t i = 0; tries[i]; i++) {
		snprintf(path, size, "%s/test/data/conf/bad", tries[i]);
		if ((d = opendir(path)))
			return d;
	}
	snprintf(path, size, "%.*s/../../data/conf/bad", (int)(strrchr(__FILE__, '/') - __FILE__), __FILE__);
	return opendir(path);
}

static size_t file_read(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	assert_non_null(f);
	n = fread(out, 1, size, f);
	fclose(f);
	return n;
}

static void bad_file(const char *path)
{
	static const struct str mark = { "# expect: ", 10 };
	char *data = malloc(CONF_TEXT_MAX);
	struct str text = str_of(data, file_read(path, data, CONF_TEXT_MAX)), rest = text, expected;
	struct conf_errors errs;
	struct conf *c;

	assert_true(str_starts(text, mark) && str_split(&rest, '\n', &expected));
	expected = str_from(expected, mark.n);
	conf_errors_init(&errs);
	if (conf_parse(text, "bad", &c, &errs))
		fail_msg("%s is accepted", path);
	if (str_search(buf_str(&errs.text), expected) < 0)
		fail_msg("%s: '%.*s' is not in '%.*s'", path, STR_ARG(expected), STR_ARG(buf_str(&errs.text)));
	if (errs.n != 1 && !strstr(path, "/multi"))
		fail_msg("%s: %u errors: %.*s", path, errs.n, STR_ARG(buf_str(&errs.text)));
	conf_errors_fini(&errs);
	free(data);
}

static void test_bad_files(void **state)
{
	char dir[300], path[600];
	struct dirent *e;
	size_t n = 0;
	DIR *d = bad_dir(dir, sizeof dir);

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (!str_ends(str_z(e->d_name), STR(".conf")))
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		bad_file(path);
		n++;
	}
	closedir(d);
	assert_true(n >= 40);
}

/* Every text cut short anywhere, and with every byte replaced, is answered and not crashed on. */
static void test_mangled(void **state)
{
	static const char text[] = LEAST "data_dir \"/a\\\"b\"\nlog { level info }\nlisten imap { tls none; auth_without_tls yes }";
	static const char bytes[] = { '\0', '"', '\\', '{', '}', ';', '\n', '#', '\xff' };
	struct conf_errors errs;
	struct conf *c;

	(void)state;
	for (size_t i = 0; i < sizeof text - 1; i++)
		for (size_t j = 0; j <= sizeof bytes; j++) {
			char copy[sizeof text];
			size_t n = j == sizeof bytes ? i : sizeof text - 1;

			memcpy(copy, text, sizeof text);
			if (j < sizeof bytes)
				copy[i] = bytes[j];
			conf_errors_init(&errs);
			assert_true(conf_parse(str_of(copy, n), "test", &c, &errs) == (errs.n == 0));
			conf_free(c);
			conf_errors_fini(&errs);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_resolvers),
		cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_defaults_give_way),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_all_errors),
		cmocka_unit_test(test_too_many_errors),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_too_many_listeners),
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_show_text),
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_hops),
		cmocka_unit_test(test_hop_of_a_command),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_too_many_blocks),
		cmocka_unit_test(test_login_within_the_machine),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_mangled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
