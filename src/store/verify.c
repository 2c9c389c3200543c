/* store/verify.c - all data checked against its invariants. See the header.
 * Suspends    between bounded pieces; rows are read of one snapshot a step, so that commits meanwhile do not look like damage.
 */
#include "store/verify_impl.h"

#include "base/die.h"
#include "mail/base64.h"
#include "mail/index.h"
#include "store/garbage.h"
#include "store/names.h"
#include "store/outgoing_rows.h"
#include "store/suppression.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STEP_MESSAGES 500

void verify_bad(struct run *r, const char *rule, const char *fmt, ...)
{
	char text[360];
	va_list ap;

	if (r->v->n_lines == r->v->max_lines)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	r->v->lines[r->v->n_lines++] = arena_fmt(r->v->a, "%s %s", rule, text);
}

bool verify_get(struct run *r, uint64_t partition, struct key k, struct buf *v)
{
	buf_reset(v);
	return engine_get(r->port, r->snap, partition, KEY_STR(k), v);
}

static bool note_row(void *arg, const struct engine_row *row)
{
	(void)row;
	*(bool *)arg = true;
	return false;
}

/* Is there a row of exactly that key in the references' space? */
bool verify_has_ref(struct run *r, struct key k)
{
	struct key to = key_bytes(k, STR("\0"));
	struct engine_range range = {
		.space = ENGINE_REFS, .from = KEY_STR(k), .to = KEY_STR(to), .snapshot = r->snap
	};
	bool found = false;

	engine_range(r->port, &range, note_row, &found);
	return found;
}

/* ---- directory: V11 */

static void check_domain(struct run *r, struct str name, struct str value)
{
	struct domain_row row;
	struct buf v;

	if (!domain_row_decode(value, &row)) {
		verify_bad(r, "V11", "domain %.*s does not decode", STR_ARG(name));
		return;
	}
	if (row.first.n == 0)
		return;
	buf_init(&v, 65536);
	if (!directory_get(&r->s->directory, 'a', name, row.first, &v))
		verify_bad(r, "V11", "domain %.*s: its duty account %.*s does not exist", STR_ARG(name), STR_ARG(row.first));
	buf_fini(&v);
}

static void check_entry(struct run *r, struct str key, struct str value)
{
	struct entry_row row;
	struct credential_row cred;
	struct buf v;

	if (!entry_row_decode(value, &row)) {
		verify_bad(r, "V11", "an account's entry does not decode (%.*s)", STR_ARG(key));
		return;
	}
	buf_init(&v, 65536);
	if (!verify_get(r, PARTITION_DIRECTORY, key_u64(key_of('i'), row.account), &v))
		verify_bad(r, "V11", "account %" PRIu64 " has no row by its number", row.account);
	if (row.state == ENTRY_LIVE &&
		(!verify_get(r, row.account, key_of('C'), &v) || !credential_row_decode(buf_str(&v), &cred)))
		verify_bad(r, "V11", "account %" PRIu64 " has no credential row", row.account);
	if (row.state == ENTRY_LIVE && !verify_get(r, row.account, key_of('H'), &v))
		verify_bad(r, "V11", "account %" PRIu64 " has no head row", row.account);
	buf_fini(&v);
}

static void check_owner(struct run *r, struct str key)
{
	struct key pin = key_bytes(key_of('K'), str_sub(key, 0, FINGERPRINT_SIZE));
	struct cur c = cur_of(str_from(key, FINGERPRINT_SIZE));
	uint64_t account = cur_be64(&c);
	struct buf v;

	buf_init(&v, 65536);
	if (!cur_done(&c) || !verify_get(r, account, pin, &v))
		verify_bad(r, "V16", "account %" PRIu64 " has not pinned a certificate that leads to it", account);
	buf_fini(&v);
}

static bool check_directory_row(void *arg, const struct engine_row *row)
{
	struct run *r = arg;
	struct str key = str_from(row->key, 1);

	r->v->checked++;
	if (row->key.p[0] == 'd')
		check_domain(r, key, row->value);
	if (row->key.p[0] == 'a')
		check_entry(r, key, row->value);
	if (row->key.p[0] == 'f')
		check_owner(r, key);
	if (row->key.p[0] == 'l') {
		struct alias_row *alias = mem_new(struct alias_row);

		if (!alias_row_decode(row->value, alias))
			verify_bad(r, "V11", "an alias does not decode (%.*s)", STR_ARG(key));
		free(alias);
	}
	return true;
}

static void check_directory(struct run *r)
{
	struct engine_range all = { .partition = PARTITION_DIRECTORY, .snapshot = r->snap };

	engine_range(r->port, &all, check_directory_row, r);
	r->at = (struct cursor){ .phase = PHASE_ACCOUNT };
}

