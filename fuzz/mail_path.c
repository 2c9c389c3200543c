/* fuzz/mail_path.c - SMTP paths: what parses can be written and parses to the same. */
#include "base/die.h"
#include "mail/path.h"
#include "mail/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct mail_path *p, unsigned flags, const struct mail_path_limits *l, struct arena *a)
{
	struct mail_path q;
	struct buf b;

	buf_init(&b, 4096);
	mail_mailbox_add(&b, p->local, p->domain);
	die_unless(mail_mailbox_parse(buf_str(&b), flags, l, a, &q) == OK, "what is written does not parse");
	die_unless(
		str_eq(p->local, q.local) && str_eq(p->domain, q.domain), "what is written parses to something else");
	die_unless(p->literal == q.literal && p->utf8 == q.utf8, "flags");
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mail_path_limits wide = { 1000, 1000, 2000 };
	struct mail_path p;
	struct arena a;
	struct str s, local, domain, user, detail, key;
	struct cur c;
	unsigned flags;

	if (!size || size > 4000)
		return 0;
	flags = data[0] & 7;
	s = size > 1 ? str_of(data + 1, size - 1) : (struct str){ 0 };
	c = cur_of(s);
	arena_init(&a, "fuzz", 16 << 20);
	if (mail_path_parse(&c, flags, &mail_path_limits_default, &a, &p) == OK) {
		size_t used = s.n - cur_left(&c);

		die_unless(cur_ok(&c) && used >= 2 && used <= 256 && s.p[used - 1] == '>', "a path that is none");
		die_unless(p.local.n <= 64 && p.domain.n <= 255, "limits");
		die_unless(!p.null || (flags & MAIL_PATH_NULL && !p.local.n && !p.domain.n), "the null path");
		die_unless(p.utf8 == (!mail_ascii_ok(p.local) || !mail_ascii_ok(p.domain)), "utf8");
		die_unless(p.domain.n || p.null || flags & MAIL_PATH_POSTMASTER, "no domain");
		if (!p.null)
			check_again(&p, flags, &wide, &a);
		key = mail_address_key(p.local, p.domain, &a);
		die_unless(key.n == p.local.n + p.domain.n + (p.domain.n > 0), "key");
		if (mail_address_cut(key, &local, &domain))
			die_unless(!p.domain.n || (str_ieq(local, p.local) && str_ieq(domain, p.domain)), "key cut");
	} else {
		die_unless(!cur_ok(&c), "a failed path leaves a good cursor");
	}
	if (mail_mailbox_parse(s, flags, &mail_path_limits_default, &a, &p) == OK)
		check_again(&p, flags, &wide, &a);
	if (mail_domain_ok(s))
		die_unless(s.n && s.n <= 253 && mail_ascii_ok(s), "domain");
	mail_literal_ok(s);
	if (mail_subaddress_cut(s, STR("+-"), &user, &detail))
		die_unless(user.n && user.n + 1 + detail.n == s.n, "subaddress");
	arena_fini(&a);
	return 0;
}
