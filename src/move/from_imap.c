/* move/from_imap.c - another IMAP server's account: folders, letters, flags, dates, UIDs.
 * Purpose     what was moved is remembered by UIDVALIDITY and UID, so that a second run, days later too, fetches what is new only.
 * Trust       the server may be hostile: far_wire.c bounds what it says; a letter that was not asked for is not taken.
 * Owns        a folder's list of UIDs at a time.
 * Suspends    in the connection, and while enough letters are under way.
 */
#include "move/far_client.h"

#include "base/vec.h"
#include "ipc/words.h"
#include "mail/date.h"
#include "move/dovecot.h"
#include "move/name.h"
#include "move/source.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)1 << 30)
#define FOLDERS_MAX 100000
#define LETTERS_MAX 50000000 /* of a folder */
#define BATCH 50	     /* letters a FETCH */
#define STEP 1000	     /* looked up at once */

struct folder {
	struct str wire, name;
	uint32_t special;
	bool subscribed, skip;
};

struct row {
	uint32_t uid;
	bool wanted; /* asked for, and not come yet */
};

struct source {
	struct mover *m;
	struct far_client c;
	struct arena a;
	struct VEC(struct folder) folders;
	struct str prefix; /* of the personal namespace */
	/* the folder that is open */
	struct folder *f;
	struct folder_to to;
	uint32_t uidvalidity, uidnext, exists;
	struct VEC(struct row) rows;
};

/* ---- folders */

static const struct {
	const char *attribute;
	uint32_t special;
} attributes[] = {
	{ "\\Archive", MBOX_ARCHIVE }, { "\\Drafts", MBOX_DRAFTS }, { "\\Junk", MBOX_JUNK }, { "\\Sent", MBOX_SENT }, { "\\Trash", MBOX_TRASH },
	{ "\\All", MBOX_ALL }, { "\\Flagged", MBOX_FLAGGED },
};

static void note_attribute(struct source *s, struct folder *f, struct str word)
{
	for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
		if (str_ieq(word, str_z(attributes[i].attribute)))
			f->special |= attributes[i].special;
	f->skip |= str_ieq(word, STR("\\Noselect")) || str_ieq(word, STR("\\NonExistent"));
	f->skip |= s->m->opts->skip_all && (f->special & (MBOX_ALL | MBOX_FLAGGED)) != 0;
}

static void set_name(struct source *s, struct folder *f, char sep)
{
	struct str wire = f->wire;
	struct buf name;
	bool same = true;

	buf_init(&name, 8192);
	if (s->prefix.n && wire.n > s->prefix.n && str_starts(wire, s->prefix))
		wire = str_from(wire, s->prefix.n);
	if (str_ieq(wire, STR("INBOX")))
		buf_addz(&name, "INBOX");
	else
		same = wire_decode(wire, sep, &name);
	if (!same)
		mover_say(s->m, "folder %.*s: its name has what no mailbox may have; it becomes %.*s", STR_ARG(wire), STR_ARG(buf_str(&name)));
	f->name = arena_dup(&s->a, buf_str(&name));
	buf_fini(&name);
}

/* "(\HasNoChildren) "/" name" */
static SUSPENDS bool read_list(struct source *s, struct folder *f)
{
	struct far_in *in = &s->c.in;
	struct str word;
	enum far_tok tok;
	char sep;
	bool nil;

	if (far_token(in, &word) != TOK_OPEN)
		return false;
	while ((tok = far_token(in, &word)) == TOK_ATOM)
		note_attribute(s, f, word);
	if (tok != TOK_CLOSE || !far_string(in, &word, &nil))
		return false;
	sep = nil || word.n != 1 ? 0 : word.p[0];
	if (!far_string(in, &word, &nil))
		return false;
	f->wire = arena_dup(&s->a, word);
	set_name(s, f, sep);
	return true;
}

