/* ctl/quickstart_conf.c - the text of a new configuration, with the reasons in it. */
#include "ctl/start_impl.h"

#include <string.h>
#include <unistd.h>

/* A door: opened, or there to be opened by taking the # away. */
static const struct door_row {
	enum conf_service service;
	bool open;
	const char *why;
} doors[] = {
	{ CONF_SMTP, true, "Letters from other servers. They will only ever try port 25." },
	{ CONF_SUBMISSIONS, true, "Programs of your users send here, under TLS from the first byte (RFC 8314)." },
	{ CONF_SUBMISSION, true, "The same for programs that begin plain and must start TLS before they log in." },
	{ CONF_IMAPS, true, "Programs of your users read here, under TLS from the first byte (RFC 8314)." },
	{ CONF_IMAP, false, "The same for programs that begin plain and must start TLS before they log in. Few still need it." },
	{ CONF_POP3S, false, "POP, under TLS. An account may use it once you allow it: sallyport account set ADDRESS pop on" },
	{ CONF_POP3, false, "POP for programs that begin plain and must start TLS before they log in." },
};
#define N_DOORS (sizeof doors / sizeof *doors)

static void add_door(const struct plan *p, const struct door_row *d, struct buf *out)
{
	bool first = true;

	buf_addf(out, "\n# %s\n%slisten %s {", d->why, d->open ? "" : "#", conf_service_name(d->service));
	if (p->listen) {
		buf_addf(out, " address %s", p->listen);
		first = false;
	}
	if (p->port_base)
		buf_addf(out, "%s port %u", first ? "" : ";", p->port_base + (unsigned)d->service);
	buf_addz(out, " }\n");
}

static void add_doors(const struct plan *p, struct buf *out)
{
	buf_addz(out, "\n# ---- Doors\n"
		      "# A service without an address listens on every address of the machine, IPv4 and IPv6; without a port, on its standard one.\n"
		      "# What begins with # is closed: take the # away to open it, then reload the server with SIGHUP (systemctl reload sallyport).\n"
		      "# What `sallyport firewall` prints fits the doors that are open here.\n");
	for (size_t i = 0; i < N_DOORS; i++)
		add_door(p, &doors[i], out);
	buf_addz(out, "\n# Letters from programs on this machine, by a unix socket that only they can reach.\n"
		      "#listen lmtp { path /run/sallyport/lmtp.sock }\n");
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(s.p[i]) && !memchr("/._-+", s.p[i], 5))
			return false;
	return true;
}

static void add_path(const char *name, struct str dir, const char *rest, struct buf *out)
{
	const char *quote = is_plain(dir) ? "" : "\"";

	buf_addf(out, "%s %s", name, quote);
	for (size_t i = 0; i < dir.n; i++) {
		if (dir.p[i] == '"' || dir.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, dir.p[i]);
	}
	buf_addf(out, "%s%s\n", rest, quote);
}

static void add_sending(struct buf *out)
{
	buf_addz(out, "\n# ---- Sending\n"
		      "# Letters for other domains go to the servers that their MX records name, on port 25, from this machine's own address, which should\n"
		      "# have the name above as its reverse name (PTR). Whether that port is open: sallyport doctor --to DOMAIN\n"
		      "# Where a provider keeps it closed, all letters can go by way of another server:\n"
		      "#route * { next_hop [smtp.provider.example]:587; tls verify; login NAME; password_file /etc/sallyport/keys/smarthost.password }\n"
		      "# On a machine with several addresses, the one that they leave from:\n"
		      "#source main { address 192.0.2.1 }\n"
		      "# What waits, why, and what became of a letter: sallyport queue count, queue list, queue show ID\n");
}

void quickstart_conf_text(const struct plan *p, bool setup, struct buf *out)
{
	struct str conf_dir = setup ? p->stage : p->conf_dir, data_dir = setup ? p->stage_data : p->data_dir;

	buf_addf(out,
		"# Sallyport's configuration, made by: sallyport quickstart %.*s\n"
		"# Every setting with its default: sallyport config show all. What each is for: sallyport config reference\n"
		"# After a change: sallyport config check, then a reload. Domains, accounts and aliases are not here: sallyport account add ...\n",
		STR_ARG(p->address));
	buf_addf(out,
		"\n# ---- The server\n"
		"# Its name to the world. The name's addresses, and the addresses' names (PTR), must lead to each other.\n"
		"hostname %.*s\n",
		STR_ARG(p->hostname));
	buf_addz(out, "\n# All mail and accounts.\n");
	add_path("data_dir", data_dir, "", out);
	buf_addz(out, "\n# The socket of commands.\n");
	add_path("run_dir", setup ? p->stage : p->run_dir, setup ? "/run" : "", out);
	buf_addz(out, "\n# Private keys that sign letters (DKIM).\n");
	add_path("keys_dir", conf_dir, "/keys", out);
	if (geteuid() == 0)
		buf_addf(out, "\n# Whom its processes become; only the first stays root, and it reads nothing from the network.\nuser %.*s\n",
			STR_ARG(p->user));
	buf_addz(out,
		"\n# ---- TLS\n"
		"# The certificate made by quickstart is signed by itself: other servers take it, users' programs ask once. Put a real one in its place:\n"
		"# both files, then a reload.\n"
		"tls {\n");
	add_path("\tcertificate", conf_dir, "/keys/cert.pem", out);
	add_path("\tkey", conf_dir, "/keys/key.pem", out);
	buf_addz(out, "}\n");
	if (p->resolver)
		buf_addf(out, "\n# ---- Names\ndns { resolver %s }\n", p->resolver);
	else
		buf_addz(out, "\n# ---- Names\n"
			      "# A resolver on this machine that checks signatures (apt install unbound) is best: only with one do letters leave under DANE.\n"
			      "# Without the line, those of /etc/resolv.conf.\n"
			      "#dns { resolver 127.0.0.1 }\n");
	add_doors(p, out);
	add_sending(out);
}
