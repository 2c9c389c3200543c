/* move/far_client.c - a connection to another IMAP server. See the header.
 * Trust       the server may be hostile: what it says is bounded by far_wire.c, and nothing of it reaches a terminal unescaped. The password
 *             is sent over TLS alone, unless the command's caller says otherwise by name.
 * Owns        the stream; the password is wiped after the login.
 * Suspends    everywhere, with a deadline.
 */
#include "move/far_client.h"

#include "mail/base64.h"
#include "net/tls_client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#define CONNECT_S 30
#define ANSWER_MS 300000 /* large mailboxes take servers their time */
#define PASSWORD_MAX 1024

/* ---- the place */

static struct str unescape(struct arena *a, struct str s)
{
	struct buf out;
	struct str got;

	buf_init(&out, 4096);
	for (size_t i = 0; i < s.n; i++) {
		int hi = s.p[i] == '%' && i + 2 < s.n ? mail_hex_digit(s.p[i + 1]) : -1, lo = hi >= 0 ? mail_hex_digit(s.p[i + 2]) : -1;

		buf_addc(&out, lo >= 0 ? (char)(hi << 4 | lo) : s.p[i]);
		i += lo >= 0 ? 2 : 0;
	}
	got = str_of(arena_dupz(a, buf_str(&out)), out.n);
	buf_fini(&out);
	return got;
}

static bool take_port(struct str *host, uint16_t *port)
{
	ssize_t at = str_rfind(*host, ':'), bracket = str_rfind(*host, ']');
	uint32_t n;

	if (at < 0 || at < bracket)
		return true;
	if (!str_to_u32(str_from(*host, (size_t)at + 1), &n) || n == 0 || n > 65535)
		return false;
	*port = (uint16_t)n;
	*host = str_sub(*host, 0, (size_t)at);
	return true;
}

bool far_place_parse(struct arena *a, struct str url, struct far_place *out)
{
	ssize_t at;

	*out = (struct far_place){ .tls = str_istarts(url, STR("imaps://")) };
	out->port = out->tls ? 993 : 143;
	if (!out->tls && !str_istarts(url, STR("imap://")))
		return false;
	url = str_from(url, out->tls ? 8 : 7);
	if (str_ends(url, STR("/")))
		url.n--;
	at = str_rfind(url, '@');
	if (at <= 0)
		return false;
	out->user = unescape(a, str_sub(url, 0, (size_t)at));
	out->host = str_from(url, (size_t)at + 1);
	if (!take_port(&out->host, &out->port))
		return false;
	if (str_starts(out->host, STR("[")) && str_ends(out->host, STR("]")))
		out->host = str_sub(out->host, 1, out->host.n - 2);
	out->host = str_of(arena_dupz(a, out->host), out->host.n);
	return out->host.n > 0 && str_find(out->host, '/') < 0;
}

/* ---- the password */

static bool read_first_line(int fd, char *out, size_t size)
{
	size_t n = 0;
	char c;

	while (n + 1 < size && read(fd, &c, 1) == 1 && c != '\n')
		out[n++] = c;
	out[n] = 0;
	return n > 0;
}

static bool ask_password(struct far_client *c, char *out, size_t size)
{
	struct termios was, quiet;
	bool ok;

	if (tcgetattr(0, &was) != 0)
		return read_first_line(0, out, size);
	fprintf(stderr, "Password of %s at %s: ", c->place.user.p, c->place.host.p);
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(0, TCSAFLUSH, &quiet);
	ok = read_first_line(0, out, size);
	tcsetattr(0, TCSAFLUSH, &was);
	fprintf(stderr, "\n");
	return ok;
}

static bool get_password(struct far_client *c, char *out, size_t size)
{
	const char *file = c->m->opts->password_file;
	int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	bool ok = false;

	if (file && fd < 0)
		mover_fail(c->m, "%s: %s", file, strerror(errno));
	else if (!(ok = file ? read_first_line(fd, out, size) : ask_password(c, out, size)))
		mover_fail(c->m, "%s: there is no password in it", file ? file : "standard input");
	if (fd >= 0)
		close(fd);
	return ok;
}

/* ---- commands and responses */

static void clean(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n && i < 300; i++)
		buf_addc(out, (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? '?' : s.p[i]);
}

static enum outcome gone(struct far_client *c)
{
	if (stream_ok(&c->s))
		mover_stop(c->m, "the other server does not speak IMAP as it should; what was moved stays");
	else
		mover_stop(c->m, "the connection to the other server ended; run the same command again: it goes on where it stopped");
	return FAILED;
}

SUSPENDS void far_send(struct far_client *c, const char *fmt, ...)
{
	struct buf line;
	va_list ap;

	buf_init(&line, 1 << 20);
	buf_addf(&line, "s%u ", ++c->sent);
	va_start(ap, fmt);
	buf_vaddf(&line, fmt, ap);
	va_end(ap);
	buf_addz(&line, "\r\n");
	stream_deadline(&c->s, ANSWER_MS);
	stream_write(&c->s, buf_str(&line));
	OPENSSL_cleanse(line.p, line.n); /* it may hold a password */
	buf_fini(&line);
}

