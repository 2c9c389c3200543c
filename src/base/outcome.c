/* base/outcome.c - names of outcomes. See the header. */
#include "base/outcome.h"

static const char *const names[OUTCOME_COUNT] = {
	[OK] = "ok",
	[BAD_SYNTAX] = "bad-syntax",
	[BAD_STATE] = "bad-state",
	[NO_SUCH] = "no-such",
	[EXISTS] = "exists",
	[DENIED] = "denied",
	[OVER_LIMIT] = "over-limit",
	[OVER_QUOTA] = "over-quota",
	[IN_USE] = "in-use",
	[REVOKED] = "revoked",
	[TRY_LATER] = "try-later",
	[NO_ROOM] = "no-room",
	[UNANSWERED] = "unanswered",
	[FAILED] = "failed",
};

const char *outcome_name(enum outcome o)
{
	return (unsigned)o < OUTCOME_COUNT ? names[o] : "unknown";
}
