/* test/unit/dns/test_answer.c - questions and answers as packets. */
#include "dns/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, "test", 1 << 22);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

/* A packet by hand: the header and the question of "a.test", which stands at offset 12. */
static void begin(struct buf *b, enum dns_type type, unsigned flags, unsigned n_answer, unsigned n_authority)
{
	unsigned char head[12] = { 0, 7, (unsigned char)(flags >> 8), (unsigned char)flags, 0, 1, 0, (unsigned char)n_answer, 0,
		(unsigned char)n_authority, 0, 0 };

	buf_init(b, 65535);
	buf_add(b, str_of(head, sizeof head));
	buf_add(b, STR("\1a\4test\0"));
	buf_addc(b, (char)(type >> 8));
	buf_addc(b, (char)type);
	buf_add(b, STR("\0\1"));
}

/* A record; owner and data as bytes of the packet. */
static void record(struct buf *b, struct str owner, unsigned type, unsigned ttl, struct str data)
{
	unsigned char head[10] = { (unsigned char)(type >> 8), (unsigned char)type, 0, 1, (unsigned char)(ttl >> 24), (unsigned char)(ttl >> 16),
		(unsigned char)(ttl >> 8), (unsigned char)ttl, (unsigned char)(data.n >> 8), (unsigned char)data.n };

	buf_add(b, owner);
	buf_add(b, str_of(head, sizeof head));
	buf_add(b, data);
}

#define SELF STR("\xc0\x0c") /* a pointer to the question's name */
#define OK_FLAGS 0x8180

static struct dns_answer parse(struct buf *b, enum dns_type type)
{
	struct dns_answer a;

	dns_answer_parse(buf_str(b), STR("A.test."), type, &arena, &a);
	buf_fini(b);
	return a;
}

static void assert_str(struct str s, const char *z)
{
	if (!str_eq(s, str_z(z)))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), z);
}

static void test_query(void **state)
{
	static const char want[] = "\x12\x34\1\x20\0\1\0\0\0\0\0\1\4mail\1a\4test\0\0\x0f\0\1\0\0\x29\4\xd0\0\0\0\0\0";
	struct buf b;

	(void)state;
	buf_init(&b, 600);
	assert_true(dns_query_make(STR("mail.a.test."), DNS_MX, 0x1234, &b));
	assert_int_equal(b.n, sizeof want);
	assert_memory_equal(b.p, want, sizeof want);
	buf_reset(&b);
	assert_true(dns_query_make(STR("."), DNS_NS, 1, &b));
	assert_int_equal(b.n, 12 + 1 + 4 + 11);
	buf_reset(&b);
	assert_true(dns_query_make(STR("a\\046b.test"), DNS_A, 1, &b));
	assert_memory_equal(b.p + 12, "\3a.b\4test\0", 10);
	buf_fini(&b);
}

static void test_names_refused(void **state)
{
	char label64[71], long_name[260];
	static const char *const bad[] = { "a..b", ".a", "a b", "a\x80", "a\\", "a\\12", "a\\256", "a..", "caf\xc3\xa9.test" };
	struct buf b;

	(void)state;
	buf_init(&b, 600);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(dns_query_make(str_z(bad[i]), DNS_A, 1, &b));
	memset(label64, 'x', sizeof label64);
	buf_reset(&b);
	assert_true(dns_query_make(str_of(label64, 63), DNS_A, 1, &b));
	assert_false(dns_query_make(str_of(label64, 64), DNS_A, 1, &b));
	for (int i = 0; i < 260; i++)
		long_name[i] = i % 2 ? '.' : 'x';
	buf_reset(&b);
	assert_true(dns_query_make(str_of(long_name, 253), DNS_A, 1, &b)); /* 127 labels: 255 bytes in a packet */
	assert_false(dns_query_make(str_of(long_name, 255), DNS_A, 1, &b));
	buf_fini(&b);
}

