/* crash/log.h - the recorder's log: what was done to a directory, in true order, and marks of the program between.
 *
 * A file is known by its inode number; names are below the directory, without a leading '/'. A record is this head and then
 * name_n, to_n and data_n bytes. Numbers are of the machine.
 */
#ifndef SALLYPORT_TEST_CRASH_LOG_H
#define SALLYPORT_TEST_CRASH_LOG_H

#include <stdint.h>

#define CRASH_MAGIC 0x68737263u

enum crash_kind {
	CRASH_CREATE = 1, /* name is a new, empty file */
	CRASH_MKDIR,
	CRASH_RENAME,   /* name becomes to */
	CRASH_LINK,     /* to is one more name of what name is */
	CRASH_UNLINK,   /* name, a file or an empty directory */
	CRASH_WRITE,    /* data at at */
	CRASH_TRUNCATE, /* to at bytes */
	CRASH_EXTEND,   /* to at least at bytes, with zeros */
	CRASH_SYNC,     /* fsync or fdatasync of the file */
	CRASH_SYNC_DIR, /* fsync of the directory name ("" is the directory itself) */
	CRASH_MARK,     /* data is the program's */
	CRASH_KINDS
};

struct crash_record {
	uint32_t magic;
	uint32_t kind;
	uint64_t file, at;
	uint32_t name_n, to_n;
	uint64_t data_n;
};

/* The environment that the recorder reads; without CRASH_DIR it records nothing. */
#define CRASH_ENV_DIR "CRASH_DIR"           /* absolute, exists */
#define CRASH_ENV_LOG "CRASH_LOG"           /* appended to */
#define CRASH_ENV_MEMTABLE "CRASH_MEMTABLE" /* bytes that RocksDB gathers before it writes a table, in place of the engine's choice */

/* What the program calls, if dlsym finds "crash_mark". */
typedef void crash_mark_function(const void *p, uint64_t n);

/* Likewise "crash_kill": ends the program as kill -9 would, between two calls and not within the record of one. */
typedef void crash_kill_function(void);

#endif
