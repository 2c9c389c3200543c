/* The header of the PROXY protocol: both versions, byte by byte, and every way in which one may lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/buf.h"
#include "net/proxy.h"

#include <string.h>

#define V2_MAX 4096

/* Feeds at most as many bytes as are asked for, as a reader does; the bytes taken. */
static enum proxy_result feed(struct str all, struct proxy *p, size_t *taken)
{
	size_t n = 0, need;
	enum proxy_result r;

	while ((r = proxy_parse(str_sub(all, 0, n), V2_MAX, p, &need)) == PROXY_MORE) {
		assert_true(need > 0);
		if (n == all.n)
			break;
		n += need < all.n - n ? need : all.n - n;
	}
	*taken = n;
	return r;
}

static void good(struct str head, const char *ip, unsigned port, const char *local_ip, unsigned local_port)
{
	struct buf b;
	struct proxy p;
	size_t taken, need;

	buf_init(&b, 10000);
	buf_add(&b, head);
	buf_addz(&b, "EHLO x\r\n"); /* none of it is the header's */
	assert_int_equal(feed(buf_str(&b), &p, &taken), PROXY_DONE);
	assert_int_equal(taken, head.n);
	assert_int_equal(p.told, ip != NULL);
	if (ip) {
		assert_string_equal(p.ip, ip);
		assert_string_equal(p.local_ip, local_ip);
		assert_int_equal(p.port, port);
		assert_int_equal(p.local_port, local_port);
	}
	/* Cut anywhere it wants more, and never more than there is. */
	for (size_t i = 0; i < head.n; i++) {
		assert_int_equal(proxy_parse(str_sub(head, 0, i), V2_MAX, &p, &need), PROXY_MORE);
		assert_true(need >= 1 && i + need <= head.n);
	}
	buf_fini(&b);
}

static void bad(struct str head)
{
	struct proxy p;
	size_t taken;

	assert_int_equal(feed(head, &p, &taken), PROXY_BAD);
}

