/* relay/client_words.c - MAIL and RCPT with the parameters that the other server knows (RFC 5321 4.1.1, 1870, 2852, 3461, 6152, 6531, 6710, 8689). Pure. */
#include "relay/client_impl.h"

#include "mail/idn.h"
#include "mail/path.h"
#include "mail/utf8.h"

#define ORCPT_MAX 500 /* RFC 3461 5.4 (b): as it is sent; a longer one is left out */
#define BY_MAX_S 999999999 /* RFC 2852 4: nine digits */

void client_add_xtext(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (ch > 0x20 && ch < 0x7f && ch != '+' && ch != '=')
			buf_addc(out, (char)ch);
		else
			buf_addf(out, "+%02X", ch);
	}
}

static uint32_t code_point(struct str s)
{
	uint32_t v = (unsigned char)s.p[0];

	if (s.n > 1)
		v &= 0xffu >> (s.n + 1);
	for (size_t i = 1; i < s.n; i++)
		v = v << 6 | ((unsigned char)s.p[i] & 0x3f);
	return v;
}

/* utf-8-addr-xtext (RFC 6533 3): what is not plain is \x{HEX}; the backslash and what xtext escapes too. */
static void add_utf8_xtext(struct buf *out, struct str s)
{
	while (s.n) {
		size_t n = mail_utf8_size(s);
		struct str one = str_sub(s, 0, n ? n : 1);
		uint32_t v = code_point(one);

		if (v > 0x20 && v < 0x7f && v != '+' && v != '=' && v != '\\')
			buf_addc(out, (char)v);
		else
			buf_addf(out, "\\x{%X}", v);
		s = str_from(s, one.n);
	}
}

void client_add_path(struct buf *out, struct ipc_addr addr, bool utf8, struct arena *a)
{
	if (!utf8 && !mail_ascii_ok(addr.domain))
		addr.domain = mail_domain_fold(a, addr.domain);
	buf_addc(out, '<');
	if (addr.domain.n)
		mail_mailbox_add(out, addr.local, addr.domain);
	else
		buf_add(out, addr.local);
	buf_addc(out, '>');
}

static void add_by(struct buf *out, const struct client_letter *l)
{
	const struct ipc_wishes *w = &l->facts->wishes;
	int64_t left = w->by_s - l->now_s;

	if (left > BY_MAX_S)
		left = BY_MAX_S;
	if (left < -BY_MAX_S)
		left = -BY_MAX_S;
	buf_addf(out, " BY=%lld;%s%s", (long long)left, w->by_mode == BY_RETURN ? "R" : "N", w->by_trace ? "T" : "");
}

static void add_wishes(struct buf *out, const struct client *c, const struct client_letter *l)
{
	const struct ipc_wishes *w = &l->facts->wishes;

	if (c->can & CLIENT_DSN && w->ret != RET_NOT_GIVEN)
		buf_addz(out, w->ret == RET_FULL ? " RET=FULL" : " RET=HDRS");
	if (c->can & CLIENT_DSN && w->envid.n) {
		buf_addz(out, " ENVID=");
		client_add_xtext(out, w->envid);
	}
	if (c->can & CLIENT_REQUIRETLS && w->require_tls)
		buf_addz(out, " REQUIRETLS");
	if (c->can & CLIENT_MT_PRIORITY && w->priority)
		buf_addf(out, " MT-PRIORITY=%d", (int)w->priority - PRIORITY_OF_NORMAL);
	if (c->can & CLIENT_DELIVERBY && w->by_mode != BY_NONE)
		add_by(out, l);
}

void client_add_mail(struct buf *out, const struct client *c, const struct client_form *f, struct arena *a)
{
	buf_addz(out, "MAIL FROM:");
	if (f->l->facts->from_null)
		buf_addz(out, "<>");
	else
		client_add_path(out, f->l->facts->from, f->utf8, a);
	if (c->can & CLIENT_SIZE)
		buf_addf(out, " SIZE=%llu", (unsigned long long)f->size);
	if (f->binary)
		buf_addz(out, " BODY=BINARYMIME");
	else if (f->eight_bit)
		buf_addz(out, " BODY=8BITMIME");
	if (f->utf8)
		buf_addz(out, " SMTPUTF8");
	add_wishes(out, c, f->l);
	buf_addz(out, "\r\n");
}

/* RFC 3461 4.1: NEVER stands alone. */
static void add_notify(struct buf *out, uint8_t notify)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} names[] = { { NOTIFY_SUCCESS, "SUCCESS" }, { NOTIFY_FAILURE, "FAILURE" }, { NOTIFY_DELAY, "DELAY" } };
	const char *between = " NOTIFY=";

	if (notify & NOTIFY_NEVER) {
		buf_addz(out, " NOTIFY=NEVER");
		return;
	}
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (notify & names[i].bit) {
			buf_addf(out, "%s%s", between, names[i].name);
			between = ",";
		}
}

static void add_orcpt(struct buf *out, struct str orcpt)
{
	ssize_t at = str_find(orcpt, ';');
	size_t before = out->n, size;

	if (at <= 0)
		return;
	buf_addz(out, " ORCPT=");
	size = out->n;
	buf_add(out, str_sub(orcpt, 0, (size_t)at + 1));
	if (str_ieq(str_sub(orcpt, 0, (size_t)at), STR("utf-8")))
		add_utf8_xtext(out, str_from(orcpt, (size_t)at + 1));
	else
		client_add_xtext(out, str_from(orcpt, (size_t)at + 1));
	if (out->n - size > ORCPT_MAX)
		buf_cut(out, before);
}

void client_add_rcpt(struct buf *out, const struct client *c, const struct client_form *f, const struct ipc_queue_rcpt *r, struct arena *a)
{
	buf_addz(out, "RCPT TO:");
	client_add_path(out, r->to, f->utf8, a);
	if (c->can & CLIENT_DSN) {
		add_notify(out, r->dsn.notify);
		add_orcpt(out, r->dsn.orcpt);
	}
	buf_addz(out, "\r\n");
}