/* ---- one account's rows against its counters: V1 V7 V8 V9 V10 V12 */

struct tally {
	struct mailbox_row row; /* names in the arena */
	uint32_t id;
	uint32_t messages, unseen, deleted, recent;
	uint64_t size;
};

struct checked_account {
	struct run *r;
	uint64_t id;
	struct head_row head;
	struct VEC(struct tally) mailboxes;
	struct VEC(uint64_t) messages; /* mailbox << 32 | uid, ascending */
	size_t next;		       /* for the parts rows */
	struct key from;	       /* where the next piece begins */
	unsigned n;
	struct arena arena;
};

static struct tally *tally_of(struct checked_account *c, uint32_t id)
{
	for (size_t i = 0; i < c->mailboxes.n; i++)
		if (c->mailboxes.v[i].id == id)
			return &c->mailboxes.v[i];
	return NULL;
}

static bool load_mailbox(void *arg, const struct engine_row *row)
{
	struct checked_account *c = arg;
	struct cur cur = cur_of(str_from(row->key, 1));
	struct tally *t = vec_push(&c->mailboxes);

	t->id = cur_be32(&cur);
	if (!mailbox_row_decode(row->value, &t->row)) {
		verify_bad(c->r, "V9", "account %" PRIu64 " mailbox %u does not decode", c->id, t->id);
		c->mailboxes.n--;
		return true;
	}
	t->row.name = arena_dup(&c->arena, t->row.name);
	return true;
}

static void check_message_row(struct checked_account *c, uint32_t mailbox, uint32_t uid, struct str value)
{
	struct tally *t = tally_of(c, mailbox);
	struct message_row m;

	if (!message_row_decode(value, &m)) {
		verify_bad(c->r, "V1", "account %" PRIu64 " mailbox %u uid %u does not decode", c->id, mailbox, uid);
		return;
	}
	if (!t) {
		verify_bad(c->r, "V1", "account %" PRIu64 " uid %u is of mailbox %u, which does not exist", c->id, uid,
			mailbox);
		return;
	}
	if (uid >= t->row.uidnext)
		verify_bad(c->r, "V1", "account %" PRIu64 " mailbox %u uid %u is not below uidnext %u", c->id, mailbox, uid,
			t->row.uidnext);
	if (m.modseq > c->head.modseq)
		verify_bad(c->r, "V1",
			"account %" PRIu64 " mailbox %u uid %u: modseq %" PRIu64 " is above the account's %" PRIu64,
			c->id, mailbox, uid, m.modseq, c->head.modseq);
	t->messages++;
	t->unseen += !(m.flags & 1);
	t->deleted += (m.flags & 8) != 0;
	t->recent += uid >= t->row.watermark;
	t->size += m.size;
}

static bool piece_ends(struct checked_account *c, const struct engine_row *row)
{
	c->r->v->checked++;
	if (c->n++ < PIECE)
		return false;
	c->from = key_bytes((struct key){ 0 }, row->key);
	return true;
}

static bool walk_message(void *arg, const struct engine_row *row)
{
	struct checked_account *c = arg;
	struct cur cur = cur_of(str_from(row->key, 1));
	uint32_t mailbox, uid;

	if (piece_ends(c, row))
		return false;
	mailbox = cur_be32(&cur);
	uid = cur_be32(&cur);
	*vec_push(&c->messages) = (uint64_t)mailbox << 32 | uid;
	check_message_row(c, mailbox, uid, row->value);
	return true;
}

/* Both ascend: a parts row that is not the next message's has none, and a message passed over has no parts. */
static bool walk_parts(void *arg, const struct engine_row *row)
{
	struct checked_account *c = arg;
	struct cur cur = cur_of(str_from(row->key, 1));
	uint64_t id;

	if (piece_ends(c, row))
		return false;
	id = (uint64_t)cur_be32(&cur) << 32;
	id |= cur_be32(&cur);
	for (; c->next < c->messages.n && c->messages.v[c->next] < id; c->next++)
		verify_bad(c->r, "V2", "account %" PRIu64 " mailbox %u uid %u has no parts row", c->id,
			(unsigned)(c->messages.v[c->next] >> 32), (unsigned)c->messages.v[c->next]);
	if (c->next < c->messages.n && c->messages.v[c->next] == id)
		c->next++;
	else
		verify_bad(c->r, "V10", "account %" PRIu64 " mailbox %u uid %u has parts and no message row", c->id,
			(unsigned)(id >> 32), (unsigned)id);
	return true;
}

/* ---- what was deleted and is kept: V15 */

