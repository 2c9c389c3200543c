/* fuzz/relay_client.c - what a hostile server may say to the relay's client: every session ends, every recipient has a state, texts are printable and
 * bounded, and nobody counts as sent to without a 2xx. */
#include "base/die.h"
#include "relay/client.h"
#include "relay/client_impl.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RCPTS 3

static const struct conf_timeouts timeouts = { .relay_reply_ms = 1 };

static void check_text(struct str s, size_t max)
{
	die_unless(s.n <= max, "text too long");
	for (size_t i = 0; i < s.n; i++)
		die_unless(ascii_is_print(s.p[i]), "text that cannot be shown");
}

static void check_results(const struct ipc_rcpt_result *r, const struct client_sent *sent)
{
	for (size_t i = 0; i < RCPTS; i++) {
		bool sent_to = r[i].state == RCPT_SENT || r[i].state == RCPT_RELAYED;

		die_unless(r[i].state <= RCPT_FAILED && r[i].status.n, "a recipient without a state");
		die_unless(!sent_to || r[i].code / 100 == 2, "sent without a yes");
		die_unless(r[i].state != RCPT_FAILED || !r[i].code || r[i].code / 100 == 5, "failed without a no");
		check_text(r[i].status, 11);
		check_text(r[i].text, CLIENT_TEXT_MAX);
	}
	die_unless(sent->feedback <= FEEDBACK_LOCAL, "feedback");
}

static void send_two(struct client *c, unsigned how)
{
	struct ipc_out_facts facts = { .from = { STR("from"), STR("here.example") }, .wire = how & 2 ? WIRE_UTF8 | WIRE_8BIT : 0 };
	struct ipc_queue_rcpt rcpts[RCPTS] = { { .to = { STR("a"), STR("b.example") } }, { .to = { STR("\xc3\xbc"), STR("b.example") } },
		{ .to = { STR("c"), STR("b.example") }, .dsn = { NOTIFY_SUCCESS, STR("rfc822;x@y") } } };
	struct client_letter l = { .facts = &facts, .body = STR("Subject: \xc3\xbc\r\n\r\n.\xc3\xbc\r\n"), .rcpts = rcpts, .n_rcpts = RCPTS };
	struct ipc_rcpt_result results[RCPTS];
	struct client_sent sent = { .usable = true };
	struct arena a;

	arena_init(&a, "fuzz", 1 << 20);
	for (size_t i = 0; i < 2 && sent.usable; i++) {
		client_send(c, &l, &a, results, &sent);
		check_results(results, &sent);
		die_unless(!sent.usable || !c->broken, "a broken connection that can be used");
	}
	arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream s;
	struct client c;
	unsigned how = size ? data[0] : 0;

	if (size > 65536)
		return 0;
	stream_open_memory(&s, str_of(data + (size > 0), size - (size > 0)), how >> 4);
	client_init(&c, &s, how & 1 ? CONF_ROUTE_LMTP : CONF_ROUTE_SMTP, STR("us.example"), &timeouts);
	if (client_open(&c) == CLIENT_OK && (!(how & 4) || client_login(&c, STR("user"), STR("secret"), true, false) == CLIENT_OK))
		send_two(&c, how);
	check_text(str_z(c.reply.text), CLIENT_TEXT_MAX);
	client_quit(&c);
	client_fini(&c);
	stream_close(&s);
	return 0;
}
