/* smtp/grammar.h - the grammar of command lines (RFC 5321 4.1.1, 4.1.2). Pure: bytes in, struct or a refusal out. */
#ifndef SALLYPORT_SMTP_GRAMMAR_H
#define SALLYPORT_SMTP_GRAMMAR_H

#include "mail/path.h"
#include "smtp/params.h"
#include "smtp/reply.h"

/* A line as verb and arguments; blanks around the arguments are dropped. Never fails: the verb may be empty. */
void smtp_line_cut(struct str line, struct str *verb, struct str *args);
/* The line holds a byte below 0x20 other than TAB, or 0x7f. */
bool smtp_line_has_control(struct str line);

/* The name after HELO or EHLO. strict: a domain or an address literal, underscores and a final dot forgiven; otherwise any
 * printable word (clients of our users say their machines' names). SMTP_FINE, or why not. */
enum smtp_reply smtp_helo_check(struct str name, bool strict) MUST_USE;

/* The arguments of MAIL and RCPT (RFC 5321 4.1.1.2, 4.1.1.3). utf8: the letter's addresses may be UTF-8. SMTP_FINE, or why not; views are
 * of args or in the arena. */
enum smtp_reply smtp_mail_parse(struct str args, const struct mail_path_limits *limits, const struct smtp_offer *offer, struct arena *a,
	struct smtp_mail *out) MUST_USE;
enum smtp_reply smtp_rcpt_parse(struct str args, bool utf8, const struct mail_path_limits *limits, struct arena *a,
	struct mail_path *out, struct ipc_rcpt_dsn *dsn) MUST_USE;

/* The arguments of BDAT: chunk-size [ SP "LAST" ] (RFC 3030 2). False: none, and nobody knows where the next command begins. */
bool smtp_bdat_parse(struct str args, uint64_t *size, bool *last) MUST_USE;

#endif