static SUSPENDS bool on_list(void *ctx, struct far_client *c, uint32_t number, struct str keyword)
{
	struct source *s = ctx;
	struct folder f = { 0 };

	(void)number;
	if (!str_ieq(keyword, STR("LIST")) || s->folders.n >= FOLDERS_MAX)
		return false;
	if (!read_list(s, &f)) {
		c->in.bad = true;
		return true;
	}
	*vec_push(&s->folders) = f;
	far_skip(&c->in);
	return true;
}

static SUSPENDS bool on_lsub(void *ctx, struct far_client *c, uint32_t number, struct str keyword)
{
	struct source *s = ctx;
	struct folder f = { 0 };

	(void)number;
	if (!str_ieq(keyword, STR("LSUB")))
		return false;
	if (!read_list(s, &f)) {
		c->in.bad = true;
		return true;
	}
	for (size_t i = 0; i < s->folders.n; i++)
		s->folders.v[i].subscribed |= str_eq(s->folders.v[i].wire, f.wire);
	far_skip(&c->in);
	return true;
}

/* "((prefix separator)) ...": the first personal one. */
static SUSPENDS bool on_namespace(void *ctx, struct far_client *c, uint32_t number, struct str keyword)
{
	struct source *s = ctx;
	struct str word;
	bool nil;

	(void)number;
	if (!str_ieq(keyword, STR("NAMESPACE")))
		return false;
	if (far_token(&c->in, &word) == TOK_OPEN && far_token(&c->in, &word) == TOK_OPEN && far_string(&c->in, &word, &nil) && !nil)
		s->prefix = arena_dup(&s->a, word);
	far_skip(&c->in);
	return true;
}

static SUSPENDS bool list_folders(struct source *s)
{
	struct far_client *c = &s->c;

	if (c->caps & CAP_NAMESPACE) {
		far_send(c, "NAMESPACE");
		if (far_answer(c, on_namespace, s) == FAILED)
			return false;
	}
	far_send(c, c->caps & CAP_SPECIAL_USE ? "LIST \"\" \"*\" RETURN (SPECIAL-USE)" : "LIST \"\" \"*\"");
	if (far_answer(c, on_list, s) != OK)
		return false;
	far_send(c, "LSUB \"\" \"*\"");
	return far_answer(c, on_lsub, s) != FAILED;
}

/* ---- what is in a folder */

static SUSPENDS bool read_code(struct source *s, struct far_client *c)
{
	struct str line = far_text(&c->in), rest;

	if (str_istarts(line, STR("[UIDVALIDITY "))) {
		rest = str_from(line, 13);
		(void)!str_to_u32(str_sub(rest, 0, (size_t)(str_find(rest, ']') < 0 ? 0 : str_find(rest, ']'))), &s->uidvalidity);
	} else if (str_istarts(line, STR("[UIDNEXT "))) {
		rest = str_from(line, 9);
		(void)!str_to_u32(str_sub(rest, 0, (size_t)(str_find(rest, ']') < 0 ? 0 : str_find(rest, ']'))), &s->uidnext);
	}
	return true;
}

static SUSPENDS bool on_examine(void *ctx, struct far_client *c, uint32_t number, struct str keyword)
{
	struct source *s = ctx;

	if (str_ieq(keyword, STR("OK")))
		return read_code(s, c);
	if (str_ieq(keyword, STR("EXISTS")))
		s->exists = number;
	return false;
}

/* ---- FETCH */

struct fetched {
	uint32_t uid, flags;
	int64_t date_s;
	struct VEC(struct str) keywords; /* in the arena */
	struct arena a;
	struct sending *letter;
};

static SUSPENDS void read_flags(struct far_client *c, struct fetched *f)
{
	struct str word;
	enum far_tok tok = far_token(&c->in, &word);

	if (tok != TOK_OPEN) {
		c->in.bad = true;
		return;
	}
	while ((tok = far_token(&c->in, &word)) == TOK_ATOM) {
		f->flags |= far_flag_of(word);
		if (word.p[0] != '\\' && word.n <= IPC_IMPORT_KEYWORDS_EACH_MAX && f->keywords.n < IPC_IMPORT_KEYWORDS_MAX)
			*vec_push(&f->keywords) = arena_dup(&f->a, word);
	}
	c->in.bad |= tok != TOK_CLOSE;
}

