/* fuzz/move_imap.c - what a hostile IMAP server may say to an import: tokens end, and lengths stay within what was said. */
#include "base/die.h"
#include "move/far_client.h"
#include "move/far_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *ctx, struct str piece)
{
	*(size_t *)ctx += piece.n;
}

static void read_tokens(struct str said, size_t chunk)
{
	struct far_in in;
	struct stream s;
	struct str text;
	enum far_tok tok;
	size_t n = 0;

	stream_open_memory(&s, said, chunk);
	far_in_open(&in, &s);
	while ((tok = far_token(&in, &text)) != TOK_BAD) {
		die_unless(text.n <= FAR_WORD_MAX, "a word's size");
		if (tok == TOK_LITERAL && in.literal % 3 == 0)
			far_literal(&in, count, &n);
		else if (tok == TOK_OPEN && text.n == 0 && n % 2 == 0)
			far_skip_value(&in, tok);
	}
	die_unless(n <= said.n, "a literal's size");
	die_unless(far_token(&in, &text) == TOK_BAD, "bad for good");
	far_in_close(&in);
	stream_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_of(data, size);
	struct far_place place;
	struct arena a;

	read_tokens(s, 0);
	read_tokens(s, 1 + size % 7);
	arena_init(&a, "fuzz", (size_t)1 << 20);
	if (far_place_parse(&a, str_sub(s, 0, 2000), &place))
		die_unless(place.host.n && place.port, "a place");
	arena_fini(&a);
	return 0;
}
