/* mail/structure.h - IMAP BODY and BODYSTRUCTURE of a MIME tree (RFC 9051 7.5.2). */
#ifndef SALLYPORT_MAIL_STRUCTURE_H
#define SALLYPORT_MAIL_STRUCTURE_H

#include "mail/mime_walk.h"

/* Where in text the envelope of a message/rfc822 part is. */
struct structure_envelope {
	uint32_t node;
	size_t at, n;
};

struct mail_structure {
	struct str letter;
	const struct mime_tree *tree;
	const struct mail_index_limits *limits;
	struct VEC(struct structure_envelope) envelopes;
	struct buf text; /* of the envelopes */
};

/* Makes the envelopes of nested messages, which both forms need. The letter and tree must outlive it. */
void mail_structure_init(
	struct mail_structure *s, struct str letter, const struct mime_tree *t, const struct mail_index_limits *limits);
void mail_structure_fini(struct mail_structure *s);

/* Adds BODYSTRUCTURE (extended) or BODY, at most limits->text_max bytes. Beyond that, the first of these that fits: without what a
 * client can do without; without parameters and extension data too (some 45 bytes a part); one part of unknown type, which
 * is added whatever the limit. */
void mail_structure_add(const struct mail_structure *s, bool extended, struct buf *out);

#endif