static void add_piece(void *ctx, struct str piece)
{
	letter_text_add(ctx, piece);
}

static SUSPENDS void read_body(struct source *s, struct far_client *c, struct fetched *f)
{
	struct str text;
	enum far_tok tok = far_token(&c->in, &text);
	bool is_nil = tok == TOK_ATOM && str_ieq(text, STR("NIL"));

	if (f->letter || (tok != TOK_LITERAL && tok != TOK_STRING && !is_nil)) {
		c->in.bad = true;
		return;
	}
	f->letter = mover_begin(s->m, tok == TOK_LITERAL ? c->in.literal : text.n);
	if (tok == TOK_LITERAL)
		far_literal(&c->in, add_piece, &f->letter->text);
	else if (!is_nil)
		letter_text_add(&f->letter->text, text);
	f->letter->size = f->letter->text.n;
}

static SUSPENDS void read_item(struct source *s, struct far_client *c, struct fetched *f, struct str name)
{
	struct str word;
	bool nil;

	if (str_ieq(name, STR("UID"))) {
		c->in.bad |= far_token(&c->in, &word) != TOK_ATOM || !str_to_u32(word, &f->uid);
	} else if (str_ieq(name, STR("FLAGS"))) {
		read_flags(c, f);
	} else if (str_ieq(name, STR("INTERNALDATE"))) {
		if (far_string(&c->in, &word, &nil) && !nil)
			(void)!mail_imap_datetime_parse(word, &f->date_s);
	} else if (str_ieq(name, STR("BODY[]"))) {
		read_body(s, c, f);
	} else {
		far_skip_value(&c->in, far_token(&c->in, &word));
	}
}

static SUSPENDS void read_fetch(struct source *s, struct far_client *c, struct fetched *f)
{
	struct str word;
	enum far_tok tok = far_token(&c->in, &word);
	struct buf name;

	if (tok != TOK_OPEN)
		c->in.bad = true;
	buf_init(&name, 200);
	while (!c->in.bad && (tok = far_token(&c->in, &word)) == TOK_ATOM) {
		buf_reset(&name);
		buf_add(&name, word);
		read_item(s, c, f, buf_str(&name));
	}
	buf_fini(&name);
	c->in.bad |= tok != TOK_CLOSE;
	if (!c->in.bad)
		far_skip(&c->in);
}

static void fetched_end(struct fetched *f)
{
	vec_free(&f->keywords);
	arena_fini(&f->a);
}

static SUSPENDS bool on_uids(void *ctx, struct far_client *c, uint32_t number, struct str keyword)
{
	struct source *s = ctx;
	struct fetched f = { 0 };

	(void)number;
	if (!str_ieq(keyword, STR("FETCH")))
		return false;
	arena_init(&f.a, "fetched", (size_t)16 << 20);
	read_fetch(s, c, &f);
	if (f.letter)
		mover_forget(f.letter);
	if (!c->in.bad && f.uid && s->rows.n < LETTERS_MAX)
		*vec_push(&s->rows) = (struct row){ .uid = f.uid };
	fetched_end(&f);
	return true;
}

