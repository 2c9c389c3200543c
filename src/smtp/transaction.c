/* smtp/transaction.c - MAIL and RCPT: the envelope of a letter (RFC 5321 3.3, RFC 6531 3)
 * Purpose     judge the envelope with post's help.
 * Trust       runs in edge; the envelope is hostile.
 * Suspends    in calls to post.
 */
#include "smtp/session.h"

/* ---- MAIL */

enum smtp_reply smtp_mail_check(struct smtp *s)
{
	struct door *d = s->d;

	if (smtp_is_submission(s) && !d->account.handle)
		return door_may_login(d) ? SMTP_NEEDS_LOGIN : SMTP_NEEDS_TLS;
	if (s->n_letters >= d->conf->limits.smtp_letters_max)
		return SMTP_MANY_LETTERS;
	return SMTP_FINE;
}

static struct ipc_addr keep_address(struct smtp *s, const struct mail_path *p)
{
	return (struct ipc_addr){ .local = arena_dup(&s->letter, p->local), .domain = arena_dup(&s->letter, p->domain) };
}

/* A user may only write in a name of their own; the null path is for answers without an answer, such as RFC 8098's. */
static SUSPENDS enum smtp_reply sender_check(struct smtp *s, const struct mail_path *from)
{
	struct ipc_sender m = { .handle = s->d->account.handle };

	if (!smtp_is_submission(s) || from->null)
		return SMTP_SENDER_OK;
	m.from = (struct ipc_addr){ from->local, from->domain };
	return smtp_reply_of(SMTP_STEP_SENDER, ipc_sender(s->d->post, &m));
}

SUSPENDS void smtp_mail_run(struct smtp *s, struct str args)
{
	struct mail_path_limits limits = smtp_path_limits(s);
	struct smtp_offer offer = smtp_offer(s);
	struct smtp_mail mail;
	enum smtp_reply r = smtp_mail_parse(args, &limits, &offer, &s->command, &mail);

	if (!r && mail.size > s->d->conf->limits.message_size_max)
		r = SMTP_TOO_BIG;
	if (!r && !body_budget_has(s->d->budget, mail.size))
		r = SMTP_NO_ROOM;
	if (!r && !door_may_send_letter(s->d))
		r = SMTP_LETTER_RATE;
	if (!r)
		r = sender_check(s, &mail.from);
	if (r == SMTP_SENDER_OK) {
		s->from = keep_address(s, &mail.from);
		s->from_null = mail.from.null;
		s->eight_bit = mail.eight_bit;
		s->binary = mail.binary;
		s->utf8 = mail.utf8;
		s->size = mail.size;
		s->wishes = mail.wishes;
		s->wishes.envid = arena_dup(&s->letter, mail.wishes.envid);
		s->state = SMTP_MAIL;
		s->n_letters++;
	}
	smtp_say(s, r);
}

/* ---- RCPT */

uint32_t smtp_rcpts_max(const struct smtp *s)
{
	uint32_t set = s->d->conf->limits.recipients_max;

	return set < IPC_LETTER_RCPTS_MAX ? set : IPC_LETTER_RCPTS_MAX;
}

static SUSPENDS enum smtp_reply rcpt_check(struct smtp *s, const struct ipc_addr *rcpt)
{
	struct ipc_recipient m = { .handle = s->d->account.handle, .from_null = s->from_null, .from = s->from,
		.rcpt = *rcpt, .size = s->size };

	return smtp_reply_of(SMTP_STEP_RCPT, ipc_recipient(s->d->post, &m));
}

/* One domain more than may be. */
static bool over_domains(const struct smtp *s, struct str domain)
{
	uint32_t max = s->d->conf->limits.recipient_domains_max, n = 0;

	for (uint32_t i = 0; max && i < s->n_rcpts; i++) {
		uint32_t k = 0;

		if (str_ieq(s->rcpts[i].domain, domain))
			return false;
		while (k < i && !str_ieq(s->rcpts[k].domain, s->rcpts[i].domain))
			k++;
		n += k == i;
	}
	return max && n >= max;
}

static void keep_rcpt(struct smtp *s, const struct mail_path *p, const struct ipc_rcpt_dsn *dsn)
{
	uint32_t max = smtp_rcpts_max(s);

	if (!s->rcpts) {
		s->rcpts = arena_array(&s->letter, max, sizeof *s->rcpts);
		s->dsn = arena_array(&s->letter, max, sizeof *s->dsn);
	}
	s->has_dsn |= dsn->notify || dsn->orcpt.n;
	s->dsn[s->n_rcpts] = (struct ipc_rcpt_dsn){ dsn->notify, arena_dup(&s->letter, dsn->orcpt) };
	s->rcpts[s->n_rcpts++] = keep_address(s, p);
	s->state = SMTP_RCPTS;
}

SUSPENDS void smtp_rcpt_run(struct smtp *s, struct str args)
{
	struct mail_path_limits limits = smtp_path_limits(s);
	struct mail_path path;
	struct ipc_addr rcpt;
	struct ipc_rcpt_dsn dsn;
	enum smtp_reply r = smtp_rcpt_parse(args, s->utf8, &limits, &s->command, &path, &dsn);

	if (!r && (dsn.notify || dsn.orcpt.n) && !smtp_offer(s).dsn)
		r = SMTP_PARAM_UNKNOWN;
	if (!r && s->n_rcpts >= smtp_rcpts_max(s))
		r = SMTP_MANY_RCPTS;
	if (!r && over_domains(s, path.domain))
		r = SMTP_MANY_DOMAINS;
	if (!r) {
		if (path.domain.n == 0)
			path.domain = s->d->conf->hostname; /* <postmaster>, RFC 5321 4.5.1 */
		rcpt = (struct ipc_addr){ path.local, path.domain };
		r = rcpt_check(s, &rcpt);
	}
	if (r == SMTP_RCPT_OK)
		keep_rcpt(s, &path, &dsn);
	smtp_say(s, r);
}
