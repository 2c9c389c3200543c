/* prog/sink.c - an SMTP server that takes everything and keeps nothing: what tests and benchmarks send to.
 *
 *     test-sink [-n RECIPIENTS] [-r LETTERS_A_SECOND] ADDRESS PORT
 *
 * Ends when it has taken letters for so many recipients, or by SIGTERM; then it prints one line: letters, recipients, connections, the
 * most that were open at once, octets, the seconds from the first letter to the last, and when (seconds since 1970) those two came.
 * SIGUSR1: the same line at once. -r: letters are answered at this rate, all connections together. One thread, epoll, no TLS.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_MAX = 1 << 16, OUT_MAX = 1 << 14, EVENTS = 256, CONNECTIONS_MAX = 20000 };

struct session {
	int fd;
	bool text;	 /* inside a letter's text */
	bool begun;	 /* and behind its first octets */
	bool closing;	 /* after QUIT */
	unsigned n_rcpt; /* of the letter at hand */
	double reply_at; /* the reply to a letter's end waits for this; 0: none does */
	size_t n_in, n_out;
	char in[IN_MAX], out[OUT_MAX];
};

struct sink {
	int epoll, listener;
	uint64_t letters, recipients, connections, octets, wanted;
	unsigned open, open_max;
	double rate, next_at, first, last;
	struct session *waiting[CONNECTIONS_MAX];
	size_t n_waiting;
};

static volatile sig_atomic_t asked, ended;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		asked = 1;
	else
		ended = 1;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void tell(const struct sink *k)
{
	printf("letters=%llu recipients=%llu connections=%llu open_max=%u octets=%llu ", (unsigned long long)k->letters, (unsigned long long)k->recipients,
	       (unsigned long long)k->connections, k->open_max, (unsigned long long)k->octets);
	printf("span=%.3f first=%.6f last=%.6f\n", k->last - k->first, k->first, k->last);
	fflush(stdout);
}

static void say(struct session *s, const char *line)
{
	size_t n = strlen(line);

	if (s->n_out + n > OUT_MAX)
		return; /* whoever does not read while it says so much is not worth a reply */
	memcpy(s->out + s->n_out, line, n);
	s->n_out += n;
}

static void take(struct sink *k, struct session *s)
{
	k->letters++;
	k->recipients += s->n_rcpt;
	k->last = now();
	if (k->letters == 1)
		k->first = k->last;
	s->n_rcpt = 0;
	say(s, "250 2.0.0 taken\r\n");
}

static void end_letter(struct sink *k, struct session *s)
{
	double t;

	s->text = s->begun = false;
	if (k->rate <= 0 || k->n_waiting == CONNECTIONS_MAX) {
		take(k, s);
		return;
	}
	t = now();
	s->reply_at = k->next_at > t ? k->next_at : t;
	k->next_at = s->reply_at + 1 / k->rate;
	k->waiting[k->n_waiting++] = s;
}

static void command(struct session *s, const char *line, size_t n)
{
	if (n >= 4 && strncasecmp(line, "EHLO", 4) == 0)
		say(s, "250-sink\r\n250-PIPELINING\r\n250-SIZE 0\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n");
	else if (n >= 4 && strncasecmp(line, "RCPT", 4) == 0) {
		s->n_rcpt++;
		say(s, "250 2.1.5 yes\r\n");
	} else if (n >= 4 && strncasecmp(line, "DATA", 4) == 0) {
		s->text = true;
		say(s, "354 go\r\n");
	} else if (n >= 4 && strncasecmp(line, "QUIT", 4) == 0) {
		s->closing = true;
		say(s, "221 2.0.0 bye\r\n");
	} else {
		if (n >= 4 && strncasecmp(line, "RSET", 4) == 0)
			s->n_rcpt = 0;
		say(s, "250 2.0.0 yes\r\n");
	}
}

/* Of the n octets of a letter's text at p: how many are done with. A letter may be of its end alone. */
static size_t text(struct sink *k, struct session *s, const char *p, size_t n)
{
	const char *end;

	if (!s->begun && n < 3)
		return 0;
	if (!s->begun && memcmp(p, ".\r\n", 3) == 0) {
		end_letter(k, s);
		return 3;
	}
	s->begun = true;
	end = memmem(p, n, "\r\n.\r\n", 5);
	if (!end)
		return n > 4 ? n - 4 : 0; /* the end may have begun in these 4 */
	k->octets += (size_t)(end - p) + 2;
	end_letter(k, s);
	return (size_t)(end - p) + 5;
}

