/* test/prog/dns.c - asks a resolver through src/dns: dns ADDRESS:PORT TIMEOUT-MS (TYPE NAME)...; a line a question and a line a record. */
#include "conf/conf.h"
#include "dns/dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct run {
	struct sched *sched;
	struct dns *dns;
	char **words;
	int n_words, n_left;
};

struct ask {
	struct run *run;
	char **words;
};

static void print_record(enum dns_type type, const struct dns_record *r)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (type == DNS_A || type == DNS_AAAA)
		inet_ntop(type == DNS_A ? AF_INET : AF_INET6, r->address, text, sizeof text);
	printf("  %u %s%.*s %u %u %u %u/%u/%u %.*s ", r->ttl_s, text, STR_ARG(r->name), r->preference, r->weight, r->port, r->usage, r->selector,
		r->matching, STR_ARG(r->tag));
	for (size_t i = 0; i < r->data.n; i++)
		printf(type == DNS_TLSA ? "%02x" : "%c", (unsigned char)r->data.p[i]);
	printf("\n");
}

static SUSPENDS void ask_main(void *arg)
{
	struct ask *k = arg;
	struct dns_answer answer;
	enum dns_type type;
	struct arena arena;

	arena_init(&arena, "answer", (size_t)1 << 22);
	if (dns_type_parse(str_z(k->words[0]), &type)) {
		dns_ask(k->run->dns, str_z(k->words[1]), type, &arena, &answer);
		printf("%s %s %s%s %.*s %u\n", k->words[0], k->words[1], dns_result_name(answer.result), answer.secure ? " secure" : "",
			STR_ARG(answer.name), answer.ttl_s);
		for (size_t i = 0; i < answer.n; i++)
			print_record(type, &answer.records[i]);
	}
	arena_fini(&arena);
	if (--k->run->n_left == 0)
		dns_close(k->run->dns);
}

int main(int argc, char **argv)
{
	static const char head[] = "hostname a.test\nlisten smtp { }\ndns { resolver %s }\n";
	struct run run = { .words = argv + 3, .n_words = argc - 3, .n_left = (argc - 3) / 2 };
	struct ask asks[1000];
	struct conf_errors errors;
	struct conf *conf;
	struct buf text;
	uint32_t timeout_ms;

	if (argc < 5 || argc > 2000 || !str_to_u32(str_z(argv[2]), &timeout_ms))
		return 2;
	conf_errors_init(&errors);
	buf_init(&text, 1000);
	buf_addf(&text, head, argv[1]);
	if (!conf_parse(buf_str(&text), "resolver", &conf, &errors)) {
		fprintf(stderr, "%.*s", STR_ARG(buf_str(&errors.text)));
		return 2;
	}
	run.sched = sched_new(NULL);
	run.dns = dns_open(&(struct dns_opts){ run.sched, &conf->dns.resolvers, timeout_ms });
	for (int i = 0; i < run.n_left; i++) {
		asks[i] = (struct ask){ &run, argv + 3 + 2 * i };
		task_spawn(run.sched, "ask", ask_main, &asks[i]);
	}
	sched_run(run.sched);
	sched_free(run.sched);
	conf_free(conf);
	conf_errors_fini(&errors);
	buf_fini(&text);
	return 0;
}
