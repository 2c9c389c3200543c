/* pipe/trace.c - trace fields and the bytes before a letter (RFC 5321 4.4). See letter.h.
 * Trust       everything in them was said by a stranger or an edge: nothing of it may end a line or a comment.
 * Invariants  I1 a prefix has no byte below 0x20 but in its own line ends and folds.
 *             I2 the field of a submission names neither the client's address nor its name.
 */
#include "pipe/letter.h"

#include "base/clock.h"
#include "ipc/words.h"
#include "mail/path.h"

#define NAME_MAX_BYTES 128 /* of what a client calls itself: prefixes are bounded */

static void add_clean(struct buf *out, struct str s, const char *also_not)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool fine = c > 0x20 && c != 0x7f && !strchr(also_not, c);

		buf_addc(out, fine ? s.p[i] : '_');
	}
}

/* An address as it stands in a field of its own; in a quoted local part a blank is right. */
static void add_path(struct buf *out, const struct ipc_addr *a)
{
	struct buf b;

	buf_init(&b, 600);
	mail_mailbox_add(&b, a->local, a->domain);
	for (size_t i = 0; i < b.n; i++)
		if ((unsigned char)b.p[i] < 0x20 || b.p[i] == 0x7f)
			b.p[i] = '_';
	buf_addc(out, '<');
	buf_add(out, buf_str(&b));
	buf_addc(out, '>');
	buf_fini(&b);
}

/* "from NAME ([IP])", RFC 5321 4.4 Extended-Domain. */
static void add_client(struct buf *out, const struct ipc_letter *m)
{
	bool v6 = str_find(m->ip, ':') >= 0;

	buf_addz(out, "from ");
	add_clean(out, str_sub(m->helo, 0, NAME_MAX_BYTES), "()\\<>\"");
	if (str_eq(m->ip, STR(LOCAL_IP))) {
		buf_addz(out, " (unix socket)\r\n\t");
		return;
	}
	buf_addz(out, v6 ? " ([IPv6:" : " ([");
	add_clean(out, m->ip, "()[]\\");
	buf_addz(out, "])\r\n\t");
}

/* Protocol names: RFC 3848, RFC 6531 4.3. */
static void add_with(struct buf *out, const struct pipe_letter *l)
{
	const char *name = l->m->service == SERVICE_LMTP ? "LMTP" : l->m->wire & (WIRE_EXTENDED | WIRE_UTF8) ? "ESMTP" : "SMTP";

	if (l->m->wire & WIRE_UTF8)
		name = l->m->service == SERVICE_LMTP ? "UTF8LMTP" : "UTF8SMTP";
	buf_addf(out, " with %s", name);
	if (l->m->wire & WIRE_EXTENDED)
		buf_addf(out, "%s%s", l->m->tls.n ? "S" : "", l->submission ? "A" : "");
	buf_addz(out, " id ");
	add_clean(out, l->m->trace, "()\\;");
	if (l->m->tls.n) {
		buf_addz(out, "\r\n\t(");
		for (size_t i = 0; i < l->m->tls.n; i++)
			buf_addc(out, ascii_is_alnum(l->m->tls.p[i]) || str_find(STR(" ._-"), l->m->tls.p[i]) >= 0 ? l->m->tls.p[i] : '_');
		buf_addc(out, ')');
	}
}

enum outcome pipe_trace(struct pipe_letter *l)
{
	struct buf out;

	buf_init(&out, 1024);
	buf_addz(&out, "Received: ");
	if (!l->submission)
		add_client(&out, l->m);
	buf_addz(&out, "by ");
	add_clean(&out, l->post->conf->hostname, "()\\;");
	add_with(&out, l);
	buf_addz(&out, ";\r\n\t");
	clock_add_rfc5322(&out, l->date_s);
	buf_addz(&out, "\r\n");
	l->trace = arena_dup(l->a, buf_str(&out));
	buf_fini(&out);
	return OK;
}

void pipe_add_delivered_to(struct buf *out, const struct ipc_addr *to)
{
	buf_addz(out, "Delivered-To: ");
	add_path(out, to);
	buf_addz(out, "\r\n");
}

struct str pipe_prefix(const struct pipe_letter *l, const struct pipe_target *t)
{
	struct buf out;
	struct str s;

	buf_init(&out, IPC_QUEUED_RCPT_PREFIX_MAX);
	buf_addz(&out, "Return-Path: ");
	if (l->m->from_null)
		buf_addz(&out, "<>");
	else
		add_path(&out, &l->m->from);
	buf_addz(&out, "\r\n");
	pipe_add_delivered_to(&out, &t->rcpt);
	buf_add(&out, l->trace);
	if (out.n + l->signatures.n <= out.max)
		buf_add(&out, l->signatures);
	s = arena_dup(l->a, buf_str(&out));
	buf_fini(&out);
	return s;
}
