/* ctl/host.c - findings about this machine. See the header. */
#include "ctl/host.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#define ROOM_MIN ((uint64_t)1 << 30) /* beyond the reserve, below which a mail host has little future */
#define YEAR_2026_S 1767225600

void host_check_addresses(const struct own_addresses *own, struct report *r)
{
	unsigned n_public = 0;

	for (size_t i = 0; i < own->n; i++) {
		bool public = address_is_public(&own->v[i]);

		n_public += public;
		report_ok(r, "address", "%s%s", own->v[i].text, public ? "" : " (private: others reach it through a translation of addresses at most)");
	}
	if (own->n == 0)
		report_warning(r, "address", "connect it to a network", "this machine has no address but its own loopback");
	else if (n_public == 0)
		report_warning(r, "address", "in the A and AAAA records use the address that the outside sees, and have its port 25 passed on to this machine",
			"no address of this machine is public");
}

SUSPENDS bool host_check_resolver(struct dns *dns, struct arena *a, struct report *r)
{
	const struct conf_resolver *first = &dns_resolvers(dns)->v[0];
	struct dns_answer root;

	dns_ask(dns, STR("."), DNS_SOA, a, &root);
	if (root.result == DNS_TIMEOUT || root.result == DNS_REFUSED) {
		report_warning(r, "resolver", "apt install unbound, and put into the configuration: dns { resolver 127.0.0.1 }",
			"%s port %u does not answer (%s): names cannot be checked now", first->address.text, first->port, dns_result_name(root.result));
		return false;
	}
	if (root.result != DNS_OK)
		report_warning(r, "resolver", "see whether it may ask the servers of the Internet", "%s port %u cannot find the root of all names (%s)",
			first->address.text, first->port, dns_result_name(root.result));
	else if (!dns_trusts_ad(dns))
		report_warning(r, "resolver", "apt install unbound, and put into the configuration: dns { resolver 127.0.0.1 }",
			"%s is not on this machine: what it says of signatures (DNSSEC) could be anybody's word, so letters leave without DANE",
			first->address.text);
	else if (!root.secure)
		report_warning(r, "resolver", "switch validation on; unbound as Debian installs it has it",
			"%s port %u does not check signatures (DNSSEC), so letters leave without DANE", first->address.text, first->port);
	else
		report_ok(r, "resolver", "%s port %u answers and checks signatures (DNSSEC)", first->address.text, first->port);
	return true;
}

bool dns_answer_has(const struct dns_answer *answer, const struct conf_address *a)
{
	for (size_t i = 0; i < answer->n; i++)
		if (memcmp(answer->records[i].address, a->bytes, a->family == AF_INET ? 4 : 16) == 0)
			return true;
	return false;
}

static SUSPENDS void check_family(struct dns *dns, struct str hostname, int family, const struct own_addresses *own, struct arena *a, struct report *r,
	unsigned *n_found)
{
	enum dns_type type = family == AF_INET ? DNS_A : DNS_AAAA;
	struct dns_answer answer;

	dns_ask(dns, hostname, type, a, &answer);
	*n_found += answer.result == DNS_OK;
	if (answer.result != DNS_OK && answer.result != DNS_NODATA && answer.result != DNS_NXDOMAIN)
		report_warning(r, "name", "try again later", "%.*s: its %s records cannot be looked up (%s)", STR_ARG(hostname), dns_type_name(type),
			dns_result_name(answer.result));
	for (size_t i = 0; i < answer.n; i++) {
		struct conf_address found = { .family = family };
		bool ours = false;

		memcpy(found.bytes, answer.records[i].address, 16);
		inet_ntop(family, found.bytes, found.text, sizeof found.text);
		for (size_t k = 0; k < own->n; k++)
			ours = ours || address_eq(&found, &own->v[k]);
		if (ours)
			report_ok(r, "name", "%.*s has the address %s of this machine", STR_ARG(hostname), found.text);
		else
			report_warning(r, "name", "right when a router passes this address on to this machine; else correct the record",
				"%.*s has the address %s, which is none of this machine's interfaces", STR_ARG(hostname), found.text);
	}
}

SUSPENDS void host_check_name(struct dns *dns, struct str hostname, const struct own_addresses *own, struct arena *a, struct report *r)
{
	unsigned n_found = 0;

	check_family(dns, hostname, AF_INET, own, a, r, &n_found);
	check_family(dns, hostname, AF_INET6, own, a, r, &n_found);
	if (!n_found)
		report_problem(r, "name", "add an A record (and AAAA) with this machine's address", "%.*s has no address", STR_ARG(hostname));
}