static bool is_mailbox(struct checked_account *c, uint32_t id)
{
	struct gone_row *g;
	struct buf v;
	bool is = tally_of(c, id) != NULL;

	if (is)
		return true;
	g = mem_new(struct gone_row);
	buf_init(&v, 65536);
	is = verify_get(c->r, c->id, key_u32(key_of('W'), id), &v) && gone_row_decode(buf_str(&v), g);
	buf_fini(&v);
	free(g);
	return is;
}

static bool walk_deleted(void *arg, const struct engine_row *row)
{
	struct checked_account *c = arg;
	struct cur cur = cur_of(str_from(row->key, 1));
	struct deleted_row d;
	uint32_t mailbox, uid;

	if (piece_ends(c, row))
		return false;
	mailbox = cur_be32(&cur);
	uid = cur_be32(&cur);
	*vec_push(&c->messages) = (uint64_t)mailbox << 32 | uid;
	if (!deleted_row_decode(row->value, &d))
		verify_bad(c->r, "V15", "account %" PRIu64 " mailbox %u uid %u, deleted, does not decode", c->id, mailbox, uid);
	else if (!verify_has_ref(c->r, key_deleted(d.time_s, c->id, mailbox, uid)))
		verify_bad(c->r, "V15", "account %" PRIu64 " mailbox %u uid %u, deleted, is not found by its age", c->id,
			mailbox, uid);
	if (!is_mailbox(c, mailbox))
		verify_bad(c->r, "V15", "account %" PRIu64 " uid %u, deleted, is of mailbox %u, which never was", c->id, uid,
			mailbox);
	return true;
}

static int number_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static SUSPENDS void walk(struct checked_account *c, char tag, engine_each *each)
{
	struct key to = key_of((char)(tag + 1));

	c->from = key_of(tag);
	do {
		struct key from = c->from;
		struct engine_range range = {
			.partition = c->id, .from = KEY_STR(from), .to = KEY_STR(to), .snapshot = c->r->snap
		};

		c->n = 0;
		engine_range(c->r->port, &range, each, c);
		task_yield(c->r->s->sched);
	} while (c->n > PIECE);
}

/* ---- V16 */

union any_setting {
	struct settings_row settings;
	struct code_row code;
	struct code_use_row use;
	struct pin_row pin;
	struct suppression_row suppression;
};

static bool setting_decodes(struct str key, struct str value, union any_setting *room)
{
	switch (key.p[0]) {
	case 'S':
		return key.n == 1 && settings_row_decode(value, &room->settings);
	case 'A':
		return key.n == 5 && code_row_decode(value, &room->code);
	case 'a':
		return key.n == 5 && code_use_row_decode(value, &room->use);
	case 'N':
		return key.n > 1 && suppression_row_decode(value, &room->suppression);
	default:
		return key.n == 1 + FINGERPRINT_SIZE && pin_row_decode(value, &room->pin);
	}
}

static bool check_setting(void *arg, const struct engine_row *row)
{
	union any_setting *room = mem_new(union any_setting);
	struct checked_account *c = arg;

	c->r->v->checked++;
	if (!setting_decodes(row->key, row->value, room))
		verify_bad(c->r, "V16", "account %" PRIu64 " has a row %c that does not decode", c->id, row->key.p[0]);
	free(room);
	return true;
}

static void check_settings(struct checked_account *c)
{
	static const char tags[] = "SAaKN";

	for (const char *t = tags; *t; t++) {
		char to = (char)(*t + 1);
		struct engine_range r = { .partition = c->id, .from = str_of(t, 1), .to = str_of(&to, 1), .snapshot = c->r->snap };

		engine_range(c->r->port, &r, check_setting, c);
	}
}

static void check_counters(struct checked_account *c)
{
	uint64_t bytes = 0, messages = 0;

	for (size_t i = 0; i < c->mailboxes.n; i++) {
		const struct tally *t = &c->mailboxes.v[i];

		if (t->messages != t->row.messages || t->unseen != t->row.unseen || t->deleted != t->row.deleted ||
			t->recent != t->row.recent || t->size != t->row.size)
			verify_bad(c->r, "V7",
				"account %" PRIu64 " mailbox %u says %u/%u/%u/%u/%" PRIu64
				", its messages %u/%u/%u/%u/%" PRIu64,
				c->id, t->id, t->row.messages, t->row.unseen, t->row.deleted, t->row.recent,
				t->row.size, t->messages, t->unseen, t->deleted, t->recent, t->size);
		bytes += t->size;
		messages += t->messages;
	}
	if (bytes != c->head.bytes || messages != c->head.messages)
		verify_bad(c->r, "V8",
			"account %" PRIu64 " says %" PRIu64 " bytes in %" PRIu64 " messages, its mailboxes %" PRIu64
			" in %" PRIu64,
			c->id, c->head.bytes, c->head.messages, bytes, messages);
}

