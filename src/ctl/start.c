/* ctl/start.c - commands: from nothing to a server that is known to work. */
#include "ctl/start_impl.h"

#define QUICKSTART_WORDS 20

const struct command ctl_start_commands[] = {
	{ "quickstart", "ADDRESS [--dir DIR] [--hostname NAME] [--password-file FILE] [--port-base N] [--listen ADDRESS] [--resolver ADDRESS:PORT]\n"
			"                   [--user NAME] [--json]",
		"look at this machine, make a configuration, keys, the first domain and account, print the DNS records; overwrites nothing", 1,
		QUICKSTART_WORDS, ALONE, ctl_quickstart },
	{ "firewall", "[--ssh PORT]", "print nftables rules for the doors that the configuration opens, and for ssh (22; 0: none)", 0, 2, WITH_CONF,
		ctl_firewall },
	{ "test", "[ADDRESS] [--to ADDRESS] [--timeout SECONDS] [--json]",
		"send a letter through every open door and find it by IMAP and POP, each step with its time; the first account, or ADDRESS; --to: send one "
		"elsewhere, too, and say what became of it", 0, 7, ONLINE,
		ctl_selftest },
	{ "doctor", "[DOMAIN...] [--to DOMAIN] [--json]",
		"check DNS records, certificate, doors, block lists, relaying, sources, queue, clock, disk and walls; of all domains, or those named; --to: "
		"whether the servers of another domain are reached", 0, 100, WITH_CONF,
		ctl_doctor },
	{ 0 },
};
