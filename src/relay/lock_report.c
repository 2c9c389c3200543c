/* relay/lock_report.c - a TLS report on its way to an HTTPS address (RFC 8460 5.4).
 * Trust       the address is the other domain's, and read again here.
 * Suspends    for DNS and the role that fetches.
 */
#include "relay/lock_impl.h"

#include "tlsrpt/tlsrpt.h"

SUSPENDS void locks_answer_report(struct locks *l, struct ipc_call *call, const struct ipc_tlsrpt_post *m)
{
	struct arena *a = call_arena(call);
	struct str *addresses = arena_array(a, LOCK_ADDRESSES_MAX, sizeof *addresses);
	struct ipc_https_post post = { .addresses = addresses, .content_type = STR("application/tlsrpt+gzip"), .body = m->body };
	struct ipc_https_post_reply answer = { 0 };
	struct tlsrpt_uri uri;
	enum outcome o = TRY_LATER;

	if (!l->fetch || !tlsrpt_uri_parse(m->uri, a, &uri) || !uri.https) {
		ipc_tlsrpt_post_reply_send(call, BAD_SYNTAX, &(struct ipc_tlsrpt_post_reply){ 0 });
		return;
	}
	post.host = uri.host;
	post.port = uri.port;
	post.path = uri.path;
	post.n_addresses = lock_find_addresses(l, uri.host, a, addresses);
	if (post.n_addresses)
		o = ipc_https_post_within(l->fetch, &post, &answer, a, l->https_ms + 5000);
	ipc_tlsrpt_post_reply_send(call, o, &(struct ipc_tlsrpt_post_reply){ answer.status, answer.why });
}
