/* mail/dsn.c - composing delivery status notifications. See the header.
 * Purpose     say to people what happened and what to do, and the same to programs.
 * Trust       addresses, replies, envelope ids and the letter are hostile.
 * Invariants  I1 what is not ours goes through add_text: no byte of it is a control character, and lines are at most 998 bytes.
 *             I2 the boundary is not in the returned letter.
 */
#include "mail/dsn.h"

#include "base/clock.h"
#include "mail/base64.h"
#include "mail/bounce_class.h"
#include "mail/header.h"
#include "mail/path.h"
#include "mail/traits.h"
#include "mail/utf8.h"
#include "mail/xtext.h"

#include <string.h>

#define FOLD_AT 76	 /* a field is folded at a blank before this column, where there is one */
#define LINE_MAX_TEXT 900 /* and anywhere beyond this one (RFC 5322 2.1.1) */
#define TEXT_MAX 1000	 /* of one hostile text */

/* ---- hostile text */

/* I1. A character at the front of s as it may stand in a line; returns how many bytes it took. */
static size_t add_char(struct buf *out, struct str s, bool utf8)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c < 0x80 ? 1 : mail_utf8_size(s);
	bool c1 = n == 2 && c == 0xc2 && (unsigned char)s.p[1] < 0xa0;

	if (n == 1)
		buf_addc(out, c == '\t' ? ' ' : c < ' ' || c == 0x7f ? '?' : (char)c);
	else if (n && utf8 && !c1)
		buf_add(out, str_sub(s, 0, n));
	else
		buf_addc(out, '?');
	return n ? n : 1;
}

static void add_text(struct buf *out, struct str s, bool utf8)
{
	s = str_sub(s, 0, TEXT_MAX);
	while (s.n)
		s = str_from(s, add_char(out, s, utf8));
}

/* Runs of blanks become one: no fold leaves a line of nothing but them. */
static struct str cleaned(struct buf *b, struct str s, bool utf8)
{
	size_t k = 0;

	buf_reset(b);
	add_text(b, s, utf8);
	for (size_t i = 0; i < b->n; i++)
		if (b->p[i] != ' ' || (k && b->p[k - 1] != ' '))
			b->p[k++] = b->p[i];
	buf_cut(b, k);
	return str_trim(buf_str(b));
}

/* "name: value", folded at blanks. The value has no control characters. */
static void add_field(struct buf *out, const char *name, struct str value)
{
	size_t column = strlen(name) + 2;

	if (value.n == 0)
		return;
	buf_addf(out, "%s: ", name);
	while (value.n) {
		ssize_t blank = str_find(str_from(value, 1), ' ');
		struct str word = blank < 0 ? value : str_sub(value, 0, (size_t)blank + 1); /* with the blank before it */

		if (word.n > LINE_MAX_TEXT)
			word = str_sub(word, 0, mail_utf8_cut(word, LINE_MAX_TEXT));
		if (column + word.n > FOLD_AT && column > strlen(name) + 2) {
			buf_addz(out, "\r\n");
			column = 0;
			if (word.p[0] != ' ')
				buf_addc(out, ' ');
		}
		buf_add(out, word);
		column += word.n;
		value = str_from(value, word.n);
	}
	buf_addz(out, "\r\n");
}

static void add_field_text(struct buf *out, const char *name, const char *type, struct str text, bool utf8)
{
	struct buf b, clean;

	if (text.n == 0)
		return;
	buf_init(&clean, TEXT_MAX * 2);
	buf_init(&b, TEXT_MAX * 2 + 100);
	buf_addf(&b, "%s", type);
	buf_add(&b, cleaned(&clean, text, utf8));
	add_field(out, name, buf_str(&b));
	buf_fini(&b);
	buf_fini(&clean);
}

static void add_date(struct buf *out, const char *name, int64_t s)
{
	if (!s)
		return;
	buf_addf(out, "%s: ", name);
	clock_add_rfc5322(out, s);
	buf_addz(out, "\r\n");
}

/* An address, cleaned. */
static void add_address(struct buf *out, struct str local, struct str domain, bool utf8)
{
	struct buf b;

	buf_init(&b, 1000);
	mail_mailbox_add(&b, local, domain);
	add_text(out, buf_str(&b), utf8);
	buf_fini(&b);
}

static bool is_utf8_address(const struct mail_dsn_rcpt *r)
{
	return !mail_ascii_ok(r->local) || !mail_ascii_ok(r->domain);
}

/* ---- the text for people */

