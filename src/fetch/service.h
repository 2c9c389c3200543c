/* fetch/service.h - what role fetch answers: https_get and https_post of ipc.def. */
#ifndef SALLYPORT_FETCH_SERVICE_H
#define SALLYPORT_FETCH_SERVICE_H

#include "fetch/https.h"
#include "ipc_gen.h"

struct fetch_service {
	struct https *https;
	int64_t timeout_ms; /* timeouts.https */
};
/* ctx of the handlers is a struct fetch_service. */
void fetch_handlers(ipc_handler *handlers[IPC_TYPE_COUNT]);

#endif
