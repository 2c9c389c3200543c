/* test/unit/relay/test_client_socket.c - the client and a server over a socket, in virtual time: silence, dripping, good-byes, answers before their
 * time, and a whole SCRAM exchange. */
#include "client_fake.h"

#include <sys/socket.h>
#include <unistd.h>

#include "auth/scram.h"
#include "mail/base64.h"

static struct fake p;

/* What the server does, in order. */
struct act {
	enum { END, EXPECT, SAY, DRIP, CLOSE, SWALLOW } what; /* EXPECT: reads lines up to one that begins so */
	const char *text;
};

struct world {
	struct sched *sched;
	struct stream s; /* the server's end */
	const struct act *acts;
	void (*client)(void);
	int fds[2];
	int64_t took_ms;
};
static struct world w;

static void expect(const char *text)
{
	struct str line = { 0 };

	while (stream_line(&w.s, &line, 1 << 19) == LINE_OK && !str_starts(line, str_z(text)))
		;
}

static void serve(void *arg)
{
	bool closes = false;

	(void)arg;
	for (const struct act *a = w.acts; !closes && a->what != END && stream_ok(&w.s); a++) {
		if (a->what == EXPECT)
			expect(a->text);
		else if (a->what == SAY)
			stream_write(&w.s, str_z(a->text));
		else if (a->what == SWALLOW)
			stream_take(&w.s, stream_peek(&w.s).n);
		while (a->what == DRIP && stream_ok(&w.s)) {
			stream_write(&w.s, str_z(a->text));
			stream_flush(&w.s);
			task_sleep(w.sched, 10);
		}
		stream_flush(&w.s);
		closes = a->what == CLOSE;
	}
	while (!closes && stream_peek(&w.s).n) /* silent until the client is through */
		stream_take(&w.s, stream_peek(&w.s).n);
	stream_close(&w.s);
}

static void be_client(void *arg)
{
	int64_t from = sched_now_ms(w.sched);

	(void)arg;
	w.client();
	w.took_ms = sched_now_ms(w.sched) - from;
	client_fini(&p.c);
	stream_close(&p.s); /* what was made of it is looked at afterwards */
}

static int forget(void **state)
{
	(void)state;
	arena_fini(&p.a);
	return 0;
}

static void play_with(void (*server)(void *arg), const struct act *acts, void (*client)(void))
{
	struct sched_opts opts = { .virtual_time = true };

	w = (struct world){ .sched = sched_new(&opts), .acts = acts, .client = client };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, w.fds), 0);
	stream_open_fd(&w.s, w.sched, w.fds[0]);
	arena_fini(&p.a);
	fake_begin(&p, "", 0, CONF_ROUTE_SMTP);
	stream_close(&p.s);
	stream_open_fd(&p.s, w.sched, w.fds[1]);
	fake_rcpt(&p, "a");
	task_spawn(w.sched, "server", server, NULL);
	task_spawn(w.sched, "client", be_client, NULL);
	sched_run(w.sched);
	sched_free(w.sched);
}

static void play(const struct act *acts, void (*client)(void))
{
	play_with(serve, acts, client);
}

#define OPENING { SAY, "220 x\r\n" }, { EXPECT, "EHLO" }, { SAY, "250 x\r\n" }
#define ENVELOPE { EXPECT, "MAIL" }, { SAY, "250 ok\r\n" }, { EXPECT, "RCPT" }, { SAY, "250 ok\r\n" }, { EXPECT, "DATA" }, { SAY, "354 go\r\n" }

static enum client_end opened;

static void only_open(void)
{
	opened = client_open(&p.c);
	assert_non_null(strstr(p.c.reply.text, "greeting: no answer came in time"));
	assert_string_equal(p.c.reply.status, "4.4.1");
}

/* A greeting that never comes, and one that comes a byte at a time, take their time and no more. */
static void silence(void **state)
{
	static const struct act silent[] = { { END, NULL } }, drips[] = { { DRIP, "2" }, { END, NULL } };

	(void)state;
	play(silent, only_open);
	assert_int_equal(opened, CLIENT_LOST);
	assert_int_equal(w.took_ms, 1000);
	play(drips, only_open);
	assert_int_equal(opened, CLIENT_LOST);
	assert_true(w.took_ms >= 1000 && w.took_ms < 1100);
}

static void send_one(void)
{
	assert_int_equal(client_open(&p.c), CLIENT_OK);
	fake_send(&p);
}

