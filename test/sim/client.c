/* sim/client.c - what a client does: random commands on messages that it knows, and what each means to the reference model.
 * Suspends    in every command.
 */
#include "sim/client.h"

#include "base/die.h"
#include "base/rng.h"
#include "crash/work.h"

#include <stdio.h>
#include <string.h>

#define SET_TEXT_MAX 4096
#define SET_MAX 25 /* messages of a command, and a range more */

static size_t below(struct client *c, size_t n)
{
	return sim_below(c->sim, n);
}

static struct oracle *oracle(struct client *c)
{
	return &c->sim->oracle;
}

struct client *client_new(struct sim *s, unsigned number, unsigned n_commands)
{
	struct client *c = mem_new(struct client);

	c->sim = s;
	snprintf(c->name, sizeof c->name, "c%u", number);
	c->n_commands = n_commands;
	c->box = -1;
	buf_init(&c->response, 1 << 22);
	buf_init(&c->code, 1 << 16);
	return c;
}

/* ---- sets of messages whose uid and serial are known */

struct chosen {
	struct VEC(struct entry) v; /* copies: the picture changes while a command runs */
	struct buf set;
	bool by_uid;
};

static bool is_known(const struct client *c, size_t i)
{
	return i < c->entries.n && c->entries.v[i].letter;
}

static void add_range(struct client *c, struct chosen *x, size_t lo, size_t hi)
{
	const struct entry *e = c->entries.v;

	if (x->set.n)
		buf_addc(&x->set, ',');
	buf_add_u64(&x->set, x->by_uid ? e[lo].uid : lo + 1);
	if (hi > lo) {
		buf_addc(&x->set, ':');
		buf_add_u64(&x->set, x->by_uid ? e[hi].uid : hi + 1);
	}
	for (size_t i = lo; i <= hi; i++)
		*vec_push(&x->v) = e[i];
}

/* False: none is known. Runs become ranges now and then. */
static bool choose(struct client *c, struct chosen *x)
{
	unsigned odds = 1 + (unsigned)below(c, 6);
	bool ranges = below(c, 2);

	*x = (struct chosen){ .by_uid = below(c, 2) };
	buf_init(&x->set, SET_TEXT_MAX);
	for (size_t i = 0; i < c->entries.n && x->v.n < SET_MAX; i++) {
		size_t hi = i;

		if (!is_known(c, i) || below(c, odds))
			continue;
		while (ranges && is_known(c, hi + 1) && hi - i < 20 && below(c, 3))
			hi++;
		add_range(c, x, i, hi);
		i = hi;
	}
	return x->v.n > 0;
}

static void chosen_free(struct chosen *x)
{
	vec_free(&x->v);
	buf_fini(&x->set);
}

#define UID(x) ((x)->by_uid ? "UID " : "")
static enum doing doing_of(const struct chosen *x)
{
	return x->by_uid ? DOING_ANY : DOING_KEEPS_NUMBERS;
}

/* ---- reading */

static SUSPENDS void learn_new(struct client *c)
{
	bool whole = below(c, 4) == 0;
	size_t lo = 0, hi;

	while (lo < c->entries.n && c->entries.v[lo].letter)
		lo++;
	if (lo == c->entries.n)
		return;
	hi = c->entries.n;
	client_command(c, DOING_KEEPS_NUMBERS, "FETCH %zu:%zu (UID FLAGS %s)", lo + 1, hi,
		whole ? "RFC822.SIZE BODY.PEEK[]" : "BODY.PEEK[HEADER.FIELDS (SUBJECT)]");
}

static SUSPENDS void do_fetch_flags(struct client *c)
{
	struct chosen x;

	if (choose(c, &x))
		client_command(c, doing_of(&x), "%sFETCH %.*s (UID FLAGS)", UID(&x), STR_ARG(buf_str(&x.set)));
	chosen_free(&x);
}

/* Without PEEK the messages are seen then. */
static SUSPENDS void do_fetch_body(struct client *c)
{
	bool seen = !c->readonly && below(c, 2);
	uint64_t number = oracle_write_number(oracle(c));
	struct chosen x;
	enum result r;

	if (choose(c, &x)) {
		for (size_t i = 0; seen && i < x.v.n; i++)
			oracle_write(oracle(c), x.v.v[i].letter, number, MSG_SEEN, MSG_SEEN);
		r = client_command(c, doing_of(&x), "%sFETCH %.*s (UID RFC822.SIZE %s)", UID(&x), STR_ARG(buf_str(&x.set)),
			seen ? "BODY[]" : "BODY.PEEK[]");
		if (r != RESULT_GONE)
			oracle_written(oracle(c), number, r == RESULT_OK);
	}
	chosen_free(&x);
}

