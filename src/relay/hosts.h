/* relay/hosts.h - which hosts a domain's mail goes to, for post, which schedules domains of the same hosts as one. Inside relay/ only. */
#ifndef SALLYPORT_RELAY_HOSTS_H
#define SALLYPORT_RELAY_HOSTS_H

#include "relay/relay_impl.h"

SUSPENDS void relay_answer_hosts(struct relay *r, struct ipc_call *call, const struct ipc_relay_hosts *m);

#endif
