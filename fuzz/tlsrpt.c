/* fuzz/tlsrpt.c - a TLS report that came in, in each of its forms, and the record that asks for reports. */
#include "base/die.h"
#include "tlsrpt/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of(data, size);
	struct tlsrpt_uri uris[TLSRPT_URIS_MAX];
	struct arena arena;
	struct buf out;
	const char *why;

	arena_init(&arena, "fuzz", (size_t)256 << 20);
	buf_init(&out, (size_t)16 << 20);
	if (tlsrpt_show(input, &arena, &out, &why))
		for (size_t i = 0; i < out.n; i++)
			die_unless((unsigned char)out.p[i] >= ' ' || out.p[i] == '\n' || out.p[i] == '\t', "a control character is shown");
	for (size_t i = tlsrpt_record_find(&input, 1, &arena, uris); i > 0; i--)
		die_unless(uris[i - 1].https ? uris[i - 1].port > 0 && uris[i - 1].host.n : str_find(uris[i - 1].address, '@') > 0,
			"an address without its parts");
	buf_fini(&out);
	arena_fini(&arena);
	return 0;
}
