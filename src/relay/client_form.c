/* relay/client_form.c - how a letter goes to a server that can what this one can, or why it does not.
 * Trust       the letter is hostile bytes; what the server can is its word.
 * Owns        the plan of a conversion, until client_form_free.
 * Suspends    never; a conversion's plan is made on the scheduler's stack.
 * Invariants  I1 nothing is sent that the other side has not said it takes: 8-bit headers of letters that came without SMTPUTF8 excepted, which go as they
 *             are to whoever takes 8BITMIME, as everywhere.
 */
#include "relay/client_impl.h"

#include "mail/utf8.h"

bool client_ascii(struct ipc_addr addr)
{
	return mail_ascii_ok(addr.local);
}

static bool refuse(struct client_refusal *why, bool unsuited)
{
	*why = (struct client_refusal){ .state = RCPT_FAILED, .unsuited = unsuited };
	return false;
}

/* RFC 2852 4.1: who asked for the letter back rather than late is not served by a server that knows nothing of it. LMTP delivers at once. */
static bool by_met(struct client *c, const struct client_letter *l, struct client_refusal *why)
{
	const struct ipc_wishes *w = &l->facts->wishes;
	int64_t left = w->by_s - l->now_s;

	if (w->by_mode != BY_RETURN)
		return true;
	if (left <= 0 || (c->can & CLIENT_DELIVERBY && left < c->by_min_s)) {
		client_explain(c, "5.4.7", "the time to deliver it by has passed, or is too near for the next server");
		return refuse(why, false);
	}
	if (c->lmtp || c->can & CLIENT_DELIVERBY)
		return true;
	client_explain(c, "5.3.3", "the sender wants it back rather than late (DELIVERBY), and the next server does not offer that");
	return refuse(why, true);
}

static bool demands_met(struct client *c, const struct client_letter *l, struct client_refusal *why)
{
	if (l->facts->wishes.require_tls && !(c->can & CLIENT_REQUIRETLS)) {
		client_explain(c, "5.7.30", "the sender demands TLS all the way (REQUIRETLS), and the next server does not offer that");
		return refuse(why, true);
	}
	return by_met(c, l, why);
}

static bool some_address_8bit(const struct client_letter *l)
{
	if (!l->facts->from_null && !(client_ascii(l->facts->from) && mail_ascii_ok(l->facts->from.domain)))
		return true;
	for (size_t i = 0; i < l->n_rcpts; i++)
		if (!client_ascii(l->rcpts[i].to) || !mail_ascii_ok(l->rcpts[i].to.domain))
			return true;
	return false;
}

struct plan {
	struct client_form *f;
	struct mail_downgrade_want want;
	enum mail_downgrade_end end;
};

static void make_plan(void *arg)
{
	struct plan *p = arg;
	const struct client_letter *l = p->f->l;

	p->end = mail_downgrade_open(&p->f->head, l->prefix, &p->want);
	if (p->end != MAIL_DOWNGRADE_DONE)
		return;
	p->end = mail_downgrade_open(&p->f->down, l->body, &p->want);
	if (p->end != MAIL_DOWNGRADE_DONE)
		mail_downgrade_close(&p->f->head);
}

static const struct {
	const char *status, *text;
} plan_ends[] = {
	[MAIL_DOWNGRADE_SIGNED] = { "5.6.3", "the next server takes no 8-bit text, and a signed part may not be converted" },
	[MAIL_DOWNGRADE_ENCODING] = { "5.6.3", "the next server takes no such text as it is, and a part of it cannot be converted" },
	[MAIL_DOWNGRADE_ADDRESS] = { "5.6.7", "its header has an address that is not ASCII, and the next server does not offer SMTPUTF8" },
	[MAIL_DOWNGRADE_FIELD] = { "5.6.9", "its header has a field that cannot be made ASCII, and the next server does not offer SMTPUTF8" },
};

static uint64_t size_of(struct mail_downgrade *d)
{
	struct str piece;
	uint64_t n = 0;

	while (mail_downgrade_next(d, &piece))
		n += piece.n;
	mail_downgrade_rewind(d);
	return n;
}


static void size_both(void *arg)
{
	struct client_form *f = arg;

	f->size = size_of(&f->head) + size_of(&f->down);
}

static bool convert(struct client *c, struct client_form *f, const struct mail_downgrade_want *want, struct client_refusal *why)
{
	struct plan p = { .f = f, .want = *want };

	if (c->s->sched)
		sched_call(c->s->sched, make_plan, &p);
	else
		make_plan(&p);
	if (p.end != MAIL_DOWNGRADE_DONE) {
		client_explain(c, plan_ends[p.end].status, "%s", plan_ends[p.end].text);
		return refuse(why, true);
	}
	f->converted = true;
	if (c->s->sched)
		sched_call(c->s->sched, size_both, f);
	else
		size_both(f);
	return true;
}

static bool fits(struct client *c, struct client_form *f, struct client_refusal *why)
{
	if (!c->size_max || f->size <= c->size_max)
		return true;
	client_explain(c, "5.3.4", "it has %llu bytes, and the next server takes %llu at most", (unsigned long long)f->size, (unsigned long long)c->size_max);
	client_form_free(f);
	return refuse(why, false);
}

bool client_form_make(struct client *c, const struct client_letter *l, struct client_form *f, struct client_refusal *why)
{
	uint8_t came = l->facts->wire;
	bool head_8bit, odd, can_8bit = c->can & CLIENT_8BITMIME, addresses = some_address_8bit(l);
	struct mail_downgrade_want want = { .strict = came & WIRE_UTF8 };
	struct mail_octets has;

	*f = (struct client_form){ .l = l, .size = l->prefix.n + l->body.n, .chunked = c->can & CLIENT_CHUNKING };
	if (!demands_met(c, l, why))
		return false;
	mail_octets_of(l->body, &has);
	head_8bit = has.head_8bit || !mail_ascii_ok(l->prefix);
	f->utf8 = c->can & CLIENT_SMTPUTF8 && (addresses || (came & WIRE_UTF8 && head_8bit));
	if (!f->utf8 && !l->facts->from_null && !client_ascii(l->facts->from)) {
		client_explain(c, "5.6.7", "the sender's address is not ASCII, and the next server does not offer SMTPUTF8");
		return refuse(why, true);
	}
	odd = has.nul || has.long_line || (has.bare && came & WIRE_BINARY);
	f->binary = odd && f->chunked && c->can & CLIENT_BINARYMIME;
	f->eight_bit = can_8bit && (has.body_8bit || head_8bit);
	want.wire = f->binary ? MAIL_WIRE_BINARY : can_8bit ? MAIL_WIRE_8BIT : MAIL_WIRE_7BIT;
	want.head_7bit = head_8bit && !f->utf8 && (came & WIRE_UTF8 || !can_8bit);
	if (want.head_7bit || (!f->binary && (odd || came & WIRE_BINARY)) || (!can_8bit && !f->binary && has.body_8bit))
		if (!convert(c, f, &want, why))
			return false;
	return fits(c, f, why);
}

void client_form_free(struct client_form *f)
{
	if (!f->converted)
		return;
	mail_downgrade_close(&f->head);
	mail_downgrade_close(&f->down);
	f->converted = false;
}