static int tally_cmp(const void *a, const void *b)
{
	return name_cmp(((const struct tally *)a)->row.name, ((const struct tally *)b)->row.name);
}

static void check_names(struct checked_account *c)
{
	bool inbox = false;
	struct buf clean;

	buf_init(&clean, 4096);
	if (c->mailboxes.n)
		qsort(c->mailboxes.v, c->mailboxes.n, sizeof *c->mailboxes.v, tally_cmp);
	for (size_t i = 0; i < c->mailboxes.n; i++) {
		const struct tally *t = &c->mailboxes.v[i];

		buf_reset(&clean);
		if (name_clean(t->row.name, 4000, 4000, &clean) != OK || !str_eq(buf_str(&clean), t->row.name))
			verify_bad(c->r, "V9", "account %" PRIu64 " mailbox %u has a bad name", c->id, t->id);
		if (i > 0 && str_eq(t->row.name, c->mailboxes.v[i - 1].row.name))
			verify_bad(c->r, "V9", "account %" PRIu64 " mailboxes %u and %u have one name", c->id,
				c->mailboxes.v[i - 1].id, t->id);
		if (t->id >= c->head.mailbox_next || t->row.uidvalidity >= c->head.uidvalidity_next)
			verify_bad(c->r, "V9", "account %" PRIu64 " mailbox %u is not below the account's counters", c->id,
				t->id);
		inbox |= str_eq(t->row.name, STR("INBOX"));
	}
	if (!inbox)
		verify_bad(c->r, "V9", "account %" PRIu64 " has no INBOX", c->id);
	buf_fini(&clean);
}

static bool walk_mark(void *arg, const struct engine_row *row)
{
	struct checked_account *c = arg;
	struct mark_row m;
	struct key e;
	struct buf v;

	if (piece_ends(c, row))
		return false;
	buf_init(&v, 256);
	if (!mark_row_decode(row->value, &m)) {
		verify_bad(c->r, "V12", "account %" PRIu64 ": a delivery mark does not decode", c->id);
	} else {
		e = key_bytes(key_u64(key_of('E'), (uint64_t)m.time_s), str_from(row->key, 1));
		if (!verify_get(c->r, c->id, e, &v))
			verify_bad(c->r, "V12", "account %" PRIu64 ": a delivery mark is not found by its age", c->id);
	}
	buf_fini(&v);
	return true;
}

static bool walk_age(void *arg, const struct engine_row *row)
{
	struct checked_account *c = arg;
	struct buf v;

	if (piece_ends(c, row))
		return false;
	buf_init(&v, 256);
	if (!verify_get(c->r, c->id, key_bytes(key_of('D'), str_from(row->key, 9)), &v))
		verify_bad(c->r, "V12", "account %" PRIu64 ": an age names a delivery mark that is not there", c->id);
	buf_fini(&v);
	return true;
}

static bool walk_moved(void *arg, const struct engine_row *row)
{
	struct checked_account *c = arg;
	struct mark_row m;

	if (piece_ends(c, row))
		return false;
	if (!mark_row_decode(row->value, &m) || m.uid == 0)
		verify_bad(c->r, "V14", "account %" PRIu64 ": the mark of a letter that was moved does not decode", c->id);
	return true;
}

static bool walk_uidl(void *arg, const struct engine_row *row)
{
	struct checked_account *c = arg;
	struct cur key = cur_of(str_from(row->key, 1));
	uint64_t email = cur_be64(&key);
	struct str uidl;

	if (piece_ends(c, row))
		return false;
	if (!uidl_row_decode(row->value, &uidl) || !cur_done(&key) || email >= c->head.email_next)
		verify_bad(c->r, "V14", "account %" PRIu64 " email %" PRIu64 ": its UIDL does not decode", c->id, email);
	return true;
}

static bool walk_sent(void *arg, const struct engine_row *row)
{
	struct checked_account *c = arg;
	struct sent_row s;
	struct buf v;

	if (piece_ends(c, row))
		return false;
	buf_init(&v, 256);
	if (!sent_row_decode(row->value, &s))
		verify_bad(c->r, "V18", "account %" PRIu64 ": a row of a sent letter does not decode", c->id);
	else if (!verify_get(c->r, c->id, key_bytes(key_u64(key_of('y'), (uint64_t)s.time_s), str_from(row->key, 1)), &v))
		verify_bad(c->r, "V18", "account %" PRIu64 ": a sent letter is not found by its age", c->id);
	buf_fini(&v);
	return true;
}