static void silence_in_letter(void **state)
{
	static const struct act at_mail[] = { OPENING, { EXPECT, "MAIL" }, { END, NULL } }, at_end[] = { OPENING, ENVELOPE, { EXPECT, "." }, { END, NULL } };

	(void)state;
	play(at_mail, send_one);
	fake_got(&p, 0, RCPT_WAITING, 0, "4.4.1", "MAIL FROM: no answer");
	assert_false(p.sent.unknown);
	play(at_end, send_one);
	assert_int_equal(p.sent.feedback, FEEDBACK_DOWN);
	assert_true(p.sent.unknown);
}

static void whole(void **state)
{
	static const struct act acts[] = { OPENING, ENVELOPE, { EXPECT, "." }, { SAY, "250 kept\r\n" }, { END, NULL } };

	(void)state;
	play(acts, send_one);
	assert_int_equal(p.sent.feedback, FEEDBACK_FINE);
	assert_int_equal(p.r[0].state, RCPT_SENT);
	assert_true(p.sent.usable);
}

/* ---- a connection that was kept */

static void send_two(void)
{
	send_one();
	assert_int_equal(p.r[0].state, RCPT_SENT);
	assert_true(p.sent.usable);
	task_sleep(w.sched, 60000);
	fake_send(&p);
}

static void farewell(void **state)
{
	static const struct act acts[] = { OPENING, ENVELOPE, { EXPECT, "." }, { SAY, "250 kept\r\n421 4.4.2 idle for too long\r\n" }, { CLOSE, NULL } };
	static const struct act mute[] = { OPENING, ENVELOPE, { EXPECT, "." }, { SAY, "250 kept\r\n" }, { CLOSE, NULL } };
	static const struct act more[] = { OPENING, ENVELOPE, { EXPECT, "." }, { SAY, "250 kept\r\n250 again\r\n" }, { END, NULL } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		play(i == 0 ? acts : i == 1 ? mute : more, send_two);
		assert_int_equal(p.r[0].state, RCPT_WAITING);
		assert_true(p.sent.again);
		assert_false(p.sent.usable);
		assert_false(p.sent.unknown);
		assert_int_equal(p.sent.feedback, FEEDBACK_FINE);
	}
}

static void kept_well(void **state)
{
	static const struct act acts[] = { OPENING, ENVELOPE, { EXPECT, "." }, { SAY, "250 kept\r\n" }, ENVELOPE, { EXPECT, "." }, { SAY,
		"250 kept too\r\n" }, { END, NULL } };

	(void)state;
	play(acts, send_two);
	assert_int_equal(p.r[0].state, RCPT_SENT);
}

static void reset_after_long(void)
{
	assert_int_equal(client_open(&p.c), CLIENT_OK);
	task_sleep(w.sched, 60000);
	opened = client_reset(&p.c);
}

static void reset(void **state)
{
	static const struct act good[] = { OPENING, { EXPECT, "RSET" }, { SAY, "250 ok\r\n" }, { END, NULL } }, bye[] = { OPENING, { SAY,
		"421 bye\r\n" }, { CLOSE, NULL } };

	(void)state;
	play(good, reset_after_long);
	assert_int_equal(opened, CLIENT_OK);
	play(bye, reset_after_long);
	assert_int_equal(opened, CLIENT_LOST);
}

/* Something is said before the first letter: this server is not asked at once again. */
static void spoken_to(void **state)
{
	static const struct act acts[] = { { SAY, "220 x\r\n" }, { EXPECT, "EHLO" }, { SAY, "250 x\r\n250 y\r\n" }, { END, NULL } };

	(void)state;
	play(acts, send_one);
	assert_int_equal(p.r[0].state, RCPT_WAITING);
	assert_false(p.sent.again);
	assert_int_equal(p.sent.feedback, FEEDBACK_DOWN);
}

/* ---- an answer before the letter's end */

static char big[4 << 20];

static void send_big(void)
{
	memset(big, 'x', sizeof big);
	for (size_t i = 70; i + 2 < sizeof big; i += 72)
		memcpy(big + i, "\r\n", 2);
	p.letter.body = str_of(big, sizeof big);
	send_one();
}

