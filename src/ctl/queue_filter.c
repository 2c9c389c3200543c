/* ctl/queue_filter.c - the words that say which letters are meant, and walking through them. See the header. */
#include "ctl/queue_filter.h"

#include "ctl/options.h"
#include "ctl/text.h"
#include "ipc/words.h"
#include "mail/idn.h"
#include "mail/path.h"

#include <stdio.h>
#include <string.h>

struct options {
	const char *domain, *sender, *account, *to, *trace, *older, *since, *state;
	bool all, json;
};

/* ---- words */

/* "name@domain", "@domain", and for senders "<>", as they are compared. False: said. */
static bool parse_party(struct ctl *c, const char *option, const char *word, bool null, struct str *out)
{
	struct arena *a = &c->client.lines;
	struct mail_path path = { 0 };

	if (null && strcmp(word, "<>") == 0) {
		*out = str_z(word);
		return true;
	}
	if (word[0] == '@')
		path.domain = str_z(word + 1);
	else if (mail_mailbox_parse(str_z(word), MAIL_PATH_UTF8, &mail_path_limits_default, a, &path) != OK)
		path.domain = STR("");
	if (!path.domain.n) {
		fprintf(stderr, "sallyport: %s %s: say name@domain or @domain%s\n", option, word, null ? ", or \"<>\" for reports" : "");
		return false;
	}
	*out = arena_fmt(a, "%.*s@%.*s", STR_ARG(path.local), STR_ARG(mail_domain_fold(a, path.domain)));
	return true;
}

static bool parse_state(const char *word, uint8_t *out)
{
	if (strcmp(word, "waiting") == 0)
		*out = 1 + QUEUE_WAITING;
	else if (strcmp(word, "held") == 0)
		*out = 1 + QUEUE_HELD;
	else
		fprintf(stderr, "sallyport: --state %s: say waiting or held\n", word);
	return *out != 0;
}

static bool parse_account(struct ctl *c, const char *word, uint64_t *out)
{
	struct ipc_account_find m = { 0 };
	struct ipc_account_find_reply r;
	enum outcome o;

	if (!ctl_address(c, word, &m.address))
		return false;
	o = client_call(&c->client, ROLE_STORE, IPC_ACCOUNT_FIND, &m, &r);
	*out = r.account;
	return ctl_done(o, "account", word) == 0;
}

/* Ids name letters, and stand for themselves: in place of a filter, not beside one. */
static bool ids_alone(const struct options *o)
{
	if (!o->domain && !o->sender && !o->account && !o->to && !o->trace && !o->older && !o->since && !o->state && !o->all)
		return true;
	fprintf(stderr, "sallyport: say which letters by their ids or by options, not by both\n");
	return false;
}

static bool fill(struct ctl *c, const struct options *o, struct queue_ask *q)
{
	struct ipc_queue_filter *f = &q->filter;

	if (o->domain)
		f->domain = o->domain[0] == '[' ? str_z(o->domain) : mail_domain_fold(&c->client.lines, str_z(o->domain));
	if (o->trace)
		f->trace = str_z(o->trace);
	if (f->domain.n > 255 || f->trace.n > 32) {
		fprintf(stderr, "sallyport: %s: there is none of this name\n", f->domain.n > 255 ? "--domain" : "--trace");
		return false;
	}
	return (!o->sender || parse_party(c, "--sender", o->sender, true, &f->sender)) && (!o->to || parse_party(c, "--to", o->to, false, &f->rcpt)) &&
	       (!o->account || parse_account(c, o->account, &f->account)) && (!o->older || text_parse_time("--older", o->older, &q->older_s)) &&
	       (!o->since || text_parse_time("--since", o->since, &f->since_s)) && (!o->state || parse_state(o->state, &f->state));
}

