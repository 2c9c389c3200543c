/* fuzz/smtp_data.c - the text of a letter against a byte-at-a-time model, however it is cut. */
#include "base/die.h"
#include "smtp/data.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct model {
	char text[4096];
	size_t n, end;
	bool ended, spoiled;
};

/* The definition: lines end at CRLF; the line "." is the end; a first dot goes; a CR or LF elsewhere, or a NUL, spoils. */
static void model_run(struct model *m, const char *p, size_t n)
{
	size_t at = 0;

	while (at < n && !m->ended) {
		size_t end = at;

		while (end + 1 < n && !(p[end] == '\r' && p[end + 1] == '\n'))
			end++;
		if (end + 1 >= n)
			return;
		m->ended = end - at == 1 && p[at] == '.';
		m->end = end + 2;
		for (size_t i = at; i < end; i++)
			m->spoiled |= p[i] == '\r' || p[i] == '\n' || p[i] == 0;
		if (!m->ended) {
			at += p[at] == '.' && end > at;
			memcpy(m->text + m->n, p + at, end + 2 - at);
			m->n += end + 2 - at;
		}
		at = end + 2;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct body_budget budget = { .max = 1 << 20 };
	struct model m = { .n = 0 };
	struct body_writer w;
	struct smtp_data d;
	struct body body;
	size_t step, took = 0;

	if (size < 1 || size > 4096)
		return 0;
	step = data[0] + 1u;
	data++;
	size--;
	model_run(&m, (const char *)data, size);
	body_writer_open(&w, &budget, 1 << 20);
	smtp_data_init(&d, &w, 0);
	while (took < size && !smtp_data_ended(&d))
		took += smtp_data_feed(&d, str_of(data + took, size - took < step ? size - took : step));
	die_unless(smtp_data_ended(&d) == m.ended, "another end");
	if (m.ended) {
		die_unless(took == m.end && (d.bare || d.nul) == m.spoiled, "another place, or another verdict");
		die_unless(body_writer_seal(&w, &body) == OK, "seal");
		die_unless(m.spoiled || (body.size == m.n && memcmp(body.inl.p ? body.inl.p : "", m.text, m.n) == 0), "another text");
	}
	body_writer_close(&w);
	return 0;
}