static void test_types(void **state)
{
	struct dns_answer a;
	struct buf b;

	(void)state;
	begin(&b, DNS_MX, OK_FLAGS | 0x20, 2, 0);
	record(&b, SELF, DNS_MX, 300, STR("\0\x0a\4MAIL\xc0\x0c"));
	record(&b, SELF, DNS_MX, 200, STR("\0\0\0"));
	a = parse(&b, DNS_MX);
	assert_int_equal(a.result, DNS_OK);
	assert_true(a.secure);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.ttl_s, 200);
	assert_int_equal(a.records[0].preference, 10);
	assert_str(a.records[0].name, "mail.a.test");
	assert_str(a.records[1].name, "");

	begin(&b, DNS_TXT, OK_FLAGS, 1, 0);
	record(&b, SELF, DNS_TXT, 300, STR("\3v=s\0\2 x"));
	a = parse(&b, DNS_TXT);
	assert_str(a.records[0].data, "v=s x");
	assert_false(a.secure);

	begin(&b, DNS_SRV, OK_FLAGS, 1, 0);
	record(&b, SELF, DNS_SRV, 300, STR("\0\1\0\2\3\xe1\1m\xc0\x0c"));
	a = parse(&b, DNS_SRV);
	assert_int_equal(a.records[0].preference, 1);
	assert_int_equal(a.records[0].weight, 2);
	assert_int_equal(a.records[0].port, 993);
	assert_str(a.records[0].name, "m.a.test");

	begin(&b, DNS_TLSA, OK_FLAGS, 1, 0);
	record(&b, SELF, DNS_TLSA, 300, STR("\3\1\1xyz"));
	a = parse(&b, DNS_TLSA);
	assert_int_equal(a.records[0].usage * 100 + a.records[0].selector * 10 + a.records[0].matching, 311);
	assert_str(a.records[0].data, "xyz");

	begin(&b, DNS_CAA, OK_FLAGS, 1, 0);
	record(&b, SELF, DNS_CAA, 300, STR("\x80\5issueca.test"));
	a = parse(&b, DNS_CAA);
	assert_int_equal(a.records[0].flags, 128);
	assert_str(a.records[0].tag, "issue");
	assert_str(a.records[0].data, "ca.test");

	begin(&b, DNS_SOA, OK_FLAGS, 1, 0);
	record(&b, SELF, DNS_SOA, 300, STR("\2ns\xc0\x0c\2me\xc0\x0c\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"));
	a = parse(&b, DNS_SOA);
	assert_str(a.records[0].name, "ns.a.test");
	assert_int_equal(a.records[0].serial, 1);
	assert_int_equal(a.records[0].minimum_s, 5);

	begin(&b, DNS_AAAA, OK_FLAGS, 1, 0);
	record(&b, SELF, DNS_AAAA, 300, STR("0123456789abcdef"));
	a = parse(&b, DNS_AAAA);
	assert_memory_equal(a.records[0].address, "0123456789abcdef", 16);
}

static void test_odd_names(void **state)
{
	struct dns_answer a;
	struct buf b;

	(void)state;
	begin(&b, DNS_PTR, OK_FLAGS, 1, 0);
	record(&b, SELF, DNS_PTR, 1, STR("\4a.\0B\1\x7f\0"));
	a = parse(&b, DNS_PTR);
	assert_str(a.records[0].name, "a\\046\\000b.\\127");
}

static void test_cnames(void **state)
{
	struct dns_answer a;
	struct buf b;

	(void)state;
	/* In the wrong order, with somebody else's address among them. */
	begin(&b, DNS_A, OK_FLAGS, 4, 0);
	record(&b, STR("\1c\xc0\x0c"), DNS_A, 60, STR("\1\2\3\4"));
	record(&b, STR("\1x\xc0\x0c"), DNS_A, 5, STR("\6\6\6\6"));
	record(&b, STR("\1b\xc0\x0c"), DNS_CNAME, 50, STR("\1c\xc0\x0c"));
	record(&b, SELF, DNS_CNAME, 70, STR("\1B\xc0\x0c"));
	a = parse(&b, DNS_A);
	assert_int_equal(a.result, DNS_OK);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.n_cnames, 2);
	assert_int_equal(a.ttl_s, 50);
	assert_str(a.name, "c.a.test");
	assert_memory_equal(a.records[0].address, "\1\2\3\4", 4);

	begin(&b, DNS_A, OK_FLAGS, 1, 0); /* to itself, for ever */
	record(&b, SELF, DNS_CNAME, 70, SELF);
	assert_int_equal(parse(&b, DNS_A).result, DNS_BROKEN);

	begin(&b, DNS_CNAME, OK_FLAGS, 1, 0); /* asked for itself: not followed */
	record(&b, SELF, DNS_CNAME, 70, STR("\1b\xc0\x0c"));
	a = parse(&b, DNS_CNAME);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.n_cnames, 0);
}

