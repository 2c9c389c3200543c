/* role/letter_keys.h - the keys that sign letters, inside role keys: apart from those of TLS, so that an edge cannot sign a letter and post
 * cannot answer a handshake. */
#ifndef SALLYPORT_ROLE_LETTER_KEYS_H
#define SALLYPORT_ROLE_LETTER_KEYS_H

#include "base/log.h"
#include "co/sched.h"
#include "ipc/peer.h"
#include "ipc_gen.h"

struct letter_keys;
struct letter_keys *letter_keys_new(struct sched *s, struct log *log);
/* For a channel from post. */
const struct ipc_service *letter_keys_service(struct letter_keys *k);
struct link *letter_keys_link(struct letter_keys *k); /* towards post, which is told when there are others */
/* The keys of a configuration come one by one; end: those that were not among them go. fd is closed. */
void letter_keys_add(struct letter_keys *k, const struct ipc_dkim_key *m, int fd);
void letter_keys_end(struct letter_keys *k);
uint64_t letter_keys_count(const struct letter_keys *k); /* signatures made */
void letter_keys_free(struct letter_keys *k);

#endif
