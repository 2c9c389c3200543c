/* store/quota.h - the letter that tells an account's owner how full it is. */
#ifndef SALLYPORT_STORE_QUOTA_H
#define SALLYPORT_STORE_QUOTA_H

#include "store/account.h"

#define QUOTA_HYSTERESIS 5 /* per cent below a level that use must have fallen before reaching it is told again */

/* How much of its quota the account uses, in per cent; of bytes or of messages, whichever is more. 0 when it has none. */
unsigned quota_percent(const struct account *a);
/* Around the staging of a delivery, in the same batch. Neither suspends. */
void quota_before(struct account *a);
void quota_after(struct account *a);

#endif