static void chain(struct buf *b, unsigned n)
{
	begin(b, DNS_A, OK_FLAGS, n + 1, 0);
	record(b, SELF, DNS_CNAME, 70, STR("\1A\xc0\x0c"));
	for (unsigned i = 0; i + 1 < n; i++) {
		char owner[] = { 1, (char)('A' + i), (char)0xc0, 12 }, to[] = { 1, (char)('A' + i + 1), (char)0xc0, 12 };

		record(b, str_of(owner, 4), DNS_CNAME, 70, str_of(to, 4));
	}
	record(b, str_of((char[]){ 1, (char)('A' + n - 1), (char)0xc0, 12 }, 4), DNS_A, 70, STR("\1\2\3\4"));
}

static void test_cname_limit(void **state)
{
	struct buf b;

	(void)state;
	chain(&b, DNS_CNAMES_MAX);
	assert_int_equal(parse(&b, DNS_A).result, DNS_OK);
	chain(&b, DNS_CNAMES_MAX + 1);
	assert_int_equal(parse(&b, DNS_A).result, DNS_BROKEN);
}

static void test_record_limit(void **state)
{
	struct buf b;

	(void)state;
	for (unsigned n = DNS_RECORDS_MAX; n <= DNS_RECORDS_MAX + 1; n++) {
		begin(&b, DNS_A, OK_FLAGS, n, 0);
		for (unsigned i = 0; i < n; i++)
			record(&b, SELF, DNS_A, 1, STR("\1\2\3\4"));
		assert_int_equal(parse(&b, DNS_A).result, n == DNS_RECORDS_MAX ? DNS_OK : DNS_BROKEN);
	}
}

static void test_negative(void **state)
{
	static const struct str soa = { "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\x1e", 22 };
	struct dns_answer a;
	struct buf b;

	(void)state;
	begin(&b, DNS_A, OK_FLAGS, 0, 1);
	record(&b, STR("\4test\0"), DNS_SOA, 900, soa);
	a = parse(&b, DNS_A);
	assert_int_equal(a.result, DNS_NODATA);
	assert_int_equal(a.ttl_s, 30);
	begin(&b, DNS_A, OK_FLAGS | 3, 0, 1);
	record(&b, STR("\4test\0"), DNS_SOA, 9, soa);
	a = parse(&b, DNS_A);
	assert_int_equal(a.result, DNS_NXDOMAIN);
	assert_int_equal(a.ttl_s, 9);
	begin(&b, DNS_A, OK_FLAGS | 2, 0, 0);
	assert_int_equal(parse(&b, DNS_A).result, DNS_SERVFAIL);
	begin(&b, DNS_A, OK_FLAGS | 5, 0, 0);
	assert_int_equal(parse(&b, DNS_A).result, DNS_REFUSED);
	begin(&b, DNS_A, OK_FLAGS | 4, 0, 0);
	assert_int_equal(parse(&b, DNS_A).result, DNS_BROKEN);
}

static void test_not_ours(void **state)
{
	struct dns_answer a;
	struct buf b;

	(void)state;
	begin(&b, DNS_A, 0x0100, 0, 0); /* a query */
	assert_int_equal(parse(&b, DNS_A).result, DNS_BROKEN);
	begin(&b, DNS_A, OK_FLAGS | 0x200, 0, 0); /* cut short */
	assert_int_equal(parse(&b, DNS_A).result, DNS_BROKEN);
	begin(&b, DNS_AAAA, OK_FLAGS, 0, 0); /* another question */
	assert_int_equal(parse(&b, DNS_A).result, DNS_BROKEN);
	begin(&b, DNS_A, OK_FLAGS, 0, 0);
	dns_answer_parse(buf_str(&b), STR("b.test"), DNS_A, &arena, &a);
	assert_int_equal(a.result, DNS_BROKEN);
	buf_fini(&b);
}

