/* base/log.c - log lines. See the header. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4000 /* below PIPE_BUF: one line is one atomic write */

static int last_words_fd = 2;
static char last_words_role[24] = "sallyport";

static const char *const level_names[] = { "debug", "info", "warning", "error" };

void log_init(struct log *l, int fd, const char *role)
{
	*l = (struct log){ .fd = fd, .least = LOG_LEVEL_INFO };
	snprintf(l->role, sizeof l->role, "%s", role);
}

bool log_level_parse(struct str s, enum log_level *out)
{
	for (unsigned i = 0; i < 4; i++)
		if (str_eq(s, str_z(level_names[i]))) {
			*out = (enum log_level)i;
			return true;
		}
	return false;
}

static void add_json_string(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			buf_addf(b, "\\u%04x", c); /* bytes above 7f one by one: a line is never invalid UTF-8 */
		else
			buf_addc(b, (char)c);
	}
	buf_addc(b, '"');
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_print(s.p[i]) || s.p[i] == ' ' || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '=')
			return false;
	return s.n > 0;
}

static void add_text_value(struct buf *b, struct str s)
{
	if (is_plain(s)) {
		buf_add(b, s);
		return;
	}
	buf_addc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			buf_addf(b, "\\x%02x", c);
		else
			buf_addc(b, (char)c);
	}
	buf_addc(b, '"');
}

static void add_field(const struct log *l, struct buf *b, const char *key, struct str value)
{
	size_t before = b->n;

	if (l->json) {
		buf_addf(b, ",\"%s\":", key);
		add_json_string(b, value);
	} else {
		buf_addf(b, " %s=", key);
		add_text_value(b, value);
	}
	if (b->full) { /* a field that does not fit is left out whole; the line stays well formed */
		b->full = false;
		b->n = before;
	}
}

static void add_head(const struct log *l, struct buf *b, enum log_level level, const char *event)
{
	char t[CLOCK_RFC3339_SIZE];

	clock_rfc3339(l->now_us ? l->now_us(l->now_ctx) : clock_wall_us(), t);
	if (l->json)
		buf_addf(b, "{\"time\":\"%s\",\"level\":\"%s\",\"role\":\"%s\",\"event\":\"%s\"", t,
			level_names[level], l->role, event);
	else
		buf_addf(b, "%s %s %s %s", t, level_names[level], l->role, event);
}

void log_event(struct log *l, enum log_level level, const char *event, const struct log_field *fields)
{
	struct buf b;

	if (level < l->least || l->fd < 0)
		return;
	buf_init(&b, LINE_MAX_BYTES - 2);
	add_head(l, &b, level, event);
	for (; fields && fields->key; fields++)
		add_field(l, &b, fields->key, fields->value);
	if (l->dropped) {
		char n[24];

		snprintf(n, sizeof n, "%llu", (unsigned long long)l->dropped);
		add_field(l, &b, "lines_dropped", str_z(n));
	}
	b.max = LINE_MAX_BYTES;
	buf_addz(&b, l->json ? "}\n" : "\n");
	if (write(l->fd, b.p, b.n) == (ssize_t)b.n) {
		l->dropped = 0;
	} else {
		l->dropped++;
		l->dropped_total++;
	}
	buf_fini(&b);
}

void log_text(struct log *l, enum log_level level, const char *event, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (level < l->least || l->fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	log_fields(l, level, event, LOG_S("text", str_z(text)));
}

void log_set_last_words(int fd, const char *role)
{
	last_words_fd = fd;
	snprintf(last_words_role, sizeof last_words_role, "%s", role);
}

void log_last_words(const char *what)
{
	char line[700];
	int n = snprintf(line, sizeof line, "%s died: %s\n", last_words_role, what);
	bool told;

	if (n > (int)sizeof line - 1)
		n = (int)sizeof line - 1;
	told = write(2, line, (size_t)n) == n;

	/* Nothing is left to be done about words that reach nobody; a closed standard error must not cost the other. */
	if (last_words_fd != 2 && last_words_fd >= 0)
		told |= write(last_words_fd, line, (size_t)n) == n;
	(void)told;
}