static void version_1(void **state)
{
	(void)state;
	good(STR("PROXY TCP4 192.0.2.1 198.51.100.7 65535 25\r\n"), "192.0.2.1", 65535, "198.51.100.7", 25);
	good(STR("PROXY TCP4 1.1.1.1 2.2.2.2 0 1\r\n"), "1.1.1.1", 0, "2.2.2.2", 1);
	good(STR("PROXY TCP6 2001:DB8::1 ::1 1 2\r\n"), "2001:db8::1", 1, "::1", 2);
	good(STR("PROXY TCP6 ::ffff:192.0.2.9 ::1 1 2\r\n"), "192.0.2.9", 1, "::1", 2);
	good(STR("PROXY UNKNOWN\r\n"), NULL, 0, NULL, 0);
	good(STR("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), NULL, 0, NULL, 0);
	good(STR("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
}

static void version_1_lies(void **state)
{
	static const char *const heads[] = {
		"EHLO there\r\n",
		"PROXX",
		"PROXY TCP4 192.0.2.1 198.51.100.7 65536 25\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 025 25\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 25\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 25 25 \r\n",
		"PROXY TCP4 192.0.2.1  198.51.100.7 25 25\r\n",
		"PROXY TCP4 192.0.2.01 198.51.100.7 25 25\r\n",
		"PROXY TCP4 192.0.2.256 198.51.100.7 25 25\r\n",
		"PROXY TCP4 2001:db8::1 198.51.100.7 25 25\r\n",
		"PROXY TCP6 192.0.2.1 192.0.2.2 25 25\r\n",
		"PROXY TCP6 fe80::1%eth0 ::1 25 25\r\n",
		"PROXY UDP4 192.0.2.1 198.51.100.7 25 25\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 25 25\n",
		"PROXY tcp4 192.0.2.1 198.51.100.7 25 25\r\n",
		"PROXY UNKNOWNS and more\r\n",
		"PROXY \n",
		"proxy TCP4 192.0.2.1 198.51.100.7 25 25\r\n",
	};
	char line[200];

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		bad(str_z(heads[i]));
	/* 107 bytes with CRLF are the most. */
	memset(line, 'x', sizeof line);
	memcpy(line, "PROXY UNKNOWN ", 14);
	memcpy(line + 105, "\r\n", 2);
	good(str_of(line, 107), NULL, 0, NULL, 0);
	memcpy(line + 105, "x\r\n", 3);
	bad(str_of(line, 108));
}

/* A version 2 header with these bytes behind the signature. */
static struct str v2(struct buf *b, unsigned what, unsigned kind, size_t n, struct str rest)
{
	buf_reset(b);
	buf_add(b, STR("\r\n\r\n\0\r\nQUIT\n"));
	buf_addc(b, (char)what);
	buf_addc(b, (char)kind);
	buf_addc(b, (char)(n >> 8));
	buf_addc(b, (char)n);
	buf_add(b, rest);
	return buf_str(b);
}

static void version_2(void **state)
{
	struct str four = STR("\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x34\x00\x19");
	struct str six = STR("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
			     "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
			     "\xff\xff\x00\x01");
	struct str mapped = STR("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x09"
				"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
				"\x00\x01\x00\x02");
	struct str with_tlv = STR("\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x34\x00\x19"
				  "\x04\x00\x03"
				  "abc"
				  "\x05\x00\x00");
	static char long_tlv[V2_MAX];
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	good(v2(&b, 0x21, 0x11, 12, four), "192.0.2.1", 0x1234, "198.51.100.7", 25);
	good(v2(&b, 0x21, 0x21, 36, six), "2001:db8::1", 65535, "::1", 1);
	good(v2(&b, 0x21, 0x21, 36, mapped), "192.0.2.9", 1, "::1", 2);
	good(v2(&b, 0x21, 0x11, with_tlv.n, with_tlv), "192.0.2.1", 0x1234, "198.51.100.7", 25);
	good(v2(&b, 0x20, 0x00, 0, STR("")), NULL, 0, NULL, 0);
	good(v2(&b, 0x20, 0x11, 12, four), NULL, 0, NULL, 0);
	good(v2(&b, 0x20, 0x77, 3, STR("abc")), NULL, 0, NULL, 0);
	good(v2(&b, 0x21, 0x00, 5, STR("abcde")), NULL, 0, NULL, 0);
	good(v2(&b, 0x21, 0x31, 216, str_of(long_tlv, 216)), NULL, 0, NULL, 0);
	/* As long as may be: twelve bytes of addresses and one TLV. */
	memcpy(long_tlv, four.p, 12);
	long_tlv[12] = 4;
	long_tlv[13] = (char)((V2_MAX - 16 - 15) >> 8);
	long_tlv[14] = (char)((V2_MAX - 16 - 15) & 255);
	good(v2(&b, 0x21, 0x11, V2_MAX - 16, str_of(long_tlv, V2_MAX - 16)), "192.0.2.1", 0x1234, "198.51.100.7", 25);
	buf_fini(&b);
}

static void version_2_lies(void **state)
{
	struct str four = STR("\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x34\x00\x19");
	static char zeros[300];
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	bad(v2(&b, 0x21, 0x11, V2_MAX - 15, STR("")));            /* too long, told by its length alone */
	bad(v2(&b, 0x21, 0x11, 11, str_sub(four, 0, 11)));        /* addresses cut short */
	bad(v2(&b, 0x21, 0x21, 12, four));                        /* IPv6 takes 36 */
	bad(v2(&b, 0x21, 0x31, 215, str_of(zeros, 215)));
	bad(v2(&b, 0x21, 0x12, 12, four));                        /* datagrams */
	bad(v2(&b, 0x21, 0x41, 12, four));
	bad(v2(&b, 0x21, 0x10, 12, four));
	bad(v2(&b, 0x22, 0x11, 12, four));                        /* no such command */
	bad(v2(&b, 0x11, 0x11, 12, four));                        /* no such version */
	bad(v2(&b, 0x21, 0x11, 14, STR("\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x34\x00\x19\x04\x00")));     /* a TLV cut in its length */
	bad(v2(&b, 0x21, 0x11, 16, STR("\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x34\x00\x19\x04\x00\x02z"))); /* and in its value */
	bad(STR("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\0"));
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1),
		cmocka_unit_test(version_1_lies),
		cmocka_unit_test(version_2),
		cmocka_unit_test(version_2_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
