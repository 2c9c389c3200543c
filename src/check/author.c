/* check/author.c - who a letter says has written it. See the header.
 * Trust       the letter is hostile.
 */
#include "check/author.h"

#include "mail/address.h"
#include "mail/header.h"
#include "mail/idn.h"

/* The value of the one From field. */
static bool from_value(struct str letter, struct str *value)
{
	struct mail_header h = mail_header_of(letter);
	struct mail_field f;
	unsigned n = 0;

	while (mail_header_next(&h, &f))
		if (f.name.n && str_ieq(f.name, STR("From"))) {
			*value = f.value;
			n++;
		}
	return n == 1;
}

bool check_author(struct str letter, struct arena *a, struct str *local, struct str *domain)
{
	struct mail_address_list l;
	struct mail_address x;
	struct str value;
	unsigned n = 0;

	if (!from_value(letter, &value))
		return false;
	mail_address_list_init(&l, value);
	while (n < 2 && mail_address_next(&l, &x)) {
		if (x.kind != MAIL_ADDRESS)
			continue;
		if (n++ == 0) {
			*local = arena_dup(a, str_sub(x.local, 0, 255));
			*domain = mail_domain_fold(a, str_sub(x.domain, 0, 1024));
		}
	}
	mail_address_list_fini(&l);
	return n == 1 && domain->n > 0;
}