static void early_refusal(void **state)
{
	static const struct act acts[] = { OPENING, ENVELOPE, { SWALLOW, NULL }, { SAY, "552 5.3.4 too large\r\n" }, { END, NULL } };
	static const struct act early_ok[] = { OPENING, ENVELOPE, { SWALLOW, NULL }, { SAY, "250 thanks\r\n" }, { END, NULL } };
	static const struct act goes[] = { OPENING, ENVELOPE, { SWALLOW, NULL }, { CLOSE, NULL } };

	(void)state;
	play(acts, send_big);
	assert_int_equal(p.r[0].state, RCPT_FAILED);
	assert_int_equal(p.r[0].code, 552);
	assert_false(p.sent.usable);
	play(early_ok, send_big);
	assert_int_equal(p.r[0].state, RCPT_WAITING); /* it has not had the letter */
	assert_int_equal(p.r[0].code, 0);
	play(goes, send_big);
	assert_int_equal(p.r[0].state, RCPT_WAITING);
	assert_false(p.sent.unknown);
	assert_int_equal(p.sent.feedback, FEEDBACK_DOWN);
}

/* A server that reads nothing: relay_part is over, and the letter has not arrived. */
static void serve_stuck(void *arg)
{
	(void)arg;
	stream_write(&w.s, STR("220 x\r\n"));
	expect("EHLO");
	stream_write(&w.s, STR("250 x\r\n"));
	expect("MAIL");
	stream_write(&w.s, STR("250 ok\r\n"));
	expect("RCPT");
	stream_write(&w.s, STR("250 ok\r\n"));
	expect("DATA");
	stream_write(&w.s, STR("354 go\r\n"));
	stream_flush(&w.s);
	task_sleep(w.sched, 600000);
	stream_close(&w.s);
}

static void stuck(void **state)
{
	(void)state;
	play_with(serve_stuck, NULL, send_big);
	assert_int_equal(p.r[0].state, RCPT_WAITING);
	assert_false(p.sent.unknown);
	assert_int_equal(w.took_ms, 1000);
}

/* ---- SCRAM with the server's side that sallyport has itself */

static bool next_answer(struct buf *out)
{
	struct str line;

	buf_reset(out);
	return stream_line(&w.s, &line, 12288) == LINE_OK && mail_base64_decode(str_starts(line, STR("AUTH SCRAM-SHA-256 ")) ? str_from(line, 19) : line, out);
}

static void challenge(const struct buf *message)
{
	struct buf line;

	buf_init(&line, 12288);
	buf_addz(&line, "334 ");
	mail_base64_encode(buf_str(message), &line);
	buf_addz(&line, "\r\n");
	stream_write(&w.s, buf_str(&line));
	buf_fini(&line);
}

static void serve_scram(void *arg)
{
	struct scram_salt salt = { .iterations = 4096, .n = 4, .bytes = "salt" };
	struct scram_bindings none = { 0 };
	struct scram_verifier v;
	struct scram x;
	struct buf in, out;

	(void)arg;
	buf_init(&in, 12288);
	buf_init(&out, 12288);
	scram_init(&x, SCRAM_SHA_256, false);
	scram_make(SCRAM_SHA_256, STR("geheim"), &salt, &v);
	stream_write(&w.s, STR("220 x\r\n"));
	expect("EHLO");
	stream_write(&w.s, STR("250-x\r\n250 AUTH SCRAM-SHA-256\r\n"));
	assert_true(next_answer(&in));
	assert_int_equal(scram_client_first(&x, buf_str(&in), &none, false), OK);
	scram_server_first(&x, &salt, &out);
	challenge(&out);
	assert_true(next_answer(&in));
	assert_int_equal(scram_client_final(&x, buf_str(&in)), OK);
	buf_reset(&out);
	if (scram_proven(&x, &v, &out)) {
		challenge(&out);
		assert_true(next_answer(&in));
		assert_int_equal(in.n, 0);
		stream_write(&w.s, STR("235 2.7.0 in\r\n"));
	} else {
		stream_write(&w.s, STR("535 5.7.8 no\r\n"));
	}
	stream_flush(&w.s);
	scram_fini(&x);
	buf_fini(&in);
	buf_fini(&out);
	stream_close(&w.s);
}

static const char *password;

static void log_in(void)
{
	assert_int_equal(client_open(&p.c), CLIENT_OK);
	opened = client_login(&p.c, STR("me"), str_z(password), true, false);
}

static void scram(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		password = i ? "falsch" : "geheim";
		play_with(serve_scram, NULL, log_in);
		assert_int_equal(opened, i ? CLIENT_NEVER : CLIENT_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence),
		cmocka_unit_test(silence_in_letter),
		cmocka_unit_test(whole),
		cmocka_unit_test(farewell),
		cmocka_unit_test(kept_well),
		cmocka_unit_test(reset),
		cmocka_unit_test(spoken_to),
		cmocka_unit_test(early_refusal),
		cmocka_unit_test(stuck),
		cmocka_unit_test(scram),
	};

	return cmocka_run_group_tests(tests, NULL, forget);
}
