/* move/progress.c - how far a long command is. See the header. */
#include "move/progress.h"

#include <unistd.h>

#define BAR_EVERY_MS 200
#define LINE_EVERY_MS 5000
#define BAR_WIDTH 24

void progress_open(struct progress *p, int fd, int64_t now_ms)
{
	*p = (struct progress){ .fd = fd, .bar = fd >= 0 && isatty(fd), .began_ms = now_ms, .shown_ms = now_ms };
}

void add_bytes_text(struct buf *out, uint64_t n)
{
	static const char *const units[] = { "kB", "MB", "GB", "TB" };
	double v = (double)n / 1000;
	size_t u = 0;

	if (n < 1000) {
		buf_addf(out, "%u B", (unsigned)n);
		return;
	}
	for (; v >= 999.5 && u < 3; u++)
		v /= 1000;
	buf_addf(out, v < 9.95 ? "%.1f %s" : "%.0f %s", v, units[u]);
}

static void add_of(struct buf *out, uint64_t n, uint64_t all)
{
	buf_addf(out, "%llu", (unsigned long long)n);
	if (all)
		buf_addf(out, " of %llu", (unsigned long long)all);
}

static void add_left(struct buf *out, const struct progress *p, double seconds)
{
	double done = p->bytes_all ? (double)p->bytes : (double)p->letters;
	double all = p->bytes_all ? (double)p->bytes_all : (double)p->letters_all;
	unsigned long long left;

	if (done < 1 || all < done || seconds < 1)
		return;
	left = (unsigned long long)(seconds * (all - done) / done + 0.5);
	if (left >= 3600)
		buf_addf(out, "  %llu:%02llu:%02llu left", left / 3600, left / 60 % 60, left % 60);
	else
		buf_addf(out, "  %llu:%02llu left", left / 60, left % 60);
}

void progress_text(const struct progress *p, int64_t now_ms, struct buf *out)
{
	double seconds = (double)(now_ms - p->began_ms) / 1000;

	add_of(out, p->letters, p->letters_all);
	buf_addz(out, " letters  ");
	add_bytes_text(out, p->bytes);
	if (p->bytes_all) {
		buf_addz(out, " of ");
		add_bytes_text(out, p->bytes_all);
	}
	if (seconds >= 0.1) {
		buf_addz(out, "  ");
		add_bytes_text(out, (uint64_t)((double)p->bytes_moved / seconds));
		buf_addz(out, "/s");
	}
	add_left(out, p, seconds);
}

static void add_bar(const struct progress *p, struct buf *out)
{
	double all = p->bytes_all ? (double)p->bytes_all : (double)p->letters_all;
	double part = all > 0 ? (p->bytes_all ? (double)p->bytes : (double)p->letters) / all : 0;

	part = part > 1 ? 1 : part;
	buf_addc(out, '[');
	for (int i = 0; i < BAR_WIDTH; i++)
		buf_addc(out, part * BAR_WIDTH > i + 0.5 ? '#' : '.');
	buf_addf(out, "] %3d%%  ", (int)(part * 100));
}

static void put(const struct progress *p, struct str s)
{
	ssize_t n = write(p->fd, s.p, s.n);

	(void)n; /* it is a picture: one that is lost is followed by the next */
}

void progress_show(struct progress *p, int64_t now_ms)
{
	struct buf out;

	if (p->fd < 0 || now_ms - p->shown_ms < (p->bar ? BAR_EVERY_MS : LINE_EVERY_MS))
		return;
	p->shown_ms = now_ms;
	buf_init(&out, 400);
	if (p->bar) {
		buf_addz(&out, "\r\033[K");
		add_bar(p, &out);
	}
	progress_text(p, now_ms, &out);
	if (!p->bar)
		buf_addc(&out, '\n');
	put(p, buf_str(&out));
	p->drawn = p->bar;
	buf_fini(&out);
}

void progress_clear(struct progress *p)
{
	if (p->drawn)
		put(p, STR("\r\033[K"));
	p->drawn = false;
}
