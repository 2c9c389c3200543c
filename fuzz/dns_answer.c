/* fuzz/dns_answer.c - a resolver's packet as the answer to a question; the first two bytes choose the type. */
#include "base/die.h"
#include "dns/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_A, DNS_NS, DNS_CNAME, DNS_SOA, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA, DNS_SRV, DNS_TLSA, DNS_CAA };
	struct dns_answer out;
	struct arena arena;
	struct buf query;
	enum dns_type type;

	if (size < 2)
		return 0;
	type = types[data[0] % (sizeof types / sizeof *types)];
	arena_init(&arena, "fuzz", (size_t)64 << 20);
	dns_answer_parse(str_of(data + 1, size - 1), STR("a.test"), type, &arena, &out);
	die_unless(out.n <= DNS_RECORDS_MAX && out.n_cnames <= DNS_CNAMES_MAX + 1, "more than the limits");
	die_unless((out.result == DNS_OK) == (out.n > 0), "records and a result that differ");
	buf_init(&query, 600);
	for (size_t i = 0; i < out.n; i++) {
		struct str name = out.records[i].name;

		buf_reset(&query);
		die_unless(dns_query_make(name, DNS_A, 1, &query), "a name in an answer that cannot be asked for");
	}
	buf_fini(&query);
	arena_fini(&arena);
	return 0;
}
