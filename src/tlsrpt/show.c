/* tlsrpt/show.c - what a report that came in says (RFC 8460 4.4).
 * Trust       anybody writes such reports: sizes and nesting are bounded before jansson sees them, and texts are made printable.
 */
#include "tlsrpt/tlsrpt.h"

#include "mail/decode.h"
#include "mail/header.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 300

/* ---- where it is */

static bool is_gzip(struct str s)
{
	return s.n > 2 && (unsigned char)s.p[0] == 0x1f && (unsigned char)s.p[1] == 0x8b;
}

static bool is_report_part(struct str type)
{
	return str_istarts(type, STR("application/tlsrpt+gzip")) || str_istarts(type, STR("application/tlsrpt+json")) ||
		str_istarts(type, STR("application/gzip")) || str_istarts(type, STR("application/json"));
}

/* The report in a letter: the bytes of the first part of its type. */
static bool find_part(struct str letter, struct arena *a, struct str *out)
{
	struct mail_index x;
	struct buf b;
	bool found = false;

	mail_index_make(letter, &mail_index_limits_default, a, &x);
	for (size_t i = 0; i < x.n_parts && !found; i++) {
		const struct mail_part *p = &x.parts[i];

		if (p->kind != MAIL_PART_LEAF || !is_report_part(mail_header_value(str_sub(letter, p->header_at, p->header_n), STR("Content-Type"))))
			continue;
		buf_init(&b, TLSRPT_JSON_MAX);
		mail_body_decode(str_sub(letter, p->body_at, p->body_n), p->encoding, &b);
		found = !b.full;
		*out = found ? arena_dup(a, buf_str(&b)) : *out;
		buf_fini(&b);
	}
	return found;
}

/* Brackets that are open at once, strings aside: jansson goes a call deeper for each. */
static bool is_shallow(struct str s)
{
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']'))
			depth--;
		if (depth > TLSRPT_DEPTH_MAX)
			return false;
	}
	return true;
}

/* ---- what it says */

static void add_text(struct buf *out, const char *before, const json_t *v)
{
	const char *z = json_string_value(v);

	buf_addz(out, before);
	if (json_is_integer(v))
		buf_addf(out, "%lld", (long long)json_integer_value(v));
	for (size_t i = 0; z && z[i] && i < TEXT_MAX; i++)
		buf_addc(out, (unsigned char)z[i] < ' ' || z[i] == 0x7f ? '?' : z[i]);
}

static void add_member(struct buf *out, const char *name, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return;
	buf_addf(out, "\t%s ", name);
	add_text(out, "", v);
}

static void show_failure(const json_t *f, struct buf *out)
{
	buf_addz(out, "failure");
	add_member(out, "result", f, "result-type");
	add_member(out, "count", f, "failed-session-count");
	add_member(out, "mx", f, "receiving-mx-hostname");
	add_member(out, "ip", f, "receiving-ip");
	add_member(out, "from", f, "sending-mta-ip");
	add_member(out, "reason", f, "failure-reason-code");
	add_member(out, "more", f, "additional-information");
	buf_addc(out, '\n');
}

static void show_policy(const json_t *p, struct buf *out)
{
	const json_t *policy = json_object_get(p, "policy"), *summary = json_object_get(p, "summary"), *failures = json_object_get(p, "failure-details"),
		     *one;
	size_t i;

	buf_addz(out, "policy");
	add_member(out, "type", policy, "policy-type");
	add_member(out, "domain", policy, "policy-domain");
	add_member(out, "good", summary, "total-successful-session-count");
	add_member(out, "failed", summary, "total-failure-session-count");
	buf_addc(out, '\n');
	json_array_foreach(failures, i, one)
		show_failure(one, out);
}

static bool show_json(struct str text, struct buf *out, const char **why)
{
	json_t *o = is_shallow(text) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
	const json_t *policies = json_object_get(o, "policies"), *range = json_object_get(o, "date-range"), *p;
	bool is_report = json_is_array(policies);
	size_t i;

	*why = !o ? "it is no JSON" : "it is no TLS report: there are no policies in it";
	if (is_report) {
		buf_addz(out, "report");
		add_member(out, "by", o, "organization-name");
		add_member(out, "id", o, "report-id");
		add_member(out, "from", range, "start-datetime");
		add_member(out, "to", range, "end-datetime");
		add_member(out, "contact", o, "contact-info");
		buf_addc(out, '\n');
		json_array_foreach(policies, i, p)
			show_policy(p, out);
	}
	json_decref(o);
	return is_report;
}

bool tlsrpt_show(struct str bytes, struct arena *a, struct buf *out, const char **why)
{
	struct str first = str_trim(bytes);
	struct buf text;
	bool ok = true;

	*why = "it is larger than a report may be";
	if (bytes.n > TLSRPT_JSON_MAX * 2)
		return false;
	if (!is_gzip(bytes) && (first.n == 0 || first.p[0] != '{')) {
		*why = "it is neither a TLS report nor a letter with one";
		if (!find_part(bytes, a, &bytes))
			return false;
	}
	buf_init(&text, TLSRPT_JSON_MAX);
	if (is_gzip(bytes)) {
		*why = "its gzip is broken, or larger than a report may be";
		ok = tlsrpt_gunzip(bytes, &text);
	} else {
		buf_add(&text, bytes);
	}
	ok = ok && show_json(buf_str(&text), out, why);
	buf_fini(&text);
	return ok;
}
