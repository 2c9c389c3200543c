/* ctl/queue.c - commands: the queue of letters that leave, and what became of them.
 * Purpose     list, show; hold, release, retry, delete, reroute; the history.
 * Trust       runs as who called it. What an act is about is listed by store, and done by post to exactly that, group by group.
 */
#include "ctl/ctl_impl.h"

#include "base/die.h"
#include "ctl/queue_filter.h"
#include "ctl/queue_show.h"
#include "ipc/words.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- list, show, history */

struct printing {
	const struct queue_ask *q;
	struct buf out;
	uint64_t letter; /* the one shown last */
	uint64_t n;
	void (*group)(const struct ipc_queue_shown *e, struct buf *out);
	void (*event)(const struct ipc_history_entry *e, struct buf *out);
};

static void print_out(struct printing *p)
{
	fwrite(p->out.p, 1, p->out.n, stdout);
	buf_reset(&p->out);
	p->n++;
}

static bool print_group(void *ctx, const struct ipc_queue_shown *e)
{
	struct printing *p = ctx;

	p->group(e, &p->out);
	print_out(p);
	return true;
}

static bool print_event(void *ctx, const struct ipc_history_entry *e)
{
	struct printing *p = ctx;

	p->event(e, &p->out);
	print_out(p);
	return true;
}

static int queue_list(struct ctl *c)
{
	struct queue_ask q;
	struct printing p = { .q = &q };
	enum outcome o;
	int status;

	if (!queue_ask_parse(c, 0, &q, &status))
		return status;
	buf_init(&p.out, QUEUE_TEXT_MAX);
	p.group = q.json ? queue_show_json : queue_show_line;
	o = queue_walk(&q, print_group, &p);
	buf_fini(&p.out);
	return ctl_done(o, "queue list", "");
}

static int queue_history(struct ctl *c)
{
	struct queue_ask q;
	struct printing p = { .q = &q };
	enum outcome o;
	int status;

	if (!queue_ask_parse(c, 0, &q, &status))
		return status;
	buf_init(&p.out, QUEUE_TEXT_MAX);
	p.event = q.json ? queue_event_json : queue_event_lines;
	o = queue_history_walk(&q, print_event, &p);
	buf_fini(&p.out);
	return ctl_done(o, "queue history", "");
}

static bool show_group(void *ctx, const struct ipc_queue_shown *e)
{
	struct printing *p = ctx;

	if (p->q->json)
		queue_show_json(e, &p->out);
	else
		queue_show_group(e, e->id != p->letter, &p->out);
	p->letter = e->id;
	print_out(p);
	return true;
}

static bool show_event(void *ctx, const struct ipc_history_entry *e)
{
	struct printing *p = ctx;

	if (!p->q->json && e->id != p->letter)
		queue_event_letter(e, &p->out);
	p->letter = e->id;
	(p->q->json ? queue_event_json : queue_event_show)(e, &p->out);
	print_out(p);
	return true;
}

static int queue_show(struct ctl *c)
{
	struct queue_ask q;
	struct printing p = { .q = &q };
	enum outcome o;
	int status;

	if (!queue_ask_parse(c, 0, &q, &status))
		return status;
	if (q.n_ids != 1) {
		fprintf(stderr, "sallyport: queue show takes one letter, by its id or its trace\n");
		return 2;
	}
	buf_init(&p.out, QUEUE_TEXT_MAX);
	o = queue_walk(&q, show_group, &p);
	if (o == OK)
		o = queue_history_walk(&q, show_event, &p);
	buf_fini(&p.out);
	return ctl_done(o == OK && !p.n ? NO_SUCH : o, "queue show", q.ids[0]);
}

/* ---- acts */

struct act {
	const struct queue_ask *q;
	const char *name;
	enum outcome o;
	struct ipc_queue_act m;
	struct ipc_queue_group groups[IPC_QUEUE_ACT_GROUPS_MAX];
	uint64_t done, busy, gone;
};

static void act_send(struct act *x)
{
	struct ipc_queue_act_reply r = { 0 };

	if (!x->m.n_groups || x->o != OK)
		return;
	x->m.groups = x->groups;
	x->o = client_call(&x->q->c->client, ROLE_POST, IPC_QUEUE_ACT, &x->m, &r);
	x->done += r.done;
	x->busy += r.busy;
	x->gone += r.gone;
	x->m.n_groups = 0;
}

static bool act_group(void *ctx, const struct ipc_queue_shown *e)
{
	struct act *x = ctx;

	x->groups[x->m.n_groups++] = (struct ipc_queue_group){ .id = e->id, .group = e->group };
	if (x->m.n_groups == IPC_QUEUE_ACT_GROUPS_MAX)
		act_send(x);
	return x->o == OK;
}

/* The words of the command, for the audit log; more than fit are cut. */
static void take_words(struct ctl *c, const char *name, struct buf *out)
{
	buf_addz(out, name);
	for (int i = 0; i < c->n_words; i++) {
		buf_addc(out, ' ');
		buf_addz(out, c->words[i]);
	}
}