static void check_found(struct client *c, const char *what, bool by_uid)
{
	for (size_t i = 0; i < c->found.n; i++) {
		if (i && c->found.v[i] <= c->found.v[i - 1])
			sim_fail(c->sim, "%s: SEARCH %s does not ascend", c->name, what);
		if (!by_uid && c->found.v[i] > c->entries.n)
			sim_fail(c->sim, "%s: SEARCH %s finds message %u of %zu", c->name, what, c->found.v[i], c->entries.n);
	}
}

static bool was_found(const struct client *c, size_t i, bool by_uid)
{
	for (size_t k = 0; k < c->found.n; k++)
		if (c->found.v[k] == (by_uid ? c->entries.v[i].uid : i + 1))
			return true;
	return false;
}

/* "Letter 1" is in "Letter 12", too. One that somebody may have removed may be missing. */
static void check_subject(struct client *c, uint32_t serial, bool by_uid)
{
	char needle[32], subject[32];

	snprintf(needle, sizeof needle, "Letter %u", serial);
	for (size_t i = 0; i < c->entries.n; i++) {
		bool has, found = is_known(c, i) && was_found(c, i, by_uid);

		if (!is_known(c, i))
			continue;
		snprintf(subject, sizeof subject, "Letter %u", c->entries.v[i].serial);
		has = strstr(subject, needle);
		if (found && !has)
			sim_fail(c->sim, "%s: SEARCH SUBJECT \"%s\" finds letter %u", c->name, needle, c->entries.v[i].serial);
		if (has && !found && !c->entries.v[i].letter->may_go)
			sim_fail(c->sim, "%s: SEARCH SUBJECT \"%s\" does not find message %zu", c->name, needle, i + 1);
	}
}

static SUSPENDS void do_search(struct client *c)
{
	static const char *const keys[] = { "ALL", "DELETED", "UNSEEN FLAGGED", "OR SEEN ANSWERED", "KEYWORD Blue", "NOT DELETED" };
	bool by_uid = below(c, 2), subject = below(c, 3) == 0;
	const char *key = keys[below(c, sizeof keys / sizeof *keys)];
	uint32_t serial = 1 + (uint32_t)below(c, c->sim->next_serial);
	enum doing doing = by_uid ? DOING_ANY : DOING_KEEPS_NUMBERS;
	size_t n = c->entries.n;
	enum result r;

	if (subject)
		r = client_command(c, doing, "%sSEARCH SUBJECT \"Letter %u\"", by_uid ? "UID " : "", serial);
	else
		r = client_command(c, doing, "%sSEARCH %s", by_uid ? "UID " : "", key);
	if (r != RESULT_OK)
		return;
	check_found(c, subject ? "SUBJECT" : key, by_uid);
	if (subject && (by_uid || c->entries.n == n))
		check_subject(c, serial, by_uid);
}

/* ---- changing */

static uint32_t random_flags(struct client *c)
{
	uint32_t flags = (uint32_t)below(c, FLAGS_ALL + 1) & (uint32_t)below(c, FLAGS_ALL + 1);

	return below(c, 3) ? flags & ~(uint32_t)MSG_DELETED : flags | MSG_DELETED;
}

static uint32_t stored(uint32_t old, int mode, uint32_t flags)
{
	return mode == 1 ? old | flags : mode == 2 ? old & ~flags : flags;
}

/* The picture as it will be when the server says nothing more of it (.SILENT). */
static void expect_silent(struct client *c, const struct chosen *x, int mode, uint32_t flags)
{
	for (size_t i = 0; i < x->v.n; i++)
		for (size_t k = 0; k < c->entries.n; k++)
			if (c->entries.v[k].uid == x->v.v[i].uid)
				c->entries.v[k].flags = stored(c->entries.v[k].flags, mode, flags);
}