static const struct {
	const char *name, *subject, *opening, *status;
} actions[MAIL_DSN_ACTION_COUNT] = {
	[MAIL_DSN_FAILED] = { "failed", "Your letter could not be delivered",
		"Your letter could not be delivered to the addresses below. It is not tried\r\nagain: if it matters, you have to act.", "5.0.0" },
	[MAIL_DSN_DELAYED] = { "delayed", "Your letter is delayed",
		"Your letter could not be delivered to the addresses below yet. It is tried\r\nagain, and you need not do anything now.", "4.0.0" },
	[MAIL_DSN_RELAYED] = { "relayed", "Your letter was handed on",
		"You asked to be told what becomes of your letter. It was handed to the mail\r\nservers of the addresses below, which do not tell of more: "
		"whether it arrived\r\nis not known here.", "2.0.0" },
	[MAIL_DSN_DELIVERED] = { "delivered", "Your letter was delivered",
		"You asked to be told what becomes of your letter. It was delivered to the\r\nmailboxes below. "
		"Whether somebody has read it is not known here.", "2.0.0" },
};

static bool is_bad(const struct mail_dsn *d)
{
	return d->action == MAIL_DSN_FAILED || d->action == MAIL_DSN_DELAYED;
}

/* "  what: words of it", with more lines where it is long. */
static void add_paragraph(struct buf *out, const char *lead, struct str text)
{
	size_t column = 2 + strlen(lead);

	buf_addf(out, "  %s", lead);
	while (text.n) {
		ssize_t blank = str_find(text, ' ');
		struct str word = blank < 0 ? text : str_sub(text, 0, (size_t)blank);

		if (word.n > LINE_MAX_TEXT)
			word = str_sub(word, 0, mail_utf8_cut(word, LINE_MAX_TEXT));
		if (column + 1 + word.n > FOLD_AT && column > 2 + strlen(lead)) {
			buf_addz(out, "\r\n   ");
			column = 3;
		}
		buf_addc(out, ' ');
		buf_add(out, word);
		column += 1 + word.n;
		text = str_from(text, word.n);
		text = str_from(text, text.n && text.p[0] == ' ');
	}
	buf_addz(out, "\r\n");
}

static void add_reply(struct buf *out, const struct mail_dsn_rcpt *r, bool utf8)
{
	struct buf b, clean;

	if (r->text.n == 0)
		return;
	buf_init(&clean, TEXT_MAX * 2);
	buf_init(&b, TEXT_MAX * 4 + 100);
	if (r->host.n) {
		buf_add(&b, cleaned(&clean, r->host, utf8));
		buf_addz(&b, r->code ? " said: " : ": ");
	}
	if (r->code)
		buf_addf(&b, "%u ", r->code);
	if (r->code && r->status.n) {
		buf_add(&b, cleaned(&clean, r->status, false));
		buf_addc(&b, ' ');
	}
	buf_add(&b, cleaned(&clean, r->text, utf8));
	add_paragraph(out, "In detail:", buf_str(&b));
	buf_fini(&b);
	buf_fini(&clean);
}

static void add_rcpt_says(struct buf *out, const struct mail_dsn *d, const struct mail_dsn_rcpt *r)
{
	enum bounce_class c = bounce_class_of(r->code, r->status, r->text);

	buf_addz(out, "\r\n<");
	add_address(out, r->local, r->domain, true);
	buf_addz(out, ">\r\n");
	if (!is_bad(d))
		return;
	if (r->expired)
		add_paragraph(out, "What happened:", STR("It was tried until its time was over."));
	add_paragraph(out, r->expired ? "Last time:" : "What happened:", str_z(bounce_class_says(c)));
	add_reply(out, r, true);
	if (d->action == MAIL_DSN_FAILED)
		add_paragraph(out, "What to do:", str_z(bounce_class_advice(c)));
}

static void add_says(struct buf *out, const struct mail_dsn *d, bool whole)
{
	buf_addf(out, "This is the mail server at %.*s.\r\n\r\n%s\r\n", STR_ARG(d->hostname), actions[d->action].opening);
	for (size_t i = 0; i < d->n_rcpts; i++)
		add_rcpt_says(out, d, &d->rcpts[i]);
	if (d->action == MAIL_DSN_DELAYED && d->until_s) {
		buf_addz(out, "\r\nIt is tried until ");
		clock_add_rfc5322(out, d->until_s);
		buf_addz(out, ".\r\n");
	}
	buf_addf(out, "\r\nThe letter came here on ");
	clock_add_rfc5322(out, d->arrival_s);
	buf_addf(out, ";\r\n%s is attached.\r\n", whole ? "all of it" : "its header");
}

static void add_base64_lines(struct buf *out, struct str bytes)
{
	for (; bytes.n; bytes = str_from(bytes, 57)) {
		mail_base64_encode(str_sub(bytes, 0, 57), out);
		buf_addz(out, "\r\n");
	}
}