static void act_tell(const struct act *x)
{
	unsigned long long done = x->done, busy = x->busy, gone = x->gone;

	if (x->q->json)
		printf("{\"command\":\"%s\",\"done\":%llu,\"busy\":%llu,\"gone\":%llu}\n", x->name, done, busy, gone);
	else
		printf("%s\tdone %llu\tbusy %llu\tgone %llu\n", x->name, done, busy, gone);
	if (busy)
		fprintf(stderr, "sallyport: queue %s: %llu of them are being sent just now and stay as they are; try again\n", x->name, busy);
	else if (x->o == OK && !done)
		fprintf(stderr, "sallyport: queue %s: nothing that waits in the queue is meant\n", x->name);
}

/* first: words of its own before those that say which. route: of a reroute. */
static int act(struct ctl *c, const char *name, unsigned what, int first, struct str route)
{
	struct queue_ask q;
	struct act *x;
	struct buf words;
	int status;

	buf_init(&words, IPC_QUEUE_COMMAND_WORDS_MAX);
	take_words(c, name, &words);
	if (!queue_ask_parse(c, first, &q, &status)) {
		buf_fini(&words);
		return status;
	}
	if (!q.narrowed && !q.all) {
		fprintf(stderr, "sallyport: queue %s: say which letters, or --all\n", name);
		buf_fini(&words);
		return 2;
	}
	x = mem_new(struct act);
	x->q = &q;
	x->name = name;
	x->m = (struct ipc_queue_act){ .what = (uint8_t)what, .text = route };
	x->o = client_call(&c->client, ROLE_STORE, IPC_QUEUE_COMMAND, &(struct ipc_queue_command){ .words = buf_str(&words) }, NULL);
	if (x->o == OK) {
		enum outcome o = queue_walk(&q, act_group, x);

		act_send(x);
		x->o = x->o == OK ? o : x->o;
		act_tell(x);
	}
	status = ctl_done(x->o, "queue", name) || x->busy || !x->done;
	free(x);
	buf_fini(&words);
	return status;
}

static int queue_hold(struct ctl *c)
{
	return act(c, "hold", QUEUE_HOLD, 0, STR(""));
}

static int queue_release(struct ctl *c)
{
	return act(c, "release", QUEUE_RELEASE, 0, STR(""));
}

static int queue_retry(struct ctl *c)
{
	return act(c, "retry", QUEUE_RETRY, 0, STR(""));
}

static int queue_delete(struct ctl *c)
{
	return act(c, "delete", QUEUE_DELETE, 0, STR(""));
}

static int queue_reroute(struct ctl *c)
{
	struct str route = str_z(c->words[0]);
	struct conf_hop hop;

	if (str_eq(route, STR("none")))
		return act(c, "reroute", QUEUE_REROUTE, 1, STR(""));
	if (route.n <= IPC_QUEUE_ACT_TEXT_MAX && conf_hop_parse(route, &c->client.lines, &hop))
		return act(c, "reroute", QUEUE_REROUTE, 1, route);
	fprintf(stderr, "sallyport: queue reroute %s: say [host]:port, a domain whose MX records count, or none for the usual way\n", c->words[0]);
	return 2;
}

#define WORDS_MAX 200
#define WHICH "[WHICH ...] [--json]"
#define WHICH_OR_ALL "WHICH ...|--all [--json]"

const struct command ctl_queue_commands[] = {
	{ "queue list",
		"[ID ...] [--domain NAME] [--sender ADDRESS] [--to ADDRESS]\n\t\t[--account ADDRESS] [--trace TRACE] [--older TIME] [--since TIME] "
		"[--state waiting|held] [--json]",
		"letters that wait to leave, a line a destination: id, state, domain, sender, recipients, attempts, next attempt, accepted, size, trace, "
		"last reply; the other commands say WHICH likewise", 0, WORDS_MAX, ONLINE, queue_list },
	{ "queue show", "ID|TRACE [--json]", "a letter, and every attempt to send it", 1, 2, ONLINE, queue_show },
	{ "queue count", WHICH, "the queue by domain: letters, recipients, held, bytes, oldest, next attempt, last reply", 0, WORDS_MAX, ONLINE, queue_count },
	{ "queue sites", "[--json]",
		"the hosts that letters go to where something is due or wrong: domains whose mail goes there, letters that are due, connections, how many "
		"are allowed at once, failures in a row, how long nothing is tried", 0, 1, ONLINE, queue_sites },
	{ "queue history", WHICH, "what became of letters: time, id, attempt, sender, recipient, result, server, lock, trace, reply", 0, WORDS_MAX, ONLINE,
		queue_history },
	{ "queue hold", WHICH_OR_ALL,
		"keep letters back until they are released: neither tried nor given back, but their time in the queue counts on", 0, WORDS_MAX,
		ONLINE, queue_hold },
	{ "queue release", WHICH_OR_ALL, "let held letters go", 0, WORDS_MAX, ONLINE, queue_release },
	{ "queue retry", WHICH_OR_ALL, "try letters now; what is held stays held", 0, WORDS_MAX, ONLINE, queue_retry },
	{ "queue delete", WHICH_OR_ALL, "remove letters from the queue for good; nobody is told", 0, WORDS_MAX, ONLINE, queue_delete },
	{ "queue reroute", "HOP|none " WHICH_OR_ALL, "send letters by way of another server, as \"[host]:port\"; none: the usual way again", 1, WORDS_MAX,
		ONLINE, queue_reroute },
	{ 0 },
};
