/* mail/traits.c - what a letter asks of the way it takes. See the header.
 * Trust       the letter is hostile; any bytes have traits.
 */
#include "mail/traits.h"

#include "mail/header.h"

#include <string.h>

bool mail_has_8bit(struct str s)
{
	const uint64_t high = 0x8080808080808080u;
	uint64_t w[4], any = 0;
	size_t i = 0;

	for (; i + sizeof w <= s.n; i += sizeof w) {
		memcpy(w, s.p + i, sizeof w);
		if ((w[0] | w[1] | w[2] | w[3]) & high)
			return true;
	}
	for (; i < s.n; i++)
		any |= (unsigned char)s.p[i] & 0x80u;
	return any;
}

struct mail_traits mail_traits_of(struct str letter)
{
	size_t n = mail_header_size(letter);
	struct str header = str_sub(letter, 0, n);

	return (struct mail_traits){
		.tls_optional = str_ieq(mail_header_value(header, STR("TLS-Required")), STR("No")),
		.header_8bit = mail_has_8bit(header),
		.body_8bit = mail_has_8bit(str_from(letter, n)),
	};
}