static bool walk_sent_age(void *arg, const struct engine_row *row)
{
	struct checked_account *c = arg;
	struct buf v;

	if (piece_ends(c, row))
		return false;
	buf_init(&v, 256);
	if (row->key.n != 25 || !verify_get(c->r, c->id, key_bytes(key_of('Y'), str_from(row->key, 9)), &v))
		verify_bad(c->r, "V18", "account %" PRIu64 ": an age names a sent letter that is not there", c->id);
	buf_fini(&v);
	return true;
}

static bool walk_hidden(void *arg, const struct engine_row *row)
{
	struct checked_account *c = arg;
	struct cur key = cur_of(str_from(row->key, 5));
	uint64_t first = cur_be64(&key) * HIDDEN_BITS;
	struct hidden_row h;

	if (piece_ends(c, row))
		return false;
	if (!hidden_row_decode(row->value, &h) || !cur_done(&key) || first >= c->head.email_next)
		verify_bad(c->r, "V17", "account %" PRIu64 ": a row of what POP deleted and kept does not decode", c->id);
	return true;
}

static void check_anchor(struct checked_account *c)
{
	uint64_t anchor;
	struct buf v;

	buf_init(&v, 256);
	if (verify_get(c->r, c->id, key_of('l'), &v) && (!counter_decode(buf_str(&v), &anchor) || !anchor))
		verify_bad(c->r, "V17", "account %" PRIu64 ": the anchor of its UIDLs does not decode", c->id);
	buf_fini(&v);
}

static SUSPENDS void check_account(struct run *r, uint64_t id)
{
	struct checked_account *c = mem_new(struct checked_account);
	uint8_t warned;
	struct buf v;

	c->r = r;
	c->id = id;
	arena_init(&c->arena, "store-verify", STORE_WORK_MAX);
	buf_init(&v, 65536);
	if (verify_get(r, id, key_of('H'), &v)) { /* else it is being made or deleted, or V11 tells */
		if (!head_row_decode(buf_str(&v), &c->head))
			verify_bad(r, "V8", "account %" PRIu64 ": its head does not decode", id);
		if (verify_get(r, id, key_of('q'), &v) && !quota_row_decode(buf_str(&v), &warned))
			verify_bad(r, "V8", "account %" PRIu64 ": what was told of its quota does not decode", id);
		walk(c, 'B', load_mailbox);
		check_names(c);
		walk(c, 'M', walk_message);
		walk(c, 'Z', walk_deleted);
		if (c->messages.n)
			qsort(c->messages.v, c->messages.n, sizeof *c->messages.v, number_cmp);
		walk(c, 'P', walk_parts);
		for (; c->next < c->messages.n; c->next++)
			verify_bad(r, "V2", "account %" PRIu64 " mailbox %u uid %u has no parts row", id,
				(unsigned)(c->messages.v[c->next] >> 32), (unsigned)c->messages.v[c->next]);
		check_counters(c);
		check_settings(c);
		walk(c, 'D', walk_mark);
		walk(c, 'E', walk_age);
		walk(c, 'I', walk_moved);
		walk(c, 'L', walk_uidl);
		walk(c, 'k', walk_hidden);
		walk(c, 'Y', walk_sent);
		walk(c, 'y', walk_sent_age);
		check_anchor(c);
	}
	buf_fini(&v);
	vec_free(&c->mailboxes);
	vec_free(&c->messages);
	arena_fini(&c->arena);
	free(c);
}

static bool note_account(void *arg, const struct engine_row *row)
{
	struct cur c = cur_of(str_from(row->key, 1));

	*(uint64_t *)arg = cur_be64(&c);
	return false;
}

/* The next account of the directory, or 0. */
static uint64_t account_from(struct run *r, uint64_t id)
{
	struct key from = key_u64(key_of('i'), id);
	struct engine_range range = {
		.partition = PARTITION_DIRECTORY, .from = KEY_STR(from), .to = STR("j"), .snapshot = r->snap
	};
	uint64_t found = 0;

	engine_range(r->port, &range, note_account, &found);
	return found;
}

static void step_account(struct run *r)
{
	uint64_t id = account_from(r, r->at.a);

	if (id == 0) {
		r->at = (struct cursor){ .phase = PHASE_QUEUE };
		return;
	}
	check_account(r, id);
	r->at = (struct cursor){ .phase = PHASE_MESSAGES, .a = id };
}

/* ---- messages one by one: V2 V3 V4 */

struct picked {
	uint32_t mailbox, uid;
	struct message_row row;
	bool decodes;
};

struct picking {
	struct picked *v;
	size_t n;
	bool full;
};

