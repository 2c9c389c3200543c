/* mail/date.c - dates of letters and of IMAP. See the header.
 * Trust  input is hostile.
 */
#include "mail/date.h"

#include "base/clock.h"
#include "base/cur.h"
#include "mail/cfws.h"

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
	"Dec" };

struct moment {
	int year, month, day, hour, minute, second, zone_min;
};

static int days_in_month(int year, int month)
{
	static const signed char n[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return n[month - 1] + (month == 2 && leap);
}

static bool date_ok(const struct moment *m)
{
	return m->month >= 1 && m->month <= 12 && m->day >= 1 && m->day <= days_in_month(m->year, m->month);
}

static bool time_ok(const struct moment *m)
{
	return m->hour <= 23 && m->minute <= 59 && m->second <= 60;
}

static int64_t day_of(const struct moment *m)
{
	return civil_to_days((struct civil){ m->year, m->month, m->day });
}

static int64_t seconds_of(const struct moment *m)
{
	return day_of(m) * 86400 + m->hour * 3600 + m->minute * 60 + m->second - m->zone_min * 60;
}

static bool is_alpha(unsigned char c)
{
	return ascii_is_alpha((char)c);
}

static bool is_digit(unsigned char c)
{
	return ascii_is_digit((char)c);
}

/* A month by the first three letters of its name, or 0. */
static int month_of(struct str s)
{
	for (int i = 0; i < 12; i++)
		if (s.n >= 3 && str_ieq(str_sub(s, 0, 3), str_of(months[i], 3)))
			return i + 1;
	return 0;
}

/* A number of n_min to n_max digits, or failure. */
static int take_number(struct cur *c, size_t n_min, size_t n_max, size_t *n_digits)
{
	struct str s = cur_span(c, is_digit);
	uint32_t v = 0;

	if (s.n < n_min || s.n > n_max || !str_to_u32(s, &v))
		cur_fail(c);
	if (n_digits)
		*n_digits = s.n;
	return (int)v;
}

/* What stands between the parts of a date in the wild: white space, comments, commas, hyphens. */
static void skip_between(struct cur *c)
{
	do
		mail_cfws_skip(c);
	while (cur_try(c, ',') || cur_try(c, '-'));
}

/* RFC 5322 4.3: two digits below 50 are of this century, other two and three digits count from 1900. */
static int take_year(struct cur *c)
{
	size_t n;
	int year = take_number(c, 2, 4, &n);

	if (n == 4)
		return year;
	return n == 2 && year < 50 ? year + 2000 : year + 1900;
}

static void take_time(struct cur *c, struct moment *m)
{
	m->hour = take_number(c, 1, 2, NULL);
	mail_cfws_skip(c);
	if (!cur_try(c, ':') && !cur_try(c, '.'))
		cur_fail(c);
	mail_cfws_skip(c);
	m->minute = take_number(c, 1, 2, NULL);
	mail_cfws_skip(c);
	if (cur_try(c, ':') || cur_try(c, '.')) {
		mail_cfws_skip(c);
		m->second = take_number(c, 1, 2, NULL);
		if (cur_try(c, '.')) /* fractions of a second */
			cur_span(c, is_digit);
	}
}

static const struct zone {
	char name[4];
	short minutes;
} zones[] = {
	{ "UT", 0 },
	{ "GMT", 0 },
	{ "UTC", 0 },
	{ "EST", -300 },
	{ "EDT", -240 },
	{ "CST", -360 },
	{ "CDT", -300 },
	{ "MST", -420 },
	{ "MDT", -360 },
	{ "PST", -480 },
	{ "PDT", -420 },
	{ "CET", 60 },
	{ "BST", 60 },
	{ "MEZ", 60 },
	{ "EET", 120 },
	{ "MSK", 180 },
	{ "IST", 330 },
	{ "JST", 540 },
	{ "KST", 540 },
};

/* Unknown names, military letters among them, count as -0000 (RFC 5322 4.3). */
static int zone_by_name(struct str name)
{
	for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++)
		if (str_ieq(name, str_z(zones[i].name)))
			return zones[i].minutes;
	if (str_ieq(name, STR("CEST")))
		return 120;
	return 0;
}

/* "+0130", "+130", "+01:30", "+1"; nothing when it is no zone. */
static int take_zone_digits(struct cur *c)
{
	bool west = cur_take(c) == '-';
	struct str h = cur_span(c, is_digit), m = { 0 };
	uint32_t hours = 0, minutes = 0;

	if (h.n > 2 && h.n <= 4) {
		m = str_from(h, h.n - 2);
		h.n -= 2;
	} else if (cur_try(c, ':')) {
		m = cur_span(c, is_digit);
	}
	if (h.n > 2 || !str_to_u32(h, &hours) || (m.n && !str_to_u32(m, &minutes)) || hours > 24 || minutes > 59)
		return 0;
	return (int)(hours * 60 + minutes) * (west ? -1 : 1);
}

static int take_zone(struct cur *c)
{
	int zone = 0, ch;

	mail_cfws_skip(c);
	ch = cur_peek(c);
	if (ch >= 0 && is_alpha((unsigned char)ch)) {
		zone = zone_by_name(cur_span(c, is_alpha));
		ch = cur_peek(c); /* "GMT+0200" */
	}
	return ch == '+' || ch == '-' ? take_zone_digits(c) : zone;
}

