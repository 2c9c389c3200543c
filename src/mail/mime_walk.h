/* mail/mime_walk.h - the MIME tree of a letter (RFC 2045, 2046), for the index and for search. */
#ifndef SALLYPORT_MAIL_MIME_WALK_H
#define SALLYPORT_MAIL_MIME_WALK_H

#include "base/vec.h"
#include "mail/index.h"

/* The Content-* fields of a part's header, first of each: values as found, p NULL when absent. */
struct mime_head {
	struct str type_field, encoding_field, disposition, id, description, md5, language, location;
	/* What the part counts as, whatever the field says: never empty. */
	struct str type, subtype;
};

struct mime_node {
	struct mail_part part;
	struct mime_head head;
	uint32_t lines_before; /* LFs of the letter before the body */
};

struct mime_tree {
	struct VEC(struct mime_node) nodes; /* a parent before its children, the letter first */
	uint32_t lines;			    /* LFs in the letter */
	bool cut;			    /* a limit was met */
};

/* Any bytes have a tree of at least one node. Views point into the letter. Linear in its size (times depth_max for lines that
 * begin with "--"). header_max bounds what is read of one part's header for the head. */
void mime_tree_init(struct mime_tree *t, struct str letter, const struct mail_index_limits *limits);
void mime_tree_fini(struct mime_tree *t);

/* The part's own header, at most size_max bytes of it; its body. */
struct str mime_header_of(struct str letter, const struct mail_part *p, size_t size_max);
struct str mime_body_of(struct str letter, const struct mail_part *p);

#endif
