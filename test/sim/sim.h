/* sim/sim.h - one simulated world: a store on the memory engine with its weakest contract, sessions of the real servers on socket pairs, and
 * clients that keep a picture of the mailbox from nothing but what they are told.
 *
 * Everything follows from the seed: one thread, virtual time, one generator of random numbers.
 */
#ifndef SALLYPORT_TEST_SIM_SIM_H
#define SALLYPORT_TEST_SIM_SIM_H

#include "net/door.h"
#include "sim/oracle.h"
#include "sim/world.h"

struct sim {
	struct world world;
	uint64_t seed, rng;
	struct buf transcript;
	struct oracle oracle;
	struct edge *edge;
	uint32_t next_serial;
	unsigned n_busy; /* clients that still do things in this phase */
	unsigned phase;  /* even: clients work; odd: they compare what they believe with what is there, and nobody changes flags */
	bool sent;       /* the sender is done */
	bool settled;    /* nobody changes anything any more */
	bool loud;       /* the transcript is printed whatever happens */
};

size_t sim_below(struct sim *s, size_t n);
void sim_say(struct sim *s, const char *who, char direction, struct str line);
/* Writes why and the transcript, and ends the process. */
_Noreturn void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- door.c: the edge. Starts a session and gives the client's end of its connection. */
struct edge *edge_new(struct sim *s);
const struct ipc_service *edge_service(struct edge *e);
int edge_connect(struct edge *e, enum service service);
unsigned edge_n_sessions(const struct edge *e);

#define PHASES 4

/* ---- clients */
struct client *client_new(struct sim *s, unsigned number, unsigned n_commands);
SUSPENDS void client_main(void *client);
/* A client of its own that reads a whole mailbox: what is there in the end. */
SUSPENDS void client_read_all(struct client *c, const char *user, unsigned box, struct final_list *out);
SUSPENDS void client_make_box(struct client *c, const char *user, unsigned box);
/* What the client believes of the mailbox that it has selected; box is -1 when none is. */
int client_picture(const struct client *c, struct final_list *out);

extern const char *const sim_box_names[BOXES];

#endif
