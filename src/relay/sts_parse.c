/* relay/sts_parse.c - MTA-STS records and policies. See the header.
 * Trust       both come from other domains: every bound is checked here.
 */
#include "relay/sts_parse.h"

#include "base/cur.h"

/* ---- the record: v=STSv1; id=20160831085700Z; */

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

static bool is_alnum(unsigned char c)
{
	return ascii_is_alnum((char)c);
}

static bool is_name(unsigned char c)
{
	return is_alnum(c) || c == '_' || c == '-' || c == '.';
}

static bool is_value(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != ';' && c != '=';
}

static bool take_delimiter(struct cur *c)
{
	struct cur before = *c;

	cur_span(c, is_blank);
	if (!cur_try(c, ';')) {
		*c = before;
		return false;
	}
	cur_span(c, is_blank);
	return true;
}

static void take_field(struct cur *c, struct str *id)
{
	struct str name = cur_need_span(c, is_name), value;

	cur_need(c, '=');
	value = cur_need_span(c, is_value);
	if (name.n > 32 || !ascii_is_alnum(name.n ? name.p[0] : ' '))
		cur_fail(c);
	if (!str_eq(name, STR("id")) || id->n)
		return;
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_is_alnum(value.p[i]))
			cur_fail(c);
	if (value.n > STS_ID_MAX)
		cur_fail(c);
	*id = value;
}

static bool parse_record(struct str text, struct str *id)
{
	struct cur c = cur_of(text);

	*id = (struct str){ 0 };
	cur_span(&c, is_blank);
	if (!cur_try_lit(&c, STR("v=STSv1")))
		return false;
	while (cur_ok(&c) && take_delimiter(&c) && !cur_end(&c))
		take_field(&c, id);
	cur_span(&c, is_blank);
	return cur_done(&c) && id->n > 0;
}

/* Other texts at that name do not count (RFC 8461 3.1). */
static bool is_record(struct str text)
{
	return str_starts(text, STR("v=STSv1")) && (text.n == 7 || !ascii_is_alnum(text.p[7]));
}

bool sts_id_find(const struct str *texts, size_t n, struct str *id)
{
	const struct str *record = NULL;

	for (size_t i = 0; i < n; i++)
		if (is_record(texts[i])) {
			if (record)
				return false;
			record = &texts[i];
		}
	return record && parse_record(*record, id);
}

/* ---- the policy */

static const char *const modes[] = { [STS_NONE] = "none", [STS_TESTING] = "testing", [STS_ENFORCE] = "enforce" };

const char *sts_mode_name(enum sts_mode m)
{
	return modes[m];
}

struct reading {
	struct sts_policy *out;
	struct arena *arena;
	bool version, mode, age;
};

static bool read_version(struct reading *r, struct str value)
{
	r->version = true;
	return str_eq(value, STR("STSv1"));
}

static bool read_mode(struct reading *r, struct str value)
{
	r->mode = true;
	for (enum sts_mode m = STS_NONE; m <= STS_ENFORCE; m++)
		if (str_eq(value, str_z(modes[m]))) {
			r->out->mode = m;
			return true;
		}
	return false;
}

static bool read_age(struct reading *r, struct str value)
{
	uint64_t age;

	r->age = true;
	if (value.n > 10 || !str_to_u64(value, &age))
		return false;
	r->out->max_age_s = age > STS_AGE_MAX_S ? STS_AGE_MAX_S : (uint32_t)age;
	return true;
}

static bool is_domain(struct str s)
{
	struct str label;

	if (s.n == 0 || s.n > 253 || s.p[s.n - 1] == '.')
		return false;
	while (str_split(&s, '.', &label)) {
		if (label.n == 0 || label.n > 63)
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!ascii_is_alnum(label.p[i]) && label.p[i] != '-' && label.p[i] != '_')
				return false;
	}
	return true;
}

static bool read_mx(struct reading *r, struct str value)
{
	char *lowered;

	if (!is_domain(str_starts(value, STR("*.")) ? str_from(value, 2) : value) || r->out->n_mx == STS_MX_MAX)
		return false;
	lowered = arena_alloc(r->arena, value.n + 1);
	for (size_t i = 0; i < value.n; i++)
		lowered[i] = ascii_lower(value.p[i]);
	r->out->mx[r->out->n_mx++] = str_of(lowered, value.n);
	return true;
}

/* Of a field that is there twice the first counts; those that nobody knows do not (RFC 8461 3.2). */
static bool read_line(struct reading *r, struct str line)
{
	ssize_t colon = str_find(line, ':');
	struct str name, value;

	if (colon < 1)
		return false;
	name = str_trim(str_sub(line, 0, (size_t)colon));
	value = str_trim(str_from(line, (size_t)colon + 1));
	if (str_eq(name, STR("version")))
		return r->version || read_version(r, value);
	if (str_eq(name, STR("mode")))
		return r->mode || read_mode(r, value);
	if (str_eq(name, STR("max_age")))
		return r->age || read_age(r, value);
	return !str_eq(name, STR("mx")) || read_mx(r, value);
}

bool sts_policy_parse(struct str text, struct arena *a, struct sts_policy *out)
{
	struct reading r = { .out = out, .arena = a };
	struct str line;

	*out = (struct sts_policy){ .mx = arena_array(a, STS_MX_MAX, sizeof *out->mx) };
	if (text.n > STS_TEXT_MAX)
		return false;
	while (str_split(&text, '\n', &line)) {
		line = str_trim(line);
		if (line.n && !read_line(&r, line))
			return false;
	}
	return r.version && r.mode && r.age && (out->n_mx > 0 || out->mode == STS_NONE);
}

void sts_policy_show(const struct sts_policy *p, struct buf *out)
{
	buf_addf(out, "version: STSv1\nmode: %s\nmax_age: %u\n", modes[p->mode], p->max_age_s);
	for (size_t i = 0; i < p->n_mx; i++)
		buf_addf(out, "mx: %.*s\n", STR_ARG(p->mx[i]));
}

static bool fits(struct str pattern, struct str host)
{
	ssize_t dot = str_find(host, '.');

	if (!str_starts(pattern, STR("*.")))
		return str_ieq(pattern, host);
	return dot > 0 && str_ieq(str_from(pattern, 2), str_from(host, (size_t)dot + 1));
}

bool sts_policy_covers(const struct sts_policy *p, struct str host)
{
	for (size_t i = 0; i < p->n_mx; i++)
		if (fits(p->mx[i], host))
			return true;
	return false;
}
