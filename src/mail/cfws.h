/* mail/cfws.h - comments and folding white space (RFC 5322 3.2.2). */
#ifndef SALLYPORT_MAIL_CFWS_H
#define SALLYPORT_MAIL_CFWS_H

#include "base/cur.h"

/* Takes white space, line ends and comments, nested ones included; a comment without an end reaches to the end. */
void mail_cfws_skip(struct cur *c);

#endif
