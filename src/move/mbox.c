/* move/mbox.c - mbox files. See the header.
 * Trust       files are anybody's; whatever is in them, lines are found and dates are numbers.
 */
#include "move/mbox.h"

#include "base/clock.h"
#include "base/cur.h"
#include "ipc/words.h"
#include "mail/date.h"

#include <time.h>

/* ---- From_ */

/* The date begins at a day's name: "From a@b Thu Jan  1 00:00:00 1970", with or without a zone, a sender with blanks too. */
static ssize_t date_at(struct str line)
{
	static const char days[] = "Sun Mon Tue Wed Thu Fri Sat ";

	for (size_t i = 5; i + 20 <= line.n; i++)
		if (line.p[i - 1] == ' ' && line.p[i + 3] == ' ' && str_search(str_z(days), str_sub(line, i, 4)) >= 0)
			return (ssize_t)i;
	return -1;
}

bool mbox_from_line(struct str line, int64_t *date_s)
{
	ssize_t at;

	if (!str_starts(line, STR("From ")))
		return false;
	line = str_trim(line);
	at = date_at(line);
	return at >= 0 && mail_date_parse(str_from(line, (size_t)at), date_s, NULL);
}

void mbox_add_from_line(struct buf *out, struct str sender, int64_t date_s)
{
	time_t t = (time_t)date_s;
	char date[40];
	struct tm tm;

	buf_addz(out, "From ");
	for (size_t i = 0; i < sender.n; i++)
		buf_addc(out, ascii_is_print(sender.p[i]) && sender.p[i] != ' ' ? sender.p[i] : '_');
	if (sender.n == 0)
		buf_addz(out, "MAILER-DAEMON");
	if (!gmtime_r(&t, &tm) || strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", &tm) == 0)
		buf_addz(out, " Thu Jan  1 00:00:00 1970\n");
	else
		buf_addf(out, " %s\n", date);
}

bool mbox_is_quoted(struct str line)
{
	size_t i = 0;

	while (i < line.n && line.p[i] == '>')
		i++;
	return i > 0 && str_starts(str_from(line, i), STR("From "));
}

/* ---- fields of the file's own */

static void take_status(struct str value, struct mbox_meta *m)
{
	for (size_t i = 0; i < value.n; i++)
		m->flags |= value.p[i] == 'R' ? MSG_SEEN : 0;
}

static void take_x_status(struct str value, struct mbox_meta *m)
{
	static const char letters[] = "AFDT"; /* of c-client: answered, flagged, deleted, draft */
	static const uint32_t flags[] = { MSG_ANSWERED, MSG_FLAGGED, MSG_DELETED, MSG_DRAFT };

	for (size_t i = 0; i < value.n; i++) {
		ssize_t at = str_find(str_z(letters), value.p[i]);

		m->flags |= at >= 0 ? flags[at] : 0;
	}
}

static void take_keywords(struct str value, struct mbox_meta *m)
{
	struct str word;

	while (str_split(&value, ' ', &word))
		if (word.n && word.n <= 64 && m->n_keywords < sizeof m->keywords / sizeof *m->keywords)
			m->keywords[m->n_keywords++] = word;
}

static void take_uid(struct str value, struct mbox_meta *m)
{
	(void)str_to_u32(value, &m->uid);
}

static void take_length(struct str value, struct mbox_meta *m)
{
	m->has_length = str_to_u64(value, &m->length);
}

static void take_base(struct str value, struct mbox_meta *m)
{
	struct cur c = cur_of(value);

	m->uidvalidity = cur_u32(&c);
	while (cur_try(&c, ' '))
		;
	m->uidnext = cur_u32(&c) + 1; /* it names the last one given */
	if (!cur_ok(&c))
		m->uidvalidity = m->uidnext = 0;
}

static void take_imap(struct str value, struct mbox_meta *m)
{
	take_base(value, m);
	m->pseudo = m->uidvalidity != 0;
}

static const struct {
	const char *name;
	void (*take)(struct str value, struct mbox_meta *m);
} fields[] = {
	{ "Status:", take_status },
	{ "X-Status:", take_x_status },
	{ "X-Keywords:", take_keywords },
	{ "X-UID:", take_uid },
	{ "Content-Length:", take_length },
	{ "X-IMAPbase:", take_base },
	{ "X-IMAP:", take_imap },
};
#define N_FIELDS (sizeof fields / sizeof *fields)

bool mbox_is_meta(struct str line)
{
	for (size_t i = 0; i < N_FIELDS; i++)
		if (str_istarts(line, str_z(fields[i].name)))
			return true;
	return false;
}

void mbox_meta_parse(struct str header, struct mbox_meta *out)
{
	struct str line;

	*out = (struct mbox_meta){ 0 };
	while (str_split(&header, '\n', &line)) {
		if (str_trim(line).n == 0)
			break;
		for (size_t i = 0; i < N_FIELDS; i++) {
			struct str name = str_z(fields[i].name);

			if (str_istarts(line, name))
				fields[i].take(str_trim(str_from(line, name.n)), out);
		}
	}
}
