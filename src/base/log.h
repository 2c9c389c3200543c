/* base/log.h - log lines: one write of one line to one descriptor, never blocking.
 *
 * A logger belongs to a role and writes to the pipe that master reads. A line is an event name and fields; values are
 * data and are escaped. When the pipe is full the line is dropped and counted; the next line that fits says how many.
 * Text:  2026-11-22T15:30:00.123Z info edge1 smtp-accepted trace=k3v9x2 from=<a@b.test> size=1234
 * JSON:  {"time":"...","level":"info","role":"edge1","event":"smtp-accepted","trace":"k3v9x2",...}
 */
#ifndef SALLYPORT_BASE_LOG_H
#define SALLYPORT_BASE_LOG_H

#include "base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

struct log {
	int fd;                 /* non-blocking pipe or a file */
	bool json;
	enum log_level least;   /* lines below are not made */
	char role[24];          /* "edge-user2" */
	uint64_t dropped;       /* lines since the last that fitted */
	uint64_t dropped_total;
	int64_t (*now_us)(void *ctx); /* wall clock, microseconds since 1970; NULL: the system's */
	void *now_ctx;
};

struct log_field {
	const char *key; /* NULL ends the list */
	struct str value;
};

#define LOG_S(key, value) ((struct log_field){ (key), (value) })

void log_init(struct log *l, int fd, const char *role);
/* "debug", "info", "warning", "error"; false when it is none of them. */
bool log_level_parse(struct str s, enum log_level *out);

/* fields is an array ended by a NULL key; may be NULL. */
void log_event(struct log *l, enum log_level level, const char *event, const struct log_field *fields);

/* With a formatted text as the field "text". */
void log_text(struct log *l, enum log_level level, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define log_error(l, event, ...) log_text((l), LOG_LEVEL_ERROR, (event), __VA_ARGS__)
#define log_warning(l, event, ...) log_text((l), LOG_LEVEL_WARNING, (event), __VA_ARGS__)
#define log_info(l, event, ...) log_text((l), LOG_LEVEL_INFO, (event), __VA_ARGS__)
#define log_debug(l, event, ...) log_text((l), LOG_LEVEL_DEBUG, (event), __VA_ARGS__)

/* Several fields in one call: log_fields(l, LOG_LEVEL_INFO, "smtp-accepted", LOG_S("trace", t), LOG_S("from", f)). */
#define log_fields(l, level, event, ...) \
	log_event((l), (level), (event), (struct log_field[]){ __VA_ARGS__, { 0 } })

/* die()'s line: to standard error and, if the role has set one, to its pipe. Async-signal-safe. */
void log_last_words(const char *what);
/* The descriptor and role name that log_last_words uses; the one process-wide setting, made once at the role's start. */
void log_set_last_words(int fd, const char *role);

#endif
