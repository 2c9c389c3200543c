/* ctl/selftest_impl.h - what the files of command test share. */
#ifndef SALLYPORT_CTL_SELFTEST_IMPL_H
#define SALLYPORT_CTL_SELFTEST_IMPL_H

#include "auth/code.h"
#include "base/rng.h"
#include "ctl/probe.h"
#include "ctl/start_impl.h"

#define SELFTEST_LETTERS_MAX CONF_LISTENERS_MAX

struct selftest_letter {
	char trace[40];
};

struct selftest {
	struct sched *sched;
	const struct conf *conf;
	struct arena arena;
	struct report report;
	struct str address; /* followed by a NUL byte */
	char code[CODE_TEXT_SIZE];
	uint32_t code_id;
	uint32_t services; /* ACCESS_*: what the account may use */
	unsigned char fingerprint[32]; /* of our certificate */
	char token[16];    /* in the letters' Message-IDs */
	int64_t timeout_ms;
	struct selftest_letter letters[SELFTEST_LETTERS_MAX];
	size_t n_letters;
	struct str to;	    /* an address elsewhere that one more letter goes to; empty: none */
	char out_trace[40]; /* of that letter, once it was taken */
	const struct conf_listener *reader; /* an IMAP door that worked; NULL: none */
};

/* One door being tried. */
struct door_test {
	struct selftest *test;
	const struct conf_listener *listener;
	char where[160];
	const char *step; /* what it is at, for the reason */
	struct str to; /* whom its letter is for */
	struct probe probe;
};

void selftest_done(struct door_test *d, const char *step); /* the step has worked; the next begins */
void selftest_failed(struct door_test *d, const char *step);
SUSPENDS bool selftest_tls(struct door_test *d);

/* Waits until the letter to elsewhere was tried, and says how that went. */
void selftest_follow(struct selftest *t, struct client *client);

/* Each finds all letters that were sent. */
SUSPENDS bool selftest_send(struct door_test *d);
SUSPENDS bool selftest_imap(struct door_test *d);
SUSPENDS bool selftest_pop3(struct door_test *d);
SUSPENDS bool selftest_pop2(struct door_test *d);
/* Removes the letters, also the copies that submission may have filed under Sent. */
SUSPENDS void selftest_clean(struct selftest *t);

#endif
