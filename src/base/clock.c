/* base/clock.c - time and dates. See the header. */
#include "base/clock.h"

#include "base/buf.h"

#include <stdio.h>
#include <time.h>

int64_t clock_wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Howard Hinnant's days-from-civil algorithms: eras of 400 years that begin on 1 March. */
struct civil civil_of_days(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int month = (int)(mp < 10 ? mp + 3 : mp - 9);

	return (struct civil){ (int)(yoe + era * 400 + (month <= 2)), month, (int)(doy - (153 * mp + 2) / 5 + 1) };
}

int64_t civil_to_days(struct civil c)
{
	int64_t y = c.year - (c.month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void clock_rfc3339(int64_t wall_us, char out[CLOCK_RFC3339_SIZE])
{
	int64_t ms = floor_div(wall_us, 1000), s = floor_div(ms, 1000), days = floor_div(s, 86400);
	int64_t in_day = s - days * 86400;
	struct civil c = civil_of_days(days);

	snprintf(out, CLOCK_RFC3339_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year % 10000, c.month, c.day,
		(int)(in_day / 3600), (int)(in_day / 60 % 60), (int)(in_day % 60), (int)(ms - s * 1000));
}

void clock_add_rfc5322(struct buf *b, int64_t wall_s)
{
	static const char days_of_week[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
		"Dec" };
	int64_t days = floor_div(wall_s, 86400), in_day = wall_s - days * 86400;
	struct civil c = civil_of_days(days);

	buf_addf(b, "%s, %d %s %04d %02d:%02d:%02d +0000", days_of_week[((days % 7) + 7) % 7], c.day,
		months[c.month - 1], c.year, (int)(in_day / 3600), (int)(in_day / 60 % 60), (int)(in_day % 60));
}