static void note_capability(struct far_client *c, struct str word)
{
	static const struct {
		const char *name;
		uint32_t cap;
	} known[] = { { "STARTTLS", CAP_STARTTLS }, { "AUTH=PLAIN", CAP_PLAIN }, { "LOGINDISABLED", CAP_LOGINDISABLED },
		{ "SPECIAL-USE", CAP_SPECIAL_USE }, { "NAMESPACE", CAP_NAMESPACE }, { "LITERAL+", CAP_LITERAL_PLUS } };

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (str_ieq(word, str_z(known[i].name)))
			c->caps |= known[i].cap;
}

static bool on_capability(void *ctx, struct far_client *c, uint32_t number, struct str keyword)
{
	struct str word;

	(void)ctx;
	(void)number;
	if (!str_ieq(keyword, STR("CAPABILITY")))
		return false;
	c->caps = 0;
	while (far_token(&c->in, &word) == TOK_ATOM)
		note_capability(c, word);
	return true;
}

/* One untagged response behind its "*". */
static SUSPENDS void untagged(struct far_client *c, far_untagged *on, void *ctx)
{
	uint32_t number = 0;
	struct str word;
	struct buf keyword;

	if (far_token(&c->in, &word) != TOK_ATOM) {
		c->in.bad = true;
		return;
	}
	if (str_to_u32(word, &number) && far_token(&c->in, &word) != TOK_ATOM) {
		c->in.bad = true;
		return;
	}
	buf_init(&keyword, 100);
	buf_add(&keyword, word);
	if (!on || !on(ctx, c, number, buf_str(&keyword))) {
		if (str_ieq(word = buf_str(&keyword), STR("OK")) || str_ieq(word, STR("NO")) || str_ieq(word, STR("BAD")) ||
			str_ieq(word, STR("BYE")))
			far_text(&c->in);
		else
			far_skip(&c->in);
	}
	buf_fini(&keyword);
}

/* Behind a tag: its status and text. */
static SUSPENDS enum outcome tagged(struct far_client *c, struct str tag)
{
	struct str word;
	uint32_t number;
	bool ok;

	if (tag.n < 2 || tag.p[0] != 's' || !str_to_u32(str_from(tag, 1), &number) || number != c->answered + 1 ||
		far_token(&c->in, &word) != TOK_ATOM)
		return gone(c);
	c->answered++;
	ok = str_ieq(word, STR("OK"));
	buf_reset(&c->why);
	clean(&c->why, far_text(&c->in));
	return c->in.bad ? gone(c) : ok ? OK : NO_SUCH;
}

SUSPENDS enum outcome far_answer(struct far_client *c, far_untagged *on, void *ctx)
{
	for (;;) {
		struct str word;

		stream_deadline(&c->s, ANSWER_MS);
		if (far_token(&c->in, &word) != TOK_ATOM)
			return gone(c);
		if (str_eq(word, STR("+")))
			far_text(&c->in);
		else if (!str_eq(word, STR("*")))
			return tagged(c, word);
		else
			untagged(c, on, ctx);
	}
}

SUSPENDS enum outcome far_go_ahead(struct far_client *c)
{
	for (;;) {
		struct str word;

		stream_deadline(&c->s, ANSWER_MS);
		if (far_token(&c->in, &word) != TOK_ATOM)
			return gone(c);
		if (str_eq(word, STR("+"))) {
			far_text(&c->in);
			return c->in.bad ? gone(c) : OK;
		}
		if (!str_eq(word, STR("*")))
			return tagged(c, word) == FAILED ? FAILED : NO_SUCH;
		untagged(c, NULL, NULL);
	}
}

bool far_quote(struct buf *out, struct str s)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == 0)
			return false;
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, s.p[i]);
	}
	buf_addc(out, '"');
	return true;
}

/* ---- opening */