static void forget_flags(struct client *c, const struct chosen *x)
{
	for (size_t i = 0; i < x->v.n; i++)
		for (size_t k = 0; k < c->entries.n; k++)
			if (c->entries.v[k].uid == x->v.v[i].uid)
				c->entries.v[k].has_flags = false;
}

static void note_store(struct client *c, const struct chosen *x, uint64_t number, int mode, uint32_t flags)
{
	for (size_t i = 0; i < x->v.n; i++) {
		struct letter_seen *l = x->v.v[i].letter;

		oracle_write(oracle(c), l, number, mode == 0 ? FLAGS_ALL : flags, mode == 2 ? 0 : flags);
		l->may_go |= mode != 2 && flags & MSG_DELETED;
	}
}

static SUSPENDS void do_store(struct client *c)
{
	static const char *const modes[] = { "", "+", "-" };
	int mode = (int)below(c, 3);
	bool silent = below(c, 2);
	uint32_t flags = random_flags(c);
	uint64_t number = oracle_write_number(oracle(c));
	struct chosen x;
	struct buf text;
	enum result r;

	buf_init(&text, 256);
	flags_text(flags, &text);
	if (!c->readonly && choose(c, &x)) {
		note_store(c, &x, number, mode, flags);
		if (silent)
			expect_silent(c, &x, mode, flags);
		r = client_command(c, doing_of(&x), "%sSTORE %.*s %sFLAGS%s %.*s", UID(&x), STR_ARG(buf_str(&x.set)), modes[mode],
			silent ? ".SILENT" : "", STR_ARG(buf_str(&text)));
		if (r != RESULT_GONE)
			oracle_written(oracle(c), number, r == RESULT_OK);
		if (r != RESULT_OK)
			forget_flags(c, &x);
		chosen_free(&x);
	}
	buf_fini(&text);
}

static SUSPENDS void do_expunge(struct client *c)
{
	struct chosen x;

	if (c->readonly)
		return;
	if (below(c, 2)) {
		client_command(c, DOING_ANY, "EXPUNGE");
		return;
	}
	if (choose(c, &x)) {
		buf_reset(&x.set);
		for (size_t i = 0; i < x.v.n; i++)
			buf_addf(&x.set, "%s%u", i ? "," : "", x.v.v[i].uid);
		client_command(c, DOING_ANY, "UID EXPUNGE %.*s", STR_ARG(buf_str(&x.set)));
	}
	chosen_free(&x);
}

/* ---- copies */

struct copied {
	uint32_t uidvalidity;
	struct uid_list from, to;
};

/* COPYUID 38505 304,319:320 3956:3958 */
static bool copied_parse(struct client *c, struct copied *k)
{
	struct str rest = buf_str(&c->code), word;

	if (!str_split(&rest, ' ', &word) || !str_eq(word, STR("COPYUID")) || !str_split(&rest, ' ', &word) ||
		!str_to_u32(word, &k->uidvalidity) || !str_split(&rest, ' ', &word))
		return false;
	uid_list_parse(word, &k->from);
	uid_list_parse(rest, &k->to);
	if (k->from.n != k->to.n)
		sim_fail(c->sim, "%s: COPYUID of %zu uids to %zu", c->name, k->from.n, k->to.n);
	return true;
}

static void settle_copy(struct client *c, const struct chosen *x, size_t first, unsigned to, enum result r, const struct copied *k)
{
	if (r != RESULT_OK)
		return; /* the outcome stays open */
	if (k->from.n)
		oracle_uidvalidity(oracle(c), to, k->uidvalidity);
	for (size_t i = 0; i < x->v.n; i++) {
		size_t at = 0;

		while (at < k->from.n && k->from.v[at] != x->v.v[i].uid)
			at++;
		if (at < k->from.n)
			oracle_came(oracle(c), first + i, k->to.v[at]);
		else
			oracle_never(oracle(c), first + i); /* it was gone already */
	}
}

static SUSPENDS void transfer(struct client *c, bool move)
{
	unsigned to = (unsigned)below(c, BOX_BOB);
	struct copied *k = mem_new(struct copied);
	struct chosen x;
	size_t first;
	enum result r;

	if (!(move && c->readonly) && choose(c, &x)) {
		first = oracle(c)->comings.n;
		for (size_t i = 0; i < x.v.n; i++) {
			oracle_ask(oracle(c), &(struct coming){ .box = (uint8_t)to, .serial = x.v.v[i].serial,
				.of = x.v.v[i].letter });
			x.v.v[i].letter->may_go |= move;
		}
		r = client_command(c, DOING_ANY, "%s%s %.*s %s", UID(&x), move ? "MOVE" : "COPY", STR_ARG(buf_str(&x.set)),
			sim_box_names[to]);
		if (!copied_parse(c, k))
			k->from.n = 0;
		settle_copy(c, &x, first, to, r, k);
		chosen_free(&x);
	}
	free(k);
}

