/* ctl/read_password.c - a password from a person or a pipe. See the header. */
#include "ctl/read_password.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static ssize_t read_line(char *out, size_t size)
{
	size_t n = 0;
	char c;

	while (read(0, &c, 1) == 1 && c != '\n') {
		if (n + 1 >= size)
			return -1;
		out[n++] = c;
	}
	out[n] = 0;
	return n ? (ssize_t)n : -1;
}

static ssize_t ask(const char *prompt, char *out, size_t size)
{
	struct termios was, quiet;
	ssize_t n;

	fprintf(stderr, "%s", prompt);
	if (tcgetattr(0, &was) != 0)
		return -1;
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(0, TCSAFLUSH, &quiet);
	n = read_line(out, size);
	tcsetattr(0, TCSAFLUSH, &was);
	fprintf(stderr, "\n");
	return n;
}

ssize_t read_password(const char *prompt, char *out, size_t size)
{
	char again[1100];
	ssize_t n, m;

	if (!isatty(0))
		return read_line(out, size);
	n = ask(prompt, out, size);
	m = ask("Again: ", again, sizeof again < size ? sizeof again : size);
	if (n != m || (n > 0 && memcmp(out, again, (size_t)n) != 0))
		n = -1;
	explicit_bzero(again, sizeof again);
	return n;
}
