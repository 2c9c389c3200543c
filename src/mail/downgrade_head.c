/* mail/downgrade_head.c - fields of a header in ASCII (RFC 2047, RFC 2231, RFC 5891). Pure.
 * Trust       the field is hostile bytes.
 * Invariants  I1 what mail_header_decode, mail_address_next and mail_param_decode say of the result is what they said of the field, domains in A-labels.
 */
#include "mail/downgrade_impl.h"

#include "base/arena.h"
#include "mail/address.h"
#include "mail/base64.h"
#include "mail/decode.h"
#include "mail/idn.h"
#include "mail/param.h"
#include "mail/path.h"
#include "mail/utf8.h"

#define WORD_BYTES 39 /* of text in an encoded word: 64 characters with its frame */
#define COLUMN 76
#define FIELD_MAX ((size_t)1 << 20) /* of a field's parts, decoded */

/* ---- lines that fold */

struct line {
	struct buf *out;
	size_t start; /* of the line in out */
};

static void put_word(struct line *l, struct str word)
{
	if (l->out->n - l->start + 1 + word.n > COLUMN && l->out->n > l->start + 1) {
		buf_addz(l->out, "\r\n ");
		l->start = l->out->n - 1;
	} else {
		buf_addc(l->out, ' ');
	}
	buf_add(l->out, word);
}

static void put_encoded(struct line *l, struct str text)
{
	struct buf word;

	buf_init(&word, 200);
	while (text.n) {
		struct str piece = str_sub(text, 0, mail_utf8_cut(text, WORD_BYTES));

		buf_reset(&word);
		buf_addz(&word, "=?utf-8?B?");
		mail_base64_encode(piece, &word);
		buf_addz(&word, "?=");
		put_word(l, buf_str(&word));
		text = str_from(text, piece.n);
	}
	buf_fini(&word);
}

static bool needs_encoding(struct str word)
{
	return !mail_ascii_ok(word) || str_search(word, STR("=?")) >= 0;
}

/* Decoded text as words: from the first that needs it to the last that does, all are in encoded words, since white space between two of those is
 * nothing (RFC 2047 6.2). */
static void put_text(struct line *l, struct str text)
{
	struct str rest = text, word, lead = { 0 }, tail = { 0 };
	size_t first = text.n, last = 0;

	while (str_split(&rest, ' ', &word)) {
		size_t at = (size_t)(word.p - text.p);

		if (!word.n || !needs_encoding(word))
			continue;
		if (first == text.n)
			first = at;
		last = at + word.n;
	}
	lead = str_sub(text, 0, first);
	tail = last ? str_from(text, last) : tail;
	while (str_split(&lead, ' ', &word))
		if (word.n)
			put_word(l, word);
	if (last)
		put_encoded(l, str_sub(text, first, last - first));
	while (str_split(&tail, ' ', &word))
		if (word.n)
			put_word(l, word);
}

/* ---- addresses */

static bool is_atom_char(unsigned char c)
{
	return ascii_is_alnum((char)c) || (c && str_find(STR("!#$%&'*+-/=?^_`{|}~ "), (char)c) >= 0);
}

static void put_quoted(struct line *l, struct str text)
{
	struct buf word;

	buf_init(&word, 2 * text.n + 2);
	buf_addc(&word, '"');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			buf_addc(&word, '\\');
		buf_addc(&word, text.p[i]);
	}
	buf_addc(&word, '"');
	put_word(l, buf_str(&word));
	buf_fini(&word);
}

static void put_phrase(struct line *l, struct str name)
{
	struct cur c = cur_of(name);
	struct buf text;

	buf_init(&text, FIELD_MAX);
	mail_header_decode(name, &text);
	if (!mail_ascii_ok(buf_str(&text)))
		put_encoded(l, buf_str(&text));
	else if (str_search(name, STR("=?")) >= 0 || cur_span(&c, is_atom_char).n == name.n)
		put_text(l, buf_str(&text));
	else
		put_quoted(l, name);
	buf_fini(&text);
}