static bool pick(void *arg, const struct engine_row *row)
{
	struct picking *p = arg;
	struct cur cur = cur_of(str_from(row->key, 1));
	struct deleted_row deleted = { 0 };

	if (p->n == STEP_MESSAGES) {
		p->full = true;
		return false;
	}
	p->v[p->n].mailbox = cur_be32(&cur);
	p->v[p->n].uid = cur_be32(&cur);
	if (row->key.p[0] == 'Z') {
		p->v[p->n].decodes = deleted_row_decode(row->value, &deleted);
		p->v[p->n].row = deleted.message;
	} else {
		p->v[p->n].decodes = message_row_decode(row->value, &p->v[p->n].row);
	}
	p->n++;
	return true;
}

struct index_check {
	struct str index;
	bool ok;
};

static void decode_index(void *arg)
{
	struct index_check *i = arg;
	struct mail_index x;
	struct arena a;

	arena_init(&a, "store-index", (size_t)64 << 20);
	i->ok = i->index.n == 0 || mail_index_decode(i->index, &a, &x) == OK;
	arena_fini(&a);
}

static void check_parts(struct run *r, const struct picked *p, struct buf *v)
{
	struct index_check i;
	struct str prefix;

	if (!verify_get(r, r->at.a, key_message('P', p->mailbox, p->uid), v))
		return; /* told with the account */
	i.ok = parts_row_decode(buf_str(v), &prefix, &i.index);
	if (i.ok)
		sched_call(r->s->sched, decode_index, &i);
	if (!i.ok)
		verify_bad(r, "V2", "account %" PRIu64 " mailbox %u uid %u: its parts or index do not decode", r->at.a,
			p->mailbox, p->uid);
	else if (prefix.n != p->row.prefix_n)
		verify_bad(r, "V2", "account %" PRIu64 " mailbox %u uid %u: its prefix is of %zu bytes, not %u", r->at.a,
			p->mailbox, p->uid, prefix.n, p->row.prefix_n);
}

/* A message that was expunged since the snapshot may have lost its body rightly. */
static bool still_there(struct run *r, const struct picked *p)
{
	struct key k = key_message(r->at.phase == PHASE_DELETED ? 'Z' : 'M', p->mailbox, p->uid);
	struct buf v;
	bool there;

	buf_init(&v, 4096);
	there = engine_get(r->port, NULL, r->at.a, KEY_STR(k), &v);
	buf_fini(&v);
	return there;
}

static uint64_t check_body(struct run *r, const struct picked *p)
{
	uint64_t size = p->row.size - p->row.prefix_n;
	enum outcome o;
	struct buf body;

	buf_init(&body, SIZE_MAX);
	o = engine_blob_get(r->port, p->row.blob, 0, size + 1, &body);
	if (o != OK && still_there(r, p))
		verify_bad(r, "V4", "account %" PRIu64 " mailbox %u uid %u: body %" PRIu64 " is %s", r->at.a, p->mailbox,
			p->uid, p->row.blob, o == NO_SUCH ? "missing" : "damaged");
	else if (o == OK && body.n != size)
		verify_bad(r, "V4", "account %" PRIu64 " mailbox %u uid %u: body %" PRIu64 " has %zu bytes, not %" PRIu64,
			r->at.a, p->mailbox, p->uid, p->row.blob, body.n, size);
	buf_fini(&body);
	return size;
}

static SUSPENDS void step_messages(struct run *r)
{
	bool deleted = r->at.phase == PHASE_DELETED;
	struct key from = key_message(deleted ? 'Z' : 'M', r->at.mailbox, r->at.uid);
	struct engine_range range = {
		.partition = r->at.a, .from = KEY_STR(from), .to = deleted ? STR("[") : STR("N"), .snapshot = r->snap
	};
	struct picking p = { .v = mem_array(STEP_MESSAGES, sizeof *p.v) };
	struct cursor next = { .phase = deleted ? PHASE_ACCOUNT : PHASE_DELETED, .a = r->at.a + deleted };
	uint64_t bytes = 0;
	struct buf v;

	buf_init(&v, SIZE_MAX);
	engine_range(r->port, &range, pick, &p);
	for (size_t i = 0; i < p.n; i++) {
		const struct picked *m = &p.v[i];

		if (!m->decodes)
			continue;
		check_parts(r, m, &v);
		if (!verify_has_ref(r, key_ref(m->row.blob, r->at.a, m->mailbox, m->uid)))
			verify_bad(r, "V3", "account %" PRIu64 " mailbox %u uid %u has no reference", r->at.a, m->mailbox,
				m->uid);
		bytes += check_body(r, m);
		r->v->checked++;
		if (i % 16 == 15)
			task_yield(r->s->sched);
		if (bytes >= STEP_BODY_BYTES || (i + 1 == p.n && p.full)) {
			next = (struct cursor){
				.phase = r->at.phase, .a = r->at.a, .mailbox = m->mailbox, .uid = m->uid + 1
			};
			break;
		}
	}
	buf_fini(&v);
	free(p.v);
	r->at = next;
}