static int by_uid(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

static struct row *find_row(struct source *s, uint32_t uid)
{
	struct row key = { .uid = uid };

	return s->rows.n ? bsearch(&key, s->rows.v, s->rows.n, sizeof key, by_uid) : NULL;
}

static struct str id_of(struct source *s, struct arena *a, uint32_t uid)
{
	struct str parts[] = { STR("imap"), s->c.place.user, s->f->wire, str_of(&s->uidvalidity, sizeof s->uidvalidity),
		str_of(&uid, sizeof uid) };

	return move_id(a, parts, sizeof parts / sizeof *parts);
}

/* The UIDL by which POP clients of a Dovecot know it; of another server where the caller knows its format. */
static void fill_uidl(struct source *s, struct sending *l, uint32_t uid)
{
	const char *given = s->m->opts->pop3_uidl_format;
	struct buf out;

	if (!str_eq(s->f->name, STR("INBOX")) || (!given && !s->c.is_dovecot))
		return;
	buf_init(&out, IPC_IMPORT_UIDL_MAX);
	if (pop3_uidl_format(str_z(given ? given : POP3_UIDL_DOVECOT), uid, s->uidvalidity, STR(""), &out))
		l->q.uidl = arena_dup(&l->arena, buf_str(&out));
	buf_fini(&out);
}

static SUSPENDS void send_letter(struct source *s, struct fetched *f)
{
	struct sending *l = f->letter;
	struct str *k = arena_array(&l->arena, f->keywords.n + 1, sizeof *k);

	for (size_t i = 0; i < f->keywords.n; i++)
		k[i] = arena_dup(&l->arena, f->keywords.v[i]);
	l->name = arena_fmt(&l->arena, "%.*s UID %u", STR_ARG(s->f->name), f->uid);
	l->q.mailbox = s->to.name;
	l->q.id = id_of(s, &l->arena, f->uid);
	l->q.uid = s->to.keeps_uids ? f->uid : 0;
	l->q.flags = f->flags;
	l->q.keywords = k;
	l->q.n_keywords = f->keywords.n;
	l->q.date_s = f->date_s;
	fill_uidl(s, l, f->uid);
	mover_send(l);
}

static SUSPENDS bool on_letter(void *ctx, struct far_client *c, uint32_t number, struct str keyword)
{
	struct source *s = ctx;
	struct fetched f = { 0 };
	struct row *row;

	(void)number;
	if (!str_ieq(keyword, STR("FETCH")))
		return false;
	arena_init(&f.a, "fetched", (size_t)16 << 20);
	read_fetch(s, c, &f);
	row = c->in.bad ? NULL : find_row(s, f.uid);
	if (f.letter && row && row->wanted) {
		row->wanted = false;
		send_letter(s, &f);
	} else if (f.letter) {
		mover_forget(f.letter);
	}
	fetched_end(&f);
	return true;
}

/* Asks for the wanted rows from at on, BATCH of them; where to go on. */
static SUSPENDS size_t ask(struct source *s, size_t at)
{
	struct buf set;
	unsigned n = 0;

	buf_init(&set, 8192);
	for (; at < s->rows.n && n < BATCH; at++) {
		if (!s->rows.v[at].wanted)
			continue;
		buf_addf(&set, n++ ? ",%u" : "%u", s->rows.v[at].uid);
	}
	if (n)
		far_send(&s->c, "UID FETCH %.*s (UID FLAGS INTERNALDATE BODY.PEEK[])", STR_ARG(buf_str(&set)));
	buf_fini(&set);
	return at;
}

/* One FETCH is under way while the answer to another is read. */
static SUSPENDS void fetch_wanted(struct source *s)
{
	struct far_client *c = &s->c;
	size_t at = ask(s, 0);

	while (c->sent != c->answered && mover_goes_on(s->m)) {
		enum outcome o;

		if (c->sent == c->answered + 1)
			at = ask(s, at);
		o = far_answer(c, on_letter, s);
		if (o == NO_SUCH)
			mover_say(s->m, "%.*s: the other server says: %.*s", STR_ARG(s->f->name), STR_ARG(buf_str(&c->why)));
		if (o == FAILED)
			return;
	}
	for (size_t i = 0; i < s->rows.n && mover_goes_on(s->m); i++)
		if (s->rows.v[i].wanted)
			mover_refuse(s->m, arena_fmt(&s->a, "%.*s UID %u", STR_ARG(s->f->name), s->rows.v[i].uid), "the other server did not give it");
}

static SUSPENDS void choose_wanted(struct source *s)
{
	for (size_t at = 0; at < s->rows.n && mover_goes_on(s->m); at += STEP) {
		size_t n = s->rows.n - at < STEP ? s->rows.n - at : STEP;
		struct str *ids = mem_array(n, sizeof *ids);
		uint32_t *uids = mem_array(n, sizeof *uids);
		struct arena a;

		arena_init(&a, "ids", (size_t)1 << 20);
		for (size_t i = 0; i < n; i++)
			ids[i] = id_of(s, &a, s->rows.v[at + i].uid);
		if (mover_known(s->m, ids, n, uids))
			for (size_t i = 0; i < n; i++) {
				s->rows.v[at + i].wanted = uids[i] == 0;
				if (uids[i])
					mover_skip(s->m, 0);
			}
		arena_fini(&a);
		free(ids);
		free(uids);
	}
}

static void unique(struct source *s)
{
	size_t kept = 0;

	qsort(s->rows.v, s->rows.n, sizeof *s->rows.v, by_uid);
	for (size_t i = 0; i < s->rows.n; i++)
		if (kept == 0 || s->rows.v[i].uid != s->rows.v[kept - 1].uid)
			s->rows.v[kept++] = s->rows.v[i];
	s->rows.n = kept;
}

static SUSPENDS bool examine(struct source *s)
{
	struct far_client *c = &s->c;
	struct buf name;
	enum outcome o = NO_SUCH;

	s->uidvalidity = s->uidnext = s->exists = 0;
	s->rows.n = 0;
	buf_init(&name, 16384);
	if (far_quote(&name, s->f->wire)) {
		far_send(c, "EXAMINE %.*s", STR_ARG(buf_str(&name)));
		o = far_answer(c, on_examine, s);
	}
	buf_fini(&name);
	if (o == NO_SUCH)
		mover_fail(s->m, "folder %.*s: the other server does not open it: %.*s", STR_ARG(s->f->name), STR_ARG(buf_str(&c->why)));
	if (o != OK || !s->exists)
		return o == OK;
	far_send(c, "UID FETCH 1:* (UID)");
	o = far_answer(c, on_uids, s);
	if (o == OK && s->rows.n)
		unique(s);
	s->m->progress.letters_all += s->rows.n;
	return o == OK;
}

static SUSPENDS void import_folder(struct source *s, struct folder *f)
{
	struct folder_in in = { .name = source_folder(s->m, &s->a, f->name), .special = f->special & ~(uint32_t)(MBOX_ALL | MBOX_FLAGGED),
		.subscribe = f->subscribed };
	struct folder_counts before = mover_counts(s->m);

	s->f = f;
	if (!examine(s))
		return;
	in.uidvalidity = s->uidvalidity;
	in.uidnext = s->uidnext;
	if (!in.special)
		in.special = name_special(in.name);
	if (!mover_folder(s->m, &in, &s->to))
		return;
	choose_wanted(s);
	if (mover_goes_on(s->m))
		fetch_wanted(s);
	if (!s->to.keeps_uids)
		in.uidnext = 0;
	mover_folder_end(s->m, &in);
	mover_folder_line(s->m, &s->to, &before);
}

SUSPENDS void import_imap(struct mover *m)
{
	struct source *s = mem_new(struct source);

	s->m = m;
	arena_init(&s->a, "imap source", ARENA_MAX);
	if (far_open(&s->c, m, &s->a)) {
		if (!list_folders(s))
			mover_stop(m, "the other server does not list its folders");
		for (size_t i = 0; i < s->folders.n && mover_goes_on(m); i++)
			if (!s->folders.v[i].skip)
				import_folder(s, &s->folders.v[i]);
	}
	mover_wait_all(m);
	far_close(&s->c);
	vec_free(&s->folders);
	vec_free(&s->rows);
	arena_fini(&s->a);
	free(s);
}
