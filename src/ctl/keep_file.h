/* ctl/keep_file.h - files of a backup: written once, whole or not at all; read with every byte checked.
 *
 * A file is a row of records {magic, crc32c, id, n, m, n bytes, m bytes}, little-endian; its SHA-256 stands in the manifest that names it.
 */
#ifndef SALLYPORT_CTL_KEEP_FILE_H
#define SALLYPORT_CTL_KEEP_FILE_H

#include "base/buf.h"

#include <openssl/evp.h>

#define KEEP_NAME_SIZE 48
#define KEEP_SHA 32
#define KEEP_HEAD 24 /* bytes of a record before its own */

/* A file of the backup as a manifest names it. */
struct keep_ref {
	char name[KEEP_NAME_SIZE]; /* below the backup's directory */
	uint64_t size;
	unsigned char sha[KEEP_SHA];
};

/* Writing. A failure is told on standard error once and is sticky. */
struct keep_out {
	int dir_fd, fd;
	const char *dir;
	char name[KEEP_NAME_SIZE];
	EVP_MD_CTX *sha;
	struct buf gather;
	uint64_t size;
	bool failed;
};
bool keep_out_open(struct keep_out *o, int dir_fd, const char *dir, const char *name);
void keep_out_raw(struct keep_out *o, struct str bytes);
uint64_t keep_out_record(struct keep_out *o, uint64_t id, struct str a, struct str b); /* the offset it lies at */
/* Flushed, synced, and under its name; or gone. */
bool keep_out_end(struct keep_out *o, struct keep_ref *ref);
void keep_out_drop(struct keep_out *o); /* after an open that succeeded, in place of the end */

/* Reading. */
struct keep_in {
	const char *dir, *name;
	int fd;
	struct buf buf;
	size_t used;	/* of buf */
	uint64_t at;	/* of the file, where used is */
	uint64_t size;	/* of the file */
	EVP_MD_CTX *sha; /* of what was read */
	bool io_failed;
};
struct keep_record {
	uint64_t at, id;
	struct str a, b; /* valid until the next */
};
enum keep_got { KEEP_RECORD, KEEP_END, KEEP_DAMAGED };

/* False: why is on standard error. */
bool keep_in_open(struct keep_in *in, int dir_fd, const char *dir, const char *name);
/* n bytes, fewer at the file's end; they stay until keep_in_skip. */
struct str keep_in_peek(struct keep_in *in, size_t n);
void keep_in_skip(struct keep_in *in, size_t n);
/* KEEP_DAMAGED: at out->at stands no whole record, and *why says how; keep_in_resync finds the next one. */
enum keep_got keep_in_next(struct keep_in *in, struct keep_record *out, const char **why);
void keep_in_resync(struct keep_in *in);
/* Reads on to the end; whether all of the file is as the manifest says. */
bool keep_in_matches(struct keep_in *in, const struct keep_ref *ref);
void keep_in_close(struct keep_in *in);
/* The record at an offset, read for itself into buf. False: damaged or not of that id. */
bool keep_record_read(int fd, uint64_t at, uint64_t id, uint32_t size, struct buf *buf, struct str *body);

#endif
