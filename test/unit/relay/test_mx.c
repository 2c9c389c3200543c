/* test/unit/relay/test_mx.c - which hosts and addresses a domain's mail goes to, over answers that are written down here. */
#include "relay/mx.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#define ANY_NUMBER 7

/* What DNS says: "NAME TYPE RESULT[+] DATA ...": a plus for secure; data of MX: preference:host, where "." is the root. */
struct world {
	struct sched *sched;
	const char *const *lines; /* ended by NULL */
	struct own own;
	struct arena arena;
	uint64_t seed;
	unsigned n_asked;
	void (*check)(struct world *w);
};

static enum dns_result result_of(struct str word)
{
	for (int r = 0; r < DNS_RESULT_COUNT; r++)
		if (str_eq(word, str_z(dns_result_name((enum dns_result)r))))
			return (enum dns_result)r;
	fail_msg("no such result: %.*s", STR_ARG(word));
	return DNS_OK;
}

static void read_record(struct str word, enum dns_type type, struct arena *a, struct dns_record *out)
{
	struct str preference;
	uint32_t number = 0;

	if (type == DNS_MX) {
		str_split(&word, ':', &preference);
		assert_true(str_to_u32(preference, &number));
		out->preference = (uint16_t)number;
		out->name = str_eq(word, STR(".")) ? STR("") : word;
		return;
	}
	assert_int_equal(inet_pton(type == DNS_A ? AF_INET : AF_INET6, arena_dupz(a, word), out->address), 1);
}

static void ask(void *ctx, struct str name, enum dns_type type, struct arena *a, struct dns_answer *out)
{
	struct world *w = ctx;

	*out = (struct dns_answer){ .result = DNS_NODATA, .name = name };
	w->n_asked++;
	task_yield(w->sched);
	for (const char *const *line = w->lines; *line; line++) {
		struct str rest = str_z(*line), words[3], word;

		for (int i = 0; i < 3; i++)
			assert_true(str_split(&rest, ' ', &words[i]));
		if (!str_eq(words[0], name) || !str_eq(words[1], str_z(dns_type_name(type))))
			continue;
		out->secure = str_ends(words[2], STR("+"));
		out->result = result_of(out->secure ? str_sub(words[2], 0, words[2].n - 1) : words[2]);
		out->records = arena_array(a, 300, sizeof *out->records);
		while (str_split(&rest, ' ', &word))
			read_record(word, type, a, &out->records[out->n++]);
		return;
	}
}

static void world_main(void *arg)
{
	struct world *w = arg;

	w->check(w);
}

static void in_world(const char *const *lines, void (*check)(struct world *w))
{
	struct world w = { .lines = lines, .check = check, .seed = ANY_NUMBER };

	w.sched = sched_new(NULL);
	w.own.names[w.own.n_names++] = STR("mail.ours.test");
	assert_true(address_read(STR("203.0.113.25"), 0, &w.own.addresses[w.own.n_addresses++]));
	arena_init(&w.arena, "test", 8 << 20);
	task_spawn(w.sched, "test", world_main, &w);
	sched_run(w.sched);
	arena_fini(&w.arena);
	sched_free(w.sched);
}

static struct resolver resolver_of(struct world *w)
{
	return (struct resolver){ .ask = ask, .ctx = w, .sched = w->sched };
}

/* The hosts with blanks between; or, when there are none, the status. */
static struct str hosts(struct world *w, const char *domain)
{
	struct resolver r = resolver_of(w);
	struct mx *mx = arena_new(&w->arena, struct mx);
	struct said said;
	struct buf b;
	struct str out;

	if (!mx_find(&r, str_z(domain), &w->own, &w->seed, &w->arena, mx, &said))
		return arena_fmt(&w->arena, "%s %d", said.status, said.feedback == FEEDBACK_LOCAL);
	buf_init(&b, 10000);
	for (size_t i = 0; i < mx->n; i++)
		buf_addf(&b, "%s%.*s", i ? " " : "", STR_ARG(mx->hosts[i].name));
	if (mx->implicit)
		buf_addz(&b, " implicit");
	if (mx->secure)
		buf_addz(&b, " secure");
	out = arena_dup(&w->arena, buf_str(&b));
	buf_fini(&b);
	return out;
}

#define SAME(got, wanted)                                                                                            \
	do {                                                                                                         \
		struct str g = (got);                                                                                \
		if (!str_eq(g, str_z(wanted)))                                                                       \
			fail_msg("line %d: \"%.*s\", not \"%s\"", __LINE__, STR_ARG(g), wanted);                     \
	} while (0)

