/* ctl/progress.c - one line on a terminal: share done, bytes, rate, time left. */
#include "ctl/progress.h"

#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

#define EVERY_MS 250

void progress_begin(struct progress *p, const char *what, uint64_t total)
{
	*p = (struct progress){ .what = what, .total = total, .began_ms = clock_monotonic_ms(), .on = isatty(STDERR_FILENO) };
}

static void show(struct progress *p, int64_t now)
{
	double seconds = (double)(now - p->began_ms) / 1000 + 0.001, mb = (double)p->bytes / 1e6;
	double left = p->done ? seconds * ((double)p->total / (double)p->done - 1) : 0;

	fprintf(stderr, "\r\033[K%s", p->what);
	if (p->total)
		fprintf(stderr, "  %3.0f %%", 100.0 * (double)p->done / (double)p->total);
	fprintf(stderr, "  %.1f MB  %.1f MB/s", mb, mb / seconds);
	if (p->total && p->done && left >= 0)
		fprintf(stderr, "  %.0f s left", left);
}

void progress_add(struct progress *p, uint64_t steps, uint64_t bytes)
{
	int64_t now = clock_monotonic_ms();

	p->done += steps;
	p->bytes += bytes;
	if (p->total && p->done > p->total)
		p->total = p->done;
	if (!p->on || now - p->shown_ms < EVERY_MS)
		return;
	p->shown_ms = now;
	show(p, now);
}

void progress_end(struct progress *p)
{
	if (p->on)
		fprintf(stderr, "\r\033[K");
	p->on = false;
}