static int connect_to(struct far_client *c)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
	struct timeval limit = { .tv_sec = CONNECT_S };
	char port[8];
	int fd = -1, r;

	snprintf(port, sizeof port, "%u", c->place.port);
	r = getaddrinfo(c->place.host.p, port, &hints, &list);
	if (r != 0) {
		mover_fail(c->m, "%s: %s", c->place.host.p, gai_strerror(r));
		return -1;
	}
	for (a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
		if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			r = errno;
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		mover_fail(c->m, "%s port %s: %s", c->place.host.p, port, strerror(r));
	else
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

static SUSPENDS bool start_tls(struct far_client *c)
{
	struct tls_client t = { .name = c->place.host.p, .trust = c->m->opts->tls_insecure ? TLS_TRUST_ANY : TLS_TRUST_CHAIN };
	char why[256];

	stream_deadline(&c->s, ANSWER_MS);
	if (tls_connect(&c->s, &t, why))
		return true;
	mover_fail(c->m, "%s: TLS: %s%s", c->place.host.p, why,
		c->m->opts->tls_insecure ? "" : "; if you know the server and its certificate cannot be checked: --tls-insecure");
	return false;
}

static SUSPENDS bool greeting(struct far_client *c)
{
	struct str line;
	bool ok;

	stream_deadline(&c->s, CONNECT_S * 1000);
	line = far_text(&c->in);
	ok = !c->in.bad && str_istarts(line, STR("* OK"));
	c->is_dovecot = str_ifind(line, STR("dovecot")) >= 0;
	if (!ok)
		mover_fail(c->m, "%s port %u: what answers is no IMAP server that takes logins", c->place.host.p, c->place.port);
	return ok;
}

static SUSPENDS bool ask_capabilities(struct far_client *c)
{
	far_send(c, "CAPABILITY");
	return far_answer(c, on_capability, NULL) == OK;
}

static SUSPENDS bool upgrade(struct far_client *c)
{
	if (c->place.tls)
		return true;
	if (c->caps & CAP_STARTTLS) {
		far_send(c, "STARTTLS");
		return far_answer(c, NULL, NULL) == OK && start_tls(c) && ask_capabilities(c);
	}
	if (c->m->opts->without_tls)
		return true;
	mover_fail(c->m, "%s offers no STARTTLS; imaps:// may, and a network that nobody listens to: --without-tls", c->place.host.p);
	return false;
}

/* RFC 4616 in RFC 3501 6.2.2. */
static SUSPENDS enum outcome login_plain(struct far_client *c, struct str password)
{
	struct buf plain, text;
	enum outcome o;

	buf_init(&plain, 4096);
	buf_init(&text, 8192);
	buf_addc(&plain, 0);
	buf_add(&plain, c->place.user);
	buf_addc(&plain, 0);
	buf_add(&plain, password);
	mail_base64_encode(buf_str(&plain), &text);
	buf_addz(&text, "\r\n");
	far_send(c, "AUTHENTICATE PLAIN");
	o = far_go_ahead(c);
	if (o == OK) {
		stream_write(&c->s, buf_str(&text));
		o = far_answer(c, on_capability, NULL);
	}
	OPENSSL_cleanse(plain.p, plain.n);
	OPENSSL_cleanse(text.p, text.n);
	buf_fini(&plain);
	buf_fini(&text);
	return o;
}

static SUSPENDS enum outcome login(struct far_client *c, struct str password)
{
	struct buf words;
	enum outcome o = NO_SUCH;

	if (c->caps & CAP_PLAIN)
		return login_plain(c, password);
	buf_init(&words, 8192);
	if (far_quote(&words, c->place.user)) {
		buf_addc(&words, ' ');
		if (far_quote(&words, password)) {
			far_send(c, "LOGIN %.*s", STR_ARG(buf_str(&words)));
			o = far_answer(c, on_capability, NULL);
		}
	}
	OPENSSL_cleanse(words.p, words.n);
	buf_fini(&words);
	return o;
}

static SUSPENDS bool log_in(struct far_client *c)
{
	char *password = arena_alloc(c->a, PASSWORD_MAX);
	enum outcome o = NO_SUCH;

	if (get_password(c, password, PASSWORD_MAX)) {
		o = login(c, str_z(password));
		if (o == NO_SUCH)
			mover_fail(c->m, "%s: %s was not let in: %.*s", c->place.host.p, c->place.user.p, STR_ARG(buf_str(&c->why)));
	}
	OPENSSL_cleanse(password, PASSWORD_MAX);
	return o == OK && ask_capabilities(c);
}

SUSPENDS bool far_open(struct far_client *c, struct mover *m, struct arena *a)
{
	int fd;

	*c = (struct far_client){ .m = m, .a = a };
	buf_init(&c->why, 1000);
	if (!far_place_parse(a, str_z(m->opts->place), &c->place)) {
		mover_fail(m, "%s: write it as imaps://USER@HOST or imap://USER@HOST, with :PORT if it has another", m->opts->place);
		return false;
	}
	fd = connect_to(c);
	if (fd < 0)
		return false;
	stream_open_fd(&c->s, m->sched, fd);
	c->open = true;
	far_in_open(&c->in, &c->s);
	return (!c->place.tls || start_tls(c)) && greeting(c) && ask_capabilities(c) && upgrade(c) && log_in(c);
}

SUSPENDS void far_close(struct far_client *c)
{
	if (c->open) {
		if (!c->in.bad && stream_ok(&c->s)) {
			far_send(c, "LOGOUT");
			stream_flush(&c->s);
		}
		far_in_close(&c->in);
		stream_close(&c->s);
	}
	buf_fini(&c->why);
}
