/* relay/hosts.c - which hosts a domain's mail goes to. See the header.
 * Trust       MX records are other people's. Whoever names another's hosts as theirs shares their window and their pauses, and connections only for
 *             letters that DNS says are to go to these hosts.
 */
#include "relay/hosts.h"

#define ANSWER_MEMORY ((size_t)1 << 20)

SUSPENDS void relay_answer_hosts(struct relay *r, struct ipc_call *call, const struct ipc_relay_hosts *m)
{
	struct ipc_relay_hosts_reply reply = { 0 };
	struct said said;
	struct mx *mx;
	struct arena a;
	bool found;

	arena_init(&a, "hosts", ANSWER_MEMORY);
	mx = arena_new(&a, struct mx);
	found = mx_find(&r->resolver, m->domain, &r->own, &r->seed, &a, mx, &said);
	if (found) {
		reply.hosts = mx->spelling;
		reply.secure = mx->secure;
		reply.ttl_s = mx->ttl_s;
		reply.alone = r->locks && lock_has_policy(r->locks, m->domain, &a);
	}
	ipc_relay_hosts_reply_send(call, found ? OK : FAILED, &reply);
	arena_fini(&a);
}
