/* mail/traits.h - what a letter asks of the way it takes, from its bytes alone. */
#ifndef SALLYPORT_MAIL_TRAITS_H
#define SALLYPORT_MAIL_TRAITS_H

#include "base/str.h"

struct mail_traits {
	bool tls_optional; /* its header says "TLS-Required: No" (RFC 8689 5) */
	bool header_8bit;  /* some octet above 0x7f: needs SMTPUTF8, or a conversion */
	bool body_8bit;
};
/* One pass over the letter, at the speed of memory; nothing of it is parsed but the fields of its header. */
struct mail_traits mail_traits_of(struct str letter);
/* Some octet is above 0x7f. */
bool mail_has_8bit(struct str bytes);

#endif