/* Sun, 22 Nov 2026 15:30:00 +0100 */
static void take_usual(struct cur *c, struct moment *m)
{
	m->day = take_number(c, 1, 2, NULL);
	skip_between(c);
	m->month = month_of(cur_need_span(c, is_alpha));
	cur_try(c, '.');
	skip_between(c);
	m->year = take_year(c);
	skip_between(c);
	take_time(c, m);
	m->zone_min = take_zone(c);
}

/* Sun Nov 22 15:30:00 2026, or Nov 22, 2026 15:30:00 +0100 */
static void take_month_first(struct cur *c, struct moment *m)
{
	struct cur ahead;

	skip_between(c);
	m->day = take_number(c, 1, 2, NULL);
	skip_between(c);
	ahead = *c;
	cur_span(&ahead, is_digit);
	if (cur_peek(&ahead) == ':') {
		take_time(c, m);
		m->zone_min = take_zone(c);
		skip_between(c);
		m->year = take_year(c);
	} else {
		m->year = take_year(c);
		skip_between(c);
		take_time(c, m);
		m->zone_min = take_zone(c);
	}
}

bool mail_date_parse(struct str value, int64_t *utc_s, int *zone_min)
{
	struct cur c = cur_of(value);
	struct moment m = { 0 };
	int ch;

	skip_between(&c);
	ch = cur_peek(&c);
	if (ch >= 0 && is_alpha((unsigned char)ch)) {
		m.month = month_of(cur_span(&c, is_alpha));
		skip_between(&c);
		ch = cur_peek(&c);
	}
	if (!m.month && ch >= 0 && is_alpha((unsigned char)ch))
		m.month = month_of(cur_span(&c, is_alpha));
	if (m.month)
		take_month_first(&c, &m);
	else
		take_usual(&c, &m);
	if (!cur_ok(&c) || m.year < 1900 || !date_ok(&m) || !time_ok(&m))
		return false;
	*utc_s = seconds_of(&m);
	if (zone_min)
		*zone_min = m.zone_min;
	return true;
}

int64_t mail_date_day(int64_t utc_s, int zone_min)
{
	int64_t s = utc_s + (int64_t)zone_min * 60;

	return s / 86400 - (s % 86400 < 0);
}

static struct str without_quotes(struct str s)
{
	return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"' ? str_sub(s, 1, s.n - 2) : s;
}

/* date-text = 1*2DIGIT "-" 3ALPHA "-" 4DIGIT */
static void take_imap_date(struct cur *c, struct moment *m, size_t day_digits)
{
	struct str name;

	m->day = take_number(c, day_digits, 2, NULL);
	cur_need(c, '-');
	name = cur_span(c, is_alpha);
	m->month = name.n == 3 ? month_of(name) : 0;
	cur_need(c, '-');
	m->year = take_number(c, 4, 4, NULL);
	if (!cur_ok(c) || !date_ok(m))
		cur_fail(c);
}

bool mail_imap_date_parse(struct str s, int64_t *day)
{
	struct cur c = cur_of(without_quotes(s));
	struct moment m = { 0 };

	take_imap_date(&c, &m, 1);
	if (!cur_done(&c))
		return false;
	*day = day_of(&m);
	return true;
}

static int take_imap_zone(struct cur *c)
{
	bool west = cur_try(c, '-');
	int hhmm;

	if (!west)
		cur_need(c, '+');
	hhmm = take_number(c, 4, 4, NULL);
	if (hhmm % 100 > 59 || hhmm / 100 > 23)
		cur_fail(c);
	return (hhmm / 100 * 60 + hhmm % 100) * (west ? -1 : 1);
}

bool mail_imap_datetime_parse(struct str s, int64_t *utc_s)
{
	struct cur c = cur_of(without_quotes(s));
	struct moment m = { 0 };

	take_imap_date(&c, &m, cur_try(&c, ' ') ? 1 : 2);
	cur_need(&c, ' ');
	m.hour = take_number(&c, 2, 2, NULL);
	cur_need(&c, ':');
	m.minute = take_number(&c, 2, 2, NULL);
	cur_need(&c, ':');
	m.second = take_number(&c, 2, 2, NULL);
	cur_need(&c, ' ');
	m.zone_min = take_imap_zone(&c);
	if (!cur_done(&c) || !time_ok(&m))
		return false;
	*utc_s = seconds_of(&m);
	return true;
}

void mail_imap_datetime_add(struct buf *out, int64_t utc_s)
{
	const int64_t least = -62167219200LL, most = 253402300799LL; /* years 0 and 9999 */
	int64_t s = utc_s < least ? least : utc_s > most ? most : utc_s;
	int64_t day = mail_date_day(s, 0), in_day = s - day * 86400;
	struct civil c = civil_of_days(day);

	buf_addf(out, "\"%02d-%s-%04d %02d:%02d:%02d +0000\"", c.day, months[c.month - 1], c.year, (int)(in_day / 3600),
		(int)(in_day / 60 % 60), (int)(in_day % 60));
}
