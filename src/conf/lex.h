/* conf/lex.h - the words of a configuration text, inside conf/ only. */
#ifndef SALLYPORT_CONF_LEX_H
#define SALLYPORT_CONF_LEX_H

#include "base/arena.h"
#include "base/cur.h"

enum conf_token_kind {
	CONF_TOKEN_WORD,
	CONF_TOKEN_OPEN,  /* { */
	CONF_TOKEN_CLOSE, /* } */
	CONF_TOKEN_END,   /* newline or ; */
	CONF_TOKEN_EOF,
	CONF_TOKEN_BAD    /* why says what; the lexer is past it */
};

struct conf_token {
	enum conf_token_kind kind;
	struct str text;
	unsigned line;
	const char *why;
};

struct conf_lexer {
	struct cur in;
	unsigned line;
	struct arena *arena; /* for words with escapes */
};

struct conf_token conf_lex(struct conf_lexer *l);

/* Whether s may be written without quotes. */
bool conf_word_is_bare(struct str s);

#define CONF_WORD_MAX 1000 /* bytes of a word */

#endif
