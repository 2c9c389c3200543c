/* store/deliver.c - letters into accounts.
 * Suspends    while the mailbox's view is being loaded by another.
 * Invariants  D1 a delivery id is remembered in the batch of its message, so a delivery that is repeated, after a crash too, finds its
 *             first. What a command moved in (I rows) is remembered for ever, the rest (D, E) for a week. D2 one that is staged and not durable yet
 *             is found in account->delivering: the second waits for the first's serial.
 */
#include "store/deliver.h"

#include "base/die.h"
#include "ipc/words.h"
#include "store/names.h"
#include "store/quota.h"

#include <string.h>

#define PREFIX_MAX 65535
#define WORK_MAX ((size_t)64 << 20)

static bool find_staged(const struct account *a, struct str id, struct placed *out)
{
	for (size_t i = 0; i < a->delivering.n; i++) {
		const struct delivering *d = &a->delivering.v[i];

		if (!str_eq(str_of(d->id, d->n), id))
			continue;
		*out = (struct placed){ .uid = d->uid, .serial = d->serial };
		return true;
	}
	return false;
}

static bool find_mark(struct account *a, char tag, struct str id, struct placed *out)
{
	struct mark_row r;
	struct buf v;
	bool found;

	buf_init(&v, 256);
	found = engine_get(a->part.port, NULL, a->id, KEY_STR(key_bytes(key_of(tag), id)), &v);
	if (found) {
		*out = (struct placed){ .serial = a->part.durable };
		if (mark_row_decode(buf_str(&v), &r))
			out->uid = r.uid;
	}
	buf_fini(&v);
	return found;
}

static void put_mark(struct account *a, char tag, struct str id, struct mailbox *m, uint32_t uid)
{
	struct mark_row r = { .time_s = shard_now_s(a->shard), .mailbox = m->id, .uid = uid };
	struct delivering *d = vec_push(&a->delivering);
	struct buf v;

	buf_init(&v, 256);
	mark_row_encode(&r, &v);
	engine_put(account_batch(a), KEY_STR(key_bytes(key_of(tag), id)), buf_str(&v));
	if (tag == 'D') {
		engine_put(account_batch(a), KEY_STR(key_bytes(key_u64(key_of('E'), (uint64_t)r.time_s), id)), STR(""));
		if (r.time_s < a->oldest_mark_s)
			a->oldest_mark_s = r.time_s;
	}
	buf_fini(&v);
	memcpy(d->id, id.p, id.n);
	d->n = (uint8_t)id.n;
	d->uid = uid;
	d->serial = a->part.staged + 1;
}

static struct mailbox *find_named(struct account *a, struct str name)
{
	const struct store_limits *lim = a->shard->limits;
	struct mailbox *m = NULL;
	struct buf clean;

	if (name.n == 0)
		return mailbox_find(a, STR("INBOX"));
	buf_init(&clean, 4096);
	if (name_clean(name, lim->mailbox_name_size_max, lim->mailbox_depth_max, &clean) == OK)
		m = mailbox_find(a, buf_str(&clean));
	buf_fini(&clean);
	return m;
}

static enum outcome find_mailbox(struct account *a, const struct letter *l, struct mailbox **out)
{
	if (l->special)
		return mailbox_special(a, l->special, out);
	*out = find_named(a, l->mailbox);
	return *out ? OK : NO_SUCH;
}

/* Both copies have come, and the message out->uid stands for them. */
static enum outcome joined(struct account *a, struct mailbox *m, const struct letter *l, bool bcc, struct placed *out)
{
	struct sent by_both = { l->sent->key, SENT_BY_SUBMISSION, bcc };

	sent_put(a, m, &by_both, out->uid);
	out->uidvalidity = m->uidvalidity;
	out->serial = account_stage(a);
	out->joined = true;
	return OK;
}

static uint32_t index_of(const struct mailbox *m, uint32_t uid)
{
	uint32_t at;

	die_unless(view_find(m->view, uid, &at), "a sent letter that is there is not there");
	return at;
}

