/* mail/dsn.h - composing delivery status notifications: multipart/report (RFC 6522) of a text for people, fields for programs (RFC 3464, 6533)
 * and what is returned of the letter. Pure: facts in, bytes out.
 *
 * What other servers and senders said is hostile: nothing of it can end a line, begin a field or a part, or show a control character.
 */
#ifndef SALLYPORT_MAIL_DSN_H
#define SALLYPORT_MAIL_DSN_H

#include "base/buf.h"

enum mail_dsn_action { MAIL_DSN_FAILED, MAIL_DSN_DELAYED, MAIL_DSN_RELAYED, MAIL_DSN_DELIVERED, MAIL_DSN_ACTION_COUNT };

struct mail_dsn_rcpt {
	struct str local, domain;
	struct str orcpt;  /* "rfc822;a@b", or empty */
	struct str status; /* RFC 3463; empty: a general one */
	unsigned code;	   /* of the other server's reply; 0: text is ours */
	struct str text;   /* of the reply, or why there is none; may be empty */
	struct str host;   /* who said it; may be empty */
	int64_t at_s;	   /* last attempt; 0: none */
	bool expired;	   /* it was given up because its time was over */
};

struct mail_dsn {
	enum mail_dsn_action action; /* of all recipients */
	struct str hostname;	     /* this server */
	struct str id;		     /* [a-z0-9.]: of Message-ID and boundary, another one for each report */
	struct str to_local, to_domain; /* the letter's sender */
	struct str envid;
	int64_t arrival_s, now_s, until_s; /* until: how long it is tried; 0: not said */
	bool utf8;		     /* the letter came with SMTPUTF8: the report is of the form of RFC 6533 */
	const struct mail_dsn_rcpt *rcpts;
	size_t n_rcpts;
	struct str original;	     /* the letter, or as much of its beginning as is there, and its header wholly */
	bool original_whole;
	bool headers_only;	     /* RET=HDRS */
};

#define MAIL_DSN_RETURN_MAX ((size_t)256 << 10) /* a letter up to here is returned whole, of a larger one its header (RFC 3461 6.2 c) */
#define MAIL_DSN_HEADER_MAX ((size_t)64 << 10)	/* of a header; what is beyond is left out */
#define MAIL_DSN_RCPT_MAX 12288			/* at most, of a recipient in all parts together */
#define MAIL_DSN_REST_MAX 16384			/* of all else but the returned letter */
/* A buf of this size always holds the report. */
#define MAIL_DSN_MAX(n_rcpts) (MAIL_DSN_RETURN_MAX + MAIL_DSN_REST_MAX + (n_rcpts) * MAIL_DSN_RCPT_MAX)

/* The report, header and all, lines ended by CRLF. */
void mail_dsn_compose(const struct mail_dsn *d, struct buf *out);
/* The original has bytes that no line of text has: it is returned as a header alone. */
bool mail_dsn_is_text(struct str letter);

#endif
