/* test/unit/relay/client_fake.h - the client against a server that follows a script: its replies are all there from the start, in pieces of any size. */
#ifndef TEST_RELAY_CLIENT_FAKE_H
#define TEST_RELAY_CLIENT_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "relay/client.h"

#define RCPTS_MAX 200

struct fake {
	struct stream s;
	struct client c;
	struct conf_timeouts timeouts;
	struct arena a;
	struct ipc_out_facts facts;
	struct ipc_queue_rcpt rcpts[RCPTS_MAX];
	struct client_letter letter;
	struct ipc_rcpt_result r[RCPTS_MAX];
	struct client_sent sent;
};

static inline void fake_begin(struct fake *p, const char *script, size_t chunk, enum conf_route_protocol protocol)
{
	*p = (struct fake){ 0 };
	p->timeouts = (struct conf_timeouts){ .relay_greeting_ms = 1000, .relay_reply_ms = 1000,
		.relay_data_ms = 1000, .relay_part_ms = 1000, .relay_end_ms = 1000 };
	stream_open_memory(&p->s, str_z(script), chunk);
	arena_init(&p->a, "fake", 1 << 20);
	client_init(&p->c, &p->s, protocol, STR("us.example"), &p->timeouts);
	p->facts = (struct ipc_out_facts){ .from = { STR("from"), STR("here.example") } };
	p->letter = (struct client_letter){ .facts = &p->facts, .body = STR("Subject: x\r\n\r\nText\r\n"), .rcpts = p->rcpts, .now_s = 1000 };
}

static inline struct ipc_queue_rcpt *fake_rcpt(struct fake *p, const char *local)
{
	struct ipc_queue_rcpt *r = &p->rcpts[p->letter.n_rcpts];

	*r = (struct ipc_queue_rcpt){ .number = (uint32_t)p->letter.n_rcpts + 7, .to = { str_z(local), STR("there.example") } };
	p->letter.n_rcpts++;
	return r;
}

static inline void fake_end(struct fake *p)
{
	client_fini(&p->c);
	stream_close(&p->s);
	arena_fini(&p->a);
}

/* Opens, and forgets what was said so far. */
static inline void fake_open(struct fake *p)
{
	assert_int_equal(client_open(&p->c), CLIENT_OK);
	buf_reset(&p->s.out);
}

static inline void fake_send(struct fake *p)
{
	client_send(&p->c, &p->letter, &p->a, p->r, &p->sent);
}

static inline void fake_said(const struct fake *p, const char *want)
{
	if (!str_eq(buf_str(&p->s.out), str_z(want)))
		fail_msg("said:\n%.*s\nwanted:\n%s", STR_ARG(buf_str(&p->s.out)), want);
}

static inline void fake_got(const struct fake *p, size_t i, enum rcpt_state state, unsigned code, const char *status, const char *text)
{
	const struct ipc_rcpt_result *r = &p->r[i];

	if (r->state != state || r->code != code || !str_eq(r->status, str_z(status)) || str_search(r->text, str_z(text)) < 0)
		fail_msg("recipient %zu: state %u code %u status %.*s text \"%.*s\", wanted %u %u %s \"%s\"", i, r->state, r->code,
			STR_ARG(r->status), STR_ARG(r->text), state, code, status, text);
	assert_int_equal(r->number, i + 7);
	assert_int_equal(r->report, 0);
}

#define HELLO "220 there.example ESMTP\r\n250-there.example hello\r\n"
#define PLAIN_HELLO HELLO "250 8BITMIME\r\n"
#define PIPELINED_HELLO HELLO "250-8BITMIME\r\n250 PIPELINING\r\n"

#endif