static SUSPENDS void do_copy(struct client *c)
{
	transfer(c, false);
}

static SUSPENDS void do_move(struct client *c)
{
	transfer(c, true);
}

static SUSPENDS void append(struct client *c)
{
	unsigned box = (unsigned)below(c, BOX_BOB);
	bool sync = below(c, 2);
	uint32_t flags = random_flags(c), serial = c->sim->next_serial++, uidvalidity, uid;
	size_t coming = oracle_ask(oracle(c), &(struct coming){ .box = (uint8_t)box, .serial = serial, .flags = flags,
		.may_go = flags & MSG_DELETED });
	struct buf letter, text;
	struct str rest, word;
	enum result r;

	buf_init(&letter, 1 << 20);
	buf_init(&text, 256);
	work_letter(serial, &letter);
	flags_text(flags, &text);
	snprintf(c->tag, sizeof c->tag, "a%u", ++c->next_tag);
	buf_reset(&c->code);
	c->doing = DOING_ANY;
	sim_say(c->sim, c->name, '>', STR("(APPEND)"));
	stream_printf(&c->stream, "%s APPEND %s %.*s {%zu%s}\r\n", c->tag, sim_box_names[box], STR_ARG(buf_str(&text)), letter.n, sync ? "" : "+");
	r = sync ? client_hear(c) : RESULT_PLUS;
	if (r == RESULT_PLUS) {
		stream_write(&c->stream, buf_str(&letter));
		client_send(c, STR(""));
		r = client_hear(c);
	}
	rest = buf_str(&c->code);
	if (r == RESULT_OK) {
		if (!str_split(&rest, ' ', &word) || !str_eq(word, STR("APPENDUID")) || !str_split(&rest, ' ', &word) ||
			!str_to_u32(word, &uidvalidity) || !str_to_u32(rest, &uid))
			sim_fail(c->sim, "%s: APPEND without APPENDUID", c->name);
		oracle_uidvalidity(oracle(c), box, uidvalidity);
		oracle_came(oracle(c), coming, uid);
	}
	buf_fini(&letter);
	buf_fini(&text);
}

static SUSPENDS void do_append(struct client *c)
{
	client_listen(c, 1); /* a BYE may have come already */
	if (c->connected)
		append(c);
}

/* ---- the others */

static SUSPENDS void do_noop(struct client *c)
{
	client_command(c, DOING_ANY, below(c, 3) ? "NOOP" : "CHECK");
}

static SUSPENDS void do_idle(struct client *c)
{
	if (client_command(c, DOING_ANY, "IDLE") != RESULT_PLUS)
		return;
	client_listen(c, 1 + (int64_t)below(c, 3000));
	if (!c->connected)
		return;
	client_send(c, STR("DONE"));
	client_hear(c);
}

static SUSPENDS void do_select(struct client *c)
{
	client_select(c, below(c, 4) == 0, below(c, 5) == 0);
}

static SUSPENDS void do_leave(struct client *c)
{
	bool close = below(c, 2);
	enum result r = client_command(c, DOING_ANY, close ? "CLOSE" : "UNSELECT");

	if (r == RESULT_OK)
		picture_forget(c);
}

static SUSPENDS void do_status(struct client *c)
{
	client_command(c, DOING_ANY, "STATUS %s (MESSAGES UIDNEXT UNSEEN)", sim_box_names[below(c, BOX_BOB)]);
}

static SUSPENDS void do_go_away(struct client *c)
{
	if (below(c, 2))
		client_command(c, DOING_ANY, "LOGOUT");
	client_disconnect(c);
}

static const struct {
	unsigned weight;
	void (*fn)(struct client *c);
} works[] = {
	{ 8, do_fetch_flags }, { 4, do_fetch_body }, { 5, do_search }, { 14, do_store }, { 7, do_expunge }, { 4, do_copy },
	{ 4, do_move },        { 6, do_append },     { 6, do_noop },   { 3, do_idle },   { 2, do_select },  { 1, do_leave },
	{ 1, do_status },      { 1, do_go_away },
};

