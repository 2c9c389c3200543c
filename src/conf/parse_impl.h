/* conf/parse_impl.h - the state of reading a text, inside conf/ only. */
#ifndef SALLYPORT_CONF_PARSE_IMPL_H
#define SALLYPORT_CONF_PARSE_IMPL_H

#include "conf/check.h"
#include "conf/lex.h"
#include "conf/value.h"

struct conf_blocks;

struct conf_parser {
	struct conf_lexer lexer;
	const char *file_name;
	struct conf_errors *errs;
	struct conf *conf;
	struct buf why;

	const struct conf_block *block; /* the one that is open, or NULL */
	const struct conf_block_kind *kind; /* of the open block, when it may be repeated; or NULL */
	void *base;                     /* what settings are put into: the configuration, or the open block of a kind */
	unsigned block_line;
	bool skipping;         /* the open block is not known or a duplicate: its statements go unread */
	unsigned skip_depth;   /* blocks open within that */
	unsigned *setting_line; /* by index in conf_settings: where it was set, 0 if not */
	unsigned *block_lines;  /* by index in conf_blocks */
	struct conf_blocks *blocks; /* what blocks that may be repeated have given so far */
};

/* A statement: its words, and what ended it. */
struct conf_statement {
	struct conf_words words;
	unsigned line;
	enum conf_token_kind end; /* END, OPEN, CLOSE or EOF */
	bool bad;                 /* already reported */
};

/* A word of the text as a message shows it. Valid until the next call. */
struct str conf_shown(struct conf_parser *p, struct str word);

#endif