bool queue_ask_parse(struct ctl *c, int n_first, struct queue_ask *q, int *status)
{
	struct options o = { 0 };
	const struct option_row table[] = {
		{ "--domain", &o.domain, NULL }, { "--sender", &o.sender, NULL }, { "--account", &o.account, NULL }, { "--to", &o.to, NULL },
		{ "--trace", &o.trace, NULL }, { "--older", &o.older, NULL }, { "--since", &o.since, NULL }, { "--state", &o.state, NULL },
		{ "--all", NULL, &o.all }, { "--json", NULL, &o.json }, { 0 },
	};
	int left = options_take(table, c->words, c->n_words);

	*q = (struct queue_ask){ .c = c, .ids = c->words + n_first, .n_ids = left - n_first, .all = o.all, .json = o.json };
	*status = 2;
	if (left < n_first || (q->n_ids && !ids_alone(&o)))
		return false;
	*status = 1;
	q->narrowed = q->n_ids || o.domain || o.sender || o.account || o.to || o.trace || o.older || o.since || o.state;
	return fill(c, &o, q);
}

/* ---- walking */

/* "17" and "17.2" are numbers; all else is a trace. Sets the filter; *group -1: all of the letter's. */
static bool parse_id(const char *word, struct ipc_queue_filter *f, int64_t *group)
{
	struct str rest = str_z(word), id;
	uint32_t number;

	*group = -1;
	if (str_split(&rest, '.', &id) && str_to_u64(id, &f->id) && f->id) {
		if (rest.p && str_to_u32(rest, &number))
			*group = number;
		if (!rest.p || *group >= 0)
			return true;
	}
	f->id = 0;
	f->trace = str_z(word);
	return f->trace.n > 0 && f->trace.n <= 32;
}

struct walk {
	const struct queue_ask *q;
	struct ipc_queue_filter filter;
	int64_t group; /* that alone; -1: any */
	bool ended;
	queue_each_fn *each;
	queue_event_fn *event;
	void *ctx;
};

static enum outcome walk_queue(struct walk *w)
{
	struct client *client = &w->q->c->client;
	struct ipc_queue_page m = { .filter = w->filter };
	struct ipc_queue_page_reply r;

	do {
		enum outcome o;

		arena_reset(&client->arena);
		o = client_call(client, ROLE_STORE, IPC_QUEUE_PAGE, &m, &r);
		if (o != OK)
			return o;
		for (size_t i = 0; i < r.n_entries && !w->ended; i++)
			if ((w->group < 0 || r.entries[i].group == w->group) && (!w->q->older_s || r.entries[i].date_s <= w->q->older_s))
				w->ended = !w->each(w->ctx, &r.entries[i]);
		m.after_id = r.next_id;
		m.after_group = r.next_group;
	} while (r.more && !w->ended);
	return OK;
}

static enum outcome walk_history(struct walk *w)
{
	struct client *client = &w->q->c->client;
	struct ipc_history_find m = { .filter = w->filter };
	struct ipc_history_find_reply r;

	do {
		enum outcome o;

		arena_reset(&client->arena);
		o = client_call(client, ROLE_STORE, IPC_HISTORY_FIND, &m, &r);
		if (o != OK)
			return o;
		for (size_t i = 0; i < r.n_entries && !w->ended; i++)
			if ((w->group < 0 || r.entries[i].group == w->group) && (!w->q->older_s || r.entries[i].at_s <= w->q->older_s))
				w->ended = !w->event(w->ctx, &r.entries[i]);
		m.after_id = r.next_id;
		m.after_group = r.next_group;
		m.after_number = r.next_number;
	} while (r.more && !w->ended);
	return OK;
}

static enum outcome walk_all(struct walk *w, enum outcome (*one)(struct walk *w))
{
	const struct queue_ask *q = w->q;
	enum outcome o = OK;

	w->filter = q->filter;
	w->group = -1;
	if (!q->n_ids)
		return one(w);
	for (int i = 0; i < q->n_ids && o == OK && !w->ended; i++) {
		w->filter = q->filter;
		o = parse_id(q->ids[i], &w->filter, &w->group) ? one(w) : NO_SUCH;
	}
	return o;
}

enum outcome queue_walk(const struct queue_ask *q, queue_each_fn *each, void *ctx)
{
	return walk_all(&(struct walk){ .q = q, .each = each, .ctx = ctx }, walk_queue);
}

enum outcome queue_history_walk(const struct queue_ask *q, queue_event_fn *each, void *ctx)
{
	return walk_all(&(struct walk){ .q = q, .event = each, .ctx = ctx }, walk_history);
}
