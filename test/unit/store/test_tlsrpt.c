/* unit/store/test_tlsrpt.c - counts for TLS reports by day and domain, their bound, and MTA-STS policies that are kept. */
#include "unit/store/fixture.h"

#include "store/tlsrpt.h"

static enum outcome add(struct fx *f, uint32_t day, const char *domain, uint8_t result, const char *mx, uint64_t n)
{
	struct ipc_tls_count c = { .fact = { .policy = TLSRPT_POLICY_STS, .domain = str_z(domain), .policy_text = STR("version: STSv1\nmode: enforce\n"),
					   .result = result, .mx = str_z(mx), .ip = STR("192.0.2.1"), .text = STR("why") }, .n = n };

	return ipc_tlsrpt_add(&f->post, &(struct ipc_tlsrpt_add){ .day = day, .counts = &c, .n_counts = 1 });
}

static size_t due(struct fx *f, uint32_t before, struct ipc_tlsrpt_list_reply *r)
{
	assert_int_equal(ipc_tlsrpt_list(&f->post, &(struct ipc_tlsrpt_list){ .before_day = before }, r, &f->a), OK);
	return r->n_due;
}

static uint64_t total(struct fx *f, uint32_t day, const char *domain, size_t *rows)
{
	struct ipc_tlsrpt_read q = { .day = day, .domain = str_z(domain) };
	struct ipc_tlsrpt_read_reply r = { .more = 1 };
	uint64_t n = 0;

	*rows = 0;
	while (r.more) {
		assert_int_equal(ipc_tlsrpt_read(&f->post, &q, &r, &f->a), OK);
		for (size_t i = 0; i < r.n_counts; i++)
			n += r.counts[i].n;
		*rows += r.n_counts;
		q.after = r.next;
	}
	return n;
}

static void counts_add_up_by_day_and_domain(struct fx *f)
{
	struct ipc_tlsrpt_list_reply r;
	size_t rows;

	fx_account(f);
	assert_int_equal(add(f, 20000, "a.test", TLSRPT_SUCCESS, "mx.a.test", 2), OK);
	assert_int_equal(add(f, 20000, "a.test", TLSRPT_SUCCESS, "mx.a.test", 3), OK);
	assert_int_equal(add(f, 20000, "a.test", TLSRPT_CERTIFICATE_EXPIRED, "mx.a.test", 1), OK);
	assert_int_equal(add(f, 20000, "b.test", TLSRPT_SUCCESS, "mx.a.test", 7), OK);
	assert_int_equal(add(f, 20001, "a.test", TLSRPT_SUCCESS, "mx.a.test", 1), OK);
	assert_int_equal(total(f, 20000, "a.test", &rows), 6);
	assert_int_equal(rows, 2);
	assert_int_equal(total(f, 20000, "b.test", &rows), 7);
	assert_int_equal(due(f, 20000, &r), 0);
	assert_int_equal(due(f, 20001, &r), 2);
	assert_int_equal(due(f, 20002, &r), 3);
	assert_int_equal(r.due[2].day, 20001);
	assert_int_equal(ipc_tlsrpt_list(&f->post, &(struct ipc_tlsrpt_list){ .before_day = 20002, .after_day = r.due[0].day,
		.after_domain = r.due[0].domain }, &r, &f->a), OK);
	assert_int_equal(r.n_due, 2);
	assert_int_equal(ipc_tlsrpt_done(&f->post, &(struct ipc_tlsrpt_done){ .day = 20000, .domain = STR("a.test") }), OK);
	assert_int_equal(total(f, 20000, "a.test", &rows), 0);
	assert_int_equal(total(f, 20000, "b.test", &rows), 7);
	assert_int_equal(due(f, 20002, &r), 2);
	fx_verified(f);
}

static void a_page_holds_so_many_and_the_next_goes_on(struct fx *f)
{
	char mx[40];
	size_t rows;

	fx_account(f);
	for (int i = 0; i < IPC_TLSRPT_READ_COUNTS_MAX + 1; i++) {
		snprintf(mx, sizeof mx, "mx%d.a.test", i);
		assert_int_equal(add(f, 20000, "a.test", TLSRPT_SUCCESS, mx, 1), OK);
	}
	assert_int_equal(total(f, 20000, "a.test", &rows), IPC_TLSRPT_READ_COUNTS_MAX + 1);
	assert_int_equal(rows, IPC_TLSRPT_READ_COUNTS_MAX + 1);
}

