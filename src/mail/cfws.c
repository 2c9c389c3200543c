/* mail/cfws.c - comments and folding white space (RFC 5322 3.2.2). See the header. */
#include "mail/cfws.h"

static void skip_comment(struct cur *c)
{
	size_t depth = 0;

	do {
		int ch = cur_take(c);

		if (ch == '\\' && !cur_end(c))
			cur_take(c);
		depth += ch == '(';
		depth -= ch == ')';
	} while (depth && !cur_end(c));
}

void mail_cfws_skip(struct cur *c)
{
	for (;;) {
		int ch = cur_peek(c);

		if (ch == '(')
			skip_comment(c);
		else if (ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n')
			cur_take(c);
		else
			return;
	}
}
