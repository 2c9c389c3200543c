/* relay/bad.h - addresses that could not be reached lately: they are tried after the others, until their time is over. Pure. */
#ifndef SALLYPORT_RELAY_BAD_H
#define SALLYPORT_RELAY_BAD_H

#include "base/list.h"
#include "base/map.h"

#define BAD_MAX 5000		       /* addresses; the one that failed longest ago is forgotten first */
#define BAD_FIRST_MS ((int64_t)60000)  /* after the first failure; doubled with each */
#define BAD_LONGEST_MS ((int64_t)1800000)

struct bad {
	struct map map;	   /* struct bad_address by key */
	struct node byage; /* the one that failed longest ago first */
};

void bad_init(struct bad *b, uint64_t seed);
void bad_fini(struct bad *b);
/* key: an address and a port in any form. */
void bad_note(struct bad *b, struct str key, int64_t now_ms);
void bad_forget(struct bad *b, struct str key); /* it answers again */
bool bad_is(const struct bad *b, struct str key, int64_t now_ms);
size_t bad_count(const struct bad *b);

#endif
