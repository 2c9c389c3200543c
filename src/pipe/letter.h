/* pipe/letter.h - a letter on its way through post, inside pipe/ only. */
#ifndef SALLYPORT_PIPE_LETTER_H
#define SALLYPORT_PIPE_LETTER_H

#include "pipe/post_impl.h"

struct pipe_target {
	uint64_t account;
	enum outcome outcome; /* LMTP: of its own delivery */
	struct ipc_addr rcpt; /* the recipient as the client named it, by which the letter came to this account */
};

/* LMTP: this recipient's letter went to that target, perhaps among others. */
struct pipe_share {
	size_t rcpt, target;
};

/* An alias sent it on to an address elsewhere. */
struct pipe_forward {
	size_t rcpt;
	struct ipc_addr to;
};

struct pipe_letter {
	struct post *post;
	const struct ipc_letter *m; /* what edge said: judged, not believed */
	uint16_t edge;              /* who said it */
	uint32_t edge_life;
	struct arena *a;            /* ends with the letter */
	bool submission;            /* handed in by a user of ours who is logged in */
	int64_t date_s;             /* when it came */
	struct VEC(struct pipe_target) targets; /* each account once */
	uint32_t *outcomes; /* LMTP: one for each recipient, who are served each for themselves; else NULL */
	struct VEC(struct pipe_share) shares;
	struct VEC(size_t) elsewhere; /* recipients in domains that are not ours: indexes */
	struct VEC(struct pipe_forward) forwards;
	uint64_t account;   /* whose submission it is; 0: a stranger's */
	struct str trace;           /* our Received field */
	struct body body;           /* as it is kept; at first m->body */
	bool rewritten;             /* the body is writer's */
	uint64_t sender;            /* account of ours that submits it and keeps a copy; 0: none */
	bool had_bcc;               /* the sender's copy has it */
	struct str added;           /* before what came: fields that were missing */
	struct body_writer writer;
	struct str index;
	struct str signatures; /* DKIM-Signature fields, to go before the body; or empty */
};

/* A stage looks at the letter and adds to it. Anything but OK ends the letter's way, and is the answer. */
typedef enum outcome pipe_stage_fn(struct pipe_letter *l);
struct pipe_stage {
	const char *name;
	SUSPENDS pipe_stage_fn *fn;
};

/* In their order. */
pipe_stage_fn pipe_admit;   /* may this edge hand in such a letter, and in this sender's name */
pipe_stage_fn pipe_resolve; /* recipients become accounts */
pipe_stage_fn pipe_trace;   /* the Received field (RFC 5321 4.4) */
pipe_stage_fn pipe_complete; /* submission: no Bcc, a Date and a Message-ID (RFC 6409 8) */
pipe_stage_fn pipe_sign;    /* submission: DKIM; OK without a signature too */
pipe_stage_fn pipe_scan;    /* the part index */
pipe_stage_fn pipe_store;   /* durable in the account, or in a queue lane */
/* Not a stage of its own: what pipe_store does with recipients elsewhere. */
SUSPENDS enum outcome pipe_send(struct pipe_letter *l) MUST_USE;
pipe_stage_fn pipe_sent;    /* the sender's copy, under Sent; OK whatever becomes of it */
pipe_stage_fn pipe_tell;    /* word of success to a sender who asked for it; OK whatever becomes of it */

/* What goes before the letter in the mailbox of this target: Return-Path, Delivered-To, Received (RFC 5321 4.4). At most
 * IPC_QUEUED_RCPT_PREFIX_MAX bytes, in the arena. */
struct str pipe_prefix(const struct pipe_letter *l, const struct pipe_target *t);
void pipe_add_delivered_to(struct buf *out, const struct ipc_addr *to); /* that field, of one line */
/* OUT_* bits that the letter's bytes give. */
uint32_t pipe_flags(const struct pipe_letter *l);

/* Whether a letter's header must be changed, and how: pure. */
struct pipe_edit {
	bool has_bcc, has_date, has_message_id;
};
struct pipe_edit pipe_edit_find(struct str letter);
/* Calls add for each piece of the changed letter: added before the rest, Bcc and Resent-Bcc fields gone. */
void pipe_edit_apply(struct str letter, struct str added, void (*add)(void *ctx, struct str piece), void *ctx);

#endif
