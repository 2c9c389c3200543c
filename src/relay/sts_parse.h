/* relay/sts_parse.h - what MTA-STS says: the TXT record and the policy (RFC 8461 3.1, 3.2, 4.1). Pure. */
#ifndef SALLYPORT_RELAY_STS_PARSE_H
#define SALLYPORT_RELAY_STS_PARSE_H

#include "base/arena.h"
#include "base/buf.h"

#define STS_TEXT_MAX 65536     /* of a policy as it is fetched (RFC 8461 3.3 lets us choose); more is no policy */
#define STS_MX_MAX 60	       /* patterns of a policy; with more it is invalid */
#define STS_SHOWN_MAX 16000    /* of a policy in its canonical form */
#define STS_ID_MAX 32
#define STS_AGE_MAX_S 31557600 /* RFC 8461 3.2; a longer age counts as this */

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

struct sts_policy {
	enum sts_mode mode;
	uint32_t max_age_s;
	struct str *mx; /* lower case; "*." stands for one label */
	size_t n_mx;
};

/* The id of the record among the TXT records of _mta-sts.DOMAIN. False: there is none, or several, or it is broken (RFC 8461 3.1). */
bool sts_id_find(const struct str *texts, size_t n, struct str *id);
/* Views of out are in the arena. False: it is no valid policy. */
bool sts_policy_parse(struct str text, struct arena *a, struct sts_policy *out);
/* Lines that parse to the same policy; at most STS_SHOWN_MAX bytes. */
void sts_policy_show(const struct sts_policy *p, struct buf *out);
bool sts_policy_covers(const struct sts_policy *p, struct str host); /* RFC 8461 4.1 */
const char *sts_mode_name(enum sts_mode m);

#endif
