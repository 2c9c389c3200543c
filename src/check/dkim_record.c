/* check/dkim_record.c - DNS records of keys. See the header.
 * Trust       what DNS says is hostile.
 */
#include "check/dkim_record.h"

#include "mail/base64.h"

/* ---- tag lists (RFC 6376 3.2) */

/* Takes the next tag off. False at the end; *bad: what stands there is no tag. */
static bool next_tag(struct str *rest, struct str *name, struct str *value, bool *bad)
{
	struct str tag;
	ssize_t eq;

	if (!str_split(rest, ';', &tag))
		return false;
	tag = str_trim(tag);
	if (tag.n == 0 && str_trim(*rest).n == 0)
		return false;
	eq = str_find(tag, '=');
	if (eq <= 0) {
		*bad = true;
		return false;
	}
	*name = str_trim(str_sub(tag, 0, (size_t)eq));
	*value = str_trim(str_from(tag, (size_t)eq + 1));
	return true;
}

/* Whether a list with colons between has the word. */
static bool has_word(struct str list, struct str word)
{
	struct str part;

	while (str_split(&list, ':', &part))
		if (str_eq(str_trim(part), word))
			return true;
	return false;
}

static void take_tag(struct dkim_record *r, struct str name, struct str value, bool *has_p)
{
	if (str_eq(name, STR("k"))) {
		r->k = value;
	} else if (str_eq(name, STR("h"))) {
		r->h = value;
	} else if (str_eq(name, STR("s"))) {
		r->s = value;
	} else if (str_eq(name, STR("t"))) {
		r->testing = has_word(value, STR("y"));
		r->strict = has_word(value, STR("s"));
	} else if (str_eq(name, STR("p"))) {
		*has_p = true;
		mail_base64_decode_lax(value, &r->p);
	}
}

bool dkim_record_parse(struct str text, struct dkim_record *out)
{
	struct str name, value;
	bool bad = false, has_p = false;

	*out = (struct dkim_record){ .k = STR("rsa") };
	buf_init(&out->p, DKIM_RECORD_MAX);
	if (text.n > DKIM_RECORD_MAX)
		return false;
	for (bool first = true; next_tag(&text, &name, &value, &bad); first = false) {
		if (str_eq(name, STR("v")) && !(first && str_eq(value, STR("DKIM1"))))
			return false;
		take_tag(out, name, value, &has_p);
	}
	return has_p && !bad;
}

void dkim_record_fini(struct dkim_record *r)
{
	buf_fini(&r->p);
}

/* ---- ours */

static enum dkim_fit fit_of(const struct dkim_record *r, const struct dkim_record *ours)
{
	if (r->p.n == 0)
		return DKIM_REVOKED;
	if (!str_eq(r->k, ours->k) || !str_eq(buf_str(&r->p), buf_str(&ours->p)))
		return DKIM_OTHER_KEY;
	if ((r->h.n && !has_word(r->h, STR("sha256"))) || (r->s.n && !has_word(r->s, STR("*")) && !has_word(r->s, STR("email"))))
		return DKIM_NOT_FOR_MAIL;
	return r->testing ? DKIM_FITS_TESTING : DKIM_FITS;
}

enum dkim_fit dkim_record_fit(const struct str *texts, size_t n, struct str ours)
{
	enum dkim_fit fit = DKIM_ABSENT;
	struct dkim_record own, r;
	size_t n_records = 0;
	bool sound = dkim_record_parse(ours, &own);

	for (size_t i = 0; i < n; i++) {
		if (dkim_record_parse(texts[i], &r) && sound) {
			n_records++;
			fit = fit_of(&r, &own);
		}
		dkim_record_fini(&r);
	}
	dkim_record_fini(&own);
	return n_records > 1 ? DKIM_SEVERAL : fit;
}

const char *dkim_fit_name(enum dkim_fit f)
{
	static const char *const names[] = {
		[DKIM_FITS] = "published",
		[DKIM_FITS_TESTING] = "published, as a test (t=y)",
		[DKIM_ABSENT] = "not published",
		[DKIM_OTHER_KEY] = "another key is published under this name",
		[DKIM_REVOKED] = "revoked in DNS",
		[DKIM_NOT_FOR_MAIL] = "the record leaves out mail or SHA-256",
		[DKIM_SEVERAL] = "several records are published under this name",
	};

	return names[f];
}
