/* store/garbage.h - bodies that nobody references any more. */
#ifndef SALLYPORT_STORE_GARBAGE_H
#define SALLYPORT_STORE_GARBAGE_H

#include "store/shard.h"

/* Commits a batch that asserts no version and waits. */
SUSPENDS bool commit_and_wait(struct shard *s, struct engine_batch *b);
/* One bounded step over the candidates of before a time. Returns how many bodies went; *more: there may be further candidates. */
SUSPENDS size_t garbage_step(struct shard *s, int64_t before_s, bool *more);
bool blob_is_referenced(struct shard *s, const struct engine_snapshot *snap, uint64_t blob);

#endif
