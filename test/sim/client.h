/* sim/client.h - what the files of the IMAP client share. */
#ifndef SALLYPORT_TEST_SIM_CLIENT_H
#define SALLYPORT_TEST_SIM_CLIENT_H

#include "sim/sim.h"

/* A message as far as this session has been told. */
struct entry {
	uint32_t uid, serial, flags;
	bool has_flags;
	struct letter_seen *letter; /* NULL: uid or serial is not known */
};

enum result { RESULT_OK, RESULT_NO, RESULT_BAD, RESULT_PLUS, RESULT_GONE };

/* What the server may say now (RFC 3501 7.4.1). */
enum doing { DOING_NOTHING, DOING_KEEPS_NUMBERS, DOING_ANY };

struct client {
	struct sim *sim;
	char name[8];
	unsigned n_commands;
	struct stream stream;
	bool connected, bye;
	int box; /* -1: none is selected */
	bool readonly;
	uint64_t selected_at;
	struct VEC(struct entry) entries; /* by sequence number from 1 */
	enum doing doing;
	uint32_t next_tag;
	char tag[12];
	struct buf response;   /* one, with its literals */
	struct buf code;       /* of the tagged reply, or COPYUID of an untagged one */
	struct VEC(uint32_t) found; /* SEARCH */
	unsigned n_body;       /* whole letters that were fetched and right */
};

/* ---- picture.c */
void picture_forget(struct client *c);
/* An untagged response, in c->response. */
void picture_told(struct client *c);
uint32_t flags_parse(struct str list); /* without \Recent */
void flags_text(uint32_t flags, struct buf *out);
/* "4:7,9" as pairs into out. */
struct uid_list {
	uint32_t v[256];
	size_t n;
};
void uid_list_parse(struct str text, struct uid_list *out);

/* ---- talk.c */
SUSPENDS bool client_connect(struct client *c, const char *user);
SUSPENDS void client_disconnect(struct client *c);
/* Sends one command and hears all until its reply, or until "+ ". */
SUSPENDS enum result client_command(struct client *c, enum doing doing, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
SUSPENDS void client_send(struct client *c, struct str line);
SUSPENDS enum result client_hear(struct client *c);
/* Listens for a while without a command. */
SUSPENDS void client_listen(struct client *c, int64_t ms);
SUSPENDS enum result client_select(struct client *c, unsigned box, bool readonly);

#endif
