/* fuzz/smtp_chunk.c - the text of a letter in chunks, against a model that sees it whole, however it is cut. */
#include "base/die.h"
#include "smtp/data.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void model_run(struct str text, bool *bare, bool *nul)
{
	for (size_t i = 0; i < text.n; i++) {
		*nul |= text.p[i] == 0;
		*bare |= text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r');
		*bare |= text.p[i] == '\r' && (i + 1 == text.n || text.p[i + 1] != '\n');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct body_budget budget = { .max = 1 << 20 };
	struct str text, rest;
	struct body_writer w;
	struct smtp_data d;
	struct body body;
	bool bare = false, nul = false;
	size_t step;

	if (size < 1 || size > 4096)
		return 0;
	step = data[0] + 1u;
	text = rest = str_of(data + 1, size - 1);
	model_run(text, &bare, &nul);
	body_writer_open(&w, &budget, 1 << 20);
	smtp_data_init(&d, &w, 0);
	while (rest.n) {
		smtp_chunk_feed(&d, str_sub(rest, 0, step));
		rest = str_from(rest, step);
	}
	smtp_chunk_end(&d);
	die_unless((d.bare || d.nul) == (bare || nul), "another verdict");
	die_unless(body_writer_seal(&w, &body) == OK, "seal");
	die_unless(bare || nul || (body.size == text.n && memcmp(body.inl.p ? body.inl.p : "", text.p, text.n) == 0), "another text");
	body_writer_close(&w);
	return 0;
}
