/* ctl/queue_sites.c - command: the hosts that letters go to, as far as something is due there or wrong.
 * Trust       names of hosts are others' texts; they are cleaned as they are printed.
 */
#include "ctl/queue_filter.h"

#include "ctl/json.h"
#include "ctl/text.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 20000

static void add_line(const struct ipc_queue_site *s, struct buf *out)
{
	text_add(out, s->name);
	buf_addf(out, "\tdomains %u\tdue %u\trunning %u\twindow %u\tfailures %u\tpause %u s\n", s->domains, s->due, s->running, s->window,
		s->failures, s->pause_s);
}

static void add_json(const struct ipc_queue_site *s, struct buf *out)
{
	json_open(out, NULL, '{');
	json_str(out, "site", s->name);
	json_num(out, "domains", s->domains);
	json_num(out, "due", s->due);
	json_num(out, "running", s->running);
	json_num(out, "window", s->window);
	json_num(out, "failures", s->failures);
	json_num(out, "pause", s->pause_s);
	json_close(out, '}');
	buf_addc(out, '\n');
}

static void print(const struct ipc_queue_sites_reply *r, bool json)
{
	struct buf out;

	buf_init(&out, LINE_MAX_BYTES);
	for (size_t i = 0; i < r->n_sites; i++) {
		(json ? add_json : add_line)(&r->sites[i], &out);
		fwrite(out.p, 1, out.n, stdout);
		buf_reset(&out);
	}
	buf_fini(&out);
}

int queue_sites(struct ctl *c)
{
	bool json = c->n_words == 1 && strcmp(c->words[0], "--json") == 0;
	struct ipc_queue_sites m = { 0 };
	struct ipc_queue_sites_reply r;
	struct buf after;
	enum outcome o;

	if (c->n_words && !json) {
		fprintf(stderr, "sallyport: queue sites %s: says nothing; --json, or no words\n", c->words[0]);
		return 2;
	}
	buf_init(&after, IPC_QUEUE_SITES_AFTER_MAX);
	do {
		o = client_call(&c->client, ROLE_POST, IPC_QUEUE_SITES, &m, &r);
		if (o != OK)
			break;
		print(&r, json);
		buf_reset(&after);
		if (r.n_sites)
			buf_add(&after, r.sites[r.n_sites - 1].key);
		m.after = buf_str(&after);
	} while (r.more);
	buf_fini(&after);
	return ctl_done(o, "queue sites", "");
}
