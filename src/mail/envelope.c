/* mail/envelope.c - IMAP ENVELOPE of a header (RFC 9051 7.5.2). See the header.
 * Trust       the header is hostile.
 * Invariants  I1 what is added is a whole envelope: parentheses, strings and literals are complete.
 */
#include "mail/envelope.h"

#include "base/vec.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/imap_form.h"

enum field { DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID, FIELD_COUNT };

static const struct {
	char name[12];
	bool addresses;
} fields[FIELD_COUNT] = {
	[DATE] = { "Date", false },
	[SUBJECT] = { "Subject", false },
	[FROM] = { "From", true },
	[SENDER] = { "Sender", true },
	[REPLY_TO] = { "Reply-To", true },
	[TO] = { "To", true },
	[CC] = { "Cc", true },
	[BCC] = { "Bcc", true },
	[IN_REPLY_TO] = { "In-Reply-To", false },
	[MESSAGE_ID] = { "Message-ID", false },
};

struct found {
	enum field field;
	struct str value;
};

struct envelope {
	struct VEC(struct found) found;
	size_t list_max, string_max; /* bytes of one field */
	bool brief;		     /* what does not fit is left out */
	struct buf *out;
	size_t from_at, from_n; /* where the From list is in out */
};

static void find_fields(struct envelope *e, struct str header)
{
	struct mail_header h = mail_header_of(header);
	struct mail_field f;

	while (mail_header_next(&h, &f))
		for (int i = 0; i < FIELD_COUNT; i++)
			if (str_ieq(f.name, str_z(fields[i].name))) {
				*vec_push(&e->found) = (struct found){ (enum field)i, f.value };
				break;
			}
}

static struct str first(const struct envelope *e, enum field field)
{
	for (size_t i = 0; i < e->found.n; i++)
		if (e->found.v[i].field == field)
			return e->found.v[i].value;
	return (struct str){ 0 };
}

static void add_nonempty(struct buf *out, struct str s)
{
	mail_imap_nstring_add(out, s.n ? s : (struct str){ 0 });
}

/* A group's start has the name as its mailbox and no host, its end neither (RFC 9051 7.5.2). */
static void add_address(struct buf *out, const struct mail_address *a)
{
	if (a->kind == MAIL_GROUP_END) {
		buf_add(out, STR("(NIL NIL NIL NIL)"));
		return;
	}
	if (a->kind == MAIL_GROUP_START) {
		buf_add(out, STR("(NIL NIL "));
		mail_imap_string_add(out, a->name);
		buf_add(out, STR(" NIL)"));
		return;
	}
	buf_addc(out, '(');
	add_nonempty(out, a->name);
	buf_addc(out, ' ');
	add_nonempty(out, a->route);
	buf_addc(out, ' ');
	mail_imap_string_add(out, a->local);
	buf_addc(out, ' ');
	mail_imap_string_add(out, a->domain);
	buf_addc(out, ')');
}

/* The addresses of one field; false when the list has reached its maximum. */
static bool add_field_addresses(struct envelope *e, struct str value, size_t from)
{
	struct mail_address_list l;
	struct mail_address a;
	bool fits = true, in_group = false;

	mail_address_list_init(&l, value);
	while (fits && mail_address_next(&l, &a)) {
		size_t before = e->out->n;

		add_address(e->out, &a);
		fits = e->out->n - from <= e->list_max && !e->out->full;
		if (fits)
			in_group = a.kind == MAIL_GROUP_START || (in_group && a.kind != MAIL_GROUP_END);
		else
			buf_cut(e->out, before);
		e->out->full &= !e->brief;
	}
	if (in_group)
		buf_add(e->out, STR("(NIL NIL NIL NIL)"));
	mail_address_list_fini(&l);
	return fits;
}

/* The addresses of all fields of that name. False, and nothing added, when there is none. */
static bool add_list(struct envelope *e, enum field field)
{
	size_t before = e->out->n;
	bool fits = true;

	buf_addc(e->out, '(');
	for (size_t i = 0; i < e->found.n && fits; i++)
		if (e->found.v[i].field == field)
			fits = add_field_addresses(e, e->found.v[i].value, before);
	if (e->out->n <= before + 1) {
		buf_cut(e->out, before);
		return false;
	}
	buf_addc(e->out, ')');
	return true;
}

/* Sender and Reply-To that are absent or empty are as From (RFC 9051 7.5.2). */
static void add_addresses(struct envelope *e, enum field field)
{
	size_t at = e->out->n;
	struct buf again;

	if (add_list(e, field)) {
		if (field == FROM) {
			e->from_at = at;
			e->from_n = e->out->n - at;
		}
	} else if ((field == SENDER || field == REPLY_TO) && e->from_n && !e->out->full) {
		buf_init(&again, e->from_n); /* adding may move the buffer */
		buf_add(&again, str_sub(buf_str(e->out), e->from_at, e->from_n));
		buf_add(e->out, buf_str(&again));
		buf_fini(&again);
	} else {
		buf_add(e->out, STR("NIL"));
	}
}

static void add_fields(struct envelope *e)
{
	e->from_n = 0;
	for (int i = 0; i < FIELD_COUNT; i++) {
		buf_addc(e->out, i ? ' ' : '(');
		if (fields[i].addresses)
			add_addresses(e, (enum field)i);
		else
			mail_imap_value_add(e->out, first(e, (enum field)i), e->string_max);
	}
	buf_addc(e->out, ')');
}

void mail_envelope_add(struct str header, size_t size_max, struct buf *out)
{
	struct envelope e = { .list_max = size_max, .string_max = size_max };
	struct buf b;

	buf_init(&b, size_max);
	e.out = &b;
	find_fields(&e, header);
	add_fields(&e);
	if (b.full) { /* six lists and four strings, each of which quoting may double */
		buf_reset(&b);
		e.brief = true;
		e.list_max = size_max / 10;
		e.string_max = size_max / 32;
		add_fields(&e);
	}
	buf_add(out, b.full ? MAIL_ENVELOPE_EMPTY : buf_str(&b));
	vec_free(&e.found);
	buf_fini(&b);
}
