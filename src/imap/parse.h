/* imap/parse.h - the tokens of IMAP commands (RFC 3501 9, RFC 4466) as functions over a cursor: pure.
 *
 * A command is gathered with its literals in place, as it came: "a LOGIN {5}\r\nalice {3}\r\nabc". A literal that is
 * announced but whose bytes are not there fails. Views point into the input, or into the arena where escapes went.
 */
#ifndef SALLYPORT_IMAP_PARSE_H
#define SALLYPORT_IMAP_PARSE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cur.h"

#define IMAP_TAG_MAX 100

bool imap_is_atom_char(unsigned char c);    /* ATOM-CHAR */
bool imap_is_astring_char(unsigned char c); /* ATOM-CHAR or "]" */

void imap_need_sp(struct cur *c);
struct str imap_tag(struct cur *c);  /* 1*<any ASTRING-CHAR except "+">, at most IMAP_TAG_MAX */
struct str imap_atom(struct cur *c); /* 1*ATOM-CHAR */
/* quoted or literal. 8-bit bytes are let through: the caller knows what they must be. */
struct str imap_string(struct cur *c, struct arena *a);
struct str imap_astring(struct cur *c, struct arena *a);
struct str imap_list_mailbox(struct cur *c, struct arena *a); /* list-mailbox: wildcards allowed */
struct str imap_nstring(struct cur *c, struct arena *a);      /* NIL: p is NULL */
/* Takes the word if it stands next and ends there (no ATOM-CHAR follows); ASCII case folded. */
bool imap_try_word(struct cur *c, struct str word);

/* A message's flags: system flags as MSG_* bits and keywords. \Recent and flags that nobody may set fail. */
#define IMAP_KEYWORDS_MAX 64
#define IMAP_KEYWORD_SIZE_MAX 64
struct imap_flags {
	uint32_t bits;
	struct str keywords[IMAP_KEYWORDS_MAX];
	size_t n_keywords;
	bool over; /* more keywords, or longer ones, than can be kept */
};
/* flag-list: "(" [flag *(SP flag)] ")" */
void imap_flag_list(struct cur *c, struct imap_flags *out);
/* What STORE takes besides: flag *(SP flag), to the end. */
void imap_flags_bare(struct cur *c, struct imap_flags *out);

/* "{5}" or "{5+}" at the end of a line. */
struct imap_literal {
	uint64_t size; /* UINT64_MAX: too many digits */
	bool sync;     /* the client waits for "+ " */
};
bool imap_literal_at_end(struct str line, struct imap_literal *out);

/* What an APPEND says before a message (RFC 3501 6.3.11, RFC 3502, RFC 3516 4.4, RFC 6855 4): up to its literal, which ends the line. */
struct imap_append {
	struct str mailbox; /* of the first */
	struct imap_flags flags;
	bool has_date;
	int64_t date_s;
	bool binary; /* literal8: NUL may stand in it */
	bool utf8;   /* in "UTF8 (...)", whose ")" comes behind it */
	struct imap_literal literal;
};
/* args: what follows "APPEND ", gathered so far. True when all is there but the message. */
bool imap_append_parse(struct str args, struct arena *a, struct imap_append *out);
/* line: what follows a message whose head was out; out becomes the head of the next. */
enum imap_append_next { IMAP_APPEND_BAD, IMAP_APPEND_END, IMAP_APPEND_MORE };
enum imap_append_next imap_append_behind(struct str line, struct imap_append *out);

/* Writes s as a quoted string; CR, LF and NUL, which cannot stand in one, become '?'. */
void imap_add_quoted(struct buf *out, struct str s);
/* As an atom where s is one, otherwise quoted. */
void imap_add_astring(struct buf *out, struct str s);

#endif
