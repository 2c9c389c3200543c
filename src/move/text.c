/* move/text.c - line ends of letters. See the header. */
#include "move/text.h"

#include "mail/utf8.h"

#include <stddef.h>
#include <string.h>

#define LOOK_MAX 2048

void letter_text_open(struct letter_text *t, struct body_writer *to)
{
	memset(t, 0, offsetof(struct letter_text, block));
	t->to = to;
}

/* RFC 5322 2.2: a name of printable characters, blanks perhaps, a colon. An mbox's From_ line before it does no harm. */
static bool begins_with_field(struct str s)
{
	size_t i = 0;

	if (str_starts(s, STR("From ")) || str_starts(s, STR(">From ")) || str_starts(s, STR("\n")) || str_starts(s, STR("\r\n")))
		return true;
	while (i < s.n && ascii_is_print(s.p[i]) && s.p[i] != ' ' && s.p[i] != ':')
		i++;
	while (i > 0 && i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	return i > 0 && i < s.n && s.p[i] == ':';
}

static bool has_odd_bytes(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 && !strchr("\t\n\v\f\r\033\b", c))
			return true;
	}
	return mail_utf8_prefix(s) + 4 < s.n;
}

static void look(struct letter_text *t, struct str bytes)
{
	struct str head = str_sub(bytes, 0, LOOK_MAX);

	t->looked = true;
	t->is_binary = !begins_with_field(head) && has_odd_bytes(head);
}

static void flush(struct letter_text *t)
{
	body_writer_add(t->to, str_of(t->block, t->n_block));
	t->n_block = 0;
}

static void put(struct letter_text *t, const char *p, size_t n)
{
	if (n > sizeof t->block - t->n_block)
		flush(t);
	if (n > sizeof t->block) {
		body_writer_add(t->to, str_of(p, n));
		return;
	}
	memcpy(t->block + t->n_block, p, n);
	t->n_block += n;
}

void letter_text_add(struct letter_text *t, struct str bytes)
{
	if (bytes.n == 0)
		return;
	if (!t->looked)
		look(t, bytes);
	t->n += bytes.n;
	t->has_nul |= memchr(bytes.p, 0, bytes.n) != NULL;
	while (bytes.n) {
		const char *lf = memchr(bytes.p, '\n', bytes.n);
		size_t n = lf ? (size_t)(lf - bytes.p) : bytes.n;
		bool whole = lf && (n ? bytes.p[n - 1] == '\r' : t->after_cr);

		if (n)
			put(t, bytes.p, n);
		if (lf)
			put(t, whole ? "\n" : "\r\n", whole ? 1 : 2);
		t->after_cr = !lf && bytes.p[n - 1] == '\r';
		bytes = str_from(bytes, n + (lf != NULL));
	}
	flush(t);
}

const char *letter_text_fault(const struct letter_text *t)
{
	if (t->n == 0)
		return "it is empty";
	if (t->is_binary)
		return "it is no letter: no header, and bytes that are no text";
	if (t->has_nul)
		return "it contains a NUL byte";
	if (t->to->over_size)
		return "it is larger than the server takes (limits message_size)";
	if (t->to->over_budget || t->to->failed)
		return "there is no memory for it";
	return NULL;
}
