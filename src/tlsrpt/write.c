/* tlsrpt/write.c - a report as JSON (RFC 8460 4.4), and the letter that carries it (5.3).
 * Trust       host names and texts in it come from other servers; jansson writes them as JSON strings, and what is no UTF-8 is left out.
 */
#include "tlsrpt/tlsrpt.h"

#include "base/clock.h"
#include "base/die.h"
#include "mail/base64.h"

#include <jansson.h>
#include <stdlib.h>

/* NULL when it is no UTF-8: json_object_set_new then sets nothing. */
static json_t *text_of(struct str s)
{
	return json_stringn(s.p ? s.p : "", s.n);
}

static void set_text(json_t *o, const char *key, struct str value)
{
	if (value.n)
		json_object_set_new(o, key, text_of(value));
}

static void set_time(json_t *o, const char *key, uint32_t day, unsigned second)
{
	struct civil c = civil_of_days(day);

	json_object_set_new(o, key, json_sprintf("%04d-%02d-%02dT%02u:%02u:%02uZ", c.year, c.month, c.day, second / 3600, second / 60 % 60, second % 60));
}

/* ---- policies */

static bool same_policy(const struct ipc_tls_fact *x, const struct ipc_tls_fact *y)
{
	return x->policy == y->policy && str_eq(x->policy_text, y->policy_text);
}

static json_t *lines_of(struct str text, struct str only)
{
	json_t *v = json_array();
	struct str line;

	while (str_split(&text, '\n', &line))
		if (line.n && str_starts(line, only))
			json_array_append_new(v, text_of(str_trim(str_from(line, only.n))));
	return v;
}

static json_t *policy_of(const struct ipc_tls_fact *f)
{
	json_t *p = json_object();

	json_object_set_new(p, "policy-type", json_string(tlsrpt_policy_name(f->policy)));
	if (f->policy_text.n)
		json_object_set_new(p, "policy-string", lines_of(f->policy_text, STR("")));
	set_text(p, "policy-domain", f->domain);
	if (f->policy == TLSRPT_POLICY_STS && f->policy_text.n)
		json_object_set_new(p, "mx-host", lines_of(f->policy_text, STR("mx:")));
	return p;
}

static json_t *failure_of(const struct ipc_tls_count *c)
{
	json_t *o = json_object();

	json_object_set_new(o, "result-type", json_string(tlsrpt_result_name(c->fact.result)));
	set_text(o, "sending-mta-ip", c->fact.source);
	set_text(o, "receiving-mx-hostname", c->fact.mx);
	set_text(o, "receiving-mx-helo", c->fact.helo);
	set_text(o, "receiving-ip", c->fact.ip);
	json_object_set_new(o, "failed-session-count", json_integer((json_int_t)c->n));
	set_text(o, "failure-reason-code", c->fact.text);
	return o;
}

static json_t *part_of(const struct ipc_tls_count *counts, size_t n, size_t first)
{
	json_t *o = json_object(), *summary = json_object(), *failures = json_array();
	uint64_t good = 0, bad = 0;

	for (size_t i = first; i < n; i++) {
		const struct ipc_tls_count *c = &counts[i];

		if (!same_policy(&counts[first].fact, &c->fact))
			continue;
		if (c->fact.result == TLSRPT_SUCCESS) {
			good += c->n;
			continue;
		}
		bad += c->n;
		json_array_append_new(failures, failure_of(c));
	}
	json_object_set_new(o, "policy", policy_of(&counts[first].fact));
	json_object_set_new(summary, "total-successful-session-count", json_integer((json_int_t)good));
	json_object_set_new(summary, "total-failure-session-count", json_integer((json_int_t)bad));
	json_object_set_new(o, "summary", summary);
	if (json_array_size(failures))
		json_object_set_new(o, "failure-details", failures);
	else
		json_decref(failures);
	return o;
}

static bool is_first(const struct ipc_tls_count *counts, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (same_policy(&counts[i].fact, &counts[at].fact))
			return false;
	return true;
}

static int add_bytes(const char *p, size_t n, void *arg)
{
	buf_add(arg, str_of(p, n));
	return 0;
}

bool tlsrpt_write(const struct tlsrpt_head *h, const struct ipc_tls_count *counts, size_t n, struct buf *out)
{
	json_t *o = json_object(), *range = json_object(), *policies = json_array();

	if (!o || !range || !policies)
		die("tlsrpt: no memory");
	set_text(o, "organization-name", h->organization);
	set_time(range, "start-datetime", h->day, 0);
	set_time(range, "end-datetime", h->day, 86399);
	json_object_set_new(o, "date-range", range);
	set_text(o, "contact-info", h->contact);
	set_text(o, "report-id", h->id);
	for (size_t i = 0; i < n; i++)
		if (is_first(counts, i))
			json_array_append_new(policies, part_of(counts, n, i));
	json_object_set_new(o, "policies", policies);
	json_dump_callback(o, add_bytes, out, JSON_COMPACT);
	json_decref(o);
	return !out->full;
}

/* ---- the letter */

#define LINE 76

static void add_base64(struct str bytes, struct buf *out)
{
	for (size_t at = 0; at < bytes.n; at += LINE / 4 * 3) {
		mail_base64_encode(str_sub(bytes, at, LINE / 4 * 3), out);
		buf_addz(out, "\r\n");
	}
}

void tlsrpt_letter_write(const struct tlsrpt_letter *l, struct buf *out)
{
	buf_addf(out, "From: %.*s\r\nTo: %.*s\r\nDate: ", STR_ARG(l->from), STR_ARG(l->to));
	clock_add_rfc5322(out, l->now_s);
	buf_addf(out, "\r\nSubject: Report Domain: %.*s\r\n Submitter: %.*s\r\n", STR_ARG(l->domain), STR_ARG(l->hostname));
	buf_addf(out, " Report-ID: <%.*s>\r\n", STR_ARG(l->id));
	buf_addf(out, "Message-ID: <%.*s>\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\nTLS-Required: No\r\n", STR_ARG(l->id));
	buf_addf(out, "TLS-Report-Domain: %.*s\r\nTLS-Report-Submitter: %.*s\r\n", STR_ARG(l->domain), STR_ARG(l->hostname));
	buf_addz(out, "Content-Type: multipart/report; report-type=\"tlsrpt\"; boundary=\"=_tls_report\"\r\n\r\n");
	buf_addz(out, "--=_tls_report\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n");
	buf_addf(out, "This is a report about TLS sessions with the mail servers of %.*s,\r\nby %.*s (RFC 8460).\r\n\r\n",
		STR_ARG(l->domain), STR_ARG(l->hostname));
	buf_addf(out, "--=_tls_report\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
		"Content-Disposition: attachment;\r\n filename=\"%.*s\"\r\n\r\n", STR_ARG(l->file_name));
	add_base64(l->packed, out);
	buf_addz(out, "--=_tls_report--\r\n");
}
