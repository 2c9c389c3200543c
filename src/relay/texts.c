/* relay/texts.c - TXT records that post asks for. See the header.
 * Trust       what DNS says is hostile; it is handed on as it is, within the bounds of the message.
 */
#include "relay/texts.h"

#define ANSWER_MEMORY ((size_t)1 << 20)

SUSPENDS void relay_answer_texts(struct dns *dns, struct ipc_call *call, const struct ipc_dns_texts *m)
{
	struct str *texts = arena_array(call_arena(call), IPC_DNS_TEXTS_TEXTS_MAX, sizeof *texts);
	struct ipc_dns_texts_reply r = { .texts = texts };
	struct dns_answer answer;
	struct arena a;

	arena_init(&a, "texts", ANSWER_MEMORY);
	dns_ask(dns, m->name, DNS_TXT, &a, &answer);
	for (size_t i = 0; i < answer.n && r.n_texts < IPC_DNS_TEXTS_TEXTS_MAX; i++)
		if (answer.records[i].data.n <= IPC_DNS_TEXTS_TEXTS_EACH_MAX)
			texts[r.n_texts++] = answer.records[i].data;
	r.result = (uint8_t)answer.result;
	r.secure = answer.secure;
	r.ttl_s = answer.ttl_s;
	ipc_dns_texts_reply_send(call, OK, &r);
	arena_fini(&a);
}
