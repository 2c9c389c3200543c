/* imap/section.h - where in a message a body section lies: pure arithmetic over the part index (RFC 3501 6.4.5). */
#ifndef SALLYPORT_IMAP_SECTION_H
#define SALLYPORT_IMAP_SECTION_H

#include "imap/fetch_parse.h"
#include "mail/index.h"

/* What is known of a message: its size as served, of which prefix_n bytes were put before the letter, and its index (NULL: none
 * could be read or none was wanted). header_n: bytes of prefix and header. */
struct imap_message {
	uint32_t size, prefix_n, header_n;
	const struct mail_index *index;
};

/* at, n: within the message as served, before any partial. False: the message has no such section. FIELDS and FIELDS_NOT give the
 * header that the fields are picked of. */
bool imap_section_find(const struct imap_message *m, const struct imap_fetch_item *i, uint32_t *at, uint32_t *n);

/* The item can be answered without the part index. */
bool imap_section_is_plain(const struct imap_fetch_item *i);

/* Cuts [at, at + n) to the partial of the item, if it has one. */
void imap_section_cut(const struct imap_fetch_item *i, uint32_t *at, uint32_t *n);

#endif
