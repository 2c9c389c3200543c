/* mail/idn.h - addresses as they are compared: internationalized domain names (RFC 5891, UTS 46) and local parts (RFC 6532 3.1). */
#ifndef SALLYPORT_MAIL_IDN_H
#define SALLYPORT_MAIL_IDN_H

#include "base/arena.h"

/* A domain in its one form: A-labels, in lower case. "Müller.example" and "XN--MLLER-KVA.example" give the same. What is no domain
 * that could be looked up is only lowered. */
struct str mail_domain_fold(struct arena *a, struct str domain);
/* A local part in its one form: ASCII lowered, and composed (Unicode NFC) where it is UTF-8. */
struct str mail_local_fold(struct arena *a, struct str local);

#endif
