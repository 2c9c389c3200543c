/* mail/param.h - Content-Type, Content-Disposition and their parameters (RFC 2045 5.1, RFC 2183, RFC 2231).
 *
 * Tolerant: comments, missing semicolons, unquoted values with blanks. A walk is linear in the value.
 */
#ifndef SALLYPORT_MAIL_PARAM_H
#define SALLYPORT_MAIL_PARAM_H

#include "base/buf.h"
#include "base/cur.h"

struct mail_params {
	struct cur c;
	bool no_quote; /* no further quoted string ends */
};

/* "type/subtype" and the parameters behind it. Type and subtype are as written; both empty when the value is no type. */
struct mail_params mail_type_parse(struct str value, struct str *type, struct str *subtype);
/* One token (a disposition, an encoding) and the parameters behind it. */
struct mail_params mail_token_parse(struct str value, struct str *token);

/* The next attribute and its value, unquoted into text (which is emptied first), not decoded: attributes of RFC 2231 come as found,
 * with their '*'. False at the end. Views are valid until the next call with the same text or the end of value. */
bool mail_param_next(struct mail_params *p, struct buf *text, struct str *name, struct str *value);

/* Adds to out the value of a parameter, continuations joined and percent encoding undone (RFC 2231 3, 4); charset (may be NULL)
 * is then the one declared, a view into p's value, else empty. False when there is no such parameter. p is not moved. */
bool mail_param_find(const struct mail_params *p, struct str name, struct buf *out, struct str *charset);

/* "name" of an attribute that is a section, "name*0" or "name*0*"; empty for any other. A view into the attribute. */
struct str mail_param_base(struct str attribute);
/* Adds the sections of a value joined but not decoded, for attribute "name*" when encoded is set, else for "name": sections that
 * were not encoded are then, so that one decoding does all. False, and nothing added, when there is no section 0. */
bool mail_param_join(const struct mail_params *p, struct str name, struct buf *out, bool *encoded);

#endif
