/* ctl/tlsrpt.c - commands: TLS reports (RFC 8460) that came in, shown; those about our own sessions, sent now.
 * Trust       a report that came in was written by anybody; tlsrpt/ reads it within bounds.
 */
#include "ctl/ctl_impl.h"

#include "base/file.h"
#include "tlsrpt/tlsrpt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (2 * TLSRPT_JSON_MAX)
#define SHOWN_MAX ((size_t)16 << 20)
#define MEMORY_MAX ((size_t)256 << 20)

static bool read_input(const char *name, struct str *out, struct buf *why)
{
	struct buf b;
	char piece[1024];
	size_t n;

	if (strcmp(name, "-") != 0)
		return file_read(name, INPUT_MAX, out, why);
	buf_init(&b, INPUT_MAX);
	while ((n = fread(piece, 1, sizeof piece, stdin)) > 0)
		buf_add(&b, str_of(piece, n));
	*out = buf_str(&b); /* the caller's now */
	if (b.full)
		buf_addz(why, "standard input is larger than a report may be");
	return !b.full;
}

static int show(struct ctl *c)
{
	struct str input = { 0 };
	struct arena a;
	struct buf out, why;
	const char *wrong = "";
	bool ok;

	buf_init(&why, 1000);
	buf_init(&out, SHOWN_MAX);
	arena_init(&a, "tlsrpt", MEMORY_MAX);
	ok = read_input(c->words[0], &input, &why);
	if (!ok)
		fprintf(stderr, "sallyport: %.*s\n", STR_ARG(buf_str(&why)));
	else if (!(ok = tlsrpt_show(input, &a, &out, &wrong)))
		fprintf(stderr, "sallyport: %s: %s\n", c->words[0], wrong);
	else
		printf("%.*s", STR_ARG(buf_str(&out)));
	free((void *)(uintptr_t)input.p);
	arena_fini(&a);
	buf_fini(&out);
	buf_fini(&why);
	return ok ? 0 : 1;
}

static int send_now(struct ctl *c)
{
	struct ipc_tlsrpt_send m = { .today = c->n_words > 0 };
	struct ipc_tlsrpt_send_reply r;
	enum outcome o;

	if (c->n_words && strcmp(c->words[0], "today") != 0) {
		fprintf(stderr, "sallyport: tlsrpt send: %s: write \"today\" or nothing\n", c->words[0]);
		return 2;
	}
	o = client_call(&c->client, ROLE_POST, IPC_TLSRPT_SEND, &m, &r);
	if (o == BAD_STATE)
		fprintf(stderr, "sallyport: tlsrpt send: no reports are made without a sender; set: queue { report_from ADDRESS }\n");
	if (o != OK)
		return o == BAD_STATE ? 1 : ctl_done(o, "tlsrpt send", "");
	ctl_print_lines(r.lines, r.n_lines);
	return 0;
}

const struct command ctl_tlsrpt_commands[] = {
	{ "tlsrpt show", "FILE|-", "what a TLS report says (RFC 8460): JSON, gzipped or not, or the letter that brought it", 1, 1, ALONE, show },
	{ "tlsrpt send", "[today]", "send the TLS reports that are due now, with today about this day so far, too", 0, 1, ONLINE, send_now },
	{ 0 },
};