/* The letter is there already: what the second copy says is added to the first. */
static enum outcome join(struct account *a, struct mailbox *m, const struct letter *l, const struct sent_row *first, struct placed *out)
{
	uint32_t at = index_of(m, first->uid), flags = m->view->flags[at] | (l->flags & MSG_SETTABLE);
	uint64_t keywords;
	enum outcome o = mailbox_keywords(m, l->keywords, l->n_keywords, true, &keywords);

	if (o != OK)
		return o;
	keywords |= m->view->keywords[at];
	if (flags != m->view->flags[at] || keywords != m->view->keywords[at])
		message_set(a, m, at, flags, keywords);
	out->uid = first->uid;
	return joined(a, m, l, !first->no_bcc, out);
}

static enum outcome check(struct account *a, const struct letter *l, uint64_t size)
{
	struct shard *s = a->shard;

	if (l->prefix.n > PREFIX_MAX ||
		(l->body && s->limits->message_size_max && l->body->size > s->limits->message_size_max))
		return OVER_LIMIT;
	if (size > UINT32_MAX - PREFIX_MAX)
		return OVER_LIMIT;
	if (!l->over_quota && account_over_quota(a, size, 1))
		return OVER_QUOTA;
	return shard_has_room(s) ? OK : NO_ROOM;
}

/* A new body goes into the account's forming batch. */
static enum outcome take_body(struct account *a, const struct letter *l, struct message_row *r)
{
	struct engine_batch *b = account_batch(a);
	enum outcome o;
	struct arena work;

	if (!l->body) {
		r->blob = l->blob;
		r->size = l->size;
		r->header_n = l->header_n;
		return OK;
	}
	r->blob = shard_blob_id(a->shard);
	o = engine_blob_put(b, r->blob, l->body);
	if (o != OK)
		return TRY_LATER;
	arena_init(&work, "store-letter", WORK_MAX);
	r->size = (uint32_t)l->body->size;
	r->header_n = letter_header_size(l->index, b->blobs.v[b->blobs.n - 1].bytes, &work);
	arena_fini(&work);
	return OK;
}

/* Those that the mailbox can keep. */
static void lenient_keywords(struct mailbox *m, const struct letter *l, uint64_t *bits, struct placed *out)
{
	for (size_t i = 0; i < l->n_keywords; i++) {
		uint64_t bit;

		if (mailbox_keywords(m, &l->keywords[i], 1, true, &bit) == OK)
			*bits |= bit;
		else
			out->left_out++;
	}
}

/* The uid it had, when that is above all others. */
static void prepare_moved(struct account *a, struct mailbox *m, const struct letter *l, struct message_row *r)
{
	struct buf v;

	if (l->uid > m->uidnext && l->uid < UINT32_MAX)
		m->uidnext = l->uid;
	if (m->recent == 0)
		m->watermark = m->uidnext + 1;
	if (l->uidl.n == 0)
		return;
	r->email = a->head.email_next++;
	buf_init(&v, 256);
	uidl_row_encode(l->uidl, &v);
	engine_put(account_batch(a), KEY_STR(key_u64(key_of('L'), r->email)), buf_str(&v));
	buf_fini(&v);
	a->has_uidls = true;
}

enum outcome letter_place(struct account *a, struct mailbox *m, const struct letter *l, struct placed *out)
{
	struct new_message n = { .prefix = l->prefix, .index = l->index };
	enum outcome o = OK;

	if (l->moved_in)
		lenient_keywords(m, l, &n.row.keywords, out);
	else
		o = mailbox_keywords(m, l->keywords, l->n_keywords, true, &n.row.keywords);
	if (o == OK)
		o = take_body(a, l, &n.row);
	if (o != OK)
		return o;
	n.row.size += (uint32_t)l->prefix.n;
	n.row.header_n += (uint32_t)l->prefix.n;
	n.row.prefix_n = (uint32_t)l->prefix.n;
	n.row.flags = l->flags & MSG_SETTABLE;
	n.row.date_s = l->date_s;
	n.row.saved_s = shard_now_s(a->shard);
	if (l->moved_in)
		prepare_moved(a, m, l, &n.row);
	out->uid = message_add(a, m, &n);
	out->uidvalidity = m->uidvalidity;
	return OK;
}

