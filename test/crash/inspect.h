/* crash/inspect.h - opens a rebuilt directory and holds it against the model. The invariants stand in README.md. */
#ifndef SALLYPORT_TEST_CRASH_INSPECT_H
#define SALLYPORT_TEST_CRASH_INSPECT_H

#include "crash/model.h"

/* Appends a line a breach to out: "I1 ...". Works on the model's notes of open work; ends nothing it began: the caller's process
 * ends soon. */
void inspect(struct model *m, const char *dir, const char *module, struct buf *out);

#endif