/* ASCII as it is, else base64: this part reads the same whatever the way does to eight bits. */
static void add_human(struct buf *out, const struct mail_dsn *d, bool whole)
{
	struct buf text;

	buf_init(&text, MAIL_DSN_REST_MAX + d->n_rcpts * MAIL_DSN_RCPT_MAX);
	add_says(&text, d, whole);
	buf_addz(out, "Content-Type: text/plain; charset=utf-8\r\n");
	if (mail_has_8bit(buf_str(&text))) {
		buf_addz(out, "Content-Transfer-Encoding: base64\r\n\r\n");
		add_base64_lines(out, buf_str(&text));
	} else {
		buf_addz(out, "\r\n");
		buf_add(out, buf_str(&text));
	}
	buf_fini(&text);
}

/* ---- the fields for programs (RFC 3464 2) */

/* "rfc822;a@b", or "utf-8;..." (RFC 6533 3), which is of 7 bits in a message/delivery-status. */
static void add_typed(struct buf *out, const struct mail_dsn *d, const char *name, struct str typed)
{
	struct buf b, clean;

	buf_init(&b, TEXT_MAX * 8);
	buf_init(&clean, TEXT_MAX * 2);
	if (!d->utf8 && str_istarts(typed, STR("utf-8;")))
		mail_orcpt_encode(cleaned(&clean, typed, true), false, &b);
	else
		buf_add(&b, cleaned(&clean, typed, d->utf8));
	buf_fini(&clean);
	if (b.n)
		buf_addf(out, "%s: %.*s\r\n", name, STR_ARG(buf_str(&b)));
	buf_fini(&b);
}

static void add_final(struct buf *out, const struct mail_dsn *d, const struct mail_dsn_rcpt *r)
{
	struct buf b;

	buf_init(&b, TEXT_MAX * 2);
	buf_addz(&b, is_utf8_address(r) ? "utf-8;" : "rfc822;");
	mail_mailbox_add(&b, r->local, r->domain);
	add_typed(out, d, "Final-Recipient", buf_str(&b));
	buf_fini(&b);
}

/* RFC 3463 2. */
static bool is_status(struct str s)
{
	struct str part;
	unsigned n = 0;

	while (str_split(&s, '.', &part)) {
		uint32_t v;

		n++;
		if (part.n == 0 || part.n > 3 || !str_to_u32(part, &v) || (n == 1 && v != 2 && v != 4 && v != 5))
			return false;
	}
	return n == 3;
}

/* A status that says the contrary of the action says nothing. */
static void add_status(struct buf *out, const struct mail_dsn *d, const struct mail_dsn_rcpt *r)
{
	bool good = str_starts(r->status, STR("2"));
	struct str status = str_z(r->expired ? "4.4.7" : actions[d->action].status);

	if (is_status(r->status) && good == !is_bad(d) && !str_eq(r->status, STR("4.0.0")))
		status = r->status;
	buf_addf(out, "Status: %.*s\r\n", STR_ARG(status));
}

static void add_diagnostic(struct buf *out, const struct mail_dsn_rcpt *r)
{
	struct buf b;

	if (r->text.n == 0)
		return;
	buf_init(&b, TEXT_MAX * 2);
	if (r->code)
		buf_addf(&b, "%u ", r->code);
	if (r->code && is_status(r->status))
		buf_addf(&b, "%.*s ", STR_ARG(r->status));
	buf_add(&b, str_sub(r->text, 0, TEXT_MAX));
	add_field_text(out, "Diagnostic-Code", r->code ? "smtp; " : "X-Sallyport; ", buf_str(&b), false);
	buf_fini(&b);
}

static void add_rcpt_fields(struct buf *out, const struct mail_dsn *d, const struct mail_dsn_rcpt *r)
{
	buf_addz(out, "\r\n");
	if (r->orcpt.n)
		add_typed(out, d, "Original-Recipient", r->orcpt);
	add_final(out, d, r);
	buf_addf(out, "Action: %s\r\n", actions[d->action].name);
	add_status(out, d, r);
	if (d->action != MAIL_DSN_DELIVERED)
		add_field_text(out, "Remote-MTA", "dns; ", r->host, false);
	if (is_bad(d))
		add_diagnostic(out, r);
	add_date(out, "Last-Attempt-Date", r->at_s);
	if (d->action == MAIL_DSN_DELAYED)
		add_date(out, "Will-Retry-Until", d->until_s);
}