/* The second copy tells of hidden recipients, which the first does not: it takes the first's place, with its flags. */
static enum outcome replace(struct account *a, struct mailbox *m, const struct letter *l, const struct sent_row *first, struct placed *out)
{
	uint32_t old = index_of(m, first->uid), flags = m->view->flags[old], at;
	uint64_t keywords = m->view->keywords[old];
	enum outcome o = letter_place(a, m, l, out);

	if (o != OK)
		return o;
	at = index_of(m, out->uid);
	message_set(a, m, at, m->view->flags[at] | flags, m->view->keywords[at] | keywords);
	old = index_of(m, first->uid);
	messages_expunge(a, m, &old, 1, EXPUNGE_MOVED);
	return joined(a, m, l, true, out);
}

static enum outcome alive(const struct account *a)
{
	return a->closed ? NO_SUCH : a->part.dead ? TRY_LATER : OK;
}

static SUSPENDS enum outcome settled_mailbox(struct account *a, const struct letter *l, struct mailbox **out)
{
	for (;;) {
		enum outcome o = alive(a);

		if (o == OK)
			o = find_mailbox(a, l, out);
		if (o != OK || !(*out)->loading)
			return o;
		if (!mailbox_settle(*out))
			return TRY_LATER;
	}
}

enum outcome letter_mailbox(struct account *a, struct str name, struct mailbox **out)
{
	struct letter l = { .mailbox = name };

	return settled_mailbox(a, &l, out);
}

/* An account without room for a moment's second letter keeps the first. */
static enum outcome second_copy(struct account *a, struct mailbox *m, const struct letter *l, const struct sent_row *first, struct placed *out)
{
	bool better = l->sent->bcc && first->no_bcc && l->body && m->uidnext < UINT32_MAX && check(a, l, l->body->size) == OK;

	return better ? replace(a, m, l, first, out) : join(a, m, l, first, out);
}

enum outcome letter_stage(struct account *a, struct str delivery, const struct letter *l, struct placed *out)
{
	uint64_t size = l->prefix.n + (l->body ? l->body->size : l->size);
	char tag = l->moved_in ? 'I' : 'D';
	bool maybe = false; /* the mailbox may hold it already */
	struct sent_row first;
	struct mailbox *m;
	uint64_t serial;
	enum outcome o;

	die_unless(delivery.n <= sizeof((struct delivering *)0)->id, "delivery id too long");
	do {
		o = alive(a);
		if (o != OK)
			return o;
		if (delivery.n && (find_staged(a, delivery, out) || find_mark(a, tag, delivery, out))) {
			a->shard->stats.n_duplicates++;
			return OK;
		}
		serial = a->part.staged;
		o = settled_mailbox(a, l, &m);
		if (o != OK)
			return o;
		if (l->sent && sent_find(a, m, l->sent, &first, &maybe))
			return second_copy(a, m, l, &first, out);
		if (maybe && !mailbox_view(m))
			return TRY_LATER;
	} while (maybe || (delivery.n && a->part.staged != serial)); /* another may have brought it meanwhile */
	if (delivery.n && !l->moved_in)
		quota_before(a);
	o = check(a, l, size);
	if (o == OK && m->uidnext == UINT32_MAX)
		o = OVER_LIMIT;
	if (o == OK)
		o = letter_place(a, m, l, out);
	if (o != OK)
		return o;
	if (delivery.n)
		put_mark(a, tag, delivery, m, out->uid);
	if (l->sent)
		sent_put(a, m, l->sent, out->uid);
	if (delivery.n && !l->moved_in)
		quota_after(a);
	out->serial = account_stage(a);
	return OK;
}
