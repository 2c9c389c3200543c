/* sim/picture.c - what a client believes of its mailbox, made of nothing but what it is told.
 * Invariants  V1 an EXPUNGE names a message, and comes when it may (RFC 3501 7.4.1). V2 EXISTS never shrinks. V3 a sequence number's uid is the
 *             one it had, and uids ascend. V4 a whole letter is the one that was sent, and as long as it is said to be.
 */
#include "sim/client.h"

#include "crash/work.h"

#include <string.h>

void picture_forget(struct client *c)
{
	c->entries.n = 0;
	c->box = -1;
}

static const struct {
	const char *name;
	uint32_t bit;
} flag_words[] = {
	{ "\\Seen", MSG_SEEN }, { "\\Answered", MSG_ANSWERED }, { "\\Flagged", MSG_FLAGGED }, { "\\Deleted", MSG_DELETED },
	{ "\\Draft", MSG_DRAFT }, { "Blue", FLAG_KEYWORD },
};

uint32_t flags_parse(struct str list)
{
	struct str word;
	uint32_t flags = 0;

	while (str_split(&list, ' ', &word))
		for (size_t i = 0; i < sizeof flag_words / sizeof *flag_words; i++)
			if (str_ieq(word, str_z(flag_words[i].name)))
				flags |= flag_words[i].bit;
	return flags;
}

void flags_text(uint32_t flags, struct buf *out)
{
	bool first = true;

	buf_addc(out, '(');
	for (size_t i = 0; i < sizeof flag_words / sizeof *flag_words; i++) {
		if (!(flags & flag_words[i].bit))
			continue;
		if (!first)
			buf_addc(out, ' ');
		buf_addz(out, flag_words[i].name);
		first = false;
	}
	buf_addc(out, ')');
}

void uid_list_parse(struct str text, struct uid_list *out)
{
	struct str part, lo;
	uint32_t a, b;

	out->n = 0;
	while (str_split(&text, ',', &part)) {
		if (!str_split(&part, ':', &lo) || !str_to_u32(lo, &a))
			return;
		b = a;
		if (part.n)
			str_to_u32(part, &b);
		for (; a <= b && out->n < sizeof out->v / sizeof *out->v; a++)
			out->v[out->n++] = a;
	}
}

/* ---- FETCH */

struct fetched {
	uint32_t uid, size, flags;
	bool has_uid, has_size, has_flags, is_whole;
	struct str body; /* p is NULL: none */
};

static void skip_past(struct str *rest, char ch)
{
	ssize_t at = str_find(*rest, ch);

	*rest = at < 0 ? str_from(*rest, rest->n) : str_from(*rest, (size_t)at + 1);
}

static uint32_t take_number(struct str *rest)
{
	size_t n = 0;
	uint32_t v = 0;

	while (n < rest->n && ascii_is_digit(rest->p[n]))
		n++;
	str_to_u32(str_sub(*rest, 0, n), &v);
	*rest = str_from(*rest, n);
	return v;
}

/* A string: a literal or quoted (without escapes: ours have none), or NIL. */
static struct str take_string(struct str *rest)
{
	struct str s = STR("");

	if (str_starts(*rest, STR("{"))) {
		uint32_t n;

		*rest = str_from(*rest, 1);
		n = take_number(rest);
		s = str_sub(*rest, 3, n); /* behind "}" and the end of the line */
		*rest = str_from(*rest, 3 + (size_t)n);
	} else if (str_starts(*rest, STR("\""))) {
		*rest = str_from(*rest, 1);
		s = str_sub(*rest, 0, (size_t)str_find(*rest, '"'));
		*rest = str_from(*rest, s.n + 1);
	} else {
		*rest = str_from(*rest, 3);
	}
	return s;
}

static void fetched_parse(struct client *c, struct str rest, struct fetched *f)
{
	*f = (struct fetched){ 0 };
	while (rest.n && rest.p[0] != ')') {
		if (str_starts(rest, STR("UID "))) {
			rest = str_from(rest, 4);
			f->uid = take_number(&rest);
			f->has_uid = true;
		} else if (str_starts(rest, STR("RFC822.SIZE "))) {
			rest = str_from(rest, 12);
			f->size = take_number(&rest);
			f->has_size = true;
		} else if (str_starts(rest, STR("FLAGS ("))) {
			rest = str_from(rest, 7);
			f->flags = flags_parse(str_sub(rest, 0, (size_t)str_find(rest, ')')));
			f->has_flags = true;
			skip_past(&rest, ')');
		} else if (str_starts(rest, STR("BODY["))) {
			f->is_whole = str_starts(rest, STR("BODY[]"));
			skip_past(&rest, ']');
			rest = str_from(rest, 1);
			f->body = take_string(&rest);
		} else {
			sim_fail(c->sim, "%s does not understand: %.*s", c->name, STR_ARG(rest));
		}
		if (str_starts(rest, STR(" ")))
			rest = str_from(rest, 1);
	}
}

