/* store/service_audit.h - what commands do, for the audit log: a table of messages and how each is told. */
#ifndef SALLYPORT_STORE_SERVICE_AUDIT_H
#define SALLYPORT_STORE_SERVICE_AUDIT_H

#include "store/service.h"

bool audit_is_act(int type); /* enum ipc_type: a command that is recorded */
/* Durable before the act. False: it could not be recorded and was answered TRY_LATER. */
SUSPENDS bool audit_act_begin(struct store *s, struct ipc_call *c, const void *msg) MUST_USE;
/* After the answer: one that was not OK is recorded too. */
void audit_act_end(struct store *s, struct ipc_call *c, const void *msg);

#endif
