/* move/to_imap.c - the account into another IMAP server's: folders, letters, flags, dates.
 * Purpose     what was appended there is remembered here, so that a second run appends what is new only.
 * Trust       the server may be hostile; see far_client.c.
 * Suspends    in the connection and in calls to store.
 * Invariants  I1 a letter counts as moved when the other server has answered OK, and is remembered then.
 */
#include "move/far_client.h"
#include "move/reader.h"

#include "base/vec.h"
#include "imap/utf7.h"
#include "ipc/words.h"
#include "mail/date.h"

#include <stdlib.h>

#define ARENA_MAX ((size_t)1 << 30)

struct sink {
	struct mover *m;
	struct reader r;
	struct far_client c;
	struct arena a;
	struct buf wire; /* the folder's name there, quoted */
	struct str folder;
	char sep;
};

static SUSPENDS bool on_list(void *ctx, struct far_client *c, uint32_t number, struct str keyword)
{
	struct sink *s = ctx;
	struct str word;
	bool nil;

	(void)number;
	if (!str_ieq(keyword, STR("LIST")))
		return false;
	far_skip_value(&c->in, far_token(&c->in, &word));
	if (!c->in.bad && far_string(&c->in, &word, &nil) && !nil && word.n == 1)
		s->sep = word.p[0];
	far_skip(&c->in);
	return true;
}

/* RFC 3501 6.3.8: an empty name asks for the separator. */
static SUSPENDS bool find_separator(struct sink *s)
{
	s->sep = '/';
	far_send(&s->c, "LIST \"\" \"\"");
	return far_answer(&s->c, on_list, s) != FAILED;
}

static bool make_wire(struct sink *s, struct str name)
{
	struct buf plain;
	struct str rest = name, level;
	bool more = false, ok;

	buf_init(&plain, 16384);
	while (str_split(&rest, HIERARCHY_SEPARATOR, &level)) {
		size_t at;

		if (more)
			buf_addc(&plain, s->sep);
		more = true;
		at = plain.n;
		imap_utf7_encode(level, &plain);
		for (; at < plain.n; at++) /* a level of ours may have what parts levels there */
			if (plain.p[at] == s->sep)
				plain.p[at] = '_';
	}
	buf_reset(&s->wire);
	ok = far_quote(&s->wire, buf_str(&plain)) && !s->wire.full;
	buf_fini(&plain);
	return ok;
}

static SUSPENDS bool open_there(struct sink *s, struct str name, bool subscribed)
{
	if (!make_wire(s, name))
		return false;
	if (!str_eq(name, STR("INBOX"))) {
		far_send(&s->c, "CREATE %.*s", STR_ARG(buf_str(&s->wire)));
		if (far_answer(&s->c, NULL, NULL) == FAILED) /* NO: it is there already, or APPEND will tell */
			return false;
	}
	if (subscribed) {
		far_send(&s->c, "SUBSCRIBE %.*s", STR_ARG(buf_str(&s->wire)));
		if (far_answer(&s->c, NULL, NULL) == FAILED)
			return false;
	}
	return true;
}

static struct str id_of(struct sink *s, struct arena *a, uint32_t uid)
{
	struct str parts[] = { STR("to imap"), s->c.place.host, s->c.place.user, s->folder,
		str_of(&s->r.box.uidvalidity, sizeof s->r.box.uidvalidity), str_of(&uid, sizeof uid) };

	return move_id(a, parts, sizeof parts / sizeof *parts);
}

static void add_flags(struct letter_out *l, struct buf *out)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} flags[] = { { MSG_SEEN, "\\Seen" }, { MSG_ANSWERED, "\\Answered" }, { MSG_FLAGGED, "\\Flagged" }, { MSG_DELETED, "\\Deleted" },
		{ MSG_DRAFT, "\\Draft" } };
	const char *blank = "";

	buf_addc(out, '(');
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (l->row->flags & flags[i].flag) {
			buf_addf(out, "%s%s", blank, flags[i].name);
			blank = " ";
		}
	for (unsigned i = 0; i < 64; i++)
		if (letter_keyword(l, i).n) {
			buf_addf(out, "%s%.*s", blank, STR_ARG(letter_keyword(l, i)));
			blank = " ";
		}
	buf_addz(out, ") ");
	mail_imap_datetime_add(out, l->row->date_s);
}