static void add_fields(struct buf *out, const struct mail_dsn *d)
{
	buf_addf(out, "Content-Type: message/%sdelivery-status\r\n", d->utf8 ? "global-" : "");
	if (d->utf8)
		buf_addz(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_addz(out, "\r\n");
	add_field_text(out, "Original-Envelope-Id", "", d->envid, false);
	buf_addf(out, "Reporting-MTA: dns; %.*s\r\n", STR_ARG(d->hostname));
	add_date(out, "Arrival-Date", d->arrival_s);
	for (size_t i = 0; i < d->n_rcpts; i++)
		add_rcpt_fields(out, d, &d->rcpts[i]);
}

/* ---- what is returned */

bool mail_dsn_is_text(struct str s)
{
	if (memchr(s.p ? s.p : "", 0, s.n))
		return false;
	for (const char *p = s.p, *end = s.p + s.n; p < end; p++) {
		const char *lf = memchr(p, '\n', (size_t)(end - p)), *stop = lf ? lf : end;
		const char *cr = memchr(p, '\r', (size_t)(stop - p));

		if (lf ? cr != lf - 1 : cr != NULL)
			return false;
		if (!lf)
			break;
		p = lf;
	}
	return true;
}

/* Whole lines of it. */
static struct str header_of(struct str letter)
{
	struct str h = str_sub(letter, 0, mail_header_size(letter));
	ssize_t end;

	if (h.n <= MAIL_DSN_HEADER_MAX)
		return h;
	h = str_sub(h, 0, MAIL_DSN_HEADER_MAX);
	end = str_rfind(h, '\n');
	return str_sub(h, 0, end < 0 ? 0 : (size_t)end + 1);
}

static bool is_whole(const struct mail_dsn *d)
{
	return d->action == MAIL_DSN_FAILED && d->original_whole && !d->headers_only && d->original.n <= MAIL_DSN_RETURN_MAX &&
		mail_dsn_is_text(d->original);
}

/* A header that is no lines is not returned as it is: what has a bare CR may show as something else. */
static void add_returned(struct buf *out, const struct mail_dsn *d, struct str returned, bool whole)
{
	const char *type = whole ? d->utf8 ? "message/global" : "message/rfc822" : d->utf8 ? "message/global-headers" : "text/rfc822-headers";

	buf_addf(out, "Content-Type: %s\r\n", type);
	if (mail_has_8bit(returned))
		buf_addz(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_addz(out, "\r\n");
	buf_add(out, returned);
}

/* ---- the whole */

/* I2. */
static void make_boundary(const struct mail_dsn *d, struct str returned, struct buf *out)
{
	unsigned n = 0;

	do {
		buf_reset(out);
		buf_addf(out, "report-%u-%.*s", n++, STR_ARG(str_sub(d->id, 0, 40)));
	} while (str_search(returned, buf_str(out)) >= 0);
}

/* <left@right> of printable characters, and nothing else. */
static bool is_message_id(struct str s, bool utf8)
{
	if (s.n < 3 || s.n > 500 || s.p[0] != '<' || s.p[s.n - 1] != '>')
		return false;
	for (size_t i = 1; i + 1 < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '<' || s.p[i] == '>' || s.p[i] == 0x7f)
			return false;
	return utf8 ? mail_utf8_ok(s) : mail_ascii_ok(s);
}

static void add_header(struct buf *out, const struct mail_dsn *d, struct str boundary, bool eight_bit)
{
	struct str id = mail_header_value(d->original, STR("Message-ID"));

	buf_addf(out, "From: Mail delivery <MAILER-DAEMON@%.*s>\r\nTo: <", STR_ARG(d->hostname));
	add_address(out, d->to_local, d->to_domain, true);
	buf_addf(out, ">\r\nSubject: %s\r\n", actions[d->action].subject);
	add_date(out, "Date", d->now_s);
	buf_addf(out, "Message-ID: <%.*s@%.*s>\r\n", STR_ARG(d->id), STR_ARG(d->hostname));
	if (is_message_id(id, d->utf8))
		buf_addf(out, "In-Reply-To: %.*s\r\nReferences: %.*s\r\n", STR_ARG(id), STR_ARG(id));
	buf_addf(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%.*s\"\r\n", STR_ARG(boundary));
	if (eight_bit)
		buf_addz(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_addz(out, "\r\n");
}

void mail_dsn_compose(const struct mail_dsn *d, struct buf *out)
{
	bool whole = is_whole(d);
	struct str returned = whole ? d->original : header_of(d->original);
	struct buf boundary;

	if (!mail_dsn_is_text(returned))
		returned = (struct str){ 0 };
	buf_init(&boundary, 100);
	make_boundary(d, returned, &boundary);
	add_header(out, d, buf_str(&boundary), d->utf8 || mail_has_8bit(returned));
	buf_addf(out, "--%.*s\r\n", STR_ARG(buf_str(&boundary)));
	add_human(out, d, whole);
	buf_addf(out, "\r\n--%.*s\r\n", STR_ARG(buf_str(&boundary)));
	add_fields(out, d);
	buf_addf(out, "\r\n--%.*s\r\n", STR_ARG(buf_str(&boundary)));
	add_returned(out, d, returned, whole);
	buf_addf(out, "\r\n--%.*s--\r\n", STR_ARG(buf_str(&boundary)));
	buf_fini(&boundary);
}