static SUSPENDS void work_once(struct client *c)
{
	unsigned total = 0, at;

	for (size_t i = 0; i < sizeof works / sizeof *works; i++)
		total += works[i].weight;
	at = (unsigned)below(c, total);
	for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
		if (at < works[i].weight) {
			works[i].fn(c);
			return;
		}
		at -= works[i].weight;
	}
}

/* Connected, with a mailbox selected, or with luck so. */
static SUSPENDS bool ready(struct client *c)
{
	if (!c->connected && !client_connect(c, "alice@sim.test"))
		return false;
	if (c->box < 0)
		do_select(c);
	return c->connected && c->box >= 0;
}

static SUSPENDS void work(struct client *c, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!ready(c))
			continue;
		if (below(c, 3))
			learn_new(c);
		if (c->connected && c->box >= 0)
			work_once(c);
		if (c->connected && below(c, 2))
			client_listen(c, (int64_t)below(c, 300));
	}
}

/* Waits for the next phase, when all others do too. */
static SUSPENDS void end_phase(struct client *c)
{
	unsigned phase = c->sim->phase;

	c->sim->n_busy--;
	while (c->sim->phase == phase)
		task_sleep(c->sim->world.sched, 100);
}

/* V5. Nobody changes flags now, and all that is owed is told with a NOOP. */
static SUSPENDS void check_told(struct client *c)
{
	struct final_list before = { 0 };

	if (!c->connected || c->box < 0 || client_command(c, DOING_ANY, "NOOP") != RESULT_OK || c->entries.n == 0)
		return;
	client_picture(c, &before);
	if (client_command(c, DOING_KEEPS_NUMBERS, "FETCH 1:%zu (UID FLAGS)", c->entries.n) == RESULT_OK)
		for (size_t i = 0; i < before.v.n; i++)
			if (before.v.v[i].complete && before.v.v[i].flags != c->entries.v[i].flags)
				sim_fail(c->sim, "V5 %s believes in flags %#x of uid %u, and they are %#x", c->name, before.v.v[i].flags,
					before.v.v[i].uid, c->entries.v[i].flags);
	vec_free(&before.v);
}

SUSPENDS void client_main(void *arg)
{
	struct client *c = arg;

	for (int i = 0; i < PHASES; i++) {
		work(c, c->n_commands / PHASES);
		end_phase(c);
		check_told(c);
		end_phase(c);
	}
	while (!c->sim->settled)
		task_sleep(c->sim->world.sched, 1000);
	/* What is still owed is told now. */
	for (int i = 0; i < 2 && c->connected; i++)
		client_command(c, DOING_ANY, "NOOP");
	c->sim->n_busy--;
}

/* ---- the beginning and the end */

SUSPENDS void client_make_box(struct client *c, const char *user, unsigned box)
{
	enum result r = RESULT_GONE;

	for (int tries = 0; tries < 50 && r != RESULT_OK && !str_eq(buf_str(&c->code), STR("ALREADYEXISTS")); tries++) {
		if (!c->connected)
			client_connect(c, user);
		r = client_command(c, DOING_ANY, "CREATE %s", sim_box_names[box]);
	}
	client_disconnect(c);
}

int client_picture(const struct client *c, struct final_list *out)
{
	out->v.n = 0;
	if (!c->connected || c->box < 0)
		return -1;
	for (size_t i = 0; i < c->entries.n; i++) {
		const struct entry *e = &c->entries.v[i];

		*vec_push(&out->v) = (struct final_letter){ e->uid, e->serial, e->flags, e->letter && e->has_flags };
	}
	return c->box;
}

SUSPENDS void client_read_all(struct client *c, const char *user, unsigned box, struct final_list *out)
{
	for (int tries = 0; tries < 50; tries++) {
		if (!c->connected)
			client_connect(c, user);
		if (client_select(c, box, true) == RESULT_OK && c->entries.n &&
			client_command(c, DOING_KEEPS_NUMBERS, "FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[])") != RESULT_OK)
			continue;
		if (client_picture(c, out) == (int)box)
			return;
	}
	sim_fail(c->sim, "%s cannot read all of %s", c->name, sim_box_names[box]);
}
