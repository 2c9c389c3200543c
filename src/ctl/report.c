/* ctl/report.c - findings of a command. See the header. */
#include "ctl/report.h"

#include "ctl/json.h"

#include <stdio.h>

#define OUT_MAX ((size_t)4 << 20)
#define TEXT_MAX 2000

static const char *const level_names[] = { "ok", "warning", "error" };

void report_init(struct report *r, bool json)
{
	*r = (struct report){ .json = json };
	buf_init(&r->out, OUT_MAX);
}

void report_fini(struct report *r)
{
	buf_fini(&r->out);
}

static void add_json(struct report *r, enum report_level level, const char *check, struct str text, const char *way_out)
{
	buf_addz(&r->out, r->out.n ? ",\n{\"level\":" : "[\n{\"level\":");
	json_add(&r->out, str_z(level_names[level]));
	buf_addz(&r->out, ",\"check\":");
	json_add(&r->out, str_z(check));
	buf_addz(&r->out, ",\"text\":");
	json_add(&r->out, text);
	if (way_out) {
		buf_addz(&r->out, ",\"way_out\":");
		json_add(&r->out, str_z(way_out));
	}
	buf_addc(&r->out, '}');
}

/* What comes from the network is data: nothing of it moves a terminal's cursor or begins a line of its own. */
static void print_clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		putchar((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? '?' : s.p[i]);
}

void report_add(struct report *r, enum report_level level, const char *check, const char *way_out, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	if (r->quiet && level == REPORT_OK)
		return;
	buf_init(&text, TEXT_MAX);
	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	r->n[level]++;
	if (r->json) {
		add_json(r, level, check, buf_str(&text), way_out);
	} else {
		printf("%s\t%s\t", level_names[level], check);
		print_clean(buf_str(&text));
		if (way_out) {
			putchar('\t');
			print_clean(str_z(way_out));
		}
		putchar('\n');
		fflush(stdout);
	}
	buf_fini(&text);
}

struct str report_json(struct report *r)
{
	buf_addz(&r->out, r->out.n ? "\n]" : "[]");
	return buf_str(&r->out);
}

void report_print_json(struct report *r)
{
	struct str all = report_json(r);

	fwrite(all.p, 1, all.n, stdout);
	putchar('\n');
}