static bool put_mailbox(struct line *l, const struct mail_address *m, struct arena *a)
{
	struct str domain = m->domain;
	struct buf word;

	if (!mail_ascii_ok(domain))
		domain = mail_domain_fold(a, domain);
	if (!mail_ascii_ok(m->local) || !mail_ascii_ok(domain))
		return false;
	buf_init(&word, FIELD_MAX);
	buf_addc(&word, '<');
	mail_mailbox_add(&word, m->local, domain);
	buf_addc(&word, '>');
	if (m->name.n)
		put_phrase(l, m->name);
	put_word(l, buf_str(&word));
	buf_fini(&word);
	return true;
}

static bool put_address(struct line *l, const struct mail_address *m, bool *comma, struct arena *a)
{
	if (m->kind == MAIL_GROUP_END) {
		buf_addc(l->out, ';');
		*comma = true;
		return true;
	}
	if (*comma)
		buf_addc(l->out, ',');
	*comma = m->kind == MAIL_ADDRESS;
	if (m->kind == MAIL_ADDRESS)
		return put_mailbox(l, m, a);
	put_phrase(l, m->name);
	buf_addc(l->out, ':');
	return true;
}

static enum mail_downgrade_end addresses(struct line *l, struct str value)
{
	struct mail_address_list list;
	struct mail_address m;
	struct arena a;
	bool comma = false, ok = true, any = false;

	arena_init(&a, "downgraded domain", 1 << 16);
	mail_address_list_init(&list, value);
	while (ok && mail_address_next(&list, &m)) {
		ok = put_address(l, &m, &comma, &a);
		any = true;
		arena_reset(&a);
	}
	mail_address_list_fini(&list);
	arena_fini(&a);
	return ok && any ? MAIL_DOWNGRADE_DONE : ok ? MAIL_DOWNGRADE_FIELD : MAIL_DOWNGRADE_ADDRESS;
}

/* ---- parameters */

/* RFC 2231 4: name*=charset''bytes. */
static void add_extended(struct buf *word, struct str name, struct str value)
{
	buf_addf(word, "%.*s*=%s''", STR_ARG(name), mail_utf8_ok(value) ? "utf-8" : "");
	for (size_t i = 0; i < value.n; i++) {
		if (ascii_is_alnum(value.p[i]) || value.p[i] == '.' || value.p[i] == '-' || value.p[i] == '_')
			buf_addc(word, value.p[i]);
		else
			buf_addf(word, "%%%02X", (unsigned char)value.p[i]);
	}
}

static void add_param(struct buf *word, struct str name, struct str value)
{
	buf_addf(word, "%.*s=", STR_ARG(name));
	if (str_ends(name, STR("*"))) {
		buf_add(word, value);
		return;
	}
	buf_addc(word, '"');
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '"' || value.p[i] == '\\')
			buf_addc(word, '\\');
		if (value.p[i] != '\r' && value.p[i] != '\n')
			buf_addc(word, value.p[i]);
	}
	buf_addc(word, '"');
}

/* A boundary cannot be said otherwise, and extended parameters are what RFC 2231 made of them. */
static bool put_param(struct line *l, struct str name, struct str value)
{
	struct buf word;

	if (!mail_ascii_ok(name) || (!mail_ascii_ok(value) && (str_ieq(name, STR("boundary")) || str_find(name, '*') >= 0)))
		return false;
	buf_init(&word, FIELD_MAX);
	if (mail_ascii_ok(value))
		add_param(&word, name, value);
	else
		add_extended(&word, name, value);
	buf_addc(l->out, ';');
	put_word(l, buf_str(&word));
	buf_fini(&word);
	return true;
}

static enum mail_downgrade_end params(struct line *l, struct str value, bool is_type)
{
	struct str type, subtype = { 0 }, name, text_value;
	struct mail_params p = is_type ? mail_type_parse(value, &type, &subtype) : mail_token_parse(value, &type);
	struct buf text;
	bool ok = type.n && mail_ascii_ok(type) && mail_ascii_ok(subtype);

	buf_init(&text, FIELD_MAX);
	if (ok) {
		put_word(l, type);
		if (is_type)
			buf_addf(l->out, "/%.*s", STR_ARG(subtype));
	}
	while (ok && mail_param_next(&p, &text, &name, &text_value))
		ok = put_param(l, name, text_value);
	buf_fini(&text);
	return ok ? MAIL_DOWNGRADE_DONE : MAIL_DOWNGRADE_FIELD;
}

