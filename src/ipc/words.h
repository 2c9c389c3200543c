/* ipc/words.h - the numbers that fields of ipc.def speak in: services, flags, wants, search operators. */
#ifndef SALLYPORT_IPC_WORDS_H
#define SALLYPORT_IPC_WORDS_H

enum service {
	SERVICE_SMTP,
	SERVICE_SUBMISSION,
	SERVICE_SUBMISSIONS,
	SERVICE_IMAP,
	SERVICE_IMAPS,
	SERVICE_POP3,
	SERVICE_POP3S,
	SERVICE_LMTP,
	SERVICE_POP2,
	SERVICE_METRICS,
	SERVICE_COUNT
};

/* What an account or an authorization code may open, as bits. ManageSieve is a switch before there is a service of it. */
enum {
	ACCESS_SMTP = 1,
	ACCESS_IMAP = 2,
	ACCESS_POP = 4,
	ACCESS_SIEVE = 8,
	ACCESS_ALL = 15,
	ACCESS_DEFAULT = ACCESS_SMTP | ACCESS_IMAP | ACCESS_SIEVE, /* of an account that nobody has changed */
};

enum sasl_mechanism {
	SASL_PLAIN,
	SASL_LOGIN,
	SASL_SCRAM_SHA_1,
	SASL_SCRAM_SHA_256,
	SASL_SCRAM_SHA_1_PLUS,
	SASL_SCRAM_SHA_256_PLUS,
	SASL_EXTERNAL,
	SASL_COUNT
};

/* The switch that a service stands behind; 0: none, and nobody logs in there. */
static inline unsigned access_of(unsigned service)
{
	switch (service) {
	case SERVICE_SMTP:
	case SERVICE_SUBMISSION:
	case SERVICE_SUBMISSIONS:
		return ACCESS_SMTP;
	case SERVICE_IMAP:
	case SERVICE_IMAPS:
		return ACCESS_IMAP;
	case SERVICE_POP3:
	case SERVICE_POP3S:
	case SERVICE_POP2:
		return ACCESS_POP;
	default:
		return 0;
	}
}

/* Flags of an account's settings. */
enum {
	SETTING_SENT_COPY = 1,	   /* submission files the letter under Sent */
	SETTING_SECOND_FACTOR = 2, /* the main password opens no mail protocol */
};

enum pop_dele { POP_DELE_DELETE, POP_DELE_TRASH, POP_DELE_KEEP };

/* account_set.what. number is a bit, a count, a time or a pop_dele. */
enum account_set {
	SET_SERVICE_ON,
	SET_SERVICE_OFF,
	SET_FLAG_ON,
	SET_FLAG_OFF,
	SET_POP_FOLDERS, /* folders; none: INBOX */
	SET_POP_SINCE,	 /* seconds since 1970; 0: all */
	SET_POP_DELE,
	SET_QUOTA_BYTES, /* 0: the configuration's */
	SET_QUOTA_MESSAGES,
	SET_COUNT
};

#define LOCAL_IP "local" /* stands where an address does, for clients of a unix socket */

/* How a letter came over the wire. */
enum {
	WIRE_EXTENDED = 1, /* EHLO or LHLO, not HELO */
	WIRE_UTF8 = 2,     /* SMTPUTF8 (RFC 6531) */
	WIRE_8BIT = 4,     /* BODY=8BITMIME or BINARYMIME */
	WIRE_BINARY = 8,   /* BODY=BINARYMIME (RFC 3030) */
};

/* wishes.ret (RFC 3461 4.3), rcpt_dsn.notify (4.1; 0: not given), wishes.by_mode (RFC 2852). */
enum { RET_NOT_GIVEN, RET_FULL, RET_HDRS };
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };
enum { BY_NONE, BY_RETURN, BY_NOTIFY };
#define PRIORITY_OF_NORMAL 10 /* wishes.priority is this and the MT-PRIORITY, -9 to 9 (RFC 6710); 0: not given */

/* Of a letter in the queue. */
enum {
	OUT_TLS_OPTIONAL = 1, /* TLS-Required: No (RFC 8689 5) */
	OUT_REPORT = 2,	      /* a delivery status notification of ours */
	OUT_FORWARDED = 4,    /* an alias sent it on; its sender was rewritten (SRS) */
	OUT_RELAYED = 8,      /* from a stranger, for a domain that a route takes for others */
	OUT_8BIT_HEADER = 16, /* its header has other octets than ASCII: needs SMTPUTF8 or a conversion */
	OUT_8BIT_BODY = 32,
};
/* queue_change.what */
enum { QUEUE_HOLD, QUEUE_RELEASE, QUEUE_RETRY, QUEUE_DELETE, QUEUE_REROUTE };
/* queue_entry.state */
enum { QUEUE_WAITING, QUEUE_HELD };
/* rcpt_result.state; those behind WAITING are final. */
enum rcpt_state {
	RCPT_WAITING, /* deferred */
	RCPT_SENT,    /* taken by the next server, which will report what becomes of it if asked to */
	RCPT_RELAYED, /* taken by one that knows no DSN (RFC 3461 5.2.2) */
	RCPT_FAILED,
	RCPT_EXPIRED, /* its time in the queue is over */
	RCPT_REMOVED, /* by command */
	RCPT_STATE_COUNT
};
/* rcpt_result.report: what is owed to the sender. */
enum { REPORT_NONE, REPORT_FAILURE, REPORT_DELAY, REPORT_RELAYED, REPORT_KINDS };
/* delivery.lock: how the way to the other server was locked. */
enum lock {
	LOCK_NONE,
	LOCK_OPPORTUNISTIC, /* TLS, to whomever it was */
	LOCK_REQUIRED,	    /* TLS demanded by a route, certificate not looked at */
	LOCK_VERIFIED,	    /* certificate for the name that a route demands */
	LOCK_STS,	    /* MTA-STS, enforced (RFC 8461) */
	LOCK_DANE,	    /* RFC 7672 */
	LOCK_COUNT
};
/* tls_fact.policy and tls_fact.result (RFC 8460 4.4, 4.3). */
enum tlsrpt_policy { TLSRPT_POLICY_NONE, TLSRPT_POLICY_STS, TLSRPT_POLICY_TLSA, TLSRPT_POLICY_COUNT };
enum tlsrpt_result {
	TLSRPT_SUCCESS,
	TLSRPT_STARTTLS_NOT_SUPPORTED,
	TLSRPT_CERTIFICATE_HOST_MISMATCH,
	TLSRPT_CERTIFICATE_EXPIRED,
	TLSRPT_CERTIFICATE_NOT_TRUSTED,
	TLSRPT_VALIDATION_FAILURE,
	TLSRPT_TLSA_INVALID,
	TLSRPT_DNSSEC_INVALID,
	TLSRPT_DANE_REQUIRED,
	TLSRPT_STS_POLICY_FETCH_ERROR,
	TLSRPT_STS_POLICY_INVALID,
	TLSRPT_STS_WEBPKI_INVALID,
	TLSRPT_RESULT_COUNT
};
/* delivery.feedback: what it says of the hosts that were gone to, or of the domain. The least is the news of an attempt that met several. The numbers
 * are in store. */
