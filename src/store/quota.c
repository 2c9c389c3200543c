/* store/quota.c - the letter that tells an account's owner how full it is. See the header.
 * Invariants  L1 what was told is a row in the batch of the letter that tells it. L2 the letter itself is taken whatever the quota says.
 */
#include "store/quota.h"

#include "base/clock.h"
#include "mail/index.h"
#include "store/deliver.h"

unsigned quota_percent(const struct account *a)
{
	uint64_t bytes = a->quota_bytes ? a->head.bytes / (a->quota_bytes / 100 + 1) : 0;
	uint64_t messages = a->quota_messages ? a->head.messages * 100 / a->quota_messages : 0;

	if (a->quota_bytes && a->head.bytes < UINT64_MAX / 100)
		bytes = a->head.bytes * 100 / a->quota_bytes;
	return (unsigned)(bytes > messages ? bytes : messages);
}

static void set_warned(struct account *a, uint8_t level)
{
	struct buf v;

	if (a->quota_warned == level)
		return;
	a->quota_warned = level;
	buf_init(&v, 16);
	quota_row_encode(level, &v);
	engine_put(account_batch(a), STR("q"), buf_str(&v));
	buf_fini(&v);
}

/* The highest level at or below a share. */
static uint8_t level_of(const struct account *a, unsigned percent)
{
	const uint8_t *levels = a->shard->limits->quota_warnings;
	uint8_t found = 0;

	for (size_t i = 0; i < sizeof a->shard->limits->quota_warnings && levels[i]; i++)
		if (percent >= levels[i])
			found = levels[i];
	return found;
}

void quota_before(struct account *a)
{
	uint8_t level;

	if (a->quota_warned == 0)
		return;
	level = level_of(a, quota_percent(a) + QUOTA_HYSTERESIS);
	if (level < a->quota_warned)
		set_warned(a, level);
}

static void write_letter(const struct account *a, unsigned percent, struct buf *out)
{
	ssize_t at = str_rfind(a->address, '@');
	struct str domain = str_from(a->address, (size_t)(at + 1));
	int64_t now = shard_now_s(a->shard);

	buf_addf(out, "From: Mail server <postmaster@%.*s>\r\nTo: <%.*s>\r\n", STR_ARG(domain), STR_ARG(a->address));
	buf_addf(out, "Subject: Your mailbox is %u %% full\r\nDate: ", percent);
	clock_add_rfc5322(out, now);
	buf_addf(out, "\r\nMessage-ID: <quota.%llu.%llu@%.*s>\r\n", (unsigned long long)a->id,
		(unsigned long long)a->head.modseq, STR_ARG(domain));
	buf_addz(out, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
		      "Auto-Submitted: auto-generated\r\n\r\n");
	buf_addf(out, "The mailbox %.*s is %u %% full.\r\n\r\n", STR_ARG(a->address), percent);
	if (a->quota_bytes)
		buf_addf(out, "It holds %llu of %llu bytes.\r\n", (unsigned long long)a->head.bytes,
			(unsigned long long)a->quota_bytes);
	if (a->quota_messages)
		buf_addf(out, "It holds %llu of %llu messages.\r\n", (unsigned long long)a->head.messages,
			(unsigned long long)a->quota_messages);
	buf_addz(out, "\r\nWhen it is full, letters to you are refused and their senders are told so.\r\n"
		      "Delete what you do not need (and empty the trash), or ask for more room.\r\n");
}

struct indexing {
	struct str letter;
	struct buf out;
};

static void make_index(void *arg)
{
	struct indexing *i = arg;
	struct mail_index x;
	struct arena work;

	arena_init(&work, "store-quota", (size_t)64 << 20);
	mail_index_make(i->letter, &mail_index_limits_default, &work, &x);
	mail_index_encode(&x, &i->out);
	arena_fini(&work);
}

static bool put_letter(struct account *a, struct mailbox *inbox, unsigned percent)
{
	struct indexing i = { 0 };
	struct buf text;
	struct letter l = { .date_s = shard_now_s(a->shard), .over_quota = true };
	struct placed placed = { 0 };
	struct body body;
	bool ok;

	buf_init(&text, BODY_INLINE_MAX);
	buf_init(&i.out, SIZE_MAX);
	write_letter(a, percent, &text);
	i.letter = buf_str(&text);
	sched_call(a->shard->sched, make_index, &i);
	l.index = buf_str(&i.out);
	body = body_of(i.letter);
	l.body = &body;
	ok = letter_place(a, inbox, &l, &placed) == OK;
	buf_fini(&text);
	buf_fini(&i.out);
	return ok;
}

void quota_after(struct account *a)
{
	unsigned percent = quota_percent(a);
	uint8_t level = level_of(a, percent);
	struct mailbox *inbox;

	if (level <= a->quota_warned)
		return;
	inbox = mailbox_find(a, STR("INBOX"));
	if (!inbox || inbox->loading || inbox->uidnext == UINT32_MAX)
		return; /* the next delivery tells it */
	if (put_letter(a, inbox, percent))
		set_warned(a, level);
}
