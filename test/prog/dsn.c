/* test/prog/dsn.c - composes a report of fields given as arguments: test-dsn NAME=VALUE ..., the letter on standard input. RCPT begins a recipient.
 *
 *   action failed|delayed|relayed|delivered   from local@domain   envid   utf8 yes   whole yes   ret hdrs   until SECONDS
 *   RCPT local@domain   orcpt   status   code   text   host   expired yes
 */
#include "base/die.h"
#include "mail/dsn.h"
#include "mail/path.h"

#include <stdio.h>
#include <string.h>

#define RCPTS_MAX 200

static bool take(const char *arg, const char *name, struct str *out)
{
	size_t n = strlen(name);

	if (strncmp(arg, name, n) != 0 || arg[n] != '=')
		return false;
	*out = str_z(arg + n + 1);
	return true;
}

static uint64_t number_of(struct str v)
{
	uint64_t n = 0;

	die_unless(str_to_u64(v, &n), "a number");
	return n;
}

static enum mail_dsn_action action_of(struct str v)
{
	return str_eq(v, STR("failed")) ? MAIL_DSN_FAILED : str_eq(v, STR("delayed")) ? MAIL_DSN_DELAYED : str_eq(v, STR("relayed")) ?
		MAIL_DSN_RELAYED : MAIL_DSN_DELIVERED;
}

static void of_letter(struct mail_dsn *d, const char *arg)
{
	struct str v;

	if (take(arg, "action", &v))
		d->action = action_of(v);
	else if (take(arg, "from", &v))
		mail_address_cut(v, &d->to_local, &d->to_domain);
	else if (take(arg, "envid", &v))
		d->envid = v;
	else if (take(arg, "utf8", &v))
		d->utf8 = true;
	else if (take(arg, "whole", &v))
		d->original_whole = true;
	else if (take(arg, "ret", &v))
		d->headers_only = true;
	else if (take(arg, "until", &v))
		d->until_s = (int64_t)number_of(v);
	else
		die("what is %s", arg);
}

static void of_rcpt(struct mail_dsn_rcpt *r, const char *arg)
{
	struct str v;

	if (take(arg, "orcpt", &v))
		r->orcpt = v;
	else if (take(arg, "status", &v))
		r->status = v;
	else if (take(arg, "code", &v))
		r->code = (unsigned)number_of(v);
	else if (take(arg, "text", &v))
		r->text = v;
	else if (take(arg, "host", &v))
		r->host = v;
	else if (take(arg, "expired", &v))
		r->expired = true;
	else
		die("what is %s", arg);
}

static void read_letter(struct buf *in)
{
	char piece[4096];
	size_t n;

	buf_init(in, 16 << 20);
	while ((n = fread(piece, 1, sizeof piece, stdin)) > 0)
		buf_add(in, str_of(piece, n));
}

int main(int argc, char **argv)
{
	static struct mail_dsn_rcpt rcpts[RCPTS_MAX];
	struct mail_dsn d = { .hostname = STR("mx.demo.test"), .id = STR("f0123456789abcdef"), .arrival_s = 1800000000, .now_s = 1800003600,
		.rcpts = rcpts };
	struct buf in, out;
	struct str v;

	for (int i = 1; i < argc; i++) {
		if (take(argv[i], "RCPT", &v)) {
			struct mail_dsn_rcpt *r = &rcpts[d.n_rcpts++];

			die_unless(d.n_rcpts <= RCPTS_MAX && mail_address_cut(v, &r->local, &r->domain), "recipient");
			r->at_s = 1800000300;
		} else if (d.n_rcpts) {
			of_rcpt(&rcpts[d.n_rcpts - 1], argv[i]);
		} else {
			of_letter(&d, argv[i]);
		}
	}
	read_letter(&in);
	d.original = buf_str(&in);
	buf_init(&out, MAIL_DSN_MAX(d.n_rcpts));
	mail_dsn_compose(&d, &out);
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&in);
	buf_fini(&out);
	return out.full;
}
