/* relay/texts.h - TXT records that post asks for: it has no network itself. */
#ifndef SALLYPORT_RELAY_TEXTS_H
#define SALLYPORT_RELAY_TEXTS_H

#include "dns/dns.h"
#include "ipc_gen.h"

/* Answers the call dns_texts. Texts that are longer or more than a reply carries are left out. */
SUSPENDS void relay_answer_texts(struct dns *dns, struct ipc_call *call, const struct ipc_dns_texts *m);

#endif
