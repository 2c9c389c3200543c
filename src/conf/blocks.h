/* conf/blocks.h - blocks that may be repeated, each with words behind its name; inside conf/ only. */
#ifndef SALLYPORT_CONF_BLOCKS_H
#define SALLYPORT_CONF_BLOCKS_H

#include "conf/parse_impl.h"

#include "base/vec.h"

struct conf_block_kind {
	const char *name, *word; /* what stands behind the name, as messages call it: "SERVICE" */
	unsigned least, most;    /* so many words */
	const char *usage;       /* "one service; write listen smtp { ... }" */
	/* The block begins: the zeroed struct that its settings go into; NULL: it cannot be used, and why was said. */
	void *(*open)(struct conf_parser *p, const struct conf_statement *st);
	void (*close)(struct conf_parser *p);
};

/* NULL: blocks of this name stand once. */
const struct conf_block_kind *conf_block_kind_find(const char *name);

/* Those that have been read, and the one being read of each kind. */
struct conf_blocks {
	struct conf_listen_block listen;
	struct conf_certificate certificate;
	struct conf_route route;
	struct conf_source_block source;
	struct VEC(struct conf_listener) listeners;
	struct VEC(struct conf_certificate) certificates;
	struct VEC(struct conf_route) routes;
	struct VEC(struct conf_source) sources;
	unsigned n_listen;
};

/* At the end of the text: puts them into the configuration. */
void conf_blocks_finish(struct conf_parser *p);
void conf_blocks_fini(struct conf_blocks *b);

#endif