static void test_damaged(void **state)
{
	static const struct {
		enum dns_type type;
		struct str data;
	} bad[] = {
		{ DNS_A, { "\1\2\3", 3 } }, { DNS_A, { "\1\2\3\4\5", 5 } }, { DNS_AAAA, { "\1\2\3\4", 4 } }, { DNS_MX, { "\0", 1 } },
		{ DNS_MX, { "\0\1\5abc", 6 } }, { DNS_MX, { "\0\1\xc0\xff", 4 } }, { DNS_TXT, { "\5abc", 4 } }, { DNS_SRV, { "\0\0\0\0\0\0", 6 } },
		{ DNS_CAA, { "\0\7issue", 7 } }, { DNS_TLSA, { "\3\1", 2 } }, { DNS_SOA, { "\0\0\0\0", 4 } }, { DNS_PTR, { "\x80\0", 2 } },
		{ DNS_PTR, { "\1a\0x", 4 } },
	};
	struct buf b;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		begin(&b, bad[i].type, OK_FLAGS, 1, 0);
		record(&b, SELF, bad[i].type, 1, bad[i].data);
		assert_int_equal(parse(&b, bad[i].type).result, DNS_BROKEN);
	}
	for (size_t cut = 0; cut < 50; cut++) { /* every beginning of a good packet */
		begin(&b, DNS_MX, OK_FLAGS, 1, 0);
		record(&b, SELF, DNS_MX, 300, STR("\0\x0a\4mail\xc0\x0c"));
		if (cut >= b.n)
			break;
		buf_cut(&b, cut);
		assert_int_equal(parse(&b, DNS_MX).result, DNS_BROKEN);
	}
	buf_fini(&b);
}

/* A pointer to itself, forward, and two that point to each other. */
static void test_pointer_loops(void **state)
{
	struct buf b;

	(void)state;
	begin(&b, DNS_PTR, OK_FLAGS, 1, 0);
	record(&b, SELF, DNS_PTR, 1, str_of((unsigned char[]){ 0xc0, (unsigned char)(b.n + 12) }, 2));
	assert_int_equal(parse(&b, DNS_PTR).result, DNS_BROKEN);
	begin(&b, DNS_PTR, OK_FLAGS, 1, 0);
	record(&b, SELF, DNS_PTR, 1, str_of((unsigned char[]){ 0xc0, (unsigned char)(b.n + 14), 0xc0, (unsigned char)(b.n + 12) }, 4));
	assert_int_equal(parse(&b, DNS_PTR).result, DNS_BROKEN);
	begin(&b, DNS_PTR, OK_FLAGS, 1, 0);
	record(&b, SELF, DNS_PTR, 1, str_of((unsigned char[]){ 1, 'x', 0xc0, (unsigned char)(b.n + 12) }, 4));
	assert_int_equal(parse(&b, DNS_PTR).result, DNS_BROKEN);
}

static void test_reverse(void **state)
{
	static const uint8_t v4[4] = { 192, 0, 2, 33 }, v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x1f };

	(void)state;
	assert_str(dns_ptr_name(AF_INET, v4, &arena), "33.2.0.192.in-addr.arpa");
	assert_str(dns_reverse(AF_INET, v4, "zen.test", &arena), "33.2.0.192.zen.test");
	assert_str(dns_ptr_name(AF_INET6, v6, &arena), "f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query), cmocka_unit_test(test_names_refused), cmocka_unit_test(test_types), cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_cnames), cmocka_unit_test(test_cname_limit), cmocka_unit_test(test_record_limit), cmocka_unit_test(test_negative),
		cmocka_unit_test(test_not_ours), cmocka_unit_test(test_damaged), cmocka_unit_test(test_pointer_loops), cmocka_unit_test(test_reverse),
	};

	return cmocka_run_group_tests_name("dns-answer", tests, setup, teardown);
}