/* ---- queued letters: V13 */

static bool check_queued(void *arg, const struct engine_row *row)
{
	struct run *r = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	uint64_t lane = PARTITION_LANE(r->s->shard.number), id = cur_be64(&c);
	struct queued_row *q = mem_new(struct queued_row);
	struct buf v;

	r->v->checked++;
	buf_init(&v, 4096);
	if (!queued_row_decode(row->value, q)) {
		verify_bad(r, "V13", "queued letter %" PRIu64 " does not decode", id);
	} else {
		if (!verify_has_ref(r, key_ref(q->blob, lane, (uint32_t)(id >> 32), (uint32_t)id)))
			verify_bad(r, "V13", "queued letter %" PRIu64 " has no reference", id);
		if (!verify_get(r, lane, key_u64(key_of('T'), id), &v) || v.n != q->n_rcpts)
			verify_bad(r, "V13", "queued letter %" PRIu64 " has no row of its recipients", id);
	}
	buf_fini(&v);
	free(q);
	return true;
}

static void step_queue(struct run *r)
{
	struct engine_range all = {
		.partition = PARTITION_LANE(r->s->shard.number), .from = STR("Q"), .to = STR("R"), .snapshot = r->snap
	};

	engine_range(r->port, &all, check_queued, r);
	r->at = (struct cursor){ .phase = PHASE_OUTGOING };
}

/* ---- references: V5 */

struct refs {
	struct key *v;
	size_t n;
};

static bool note_ref(void *arg, const struct engine_row *row)
{
	struct refs *f = arg;

	f->v[f->n++] = key_bytes((struct key){ 0 }, row->key);
	return f->n < STEP_ROWS;
}

static void check_ref(struct run *r, struct key ref, struct buf *v)
{
	struct cur c = cur_of(str_from(KEY_STR(ref), 1));
	uint64_t blob = cur_be64(&c), owner = cur_be64(&c);
	uint32_t mailbox = cur_be32(&c), uid = cur_be32(&c);
	bool lane = owner >= PARTITION_LANE(0);
	struct message_row m = { 0 };
	struct deleted_row d;
	bool found;

	if (lane && !verify_get(r, owner, key_u64(key_of('Q'), (uint64_t)mailbox << 32 | uid), v) &&
		!verify_get(r, owner, key_out_letter((uint64_t)mailbox << 32 | uid), v))
		verify_bad(r, "V5", "body %" PRIu64 " is referenced by a queued letter that is not there", blob);
	if (lane)
		return;
	found = verify_get(r, owner, key_message('M', mailbox, uid), v);
	if (found && !message_row_decode(buf_str(v), &m))
		m.blob = 0; /* V1 tells */
	if (!found && verify_get(r, owner, key_message('Z', mailbox, uid), v) && deleted_row_decode(buf_str(v), &d)) {
		found = true;
		m = d.message;
	}
	if (!found)
		verify_bad(r, "V5",
			"body %" PRIu64 " is referenced by account %" PRIu64 " mailbox %u uid %u, which is not there",
			blob, owner, mailbox, uid);
	else if (m.blob && m.blob != blob)
		verify_bad(r, "V5",
			"body %" PRIu64 " is referenced by account %" PRIu64 " mailbox %u uid %u, which has another",
			blob, owner, mailbox, uid);
}

static struct cursor ref_cursor(struct key ref)
{
	struct cur c = cur_of(str_from(KEY_STR(ref), 1));
	struct cursor at = { .phase = PHASE_REFS };

	at.a = cur_be64(&c);
	at.b = cur_be64(&c);
	at.mailbox = cur_be32(&c);
	at.uid = cur_be32(&c) + 1; /* no message has the highest uid */
	return at;
}

static void step_refs(struct run *r)
{
	struct key from = key_ref(r->at.a, r->at.b, r->at.mailbox, r->at.uid);
	struct engine_range range = {
		.space = ENGINE_REFS, .from = KEY_STR(from), .to = STR("S"), .snapshot = r->snap
	};
	struct refs f = { .v = mem_array(STEP_ROWS, sizeof *f.v) };
	struct buf v;

	buf_init(&v, SIZE_MAX);
	engine_range(r->port, &range, note_ref, &f);
	for (size_t i = 0; i < f.n; i++)
		check_ref(r, f.v[i], &v);
	r->v->checked += f.n;
	r->at = f.n == STEP_ROWS ? ref_cursor(f.v[f.n - 1]) : (struct cursor){ .phase = PHASE_BODIES };
	buf_fini(&v);
	free(f.v);
}

