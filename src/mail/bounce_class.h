/* mail/bounce_class.h - why a letter was not taken, from what the other server answered: for history, reports and suppression. Pure. */
#ifndef SALLYPORT_MAIL_BOUNCE_CLASS_H
#define SALLYPORT_MAIL_BOUNCE_CLASS_H

#include "base/str.h"

enum bounce_class {
	BOUNCE_OTHER,
	BOUNCE_BAD_MAILBOX, /* nobody of that name, or not any more */
	BOUNCE_BAD_DOMAIN,  /* no such domain, or it takes no mail */
	BOUNCE_QUOTA,	    /* the mailbox is full */
	BOUNCE_POLICY,	    /* spam, blocklists, and whatever else they do not want */
	BOUNCE_AUTH,	    /* SPF, DKIM, DMARC, or a login of ours */
	BOUNCE_SIZE,
	BOUNCE_RATE,	    /* too much at once, or come again later */
	BOUNCE_NETWORK,	    /* nobody was reached, or the connection was lost */
	BOUNCE_TLS,
	BOUNCE_CLASS_COUNT
};

/* code: of the reply, 0 when there was none and text is ours; status: enhanced (RFC 3463), or empty. Text goes before status where they differ in what
 * matters: many servers answer 5.1.1 or 5.7.1 to everything. */
enum bounce_class bounce_class_of(unsigned code, struct str status, struct str text);
const char *bounce_class_name(enum bounce_class c); /* "bad-mailbox" */
/* Whole sentences for the letter's author: what happened, and what to do about it. */
const char *bounce_class_says(enum bounce_class c);
const char *bounce_class_advice(enum bounce_class c);
/* Another letter to that address will fare no better. */
bool bounce_class_is_address(enum bounce_class c);

#endif