static SUSPENDS void check_ptr(struct dns *dns, struct str hostname, const struct conf_address *address, struct arena *a, struct report *r)
{
	struct dns_answer ptr, back;
	char way_out[400];

	snprintf(way_out, sizeof way_out, "have whoever gave you the address set its PTR record to %.*s; others refuse mail without it", STR_ARG(hostname));
	dns_ask(dns, dns_ptr_name(address->family, address->bytes, a), DNS_PTR, a, &ptr);
	if (ptr.result != DNS_OK) {
		report_problem(r, "ptr", way_out, "%s has no name (%s)", address->text, dns_result_name(ptr.result));
		return;
	}
	if (ptr.n != 1 || !dns_name_eq(ptr.records[0].name, hostname)) {
		report_problem(r, "ptr", way_out, "%s has %s%.*s, and %.*s is what this server says in EHLO", address->text,
			ptr.n == 1 ? "the name " : "several names, as ", STR_ARG(ptr.records[0].name), STR_ARG(hostname));
		return;
	}
	dns_ask(dns, hostname, address->family == AF_INET ? DNS_A : DNS_AAAA, a, &back);
	if (back.result == DNS_OK && dns_answer_has(&back, address))
		report_ok(r, "ptr", "%s is %.*s, and that has this address", address->text, STR_ARG(hostname));
	else
		report_problem(r, "ptr", "add the address to the name's records", "%s has the name %.*s, which does not have this address", address->text,
			STR_ARG(hostname));
}

SUSPENDS void host_check_ptr(struct dns *dns, struct str hostname, const struct own_addresses *own, struct arena *a, struct report *r)
{
	for (size_t i = 0; i < own->n; i++)
		if (address_is_public(&own->v[i]))
			check_ptr(dns, hostname, &own->v[i], a, r);
}

void host_check_clock(struct report *r)
{
	struct timex t = { 0 };
	int64_t now_s = clock_wall_us() / 1000000;
	char text[CLOCK_RFC3339_SIZE];

	clock_rfc3339(clock_wall_us(), text);
	if (now_s < YEAR_2026_S)
		report_error(r, "clock", "set it: timedatectl set-ntp true", "it says %s, which is past", text);
	else if (adjtimex(&t) == TIME_ERROR)
		report_warning(r, "clock", "apt install systemd-timesyncd (or chrony); letters, signatures and codes carry times",
			"nothing keeps it right, as far as the kernel knows; it says %s", text);
	else
		report_ok(r, "clock", "it is kept right, and says %s", text);
}

/* The nearest directory that is there. */
static bool room_of(const char *dir, struct statvfs *out)
{
	char z[1100];
	int n = snprintf(z, sizeof z, "%s", dir);

	while (n > 0 && n < (int)sizeof z && statvfs(z, out) != 0) {
		char *slash = strrchr(z, '/');

		if (!slash || errno != ENOENT)
			return false;
		slash[slash == z] = 0;
	}
	return n > 0 && n < (int)sizeof z;
}

void host_check_disk(const char *dir, uint64_t reserve, struct report *r)
{
	struct statvfs v;
	unsigned long long free_mb, reserve_mb = reserve >> 20;

	if (!room_of(dir, &v)) {
		report_error(r, "disk", "name another directory", "%s: its room cannot be told: %s", dir, strerror(errno));
		return;
	}
	free_mb = (unsigned long long)v.f_bavail * v.f_frsize >> 20;
	if (free_mb <= reserve_mb)
		report_error(r, "disk", "make room, or lower disk_reserve", "%s has %llu MB free, and with less than %llu no letter is taken", dir, free_mb,
			reserve_mb);
	else if (free_mb < reserve_mb + (ROOM_MIN >> 20))
		report_warning(r, "disk", "make room", "%s has %llu MB free; with less than %llu no letter is taken", dir, free_mb, reserve_mb);
	else if (v.f_files && v.f_favail < 10000)
		report_warning(r, "disk", "remove files, or use a file system with more", "%s has room for %llu more files only", dir,
			(unsigned long long)v.f_favail);
	else
		report_ok(r, "disk", "%s has %llu MB free", dir, free_mb);
}

int host_try_bind(const struct conf_address *a, uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(a->family, SOCK_STREAM | SOCK_CLOEXEC, 0), r, err;

	if (fd < 0)
		return errno;
	memcpy(&v4.sin_addr, a->bytes, 4);
	memcpy(&v6.sin6_addr, a->bytes, 16);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (a->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
	r = a->family == AF_INET ? bind(fd, (struct sockaddr *)&v4, sizeof v4) : bind(fd, (struct sockaddr *)&v6, sizeof v6);
	if (r == 0)
		r = listen(fd, 1);
	err = r == 0 ? 0 : errno;
	close(fd);
	return err;
}