enum feedback {
	FEEDBACK_FINE,	 /* it answers; refusals of single recipients too */
	FEEDBACK_SLOW,	 /* 4xx to a connection, a sender or a letter: it has enough for now */
	FEEDBACK_DOWN,	 /* no connection, or it was lost */
	FEEDBACK_LOCAL,	 /* nothing is known of it: our resolver or we failed */
	FEEDBACK_DOMAIN, /* what stands in the way is said of this domain alone: how its way is to be locked */
	FEEDBACK_NONE,	 /* no news */
};

/* System flags of a message. \Recent is kept a message as "not yet shown to a session that may write" and reported a session. */
enum {
	MSG_SEEN = 1,
	MSG_ANSWERED = 2,
	MSG_FLAGGED = 4,
	MSG_DELETED = 8,
	MSG_DRAFT = 16,
	MSG_RECENT = 32, /* in answers only */
	MSG_SETTABLE = 31,
};

/* Mailbox flags: special uses (RFC 6154) first. */
enum {
	MBOX_ARCHIVE = 1,
	MBOX_DRAFTS = 2,
	MBOX_JUNK = 4,
	MBOX_SENT = 8,
	MBOX_TRASH = 16,
	MBOX_FLAGGED = 32,
	MBOX_ALL = 64,
	MBOX_SPECIAL = 127,
	MBOX_SUBSCRIBED = 128,
	MBOX_NOSELECT = 256,     /* a name that only has children, or was deleted and has some */
	MBOX_NONEXISTENT = 512,  /* only subscribed to */
	MBOX_HAS_CHILDREN = 1024,
	MBOX_UNSEEN_MARK = 2048, /* \Marked: something arrived since it was last selected */
};

/* What fetch wants of each row besides its columns. */
enum {
	WANT_INDEX = 1,      /* index: the encoded part index (mail/index.h) */
	WANT_HEADER = 2,     /* body: prefix and header */
	WANT_BODY = 4,       /* body: prefix and whole letter */
	WANT_UIDL = 8,       /* uidl: its unique id for POP3 (store/uidl.h) */
};

#define HIERARCHY_SEPARATOR '/'

/* Search keys (RFC 3501 6.4.4, RFC 9051): a program in prefix notation. AND and NOT and OR are followed by their operands:
 * AND by `number` of them, OR by two, NOT by one. */
enum search_op {
	SEARCH_AND,
	SEARCH_OR,
	SEARCH_NOT,
	SEARCH_ALL,
	SEARCH_FLAG,         /* number: one MSG_* bit (MSG_RECENT too) is set */
	SEARCH_KEYWORD,      /* text: the keyword is set */
	SEARCH_SEQ,          /* set: sequence numbers, 0 means "*" */
	SEARCH_UID,          /* set */
	SEARCH_BEFORE,       /* number: day (days since 1970) of the internal date is < */
	SEARCH_ON,
	SEARCH_SINCE,        /* >= */
	SEARCH_SENT_BEFORE,  /* of the Date: header, in its own zone disregarded (UTC kept in the index) */
	SEARCH_SENT_ON,
	SEARCH_SENT_SINCE,
	SEARCH_LARGER,       /* number: size > */
	SEARCH_SMALLER,
	SEARCH_SUBJECT,      /* text: UTF-8 needle in the decoded field of the part index */
	SEARCH_FROM,
	SEARCH_TO,
	SEARCH_CC,
	SEARCH_BCC,
	SEARCH_HEADER,       /* field, text */
	SEARCH_BODY,         /* text */
	SEARCH_TEXT,
	SEARCH_OLDER,        /* number: seconds before now (WITHIN) */
	SEARCH_YOUNGER,
	SEARCH_MODSEQ,       /* number: modseq >= */
	SEARCH_SAVED,        /* what the selection's last search with `save` found */
	SEARCH_OP_COUNT
};

/* search.save: which of the messages found are kept (RFC 5182 2.4). */
enum { SAVE_ALL = 1, SAVE_MIN = 2, SAVE_MAX = 4 };

/* match_term.where */
enum { MATCH_HEADER, MATCH_BODY, MATCH_TEXT };

/* directory_list.kind */
enum { DIRECTORY_DOMAINS, DIRECTORY_ACCOUNTS, DIRECTORY_ALIASES };

#endif
