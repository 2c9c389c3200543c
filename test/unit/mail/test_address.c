/* test/unit/mail/test_address.c - address lists: RFC 5322 appendix A and what the wild sends. */
#include "mail/address.h"

#include "unit.h"

/* "name|route|local|domain" a line; "{name" and "}" for groups. */
static void is_list(const char *value, const char *want)
{
	struct mail_address_list l;
	struct mail_address a;
	struct buf b;

	buf_init(&b, 4096);
	mail_address_list_init(&l, str_z(value));
	while (mail_address_next(&l, &a)) {
		if (b.n)
			buf_addc(&b, '\n');
		if (a.kind == MAIL_GROUP_START)
			buf_addf(&b, "{%.*s", STR_ARG(a.name));
		else if (a.kind == MAIL_GROUP_END)
			buf_addc(&b, '}');
		else
			buf_addf(&b, "%.*s|%.*s|%.*s|%.*s", STR_ARG(a.name), STR_ARG(a.route), STR_ARG(a.local),
				STR_ARG(a.domain));
	}
	mail_address_list_fini(&l);
	if (!str_eq(buf_str(&b), str_z(want)))
		print_error("of [%s]\n", value);
	is_str(buf_str(&b), want);
	buf_fini(&b);
}

static void rfc_5322(void **state)
{
	is_list("John Doe <jdoe@machine.example>", "John Doe||jdoe|machine.example");
	is_list("\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public||john.q.public|example.com");
	is_list("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
		"Mary Smith||mary|x.test\n||jdoe|example.org\nWho?||one|y.test");
	is_list("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
		"||boss|nil.test\nGiant; \"Big\" Box||sysservices|example.net");
	is_list("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
		"{A Group\nEd Jones||c|a.test\n||joe|where.test\nJohn||jdoe|one.test\n}");
	is_list("Undisclosed recipients:;", "{Undisclosed recipients\n}");
	is_list("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete||pete|silly.test");
	is_list("A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
		"         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
		"{A Group\nChris Jones||c|public.example\n||joe|example.org\nJohn||jdoe|one.test\n}");
	is_list("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "{Hidden recipients\n}");
	is_list("Joe Q. Public <john.q.public@example.com>", "Joe Q. Public||john.q.public|example.com");
	is_list("Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
		"Mary Smith|@node.test|mary|example.net\n||jdoe|test.example");
	is_list("John Doe <jdoe@machine(comment).  example>", "John Doe||jdoe|machine.example");
	is_list("<@a.test,@b.test:c@d.test>", "|@a.test,@b.test|c|d.test");
	is_list("x@[192.0.2.1], y@[IPv6:2001:db8::1]", "||x|[192.0.2.1]\n||y|[IPv6:2001:db8::1]");
}

static void quoted(void **state)
{
	is_list("\"a b\"@c.test", "||a b|c.test");
	is_list("\"a@b\"@c.test", "||a@b|c.test");
	is_list("\"a\".b.\"c\"@d.test", "||a.b.c|d.test");
	is_list("\"Doe,\r\n John\" <j@d.test>", "Doe, John||j|d.test");
	is_list("jdoe@x.test (John Doe)", "John Doe||jdoe|x.test");
	is_list("=?utf-8?Q?Doe,_John?= <j@d.test>", "=?utf-8?Q?Doe,_John?=||j|d.test");
}

static void broken(void **state)
{
	is_list("", "");
	is_list(" , ,, ", "");
	is_list("(just a comment)", "");
	is_list("john", "||john|");
	is_list("John Doe", "||John Doe|");
	is_list("<>", "|||");
	is_list("a@b.test <a@b.test>", "a@b.test||a|b.test");
	is_list("John Doe jdoe@x.test", "John Doe||jdoe|x.test");
	is_list("a@b.test c@d.test, e@f.test", "||a|b.test\n||e|f.test");
	is_list("<a@b.test> <c@d.test>", "||a|b.test\n||c|d.test");
	is_list("<a@b.test, c@d.test", "||a|b.test\n||c|d.test");
	is_list("\"unclosed <a@b.test>, c@d.test", "\"unclosed||a|b.test\n||c|d.test");
	is_list("(unclosed <a@b.test>", "(unclosed||a|b.test");
	is_list("grp: a@b.test", "{grp\n||a|b.test\n}");
	is_list("g1: g2: a@b.test;;", "{g1\ng2:||a|b.test\n}");
	is_list("a@b@c.test", "||a|b@c.test");
	is_list("J\xc3\xb6rg <j@\xc3\xb6.test>", "J\xc3\xb6rg||j|\xc3\xb6.test");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_5322),
		cmocka_unit_test(quoted),
		cmocka_unit_test(broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