static const char *const domains[] = {
	"one.test MX ok 10:mx.one.test",
	"three.test MX ok+ 30:c.three.test 10:a.three.test 20:b.three.test",
	"null.test MX ok 0:.",
	"nulls.test MX ok 0:. 10:mx.nulls.test",
	"plain.test MX nodata",
	"signed.test MX nodata+",
	"none.test MX nxdomain",
	"dead.test MX servfail",
	"slow.test MX timeout",
	"torn.test MX broken",
	"away.test MX refused",
	"odd..test MX bad-name",
	"backup.test MX ok 10:a.backup.test 20:Mail.Ours.test 20:x.backup.test 30:y.backup.test",
	"loop.test MX ok 10:mail.ours.test 20:b.loop.test",
	"tie.test MX ok 10:b.tie.test 10:mail.ours.test",
	"mail.ours.test MX nodata",
	"digits.test MX ok 10:192.0.2.9",
	"many.test MX ok 1:a 2:b 3:c 4:d 5:e 6:f 7:g 8:h 9:i 10:j 11:k 12:l",
	NULL,
};

static void check_hosts(struct world *w)
{
	SAME(hosts(w, "one.test"), "mx.one.test");
	SAME(hosts(w, "three.test"), "a.three.test b.three.test c.three.test secure");
	SAME(hosts(w, "null.test"), "5.1.10 0"); /* RFC 7505 */
	SAME(hosts(w, "nulls.test"), "mx.nulls.test");
	SAME(hosts(w, "plain.test"), "plain.test implicit");
	SAME(hosts(w, "signed.test"), "signed.test implicit secure");
	SAME(hosts(w, "none.test"), "5.1.2 0");
	SAME(hosts(w, "dead.test"), "4.4.3 1");
	SAME(hosts(w, "slow.test"), "4.4.3 1");
	SAME(hosts(w, "torn.test"), "4.4.3 1");
	SAME(hosts(w, "away.test"), "4.4.3 1");
	SAME(hosts(w, "odd..test"), "5.1.2 0");
	SAME(hosts(w, "backup.test"), "a.backup.test"); /* RFC 5321 5.1: our own preference and those behind are not used */
	SAME(hosts(w, "loop.test"), "5.4.6 0");
	SAME(hosts(w, "tie.test"), "5.4.6 0");
	SAME(hosts(w, "mail.ours.test"), "5.4.6 0");
	SAME(hosts(w, "digits.test"), "192.0.2.9");
	SAME(hosts(w, "many.test"), "a b c d e f g h i j"); /* MX_HOSTS_MAX */
}

static void a_domains_hosts(void **state)
{
	(void)state;
	in_world(domains, check_hosts);
}

static struct str spelling(struct world *w, const char *domain)
{
	struct resolver r = resolver_of(w);
	struct mx *mx = arena_new(&w->arena, struct mx);
	struct said said;

	assert_true(mx_find(&r, str_z(domain), &w->own, &w->seed, &w->arena, mx, &said));
	return mx->spelling;
}

static const char *const same_hosts[] = {
	"one.test MX ok 10:b.host 20:z.host 10:a.host",
	"two.test MX ok 7:a.host 7:b.host 8:z.host",
	"three.test MX ok 10:a.host 20:b.host 30:z.host",
	"plain.test MX nodata",
	"points.test MX ok 10:plain.test",
	"many.test MX ok 1:a 2:b 3:c 4:d 5:e 6:f 7:g 8:h 9:i 10:j 11:k 12:l",
	NULL,
};

static void check_spelling(struct world *w)
{
	for (int i = 0; i < 20; i++) { /* chance has no say in it */
		SAME(spelling(w, "one.test"), "a.host,b.host;z.host");
		SAME(spelling(w, "two.test"), "a.host,b.host;z.host");
	}
	SAME(spelling(w, "three.test"), "a.host;b.host;z.host");
	SAME(spelling(w, "plain.test"), "plain.test");
	SAME(spelling(w, "points.test"), "plain.test");
	SAME(spelling(w, "many.test"), "12 hosts of many.test");
}

static void the_same_hosts_are_spelled_the_same(void **state)
{
	(void)state;
	in_world(same_hosts, check_spelling);
}

static const char *const equals[] = { "equal.test MX ok 10:a 10:b 10:c 20:z 5:first", NULL };

/* Each of the three comes second in some order, and preferences stand. */
static void check_shuffle(struct world *w)
{
	bool second[3] = { false };

	for (int i = 0; i < 200; i++) {
		struct str s = hosts(w, "equal.test");

		assert_true(str_starts(s, STR("first ")) && str_ends(s, STR(" z")));
		second[s.p[6] - 'a'] = true;
	}
	assert_true(second[0] && second[1] && second[2]);
}

static void hosts_of_one_preference_take_turns(void **state)
{
	(void)state;
	in_world(equals, check_shuffle);
}

/* "address address ..." in the order they came, or the status. */
static struct str addresses(struct world *w, const char *name, bool v4, bool v6, bool any)
{
	struct resolver r = resolver_of(w);
	struct mx_addresses *found = arena_new(&w->arena, struct mx_addresses);
	struct mx_addresses_ask ask_for = { .name = str_z(name), .port = 25, .v4 = v4, .v6 = v6, .any = any };
	struct said said;
	struct buf b;
	struct str out;

