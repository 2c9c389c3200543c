/* ctl/quickstart_account.c - the first domain and account.
 *
 * They are rows in store like all others, so store makes them: the server of the new configuration runs for a moment with no door open, is
 * told `domain add` and `account add` as an operator would, and ends. There is no second way into the data directory and nothing that a
 * later start would have to pick up; it all happens in the stage, so a quickstart that is killed leaves no account behind; and what is
 * put into place has been seen to start. The server dies with this process, however that ends.
 */
#include "ctl/start_impl.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS 60000
#define STOP_MS 30000
#define STEP_MS 20
#define LOG_MAX ((size_t)1 << 20)
#define WORDS_MAX 10
#define SELF "/proc/self/exe"

static void pause_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* A child whose standard input is in_fd and whose output goes to out_fd. It ends when this process does. */
static pid_t start(const char *program, const char *const *words, int in_fd, int out_fd)
{
	pid_t parent = getpid(), pid = fork();
	sigset_t none;

	if (pid != 0)
		return pid;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || dup2(in_fd, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(out_fd, 2) < 0)
		_exit(127);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_FDS");
	execv(program, (char **)(uintptr_t)words);
	_exit(127);
}

/* The exit status, or -1: it had to be killed. */
static int await_end(pid_t pid, int ms)
{
	int64_t until = clock_monotonic_ms() + ms;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_monotonic_ms() > until) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		pause_ms(STEP_MS);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void add_output(int fd, struct buf *why)
{
	char text[2000];
	ssize_t n = pread(fd, text, sizeof text, 0);

	if (n > 0)
		buf_add(why, str_of(text, (size_t)n));
	if (n > 0 && text[n - 1] != '\n')
		buf_addc(why, '\n');
}

static int memory_file(struct str text)
{
	int fd = memfd_create("quickstart", MFD_CLOEXEC);

	if (fd >= 0 && text.n && write(fd, text.p, text.n) != (ssize_t)text.n) {
		close(fd);
		return -1;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

bool quickstart_run(const char *program, const char *const *words, struct str input, struct buf *why)
{
	int in = memory_file(input), out = memory_file((struct str){ 0 });
	pid_t pid = in >= 0 && out >= 0 ? start(program, words, in, out) : -1;
	int status = pid > 0 ? await_end(pid, START_MS) : -1;

	if (status != 0) {
		buf_addf(why, "%s %s fails: ", words[0], words[1] ? words[1] : "");
		add_output(out, why);
	}
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return status == 0;
}

static bool says_ready(const char *log)
{
	struct buf why;
	struct str text;
	bool found = false;

	buf_init(&why, 1000);
	if (file_read(log, LOG_MAX, &text, &why)) {
		found = str_search(text, STR(" master ready ")) >= 0;
		free((void *)(uintptr_t)text.p);
	}
	buf_fini(&why);
	return found;
}

/* False: it ended by itself or did not get ready; why has its log. */
static bool await_ready(pid_t pid, const char *log, int log_fd, struct buf *why)
{
	int64_t until = clock_monotonic_ms() + START_MS;
	sigset_t waiting;
	int status;

	while (!says_ready(log)) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			buf_addz(why, "the server does not start with the new configuration: ");
			add_output(log_fd, why);
			return false;
		}
		if (clock_monotonic_ms() > until || (sigpending(&waiting) == 0 && sigismember(&waiting, SIGINT))) {
			buf_addz(why, "the server did not get ready in time: ");
			add_output(log_fd, why);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return false;
		}
		pause_ms(STEP_MS);
	}
	return true;
}

static bool tell(const char *conf, const char *a, const char *b, const char *c, struct str input, struct buf *why)
{
	const char *words[] = { "sallyport", "-c", conf, a, b, c, NULL };

	return quickstart_run(SELF, words, input, why);
}

bool quickstart_make_account(const struct plan *p, struct str password, struct buf *why)
{
	struct str conf = arena_fmt(p->arena, "%.*s/setup.conf%c", STR_ARG(p->stage), 0), log = arena_fmt(p->arena, "%.*s/setup.log%c", STR_ARG(p->stage), 0);
	const char *words[] = { "sallyport", "-c", conf.p, "run", "closed", NULL };
	int in = memory_file((struct str){ 0 }), out = open(log.p, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	pid_t pid = in >= 0 && out >= 0 ? start(SELF, words, in, out) : -1;
	bool ok = pid > 0 && await_ready(pid, log.p, out, why);

	if (pid <= 0)
		buf_addf(why, "the server cannot be started: %s\n", strerror(errno));
	if (ok) {
		ok = tell(conf.p, "domain", "add", p->domain.p, (struct str){ 0 }, why) && tell(conf.p, "account", "add", p->address.p, password, why);
		kill(pid, SIGTERM);
		if (await_end(pid, STOP_MS) != 0 && ok) {
			buf_addz(why, "the server did not end as it should: ");
			add_output(out, why);
			ok = false;
		}
	}
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return ok;
}
