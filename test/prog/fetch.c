/* test/prog/fetch.c - HTTPS requests through src/fetch, behind the walls of role fetch:
 * fetch AUTHORITIES.pem TIMEOUT-MS SIZE-MAX HOST PORT PATH ADDRESS[,ADDRESS...] [BODY]; the status and the type, then the body or why. */
#include "fetch/https.h"
#include "sandbox/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESSES_MAX 16
#define NOBODY 65534

struct run {
	struct sched *sched;
	struct https *https;
	char **words;
	const char *body;
};

static SUSPENDS void main_task(void *arg)
{
	struct run *run = arg;
	struct str *addresses = calloc(ADDRESSES_MAX, sizeof *addresses), rest = str_z(run->words[7]);
	struct https_answer *a = calloc(1, sizeof *a);
	struct https_request r = { .host = str_z(run->words[4]), .port = (uint16_t)strtoul(run->words[5], NULL, 10), .path = str_z(run->words[6]),
		.addresses = addresses, .size_max = strtoul(run->words[3], NULL, 10), .timeout_ms = (int64_t)strtoul(run->words[2], NULL, 10) };

	while (r.n_addresses < ADDRESSES_MAX && str_split(&rest, ',', &addresses[r.n_addresses]))
		r.n_addresses++;
	if (run->body) {
		r.content_type = "application/tlsrpt+gzip";
		r.body = str_z(run->body);
	}
	if (https_ask(run->https, &r, a) != OK)
		printf("impossible\n");
	else
		printf("%u%s %s\n%s%.*s\n", a->status, a->certificate_bad ? " certificate" : "", a->content_type, a->why, STR_ARG(buf_str(&a->bytes)));
	fflush(stdout);
	buf_fini(&a->bytes);
	free(a);
	free(addresses);
	sched_stop(run->sched);
}

int main(int argc, char **argv)
{
	struct sandbox_plan plan = { .role = SANDBOX_FETCH, .uid = geteuid() ? 0 : NOBODY, .gid = geteuid() ? 0 : NOBODY };
	struct sandbox_walls walls;
	struct tls_authorities *authorities;
	struct run run = { .words = argv, .body = argc > 8 ? argv[8] : NULL };
	char why[256];

	if (argc < 8)
		return 2;
	authorities = tls_authorities_open(str_z(argv[1]), why);
	if (!authorities) {
		fprintf(stderr, "%s\n", why);
		return 2;
	}
	run.sched = sched_new(NULL);
	run.https = https_open(run.sched, authorities);
	sandbox_enter(&plan, &walls);
	task_spawn(run.sched, "test", main_task, &run);
	sched_run(run.sched);
	https_close(run.https);
	tls_authorities_close(authorities);
	return 0;
}
