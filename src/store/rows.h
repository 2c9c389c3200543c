/* store/rows.h - keys and values of all rows: what is on disk.
 *
 * Numbers in keys are big-endian, so that ranges sort; values are little-endian and begin with a version. A value of a version
 * that is not known does not decode, and neither does one with bytes left over.
 *
 * In an account's partition:
 *   H                head_row: counters             C                credential_row
 *   B mailbox        mailbox_row                    U name           subscribed (no value)
 *   M mailbox uid    message_row                    P mailbox uid    immutable: prefix and part index
 *   X modseq         expunged_row                   D delivery       mark_row
 *   E time delivery  no value: marks by age        I id             mark_row: moved in or out, kept for ever
 *   L email          the UIDL that it had before it was moved in
 *   Z mailbox uid    deleted_row: expunged, kept for undelete; its P row and reference stay with it
 *   W mailbox        gone_row: a deleted mailbox that Z rows are of
 *   h                instead of H: the account is deleted, and kept for undelete
 *   S                settings_row; absent: defaults
 *   A id             code_row                       a id             code_use_row
 *   K fingerprint    pin_row
 *   l                counter: the anchor of UIDLs
 *   Y id body        sent_row, by hashes            y time id body   no value: sent rows by age
 *   q                quota_row: what its owner was told of
 *   k rules chunk    hidden_row: emails that POP deleted and kept
 *   N local@domain   suppression_row (store/suppression.h)
 * In the directory's:
 *   d domain         domain_row                     a domain 0 local entry_row
 *   l domain 0 local alias_row                      i account        address
 *   s                the installation's secret: 32 random bytes
 *   w account        domain, local: being made, deleted or retired
 *   z account        retired_row: deleted, kept for undelete
 *   b directory      the numbers of the last two runs of backup into it
 *   c                counter                        f fingerprint account   no value: who has pinned the certificate
 * In a queue lane's:
 *   Q id             queued_row                     T id             a byte a recipient: 1 when done
 *   c                counter: of letters of both kinds
 *   O id             out_letter_row: a letter that leaves    O id group       out_group_row (both: store/outgoing_rows.h)
 *   P id             its prefix                              t trace          out_trace_row: the letter of that trace
 *   h id group n     out_event_row: what happened to a group
 *   f time id        the trace of a letter that is through since then: its history and its t row go by it
 *   r day domain fact  counts of TLS sessions; n day: how many of them; s domain: an MTA-STS policy (all: store/tlsrpt.h)
 * In the references' space:
 *   R blob owner mailbox uid   (no value)           G time blob      (no value) may be garbage since then
 *   Y time account mailbox uid (no value)           a Z row by its age; uid UINT32_MAX: a W row
 */
#ifndef SALLYPORT_STORE_ROWS_H
#define SALLYPORT_STORE_ROWS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cur.h"

#define PARTITION_DIRECTORY ((uint64_t)1 << 56)
#define PARTITION_LANE(n) ((uint64_t)2 << 56 | (n))
#define ACCOUNT_FIRST 1
#define KEYWORDS_MAX 64
#define KEYWORD_SIZE_MAX 64

/* A key of fixed-width parts; longer ones (names, addresses) are built in a buf. */
struct key {
	uint8_t n;
	char p[55];
};
#define KEY_STR(k) key_str((const struct key[]){ k }) /* valid as long as the block */
static inline struct str key_str(const struct key *k)
{
	return str_of(k->p, k->n);
}
struct key key_of(char tag);
struct key key_u32(struct key k, uint32_t v); /* with v appended */
struct key key_u64(struct key k, uint64_t v);
struct key key_bytes(struct key k, struct str s);		  /* dies when it does not fit */
struct key key_message(char tag, uint32_t mailbox, uint32_t uid); /* M or P */
struct key key_ref(uint64_t blob, uint64_t owner, uint32_t mailbox, uint32_t uid);
struct key key_garbage(int64_t time_s, uint64_t blob);
#define DELETED_MAILBOX UINT32_MAX /* the uid of a W row in its Y key; no message has it */
struct key key_deleted(int64_t time_s, uint64_t account, uint32_t mailbox, uint32_t uid);
/* Reading: a cursor behind the tag. */
uint32_t cur_be32(struct cur *c);
uint64_t cur_be64(struct cur *c);

