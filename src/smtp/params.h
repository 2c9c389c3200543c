/* smtp/params.h - the parameters of MAIL and RCPT (RFC 5321 4.1.2). Pure: bytes in, struct or a refusal out. */
#ifndef SALLYPORT_SMTP_PARAMS_H
#define SALLYPORT_SMTP_PARAMS_H

#include "base/arena.h"
#include "base/cur.h"
#include "ipc_gen.h"
#include "mail/path.h"
#include "smtp/reply.h"

/* What a session has announced beyond what every session does: a parameter of an extension that was not is unknown. */
struct smtp_offer {
	int64_t now_s;
	int64_t hold_max_s; /* FUTURERELEASE, RFC 4865; 0: not offered */
	bool dsn;	    /* RFC 3461 */
	bool deliver_by;    /* RFC 2852 */
	bool priority;      /* MT-PRIORITY, RFC 6710 */
	bool require_tls;   /* RFC 8689 */
};

struct smtp_mail {
	struct mail_path from;
	uint64_t size;   /* SIZE=, RFC 1870; 0: not said */
	bool eight_bit;  /* BODY=8BITMIME, RFC 6152, or BINARYMIME */
	bool binary;     /* BODY=BINARYMIME, RFC 3030 */
	bool utf8;       /* SMTPUTF8, RFC 6531 */
	struct ipc_wishes wishes;
};

/* What follows the path, to the end of the line; fills all of *out but from. SMTP_FINE, or why not. */
enum smtp_reply smtp_mail_params(struct cur *c, const struct smtp_offer *offer, struct arena *a, struct smtp_mail *out) MUST_USE;
/* The same of RCPT: NOTIFY and ORCPT (RFC 3461 4.1, 4.2). utf8: MAIL said SMTPUTF8. */
enum smtp_reply smtp_rcpt_params(struct cur *c, bool utf8, struct arena *a, struct ipc_rcpt_dsn *out) MUST_USE;

#endif
