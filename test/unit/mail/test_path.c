/* test/unit/mail/test_path.c - SMTP paths (RFC 5321 4.1.2) and address keys. */
#include "mail/path.h"

#include "mail/utf8.h"

#include "unit.h"

#include <string.h>

static struct arena arena;

static enum outcome parse(const char *s, unsigned flags, struct mail_path *p)
{
	struct cur c = cur_of(str_z(s));

	return mail_path_parse(&c, flags, &mail_path_limits_default, &arena, p);
}

static void is_path(const char *s, unsigned flags, const char *local, const char *domain)
{
	struct mail_path p;

	assert_int_equal(parse(s, flags, &p), OK);
	is_str(p.local, local);
	is_str(p.domain, domain);
}

static void no_path(const char *s, unsigned flags)
{
	struct mail_path p;

	if (parse(s, flags, &p) != BAD_SYNTAX)
		fail_msg("accepted: %s", s);
}

static void accepted(void **state)
{
	is_path("<a@b.test>", 0, "a", "b.test");
	is_path("<>", MAIL_PATH_NULL, "", "");
	is_path("<postmaster>", MAIL_PATH_POSTMASTER, "postmaster", "");
	is_path("<PostMaster>", MAIL_PATH_POSTMASTER, "PostMaster", "");
	is_path("<postmaster@x.test>", MAIL_PATH_POSTMASTER, "postmaster", "x.test");
	is_path("<@hosta.int,@jkl.org:userc@d.bar.org>", 0, "userc", "d.bar.org");
	is_path("<\"Joe.\\\\Blow\"@example.com>", 0, "Joe.\\Blow", "example.com");
	is_path("<\"a \\\" b\"@example.com>", 0, "a \" b", "example.com");
	is_path("<\"\"@example.com>", 0, "", "example.com");
	is_path("<!#$%&'*+-/=?^_`{|}~.x@b.test>", 0, "!#$%&'*+-/=?^_`{|}~.x", "b.test");
	is_path("<x@[123.255.37.2]>", 0, "x", "[123.255.37.2]");
	is_path("<x@[IPv6:2001:db8::1]>", 0, "x", "[IPv6:2001:db8::1]");
	is_path("<x@[ipv6:::ffff:1.2.3.4]>", 0, "x", "[ipv6:::ffff:1.2.3.4]");
	is_path("<x@localhost>", 0, "x", "localhost");
	is_path("<\xc3\xbc@\xc3\xb6.test>", MAIL_PATH_UTF8, "\xc3\xbc", "\xc3\xb6.test");
}

static void refused(void **state)
{
	static const char *const paths[] = { "", "<", "a@b.test", "<a@b.test", "<a>", "<a@>", "<@b.test>",
		"<a b@c.test>", "<a.@b.test>", "<.a@b.test>", "<a..b@c.test>", "<a@b..test>", "<a@.test>",
		"<a@b.test.>", "<a@-b.test>", "<a@b-.test>", "<a@b_c.test>", "<\"a@b.test>", "<\"a\"b@c.test>",
		"<\"a\001\"@b.test>", "<\"a\\\x7f\"@b.test>", "<a@[1.2.3]>", "<a@[1.2.3.256]>", "<a@[IPv6:x]>",
		"<a@[IPv6:]>", "<a@[x:y]>", "<a@[1.2.3.4>", "<>", "<postmaster>", "<@x.test:a>", "<@x.test,a@b.test>",
		"<@x.test a@b.test>", "< a@b.test>", "<a@b.test >", "<a@b@c.test>", "<\xc3\xbc@b.test>",
		"<a@\xc3\xb6.test>", "<\"\xc3\xbc\"@b.test>" };

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		no_path(paths[i], 0);
	no_path("<\xff@b.test>", MAIL_PATH_UTF8);
	no_path("<a@\xff.test>", MAIL_PATH_UTF8);
	no_path("<\"\xff\"@b.test>", MAIL_PATH_UTF8);
}

static void leaves_the_rest(void **state)
{
	struct cur c = cur_of(STR("<a@b.test> SIZE=1"));
	struct mail_path p;

	assert_int_equal(mail_path_parse(&c, 0, &mail_path_limits_default, &arena, &p), OK);
	is_str(cur_rest(&c), " SIZE=1");
	c = cur_of(STR("a@b.test>"));
	assert_int_equal(mail_path_parse(&c, 0, &mail_path_limits_default, &arena, &p), BAD_SYNTAX);
	assert_false(cur_ok(&c));
}

/* "<" n_local * "l" "@" domain of n_domain bytes ">" */
static enum outcome of_sizes(size_t n_local, size_t n_domain, const struct mail_path_limits *l)
{
	struct buf b;
	struct cur c;
	struct mail_path p;
	enum outcome o;

	buf_init(&b, 4096);
	buf_addc(&b, '<');
	for (size_t i = 0; i < n_local; i++)
		buf_addc(&b, 'l');
	buf_addc(&b, '@');
	for (size_t i = 0; i < n_domain; i++)
		buf_addc(&b, i % 50 == 49 && i + 1 < n_domain ? '.' : 'd');
	buf_addc(&b, '>');
	c = cur_of(buf_str(&b));
	o = mail_path_parse(&c, 0, l, &arena, &p);
	buf_fini(&b);
	return o;
}