	if (!mx_addresses_find(&r, &ask_for, &w->arena, found, &said))
		return arena_fmt(&w->arena, "%s %d", said.status, said.feedback == FEEDBACK_LOCAL);
	buf_init(&b, 10000);
	for (size_t i = 0; i < found->n; i++)
		buf_addf(&b, "%s%s", i ? " " : "", found->v[i].text);
	if (found->secure)
		buf_addz(&b, " secure");
	out = arena_dup(&w->arena, buf_str(&b));
	buf_fini(&b);
	return out;
}

static const char *const names[] = {
	"both.test A ok 192.0.2.1 192.0.2.2",
	"both.test AAAA ok 2001:db8::1",
	"four.test A ok+ 192.0.2.4",
	"six.test AAAA ok+ 2001:db8::6",
	"half.test A ok+ 192.0.2.4",
	"half.test AAAA ok 2001:db8::6",
	"gone.test A nxdomain",
	"gone.test AAAA nxdomain",
	"sick.test A servfail",
	"sick.test AAAA nodata",
	"limp.test A ok 192.0.2.7",
	"limp.test AAAA servfail",
	"home.test A ok 10.0.0.1 127.0.0.1",
	"home.test AAAA ok ::1 fd00::1",
	"some.test A ok 10.0.0.1 192.0.2.8",
	"zero.test A ok 0.0.0.0 224.0.0.1 255.255.255.255",
	"crowd.test A ok 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6",
	"crowd.test AAAA ok 2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4 2001:db8::5",
	NULL,
};

static void check_addresses(struct world *w)
{
	SAME(addresses(w, "both.test", true, true, false), "2001:db8::1 192.0.2.1 192.0.2.2");
	SAME(addresses(w, "both.test", true, false, false), "192.0.2.1 192.0.2.2");
	SAME(addresses(w, "both.test", false, true, false), "2001:db8::1");
	SAME(addresses(w, "four.test", true, true, false), "192.0.2.4 secure");
	SAME(addresses(w, "six.test", true, true, false), "2001:db8::6 secure");
	SAME(addresses(w, "six.test", true, false, false), "5.4.4 0");
	SAME(addresses(w, "half.test", true, true, false), "2001:db8::6 192.0.2.4");
	SAME(addresses(w, "gone.test", true, true, false), "5.1.2 0");
	SAME(addresses(w, "sick.test", true, true, false), "4.4.3 1");
	SAME(addresses(w, "limp.test", true, true, false), "192.0.2.7");
	SAME(addresses(w, "nothing.test", true, true, false), "5.4.4 0");
	SAME(addresses(w, "home.test", true, true, false), "5.4.4 0");
	SAME(addresses(w, "home.test", true, true, true), "::1 fd00::1 10.0.0.1 127.0.0.1");
	SAME(addresses(w, "some.test", true, true, false), "192.0.2.8");
	SAME(addresses(w, "zero.test", true, true, true), "5.4.4 0");
	SAME(addresses(w, "192.0.2.77", true, true, false), "192.0.2.77");
	SAME(addresses(w, "2001:db8::77", true, true, false), "2001:db8::77");
	SAME(addresses(w, "2001:db8::77", true, false, false), "4.4.4 1");
	SAME(addresses(w, "127.0.0.1", true, true, false), "5.4.4 0");
	/* Neither family leaves the other out: half of ADDRESSES_MAX each. */
	SAME(addresses(w, "crowd.test", true, true, false),
		"2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4");
}

static void a_hosts_addresses(void **state)
{
	(void)state;
	in_world(names, check_addresses);
}

static void lookup_of_stopped(void *arg)
{
	struct world *w = arg;

	SAME(addresses(w, "both.test", true, true, false), "192.0.2.1 192.0.2.2"); /* as far as it was known */
}

/* A question that runs beside its asker outlives it. */
static void a_stopped_lookup_leaves_nothing(void **state)
{
	struct world w = { .lines = names, .seed = ANY_NUMBER };
	struct task *t;

	(void)state;
	w.sched = sched_new(NULL);
	arena_init(&w.arena, "test", 8 << 20);
	t = task_spawn(w.sched, "test", lookup_of_stopped, &w);
	task_cancel(t);
	sched_run(w.sched);
	assert_int_equal(w.n_asked, 2);
	arena_fini(&w.arena);
	sched_free(w.sched);
}

static void check_own(struct world *w)
{
	struct address a;

	assert_true(own_has_name(&w->own, STR("MAIL.ours.test.")) && !own_has_name(&w->own, STR("ours.test")));
	assert_true(address_read(STR("203.0.113.25"), 25, &a) && own_has_address(&w->own, &a));
	assert_true(address_read(STR("203.0.113.26"), 25, &a) && !own_has_address(&w->own, &a));
}

static void what_is_ours(void **state)
{
	static const char *const nothing[] = { NULL };

	(void)state;
	in_world(nothing, check_own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_domains_hosts),
		cmocka_unit_test(the_same_hosts_are_spelled_the_same),
		cmocka_unit_test(hosts_of_one_preference_take_turns),
		cmocka_unit_test(a_hosts_addresses),
		cmocka_unit_test(a_stopped_lookup_leaves_nothing),
		cmocka_unit_test(what_is_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
