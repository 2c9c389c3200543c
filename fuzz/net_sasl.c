/* fuzz/net_sasl.c - PLAIN's message, and names and passwords prepared: what comes out is prepared. */
#include "base/die.h"
#include "mail/saslprep.h"
#include "mail/utf8.h"
#include "net/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the exchanges ask of a door; none runs here. */
bool door_may_login(const struct door *d)
{
	return d != NULL;
}

enum outcome door_login(struct door *d, struct str user, struct str secret)
{
	(void)d;
	(void)user;
	(void)secret;
	return DENIED;
}

enum outcome door_sasl(struct door *d, struct door_sasl *x, struct str response)
{
	(void)d;
	(void)x;
	(void)response;
	return DENIED;
}

void door_sasl_end(struct door *d, struct door_sasl *x)
{
	(void)d;
	(void)x;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_of(data, size), user, secret;
	struct buf once, twice;

	if (size > 3000)
		return 0;
	if (sasl_plain_parse(s, &user, &secret) == OK)
		die_unless(user.n && secret.n && str_find(user, 0) < 0 && str_find(secret, 0) < 0, "PLAIN");
	buf_init(&once, SASLPREP_MAX);
	buf_init(&twice, SASLPREP_MAX);
	if (saslprep(s, false, &once)) {
		die_unless(str_find(buf_str(&once), '\x7f') < 0 && str_find(buf_str(&once), 0) < 0, "a control character");
		die_unless(saslprep(buf_str(&once), false, &twice) && str_eq(buf_str(&once), buf_str(&twice)), "preparing again changes it");
	} else {
		die_unless(once.n == 0, "refused, and something came out");
	}
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