/* V3. */
static void set_uid(struct client *c, uint32_t seq, uint32_t uid)
{
	struct entry *e = &c->entries.v[seq - 1];

	if (e->uid && e->uid != uid)
		sim_fail(c->sim, "V3 %s: message %u had uid %u and has %u", c->name, seq, e->uid, uid);
	e->uid = uid;
	for (uint32_t i = 0; i < c->entries.n; i++) {
		uint32_t other = c->entries.v[i].uid;

		if (other && i + 1 != seq && (i + 1 < seq ? other >= uid : other <= uid))
			sim_fail(c->sim, "V3 %s: uid %u of message %u and uid %u of message %u do not ascend", c->name, other, i + 1, uid, seq);
	}
}

static uint32_t serial_in(struct str header)
{
	ssize_t at = str_ifind(header, STR("Subject: Letter "));
	struct str rest = str_from(header, at < 0 ? header.n : (size_t)at + 16);

	return take_number(&rest);
}

/* V4. Delivery may have put fields before the letter. */
static void check_whole(struct client *c, const struct fetched *f, uint32_t serial)
{
	struct buf letter;

	buf_init(&letter, 1 << 20);
	work_letter(serial, &letter);
	if (!str_ends(f->body, buf_str(&letter)) || (f->has_size && f->size != f->body.n))
		sim_fail(c->sim, "V4 %s: letter %u of %zu bytes is given as %zu bytes, said to be %u", c->name, serial, letter.n, f->body.n,
			f->size);
	buf_fini(&letter);
	c->n_body++;
}

static void on_fetch(struct client *c, uint32_t seq, struct str rest)
{
	struct fetched f;
	struct entry *e;

	if (seq < 1 || seq > c->entries.n)
		sim_fail(c->sim, "V3 %s: FETCH of message %u of %zu", c->name, seq, c->entries.n);
	fetched_parse(c, rest, &f);
	e = &c->entries.v[seq - 1];
	if (f.has_uid)
		set_uid(c, seq, f.uid);
	if (f.has_flags) {
		e->flags = f.flags;
		e->has_flags = true;
	}
	if (f.body.p && e->uid) {
		e->serial = serial_in(f.body);
		e->letter = oracle_meet(&c->sim->oracle, (unsigned)c->box, e->uid, e->serial, c->selected_at);
		if (f.is_whole)
			check_whole(c, &f, e->serial);
	}
}

/* ---- the others */

static void on_expunge(struct client *c, uint32_t seq)
{
	struct letter_seen *l;

	if (seq < 1 || seq > c->entries.n)
		sim_fail(c->sim, "V1 %s: EXPUNGE of message %u of %zu", c->name, seq, c->entries.n);
	if (c->doing != DOING_ANY)
		sim_fail(c->sim, "V1 %s: EXPUNGE when there may be none", c->name);
	l = c->entries.v[seq - 1].letter;
	if (!l && c->entries.v[seq - 1].uid)
		l = oracle_find(&c->sim->oracle, (unsigned)c->box, c->entries.v[seq - 1].uid);
	if (l)
		oracle_gone(&c->sim->oracle, l);
	vec_remove(&c->entries, seq - 1);
}

static void on_exists(struct client *c, uint32_t n)
{
	if (n < c->entries.n)
		sim_fail(c->sim, "V2 %s: EXISTS %u, and there were %zu", c->name, n, c->entries.n);
	while (c->entries.n < n)
		vec_push(&c->entries);
}

static void on_number(struct client *c, uint32_t n, struct str rest)
{
	if (c->box < 0)
		sim_fail(c->sim, "V1 %s: no mailbox is selected: %.*s", c->name, STR_ARG(rest));
	if (str_eq(rest, STR("EXISTS")))
		on_exists(c, n);
	else if (str_eq(rest, STR("EXPUNGE")))
		on_expunge(c, n);
	else if (str_starts(rest, STR("FETCH (")))
		on_fetch(c, n, str_from(rest, 7));
	else if (str_eq(rest, STR("RECENT")) && n > c->entries.n)
		sim_fail(c->sim, "V2 %s: RECENT %u of %zu", c->name, n, c->entries.n);
}

static void on_search(struct client *c, struct str rest)
{
	struct str word;
	uint32_t n;

	while (str_split(&rest, ' ', &word))
		if (str_to_u32(word, &n))
			*vec_push(&c->found) = n;
}

static void on_code(struct client *c, struct str rest)
{
	ssize_t end = str_find(rest, ']');
	struct str code = str_sub(rest, 0, end < 0 ? rest.n : (size_t)end);
	uint32_t v;

	if (str_starts(code, STR("COPYUID "))) {
		buf_reset(&c->code);
		buf_add(&c->code, code);
	} else if (str_starts(code, STR("UIDVALIDITY ")) && str_to_u32(str_from(code, 12), &v)) {
		oracle_uidvalidity(&c->sim->oracle, (unsigned)c->box, v);
	}
}

void picture_told(struct client *c)
{
	struct str rest = str_from(buf_str(&c->response), 2);
	uint32_t n;

	if (rest.n && ascii_is_digit(rest.p[0])) {
		n = take_number(&rest);
		on_number(c, n, str_from(rest, 1));
	} else if (str_starts(rest, STR("SEARCH"))) {
		on_search(c, str_from(rest, 6));
	} else if (str_starts(rest, STR("OK ["))) {
		on_code(c, str_from(rest, 4));
	} else if (str_starts(rest, STR("BYE"))) {
		c->bye = true;
	}
}