static void consume(struct sink *k, struct session *s)
{
	size_t at = 0;

	while (at < s->n_in && s->reply_at == 0 && !s->closing) {
		const char *p = s->in + at;
		size_t n = s->n_in - at, used;

		if (s->text) {
			used = text(k, s, p, n);
			if (s->text)
				k->octets += used;
		} else {
			const char *end = memchr(p, '\n', n);

			if (!end)
				break;
			used = (size_t)(end - p) + 1;
			command(s, p, used);
		}
		at += used;
		if (used == 0)
			break;
	}
	memmove(s->in, s->in + at, s->n_in - at);
	s->n_in -= at;
}

static void forget(struct sink *k, struct session *s)
{
	for (size_t i = 0; i < k->n_waiting; i++)
		if (k->waiting[i] == s)
			k->waiting[i--] = k->waiting[--k->n_waiting];
	close(s->fd);
	free(s);
	k->open--;
}

/* False: the connection is gone. What does not go out at once waits for nothing: replies are few and small. */
static bool flush(struct sink *k, struct session *s)
{
	if (s->n_out > 0 && send(s->fd, s->out, s->n_out, MSG_NOSIGNAL) != (ssize_t)s->n_out) {
		forget(k, s);
		return false;
	}
	s->n_out = 0;
	if (!s->closing)
		return true;
	forget(k, s);
	return false;
}

static void readable(struct sink *k, struct session *s)
{
	while (s->n_in < IN_MAX) {
		ssize_t n = recv(s->fd, s->in + s->n_in, IN_MAX - s->n_in, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			forget(k, s);
			return;
		}
		if (n < 0)
			break;
		s->n_in += (size_t)n;
		consume(k, s);
		if (!flush(k, s) || s->reply_at != 0)
			return;
	}
}

static void welcome(struct sink *k)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	int one = 1, fd;

	while ((fd = accept4(k->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct session *s = malloc(sizeof *s);

		if (!s)
			abort();
		*s = (struct session){.fd = fd};
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		k->connections++;
		if (++k->open > k->open_max)
			k->open_max = k->open;
		say(s, "220 sink ESMTP\r\n");
		e.data.ptr = s;
		epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &e);
		flush(k, s);
	}
}

/* Answers those letters whose time has come; milliseconds until the next, -1: none waits. */
static int answer_waiting(struct sink *k)
{
	double t = now(), next = 0;

	for (size_t i = 0; i < k->n_waiting; i++) {
		struct session *s = k->waiting[i];

		if (s->reply_at > t) {
			next = next == 0 || s->reply_at < next ? s->reply_at : next;
			continue;
		}
		k->waiting[i--] = k->waiting[--k->n_waiting];
		s->reply_at = 0;
		take(k, s);
		consume(k, s);
		if (flush(k, s))
			readable(k, s);
	}
	return next == 0 ? -1 : (int)((next - t) * 1000) + 1;
}

static int listen_at(const char *address, const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (inet_pton(AF_INET, address, &at.sin_addr) != 1 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 4096) != 0) {
		perror("test-sink");
		exit(2);
	}
	return fd;
}

static void serve(struct sink *k)
{
	struct epoll_event ready[EVENTS], e = {.events = EPOLLIN, .data.ptr = NULL};

	epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->listener, &e);
	while (!ended && (k->wanted == 0 || k->recipients < k->wanted || k->n_waiting > 0)) {
		int n = epoll_wait(k->epoll, ready, EVENTS, answer_waiting(k));

		for (int i = 0; i < n; i++)
			if (ready[i].data.ptr)
				readable(k, ready[i].data.ptr);
			else
				welcome(k);
		if (asked) {
			asked = 0;
			tell(k);
		}
	}
}

int main(int argc, char **argv)
{
	struct sink *k = calloc(1, sizeof *k);
	struct sigaction act = {.sa_handler = on_signal};
	int option;

	if (!k)
		return 2;
	while ((option = getopt(argc, argv, "n:r:")) != -1)
		if (option == 'n')
			k->wanted = strtoull(optarg, NULL, 10);
		else if (option == 'r')
			k->rate = strtod(optarg, NULL);
		else
			return 2;
	if (argc - optind != 2) {
		fprintf(stderr, "test-sink [-n RECIPIENTS] [-r LETTERS_A_SECOND] ADDRESS PORT\n");
		return 2;
	}
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	k->listener = listen_at(argv[optind], argv[optind + 1]);
	serve(k);
	tell(k);
	free(k);
	return 0;
}