static SUSPENDS void put_piece(void *ctx, struct str piece)
{
	struct sink *s = ctx;

	stream_write(&s->c.s, piece);
}

/* The literal, whole, or nothing that can be gone on with. */
static SUSPENDS enum outcome append(struct sink *s, struct letter_out *l)
{
	bool plus = s->c.caps & CAP_LITERAL_PLUS;
	struct buf words;
	enum outcome o = OK;

	buf_init(&words, 16384);
	add_flags(l, &words);
	far_send(&s->c, "APPEND %.*s %.*s {%u%s}", STR_ARG(buf_str(&s->wire)), STR_ARG(buf_str(&words)), l->row->size, plus ? "+" : "");
	buf_fini(&words);
	if (!plus)
		o = far_go_ahead(&s->c);
	if (o != OK)
		return o;
	if (!letter_bytes(l, put_piece, s)) {
		stream_fail(&s->c.s, STREAM_RESET);
		mover_stop(s->m, "the server does not answer any more; when it is up again run the same command again: it goes on where it stopped");
		return FAILED;
	}
	stream_write(&s->c.s, STR("\r\n"));
	return far_answer(&s->c, NULL, NULL);
}

static SUSPENDS bool remember(struct sink *s, struct str id)
{
	struct ipc_moved_add q = { .handle = s->m->handle, .ids = &id, .n_ids = 1 };

	if (ipc_moved_add(&s->m->store, &q) == OK)
		return true;
	mover_stop(s->m, "the server does not answer any more; the last letter may be appended once more by a second run");
	return false;
}

static SUSPENDS bool to_imap(void *ctx, struct letter_out *l)
{
	struct sink *s = ctx;
	uint32_t uid = 0;
	struct arena a;
	struct str id;
	enum outcome o;
	bool goes_on;

	arena_init(&a, "letter", 65536);
	id = id_of(s, &a, l->row->uid);
	goes_on = mover_known(s->m, &id, 1, &uid);
	if (goes_on && uid) {
		mover_skip(s->m, l->row->size);
	} else if (goes_on && !s->m->opts->dry_run) {
		o = append(s, l);
		goes_on = o != FAILED;
		if (o == OK && remember(s, id))
			mover_sent(s->m, l->row->size);
		else if (o == NO_SUCH)
			mover_refuse(s->m, arena_fmt(&a, "%.*s UID %u", STR_ARG(s->folder), l->row->uid),
				arena_dupz(&a, arena_fmt(&a, "the other server says: %.*s", STR_ARG(buf_str(&s->c.why)))));
	} else if (goes_on) {
		mover_sent(s->m, l->row->size);
	}
	arena_fini(&a);
	return goes_on;
}

static SUSPENDS void export_folder(struct sink *s, const struct ipc_mailbox *b)
{
	struct folder_counts before = mover_counts(s->m);
	struct folder_to to = { .name = b->name };

	s->folder = b->name;
	if (!s->m->opts->dry_run && !open_there(s, b->name, b->flags & MBOX_SUBSCRIBED))
		return;
	if (!reader_select(&s->r, b->name))
		return;
	s->m->progress.letters_all += s->r.box.messages;
	s->m->progress.bytes_all += s->r.box.size;
	(void)!reader_each(&s->r, to_imap, s);
	reader_unselect(&s->r);
	mover_folder_line(s->m, &to, &before);
}

SUSPENDS void export_imap(struct mover *m)
{
	struct sink *s = mem_new(struct sink);

	s->m = m;
	arena_init(&s->a, "imap sink", ARENA_MAX);
	buf_init(&s->wire, 32768);
	if (far_open(&s->c, m, &s->a) && find_separator(s) && reader_open(&s->r, m))
		for (size_t i = 0; i < s->r.n_folders && mover_goes_on(m); i++)
			export_folder(s, &s->r.folders[i]);
	reader_close(&s->r);
	far_close(&s->c);
	buf_fini(&s->wire);
	arena_fini(&s->a);
	free(s);
}
