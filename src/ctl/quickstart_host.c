/* ctl/quickstart_host.c - is this machine fit for a mail server? What only the network can tell is a warning at most: a machine may be set up
 * before its records and its line are there.
 */
#include "ctl/start_impl.h"

#include "base/die.h"
#include "ctl/host.h"
#include "dns/dns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct looking {
	const struct plan *plan;
	const struct conf *conf;
	struct report *report;
	struct sched *sched;
	struct own_addresses own;
};

static SUSPENDS void look(void *arg)
{
	struct looking *k = arg;
	struct dns *dns = dns_open(&(struct dns_opts){ k->sched, &k->conf->dns.resolvers, k->conf->timeouts.dns_ms });
	struct arena arena;

	arena_init(&arena, "host checks", (size_t)16 << 20);
	if (host_check_resolver(dns, &arena, k->report)) {
		host_check_name(dns, k->conf->hostname, &k->own, &arena, k->report);
		host_check_ptr(dns, k->conf->hostname, &k->own, &arena, k->report);
	}
	arena_fini(&arena);
	dns_close(dns);
}

static void check_ports(const struct conf *c, struct report *r)
{
	for (size_t i = 0; i < c->n_listeners; i++) {
		const struct conf_listener *l = &c->listeners[i];
		int err = host_try_bind(&l->address, l->port);
		char way_out[160];

		if (err == 0 || (!l->address_given && (err == EAFNOSUPPORT || err == EADDRNOTAVAIL))) {
			report_ok(r, "port", "%s: %s port %u is free", conf_service_name(l->service), l->address.text, l->port);
			continue;
		}
		snprintf(way_out, sizeof way_out, "see who it is with: ss -Hltnp sport = :%u; stop it, or give this listener another port", l->port);
		if (err == EACCES)
			report_warning(r, "port", "run quickstart as root, or give --port-base 10000", "%s: only root may open port %u",
				conf_service_name(l->service), l->port);
		else if (err == EADDRINUSE)
			report_warning(r, "port", way_out, "%s: another program has %s port %u", conf_service_name(l->service), l->address.text, l->port);
		else
			report_warning(r, "port", "name an address of this machine with --listen", "%s: %s port %u: %s", conf_service_name(l->service),
				l->address.text, l->port, strerror(err));
	}
}

void quickstart_check_host(const struct plan *p, const struct conf *c, struct report *r)
{
	struct looking *k = mem_new(struct looking);

	*k = (struct looking){ .plan = p, .conf = c, .report = r, .sched = sched_new(NULL) };
	own_addresses(&k->own);
	host_check_addresses(&k->own, r);
	task_spawn(k->sched, "host checks", look, k);
	sched_run(k->sched);
	sched_free(k->sched);
	free(k);
	check_ports(c, r);
	host_check_clock(r);
	host_check_disk(p->in_one_dir ? p->conf_dir.p : p->data_dir.p, c->disk_reserve_size, r);
}