static void limits(void **state)
{
	const struct mail_path_limits *l = &mail_path_limits_default;
	const struct mail_path_limits wide = { 64, 255, 1000 };

	assert_int_equal(of_sizes(64, 100, l), OK);
	assert_int_equal(of_sizes(65, 100, l), OVER_LIMIT);
	assert_int_equal(of_sizes(1, 255, &wide), OK);
	assert_int_equal(of_sizes(1, 256, &wide), OVER_LIMIT);
	assert_int_equal(of_sizes(3, 250, l), OK); /* 256 with brackets and @ */
	assert_int_equal(of_sizes(4, 250, l), OVER_LIMIT);
}

static void domains(void **state)
{
	char label[70];

	memset(label, 'x', sizeof label);
	assert_true(mail_domain_ok(STR("example.com")));
	assert_true(mail_domain_ok(STR("xn--bcher-kva.example")));
	assert_true(mail_domain_ok(STR("3com.com")));
	assert_true(mail_domain_ok(str_of(label, 63)));
	assert_false(mail_domain_ok(str_of(label, 64)));
	assert_false(mail_domain_ok(STR("")));
	assert_false(mail_domain_ok(STR(".")));
	assert_false(mail_domain_ok(STR("a.")));
	assert_false(mail_domain_ok(STR("a b")));
	assert_false(mail_domain_ok(str_of("a\0b", 3)));
	assert_false(mail_literal_ok(STR("[]")));
	assert_false(mail_literal_ok(str_of("[1.2.3.4\0]", 10)));
	assert_true(mail_literal_ok(STR("[1.2.3.4]")));
}

static void mailboxes(void **state)
{
	struct mail_path p;
	struct buf b;

	buf_init(&b, 300);
	assert_int_equal(mail_mailbox_parse(STR("a@b.test"), 0, &mail_path_limits_default, &arena, &p), OK);
	assert_int_equal(mail_mailbox_parse(STR("a@b.test "), 0, &mail_path_limits_default, &arena, &p), BAD_SYNTAX);
	assert_int_equal(mail_mailbox_parse(STR("<a@b.test>"), 0, &mail_path_limits_default, &arena, &p), BAD_SYNTAX);
	mail_mailbox_add(&b, STR("a b\"c"), STR("d.test"));
	is_str(buf_str(&b), "\"a b\\\"c\"@d.test");
	buf_reset(&b);
	mail_mailbox_add(&b, STR("a.b"), STR("d.test"));
	is_str(buf_str(&b), "a.b@d.test");
	buf_reset(&b);
	mail_mailbox_add(&b, STR(""), STR(""));
	is_str(buf_str(&b), "");
	buf_fini(&b);
}

static void keys(void **state)
{
	struct str a, b;

	is_str(mail_address_key(STR("John.Doe"), STR("Example.COM"), &arena), "john.doe@example.com");
	is_str(mail_address_key(STR("Postmaster"), STR(""), &arena), "postmaster");
	is_str(mail_address_key(STR("\xc3\x9c"), STR("X.test"), &arena), "\xc3\x9c@x.test");
	assert_true(mail_address_cut(STR("a@b@c.test"), &a, &b));
	is_str(a, "a@b");
	is_str(b, "c.test");
	assert_false(mail_address_cut(STR("a"), &a, &b));
	is_str(a, "a");
	assert_true(mail_subaddress_cut(STR("user+de+tail"), STR("+"), &a, &b));
	is_str(a, "user");
	is_str(b, "de+tail");
	assert_true(mail_subaddress_cut(STR("user-x+y"), STR("+-"), &a, &b));
	is_str(b, "x+y");
	assert_false(mail_subaddress_cut(STR("+x"), STR("+"), &a, &b));
	is_str(a, "+x");
	assert_false(mail_subaddress_cut(STR("user"), STR("+"), &a, &b));
	assert_true(mail_subaddress_cut(STR("user+"), STR("+"), &a, &b));
	is_str(b, "");
}

static void utf8(void **state)
{
	assert_true(mail_utf8_ok(STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
	assert_false(mail_utf8_ok(STR("\xc0\x80")));
	assert_false(mail_utf8_ok(STR("\xe0\x80\x80")));
	assert_false(mail_utf8_ok(STR("\xed\xa0\x80")));
	assert_false(mail_utf8_ok(STR("\xf4\x90\x80\x80")));
	assert_false(mail_utf8_ok(STR("12345678\xe2\x82")));
	assert_int_equal(mail_utf8_cut(STR("a\xe2\x82\xac"), 3), 1);
	assert_int_equal(mail_utf8_cut(STR("a\xe2\x82\xac"), 4), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test(leaves_the_rest),
		cmocka_unit_test(limits),
		cmocka_unit_test(domains),
		cmocka_unit_test(mailboxes),
		cmocka_unit_test(keys),
		cmocka_unit_test(utf8),
	};
	int failed;

	arena_init(&arena, "test", 1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return failed;
}
