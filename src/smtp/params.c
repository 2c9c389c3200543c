/* smtp/params.c - the parameters of MAIL and RCPT. See the header.
 * Trust       the line is hostile; it is at most as long as the settings allow.
 * Invariants  I1 a parameter comes once; what goes against another is refused, not chosen from.
 */
#include "smtp/params.h"

#include "base/clock.h"
#include "ipc/words.h"
#include "mail/utf8.h"
#include "mail/xtext.h"

#define INTERVAL_DIGITS 9 /* of HOLDFOR and BY (RFC 4865 4, RFC 2852 4) */

/* ---- keyword ["=" value] */

struct param {
	struct str keyword, value;
};

static bool is_keyword_char(unsigned char c)
{
	return ascii_is_alnum((char)c) || c == '-';
}

/* RFC 6531 3.3 (6) lets a value be UTF-8; which parameter takes that decides for itself. */
static bool is_value_char(unsigned char c)
{
	return c > ' ' && c != 0x7f && c != '=';
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* False at the end of the line, or when the cursor went bad. */
static bool param_next(struct cur *c, struct param *p)
{
	if (cur_span(c, is_blank).n == 0 && !cur_end(c))
		cur_fail(c);
	if (cur_end(c))
		return false;
	*p = (struct param){ .keyword = cur_need_span(c, is_keyword_char) };
	if (cur_try(c, '='))
		p->value = cur_need_span(c, is_value_char);
	return cur_ok(c);
}

struct parsing {
	const struct smtp_offer *offer;
	struct arena *a;
	bool utf8; /* of RCPT */
	struct smtp_mail *mail;
	struct ipc_rcpt_dsn *dsn;
};
typedef enum smtp_reply param_fn(struct str value, struct parsing *x);

static enum smtp_reply fine_if(bool fine)
{
	return fine ? SMTP_FINE : SMTP_BAD_PARAM;
}

/* ---- what a letter is */

static enum smtp_reply param_size(struct str value, struct parsing *x)
{
	return fine_if(value.n <= 20 && str_to_u64(value, &x->mail->size));
}

static enum smtp_reply param_body(struct str value, struct parsing *x)
{
	struct smtp_mail *m = x->mail;

	m->binary = str_ieq(value, STR("BINARYMIME"));
	m->eight_bit = m->binary || str_ieq(value, STR("8BITMIME"));
	return fine_if(m->eight_bit || str_ieq(value, STR("7BIT")));
}

/* RFC 4954 5: who first sent it is parsed and not believed. */
static enum smtp_reply param_auth(struct str value, struct parsing *x)
{
	(void)x;
	return fine_if(value.n && mail_ascii_ok(value));
}

static enum smtp_reply param_utf8(struct str value, struct parsing *x)
{
	x->mail->utf8 = true;
	return fine_if(value.n == 0);
}

/* ---- what its sender wishes */

static enum smtp_reply param_ret(struct str value, struct parsing *x)
{
	uint8_t *ret = &x->mail->wishes.ret;

	*ret = str_ieq(value, STR("FULL")) ? RET_FULL : str_ieq(value, STR("HDRS")) ? RET_HDRS : RET_NOT_GIVEN;
	return fine_if(*ret != RET_NOT_GIVEN);
}

static enum smtp_reply param_envid(struct str value, struct parsing *x)
{
	struct buf b;
	bool fine;

	buf_init(&b, MAIL_ENVID_MAX);
	fine = value.n && value.n <= MAIL_ENVID_MAX && mail_xtext_decode(value, &b);
	x->mail->wishes.envid = arena_dup(x->a, buf_str(&b));
	buf_fini(&b);
	return fine_if(fine);
}

/* 1 to 9 digits. */
static bool interval_parse(struct str s, int64_t *out)
{
	uint32_t n = 0;
	bool fine = s.n <= INTERVAL_DIGITS && str_to_u32(s, &n);

	*out = n;
	return fine;
}

/* The later time is kept in one form. 0 means no wish: what is over already needs none. */
static enum smtp_reply hold_until(struct parsing *x, int64_t s)
{
	int64_t now = x->offer->now_s;

	if (s > now && s - now > x->offer->hold_max_s)
		return SMTP_HOLD_LONG;
	x->mail->wishes.hold_until_s = s > now ? s : 0;
	return SMTP_FINE;
}

static enum smtp_reply param_holdfor(struct str value, struct parsing *x)
{
	int64_t n;

	if (!interval_parse(value, &n) || n == 0)
		return SMTP_BAD_PARAM;
	return hold_until(x, x->offer->now_s + n);
}

/* So many digits and a mark behind them; mark 0: none. */
static int number_of(struct cur *c, size_t digits, char mark)
{
	struct str s = cur_bytes(c, digits);
	uint32_t n = 0;

	if (!str_to_u32(s, &n))
		cur_fail(c);
	if (mark)
		cur_need(c, mark);
	return (int)n;
}

static bool is_digit(unsigned char c)
{
	return ascii_is_digit((char)c);
}

/* Seconds east of UTC: "Z" or "+hh:mm". */
static int64_t zone_of(struct cur *c)
{
	int sign, hour, minute;

	if (cur_try_ilit(c, STR("Z")))
		return 0;
	sign = cur_try(c, '-') ? -1 : 1;
	if (sign > 0)
		cur_need(c, '+');
	hour = number_of(c, 2, ':');
	minute = number_of(c, 2, 0);
	if (hour > 23 || minute > 59)
		cur_fail(c);
	return sign * (hour * 3600 + minute * 60);
}

/* RFC 3339 5.6, date-time: what RFC 4865 means (erratum 2040). */
static bool date_time_parse(struct str s, int64_t *out)
{
	struct cur c = cur_of(s);
	struct civil day, back;
	int hour, minute, second;

	day.year = number_of(&c, 4, '-');
	day.month = number_of(&c, 2, '-');
	day.day = number_of(&c, 2, 0);
	cur_need_ilit(&c, STR("T"));
	hour = number_of(&c, 2, ':');
	minute = number_of(&c, 2, ':');
	second = number_of(&c, 2, 0);
	if (cur_try(&c, '.'))
		cur_need_span(&c, is_digit);
	*out = -zone_of(&c);
	if (!cur_done(&c) || day.month < 1 || day.month > 12 || hour > 23 || minute > 59 || second > 60)
		return false;
	*out += civil_to_days(day) * 86400 + hour * 3600 + minute * 60 + second;
	back = civil_of_days(civil_to_days(day)); /* the 31st of a shorter month comes back as another day */
	return back.month == day.month && back.day == day.day;
}

static enum smtp_reply param_holduntil(struct str value, struct parsing *x)
{
	int64_t s;

	return date_time_parse(value, &s) ? hold_until(x, s) : SMTP_BAD_PARAM;
}

/* RFC 2852 4: by-time ";" by-mode [by-trace]. A time for its return must be to come; a notice may be due already. */
static enum smtp_reply param_by(struct str value, struct parsing *x)
{
	struct ipc_wishes *w = &x->mail->wishes;
	struct cur c = cur_of(value);
	int64_t n;
	bool minus = cur_try(&c, '-');

	if (!minus)
		cur_try(&c, '+');
	if (!interval_parse(cur_need_span(&c, is_digit), &n))
		return SMTP_BAD_PARAM;
	cur_need(&c, ';');
	w->by_mode = cur_try_ilit(&c, STR("R")) ? BY_RETURN : BY_NOTIFY;
	if (w->by_mode == BY_NOTIFY)
		cur_need_ilit(&c, STR("N"));
	w->by_trace = cur_try_ilit(&c, STR("T"));
	w->by_s = x->offer->now_s + (minus ? -n : n);
	return fine_if(cur_done(&c) && (w->by_mode == BY_NOTIFY || w->by_s > x->offer->now_s));
}

/* RFC 6710 4: -9 to 9. */
static enum smtp_reply param_priority(struct str value, struct parsing *x)
{
	bool minus = str_starts(value, STR("-"));
	struct str digit = str_from(value, minus);

	if (digit.n != 1 || !ascii_is_digit(digit.p[0]) || (minus && digit.p[0] == '0'))
		return SMTP_BAD_PARAM;
	x->mail->wishes.priority = (uint8_t)(PRIORITY_OF_NORMAL + (minus ? '0' - digit.p[0] : digit.p[0] - '0'));
	return SMTP_FINE;
}

static enum smtp_reply param_requiretls(struct str value, struct parsing *x)
{
	x->mail->wishes.require_tls = 1;
	return fine_if(value.n == 0);
}

/* ---- of a recipient */

/* RFC 3461 4.1: NEVER stands alone. */
static enum smtp_reply param_notify(struct str value, struct parsing *x)
{
	static const struct {
		struct str name;
		uint8_t bit;
	} names[] = { { STR("NEVER"), NOTIFY_NEVER }, { STR("SUCCESS"), NOTIFY_SUCCESS }, { STR("FAILURE"), NOTIFY_FAILURE },
		{ STR("DELAY"), NOTIFY_DELAY } };
	uint8_t all = 0;
	struct cur c = cur_of(value);

	do {
		struct str name = cur_rest(&c);
		ssize_t comma = str_find(name, ',');
		uint8_t bit = 0;

		name = cur_bytes(&c, comma < 0 ? name.n : (size_t)comma);
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			if (str_ieq(name, names[i].name))
				bit = names[i].bit;
		if (!bit)
			return SMTP_BAD_PARAM;
		all |= bit;
	} while (cur_try(&c, ','));
	x->dsn->notify = all;
	return fine_if(!(all & NOTIFY_NEVER) || all == NOTIFY_NEVER);
}

static enum smtp_reply param_orcpt(struct str value, struct parsing *x)
{
	struct buf b;
	bool fine;

	buf_init(&b, MAIL_ORCPT_MAX);
	fine = mail_orcpt_decode(value, x->utf8, &b);
	x->dsn->orcpt = arena_dup(x->a, buf_str(&b));
	buf_fini(&b);
	return fine_if(fine);
}

/* ---- the tables */

enum offer { ALWAYS, DSN, HOLD, BY, PRIORITY, REQUIRE_TLS };

struct known {
	struct str keyword;
	param_fn *fn;
	enum offer offer; /* the extension that it belongs to */
};

static const struct known mail_params[] = {
	{ STR("SIZE"), param_size, ALWAYS },
	{ STR("BODY"), param_body, ALWAYS },
	{ STR("AUTH"), param_auth, ALWAYS },
	{ STR("SMTPUTF8"), param_utf8, ALWAYS },
	{ STR("RET"), param_ret, DSN },
	{ STR("ENVID"), param_envid, DSN },
	{ STR("HOLDFOR"), param_holdfor, HOLD },
	{ STR("HOLDUNTIL"), param_holduntil, HOLD },
	{ STR("BY"), param_by, BY },
	{ STR("MT-PRIORITY"), param_priority, PRIORITY },
	{ STR("REQUIRETLS"), param_requiretls, REQUIRE_TLS },
};
static const struct known rcpt_params[] = {
	{ STR("NOTIFY"), param_notify, ALWAYS },
	{ STR("ORCPT"), param_orcpt, ALWAYS },
};
#define COUNT(table) (sizeof(table) / sizeof *(table))

static bool is_offered(const struct smtp_offer *o, enum offer what)
{
	return what == ALWAYS || (what == DSN && o->dsn) || (what == HOLD && o->hold_max_s > 0) || (what == BY && o->deliver_by) ||
		(what == PRIORITY && o->priority) || (what == REQUIRE_TLS && o->require_tls);
}

/* The place of a parameter in the table, or n. */
static size_t known_find(const struct known *table, size_t n, struct str keyword, const struct smtp_offer *offer)
{
	size_t i = 0;

	while (i < n && !(str_ieq(table[i].keyword, keyword) && is_offered(offer, table[i].offer)))
		i++;
	return i;
}

/* I1. seen: bits of the table's rows. */
static enum smtp_reply params_take(struct cur *c, const struct known *table, size_t n, struct parsing *x, unsigned *seen)
{
	struct param p;

	*seen = 0;
	while (param_next(c, &p)) {
		size_t i = known_find(table, n, p.keyword, x->offer);
		enum smtp_reply r;

		if (i == n)
			return SMTP_PARAM_UNKNOWN;
		if (*seen & 1u << i)
			return SMTP_BAD_PARAM;
		*seen |= 1u << i;
		r = table[i].fn(p.value, x);
		if (r)
			return r;
	}
	return cur_ok(c) ? SMTP_FINE : SMTP_SYNTAX;
}

static bool was_seen(unsigned seen, struct str keyword)
{
	for (size_t i = 0; i < COUNT(mail_params); i++)
		if (str_eq(mail_params[i].keyword, keyword))
			return seen & 1u << i;
	return false;
}

enum smtp_reply smtp_mail_params(struct cur *c, const struct smtp_offer *offer, struct arena *a, struct smtp_mail *out)
{
	struct parsing x = { .offer = offer, .a = a, .mail = out };
	const struct ipc_wishes *w = &out->wishes;
	unsigned seen;
	enum smtp_reply r = params_take(c, mail_params, COUNT(mail_params), &x, &seen);

	if (r)
		return r;
	if (was_seen(seen, STR("HOLDFOR")) && was_seen(seen, STR("HOLDUNTIL"))) /* RFC 4865 4: one hold-param */
		return SMTP_BAD_PARAM;
	/* What is to go back before it may set out. */
	return w->by_mode == BY_RETURN && w->hold_until_s >= w->by_s ? SMTP_BAD_PARAM : SMTP_FINE;
}

enum smtp_reply smtp_rcpt_params(struct cur *c, bool utf8, struct arena *a, struct ipc_rcpt_dsn *out)
{
	static const struct smtp_offer none;
	struct parsing x = { .offer = &none, .a = a, .utf8 = utf8, .dsn = out };
	unsigned seen;

	*out = (struct ipc_rcpt_dsn){ 0 };
	return params_take(c, rcpt_params, COUNT(rcpt_params), &x, &seen);
}