/* ---- fields */

static enum mail_downgrade_end unstructured(struct line *l, struct str value)
{
	struct buf text;

	buf_init(&text, FIELD_MAX);
	mail_header_decode(value, &text);
	put_text(l, buf_str(&text));
	buf_fini(&text);
	return MAIL_DOWNGRADE_DONE;
}

/* Traces and signatures: what they say does not hold for the converted letter, or is for people to read. */
static enum mail_downgrade_end trace(struct line *l, struct str value)
{
	buf_addc(l->out, ' ');
	value = str_trim(value);
	for (size_t i = 0; i < value.n; i++)
		buf_addc(l->out, (unsigned char)value.p[i] & 0x80 || !value.p[i] ? '?' : value.p[i]);
	return MAIL_DOWNGRADE_DONE;
}

enum field_kind { UNSTRUCTURED, ADDRESSES, TYPE, DISPOSITION, TRACE, FIXED };

static const struct {
	struct str name;
	enum field_kind kind;
} fields[] = {
	{ STR("From"), ADDRESSES }, { STR("Sender"), ADDRESSES }, { STR("Reply-To"), ADDRESSES }, { STR("To"), ADDRESSES },
	{ STR("Cc"), ADDRESSES }, { STR("Bcc"), ADDRESSES }, { STR("Resent-From"), ADDRESSES }, { STR("Resent-Sender"), ADDRESSES },
	{ STR("Resent-Reply-To"), ADDRESSES }, { STR("Resent-To"), ADDRESSES }, { STR("Resent-Cc"), ADDRESSES }, { STR("Resent-Bcc"), ADDRESSES },
	{ STR("Return-Path"), ADDRESSES }, { STR("Delivered-To"), ADDRESSES }, { STR("Disposition-Notification-To"), ADDRESSES },
	{ STR("Errors-To"), ADDRESSES }, { STR("Mail-Followup-To"), ADDRESSES },
	{ STR("Content-Type"), TYPE }, { STR("Content-Disposition"), DISPOSITION },
	{ STR("Received"), TRACE }, { STR("DKIM-Signature"), TRACE }, { STR("Authentication-Results"), TRACE }, { STR("ARC-Seal"), TRACE },
	{ STR("ARC-Message-Signature"), TRACE }, { STR("ARC-Authentication-Results"), TRACE }, { STR("Received-SPF"), TRACE },
	{ STR("Message-ID"), FIXED }, { STR("In-Reply-To"), FIXED }, { STR("References"), FIXED }, { STR("Resent-Message-ID"), FIXED },
	{ STR("Date"), FIXED }, { STR("Resent-Date"), FIXED }, { STR("MIME-Version"), FIXED }, { STR("Content-ID"), FIXED },
	{ STR("Content-Transfer-Encoding"), FIXED },
};

static enum field_kind kind_of(struct str name)
{
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (str_ieq(name, fields[i].name))
			return fields[i].kind;
	return UNSTRUCTURED;
}

static enum mail_downgrade_end put_value(struct line *l, enum field_kind kind, struct str value)
{
	switch (kind) {
	case ADDRESSES:
		return addresses(l, value);
	case TYPE:
	case DISPOSITION:
		return params(l, value, kind == TYPE);
	case TRACE:
		return trace(l, value);
	case UNSTRUCTURED:
		return unstructured(l, value);
	default:
		return MAIL_DOWNGRADE_FIELD;
	}
}

enum mail_downgrade_end mail_downgrade_field(const struct mail_field *f, struct buf *out)
{
	struct line l = { .out = out, .start = out->n };
	enum mail_downgrade_end end;

	if (!f->name.n || !mail_ascii_ok(f->name))
		return MAIL_DOWNGRADE_FIELD;
	buf_add(out, f->name);
	buf_addc(out, ':');
	end = put_value(&l, kind_of(f->name), f->value);
	if (end == MAIL_DOWNGRADE_DONE)
		buf_addz(out, "\r\n");
	else
		buf_cut(out, l.start);
	return end;
}