/* ---- bodies: V6 */

struct unreferenced {
	struct VEC(uint64_t) v;
	size_t n_left;
};

/* Strikes out those that are candidates. */
static bool strike(void *arg, const struct engine_row *row)
{
	struct unreferenced *u = arg;
	struct cur c = cur_of(str_from(row->key, 9));
	uint64_t blob = cur_be64(&c);

	for (size_t lo = 0, hi = u->v.n; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (u->v.v[mid] == blob) {
			vec_remove(&u->v, mid);
			break;
		}
		if (u->v.v[mid] < blob)
			lo = mid + 1;
		else
			hi = mid;
	}
	return u->v.n > 0;
}

static void step_bodies(struct run *r)
{
	struct engine_range candidates = {
		.space = ENGINE_REFS, .from = STR("G"), .to = STR("H"), .snapshot = r->snap
	};
	struct unreferenced u = { 0 };
	struct engine_blob_info info;
	unsigned n = 0;
	bool found = true;

	while (n < STEP_ROWS && (found = engine_blob_next(r->port, r->snap, r->at.a, &info))) {
		if (!blob_is_referenced(&r->s->shard, r->snap, info.id))
			*vec_push(&u.v) = info.id;
		r->at.a = info.id;
		n++;
	}
	if (u.v.n)
		engine_range(r->port, &candidates, strike, &u);
	for (size_t i = 0; i < u.v.n; i++)
		verify_bad(r, "V6", "body %" PRIu64 " has no reference and is no garbage candidate", u.v.v[i]);
	vec_free(&u.v);
	r->v->checked += n;
	if (!found)
		r->at = (struct cursor){ .phase = PHASE_END };
}

/* ---- steps */

/* A number in hexadecimal digits, and the colon behind it when it is not the last. */
static uint64_t take_hex(struct cur *c, bool last)
{
	uint64_t v = 0;
	int n = 0;

	for (; mail_hex_digit((char)cur_peek(c)) >= 0 && cur_peek(c) >= 0 && n < 16; n++)
		v = v << 4 | (uint64_t)mail_hex_digit((char)cur_take(c));
	if (n == 0)
		cur_fail(c);
	if (!last)
		cur_need(c, ':');
	return v;
}

static bool parse_cursor(struct str s, struct cursor *c)
{
	struct cur cur = cur_of(s);

	*c = (struct cursor){ 0 };
	if (s.n == 0)
		return true;
	c->phase = (unsigned)take_hex(&cur, false);
	c->a = take_hex(&cur, false);
	c->b = take_hex(&cur, false);
	c->mailbox = (unsigned)take_hex(&cur, false);
	c->uid = (unsigned)take_hex(&cur, true);
	return cur_done(&cur) && c->phase < PHASE_END;
}

enum outcome store_verify_step(struct store *s, struct str after, struct verify_step *v)
{
	static void (*const steps[])(struct run *) = {
		[PHASE_DIRECTORY] = check_directory,
		[PHASE_ACCOUNT] = step_account,
		[PHASE_MESSAGES] = step_messages,
		[PHASE_DELETED] = step_messages,
		[PHASE_QUEUE] = step_queue,
		[PHASE_OUTGOING] = verify_outgoing,
		[PHASE_TRACES] = verify_traces,
		[PHASE_EVENTS] = verify_events,
		[PHASE_FINISHED] = verify_finished,
		[PHASE_REFS] = step_refs,
		[PHASE_BODIES] = step_bodies,
	};
	struct run r = { .s = s, .port = s->shard.port, .v = v };

	if (!parse_cursor(after, &r.at))
		return BAD_SYNTAX;
	r.snap = engine_snapshot(r.port);
	steps[r.at.phase](&r);
	engine_snapshot_free(r.port, r.snap);
	v->more = r.at.phase != PHASE_END;
	v->next =
		arena_fmt(v->a, "%x:%" PRIx64 ":%" PRIx64 ":%x:%x", r.at.phase, r.at.a, r.at.b, r.at.mailbox, r.at.uid);
	return OK;
}

SUSPENDS void serve_verify_step(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_verify_step *q = msg;
	struct ipc_verify_step_reply r = { 0 };
	struct verify_step v = { .a = call_arena(c), .max_lines = IPC_VERIFY_STEP_LINES_MAX };
	enum outcome o;

	v.lines = arena_array(v.a, v.max_lines, sizeof *v.lines);
	o = store_verify_step(ctx, q->after, &v);
	r.lines = v.lines;
	r.n_lines = v.n_lines;
	r.next = v.next;
	r.more = v.more;
	r.checked = v.checked;
	ipc_verify_step_reply_send(c, o, &r);
}