void put_u8(struct buf *b, uint8_t v);
void put_u16(struct buf *b, uint16_t v);
void put_u32(struct buf *b, uint32_t v);
void put_u64(struct buf *b, uint64_t v);
void put_str(struct buf *b, struct str s); /* u32 and the bytes */
struct str cur_str(struct cur *c);

struct head_row {
	uint64_t modseq; /* the last one given */
	uint64_t email_next;
	uint64_t bytes, messages; /* in all mailboxes: exact */
	uint32_t uidvalidity_next, mailbox_next;
};

struct credential_row {
	struct str address, hash, scram;
	uint64_t version; /* grows when the password, a switch, a code or a pinned certificate changes */
	uint32_t flags;
	uint64_t quota_bytes, quota_messages; /* 0: the configuration's */
	uint32_t code_next;		      /* ids of codes are never given twice */
};

#define POP_FOLDERS_MAX 50
struct pop_rules {
	uint8_t given; /* a code's: they count, and not the account's */
	uint8_t dele;  /* enum pop_dele */
	int64_t since_s; /* 0: all */
	uint32_t n_folders; /* 0: INBOX */
	struct str folders[POP_FOLDERS_MAX];
};

struct settings_row {
	uint32_t services, flags; /* ACCESS_*, SETTING_* */
	struct pop_rules pop;
};

#define CODES_MAX 50 /* an account */
#define CODE_NETWORKS_MAX 16
struct code_row {
	struct str name, hash, scram;
	uint32_t services;
	int64_t expires_s, created_s; /* expires 0: never */
	uint32_t n_networks;	      /* 0: from anywhere */
	struct str networks[CODE_NETWORKS_MAX]; /* "10.0.0.0/8" */
	struct pop_rules pop;
};

struct code_use_row {
	int64_t last_s;
	struct str ip;
	uint8_t service;
};

#define PINS_MAX 50 /* an account */
#define FINGERPRINT_SIZE 32 /* SHA-256 of a certificate's DER */
struct pin_row {
	struct str name;
	int64_t created_s;
};

struct mailbox_row {
	struct str name;
	uint32_t uidvalidity, uidnext;
	uint32_t special;   /* MBOX_SPECIAL bits */
	uint32_t watermark; /* messages from this uid are recent */
	uint32_t messages, unseen, deleted, recent;
	uint64_t size, modseq; /* modseq: highest of its messages and expunges */
	uint32_t n_keywords;
	struct str keywords[KEYWORDS_MAX];
};

struct message_row {
	uint64_t blob, email;
	uint32_t size, header_n, prefix_n, flags;
	uint64_t keywords, modseq;
	int64_t date_s, saved_s;
};

struct deleted_row {
	int64_t time_s;
	struct message_row message;
};

struct gone_row {
	int64_t time_s;
	struct mailbox_row mailbox; /* as it was */
};

struct expunged_row {
	uint32_t mailbox;
	int64_t time_s;
	struct str ranges; /* pairs of u32: first and last uid */
};

struct mark_row {
	int64_t time_s;
	uint32_t mailbox, uid;
};

#define UIDL_SIZE_MAX 70 /* RFC 1939 7 */

/* A letter that was sent, and where its copy is (store/sent.h). */
struct sent_row {
	int64_t time_s;
	uint32_t mailbox, uid;
	uint8_t by; /* enum sent_by */
	bool no_bcc; /* the message has no Bcc; rows of before say nothing, so false */
};

/* A bit an email id: those of HIDDEN_BITS ids from chunk * HIDDEN_BITS on. */
#define HIDDEN_BITS 4096
struct hidden_row {
	uint8_t bits[HIDDEN_BITS / 8];
};

struct domain_row {
	int64_t created_s;
	struct str first; /* local part of its first account, or empty */
};