/* The day's n row stands at its bound but one. */
static void a_day_has_a_bound(struct fx *f)
{
	struct ipc_tls_count *c = arena_array(&f->a, 50, sizeof *c);
	size_t rows, left = TLSRPT_ROWS_MAX;

	fx_account(f);
	for (size_t at = 0; left; at += 50, left -= 50) {
		for (size_t i = 0; i < 50; i++)
			c[i] = (struct ipc_tls_count){ .fact = { .domain = arena_fmt(&f->a, "d%zu.test", at + i) }, .n = 1 };
		assert_int_equal(ipc_tlsrpt_add(&f->post, &(struct ipc_tlsrpt_add){ .day = 20000, .counts = c, .n_counts = 50 }), OK);
	}
	assert_int_equal(total(f, 20000, "d19999.test", &rows), 1);
	assert_int_equal(add(f, 20000, "new.test", TLSRPT_SUCCESS, "mx", 1), OK);
	assert_int_equal(total(f, 20000, "new.test", &rows), 0);
	assert_int_equal(ipc_tlsrpt_add(&f->post, &(struct ipc_tlsrpt_add){ .day = 20000, .counts = &c[49], .n_counts = 1 }), OK);
	assert_int_equal(total(f, 20000, "d19999.test", &rows), 2); /* one that is there counts on */
	assert_int_equal(ipc_tlsrpt_done(&f->post, &(struct ipc_tlsrpt_done){ .day = 20000, .domain = STR("d7.test") }), OK);
	assert_int_equal(add(f, 20000, "new.test", TLSRPT_SUCCESS, "mx", 1), OK);
	assert_int_equal(total(f, 20000, "new.test", &rows), 1);
}

static void policies_are_kept_until_they_are_over(struct fx *f)
{
	struct ipc_sts_keep k = { .known = { .domain = STR("a.test"), .id = STR("1"), .fetched_s = 100, .until_s = 200, .policy = STR("x") } };
	struct ipc_sts_list_reply r;

	fx_account(f);
	assert_int_equal(ipc_sts_keep(&f->post, &k), OK);
	k.known.domain = STR("b.test");
	k.known.until_s = 300;
	assert_int_equal(ipc_sts_keep(&f->post, &k), OK);
	k.known.id = STR("2"); /* a newer one takes its place */
	assert_int_equal(ipc_sts_keep(&f->post, &k), OK);
	assert_int_equal(ipc_sts_list(&f->post, &(struct ipc_sts_list){ .now_s = 199 }, &r, &f->a), OK);
	assert_int_equal(r.n_list, 2);
	assert_int_equal(ipc_sts_list(&f->post, &(struct ipc_sts_list){ .now_s = 199, .after = r.list[0].domain }, &r, &f->a), OK);
	assert_int_equal(r.n_list, 1);
	assert_int_equal(ipc_sts_list(&f->post, &(struct ipc_sts_list){ .now_s = 200 }, &r, &f->a), OK);
	assert_int_equal(r.n_list, 1);
	assert_true(str_eq(r.list[0].domain, STR("b.test")));
	assert_true(str_eq(r.list[0].id, STR("2")));
	assert_int_equal(ipc_sts_list(&f->post, &(struct ipc_sts_list){ .now_s = 0 }, &r, &f->a), OK);
	assert_int_equal(r.n_list, 1); /* what was over is gone */
	fx_verified(f);
}

BOTH(counts_add_up_by_day_and_domain)
BOTH(a_page_holds_so_many_and_the_next_goes_on)
ON(mem, a_day_has_a_bound)
BOTH(policies_are_kept_until_they_are_over)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(counts_add_up_by_day_and_domain), TESTS(a_page_holds_so_many_and_the_next_goes_on),
		cmocka_unit_test(mem_a_day_has_a_bound), TESTS(policies_are_kept_until_they_are_over) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
