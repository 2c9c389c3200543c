/* sim/oracle.h - the reference model: which letters there must be, may be and cannot be, and with which flags.
 *
 * A coming is one letter that somebody asked to have put somewhere. It is in flight, then answered for (with a uid or without), refused,
 * or its outcome stays unknown. A letter is one uid of a mailbox, known from an answer or because a client was shown it; each belongs to one coming.
 */
#ifndef SALLYPORT_TEST_SIM_ORACLE_H
#define SALLYPORT_TEST_SIM_ORACLE_H

#include "base/str.h"
#include "base/vec.h"

#include <stdint.h>

enum { BOX_INBOX, BOX_OTHER, BOX_BOB, BOXES };
#define FLAGS_ALL 63 /* MSG_SETTABLE and the one keyword */
#define FLAG_KEYWORD 32
#define NO_COMING SIZE_MAX

/* A change of flags: in effect at some moment between sent and done, if at all. */
struct flag_write {
	uint64_t number, sent, done;
	uint32_t mask, value;
	bool any;  /* the value is not known */
	bool sure; /* it was answered with OK */
};

struct letter_seen {
	uint8_t box;
	uint32_t uid, serial;
	uint64_t gone_at; /* moment when a client was told that it is gone; 0: none was */
	bool may_go;      /* somebody may have asked for its removal */
	size_t coming;
	struct VEC(struct flag_write) writes;
};

struct coming {
	uint8_t box;
	uint32_t serial, flags, uid;
	uint64_t sent;
	bool may_go;
	bool came, never;
	struct letter_seen *of; /* what it is a copy of, flags and all, as of the moment of copying; NULL: nothing */
	struct letter_seen *as;
};

struct final_letter {
	uint32_t uid, serial, flags;
	bool complete; /* serial and flags are known */
};
struct final_list {
	struct VEC(struct final_letter) v;
};

struct sim;
struct oracle {
	struct sim *sim;
	uint64_t now; /* counts moments */
	uint64_t next_write;
	struct VEC(struct letter_seen *) letters;
	struct VEC(struct coming) comings;
	uint32_t uidvalidity[BOXES];
};

uint64_t oracle_tick(struct oracle *o);
/* box, serial, flags, may_go and of are the caller's. Returns its number. */
size_t oracle_ask(struct oracle *o, const struct coming *c);
void oracle_came(struct oracle *o, size_t coming, uint32_t uid); /* uid 0: not told */
void oracle_never(struct oracle *o, size_t coming);
/* A client was shown this letter in a mailbox that it selected at that moment. */
struct letter_seen *oracle_meet(struct oracle *o, unsigned box, uint32_t uid, uint32_t serial, uint64_t selected_at);
struct letter_seen *oracle_find(struct oracle *o, unsigned box, uint32_t uid); /* NULL: nobody has met it */
void oracle_gone(struct oracle *o, struct letter_seen *l);
/* A change of flags of these letters begins; number ties them together. */
uint64_t oracle_write_number(struct oracle *o);
void oracle_write(struct oracle *o, struct letter_seen *l, uint64_t number, uint32_t mask, uint32_t value);
/* It was answered: with OK, or so that it may have happened before now. */
void oracle_written(struct oracle *o, uint64_t number, bool sure);
void oracle_uidvalidity(struct oracle *o, unsigned box, uint32_t uidvalidity);
/* What is there in the end. */
void oracle_check(struct oracle *o, unsigned box, const struct final_list *f);

#endif