/* RETIRING: being deleted, to be kept for undelete. */
enum entry_state { ENTRY_LIVE, ENTRY_CREATING, ENTRY_DELETING, ENTRY_RETIRING };
struct entry_row {
	uint64_t account;
	uint8_t state;
};

struct retired_row {
	int64_t time_s;
	struct str domain, local;
};

#define ALIAS_TARGETS_MAX 100
struct alias_row {
	uint32_t n;
	struct str to[ALIAS_TARGETS_MAX]; /* whole addresses */
};

#define QUEUED_RCPTS_MAX 200
struct queued_row {
	struct str trace;
	int64_t date_s;
	uint64_t blob;
	uint32_t size, header_n; /* of the letter, without a prefix */
	struct str index;
	uint32_t n_rcpts;
	uint64_t accounts[QUEUED_RCPTS_MAX];
	struct str prefixes[QUEUED_RCPTS_MAX];
};

void head_row_encode(const struct head_row *r, struct buf *out);
bool head_row_decode(struct str v, struct head_row *out);
void credential_row_encode(const struct credential_row *r, struct buf *out);
bool credential_row_decode(struct str v, struct credential_row *out); /* views into v, here and below */
void settings_row_encode(const struct settings_row *r, struct buf *out);
bool settings_row_decode(struct str v, struct settings_row *out);
void code_row_encode(const struct code_row *r, struct buf *out);
bool code_row_decode(struct str v, struct code_row *out);
void code_use_row_encode(const struct code_use_row *r, struct buf *out);
bool code_use_row_decode(struct str v, struct code_use_row *out);
void pin_row_encode(const struct pin_row *r, struct buf *out);
bool pin_row_decode(struct str v, struct pin_row *out);
void mailbox_row_encode(const struct mailbox_row *r, struct buf *out);
bool mailbox_row_decode(struct str v, struct mailbox_row *out);
void message_row_encode(const struct message_row *r, struct buf *out);
bool message_row_decode(struct str v, struct message_row *out);
void deleted_row_encode(const struct deleted_row *r, struct buf *out);
bool deleted_row_decode(struct str v, struct deleted_row *out);
void gone_row_encode(const struct gone_row *r, struct buf *out);
bool gone_row_decode(struct str v, struct gone_row *out);
void quota_row_encode(uint8_t warned, struct buf *out); /* per cent */
bool quota_row_decode(struct str v, uint8_t *warned);
void retired_row_encode(const struct retired_row *r, struct buf *out);
bool retired_row_decode(struct str v, struct retired_row *out);
void parts_row_encode(struct str prefix, struct str index, struct buf *out);
bool parts_row_decode(struct str v, struct str *prefix, struct str *index);
void expunged_row_encode(const struct expunged_row *r, struct buf *out);
bool expunged_row_decode(struct str v, struct expunged_row *out);
void mark_row_encode(const struct mark_row *r, struct buf *out);
bool mark_row_decode(struct str v, struct mark_row *out);
bool uidl_is_sound(struct str uidl); /* 1 to UIDL_SIZE_MAX bytes of 0x21 to 0x7e */
void uidl_row_encode(struct str uidl, struct buf *out);
bool uidl_row_decode(struct str v, struct str *uidl);
void sent_row_encode(const struct sent_row *r, struct buf *out);
bool sent_row_decode(struct str v, struct sent_row *out);
void hidden_row_encode(const struct hidden_row *r, struct buf *out);
bool hidden_row_decode(struct str v, struct hidden_row *out);
void domain_row_encode(const struct domain_row *r, struct buf *out);
bool domain_row_decode(struct str v, struct domain_row *out);
void entry_row_encode(const struct entry_row *r, struct buf *out);
bool entry_row_decode(struct str v, struct entry_row *out);
void alias_row_encode(const struct alias_row *r, struct buf *out);
bool alias_row_decode(struct str v, struct alias_row *out);
void queued_row_encode(const struct queued_row *r, struct buf *out);
bool queued_row_decode(struct str v, struct queued_row *out);
void counter_encode(uint64_t v, struct buf *out);
bool counter_decode(struct str v, uint64_t *out);

#endif
