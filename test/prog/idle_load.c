/* idle_load PORT SESSIONS USER PASSWORD COMMAND: opens that many IMAPS sessions from several loopback addresses, each logged in, with INBOX
 * selected and in IDLE, then runs COMMAND, then closes them. Status 1 when a session could not be brought so far. */
#include "base/die.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_THREADS 8
#define PER_ADDRESS 2500 /* source addresses 127.0.1.1, 127.0.1.2, ... */

struct load {
	SSL_CTX *ctx;
	uint16_t port;
	uint32_t n, next, failed;
	const char *user, *password;
	SSL **sessions;
	pthread_mutex_t lock;
};

static int connect_from(const struct load *l, uint32_t i)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000101 + i / PER_ADDRESS) };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(l->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
		perror("idle_load: connect");
		return -1;
	}
	return fd;
}

/* Reads until a line that begins with want has come whole. */
static bool await(SSL *ssl, const char *want)
{
	char text[8192];
	int n = 0, r;

	while (n < (int)sizeof text - 1 && (r = SSL_read(ssl, text + n, (int)sizeof text - 1 - n)) > 0) {
		char *line = text;

		n += r;
		text[n] = 0;
		for (char *end; (end = strchr(line, '\n')); line = end + 1)
			if (strncmp(line, want, strlen(want)) == 0)
				return true;
	}
	fprintf(stderr, "idle_load: no \"%s\" but: %.*s\n", want, n, text);
	return false;
}

static SSL *open_session(struct load *l, uint32_t i)
{
	char command[512];
	SSL *ssl = SSL_new(l->ctx);
	int fd = connect_from(l, i);
	int n = snprintf(command, sizeof command, "a LOGIN %s %s\r\nb SELECT INBOX\r\nc IDLE\r\n", l->user, l->password);

	SSL_set_fd(ssl, fd);
	if (fd < 0 || SSL_connect(ssl) != 1 || !await(ssl, "* OK") || SSL_write(ssl, command, n) != n || !await(ssl, "+ "))
		return NULL;
	return ssl;
}

static void *worker(void *arg)
{
	struct load *l = arg;

	for (;;) {
		uint32_t i;

		pthread_mutex_lock(&l->lock);
		i = l->next++;
		pthread_mutex_unlock(&l->lock);
		if (i >= l->n)
			return NULL;
		l->sessions[i] = open_session(l, i);
		if (!l->sessions[i])
			__atomic_add_fetch(&l->failed, 1, __ATOMIC_RELAXED);
	}
}

int main(int argc, char **argv)
{
	struct load l = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct rlimit files;
	pthread_t threads[N_THREADS];
	int status = 0;
	pid_t pid;

	if (argc != 6)
		die("usage: idle_load PORT SESSIONS USER PASSWORD COMMAND");
	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	l.port = (uint16_t)strtoul(argv[1], NULL, 10);
	l.n = (uint32_t)strtoul(argv[2], NULL, 10);
	l.user = argv[3];
	l.password = argv[4];
	l.sessions = mem_array(l.n, sizeof *l.sessions);
	l.ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(l.ctx, SSL_MODE_RELEASE_BUFFERS);
	for (int i = 0; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, worker, &l);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("# %u sessions in IDLE, %u failed\n", l.n - l.failed, l.failed);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", argv[5], (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return l.failed || status ? 1 : 0;
}
