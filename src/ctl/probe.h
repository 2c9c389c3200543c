/* ctl/probe.h - a client's connection to a door, for the commands that try doors out.
 *
 * Each step either works or leaves why and a way out; after the first that fails all later ones fail at once.
 */
#ifndef SALLYPORT_CTL_PROBE_H
#define SALLYPORT_CTL_PROBE_H

#include "co/stream.h"
#include "conf/conf.h"
#include "net/tls_client.h"

#define PROBE_LINE_MAX ((size_t)64 * 1024)

struct probe {
	struct sched *sched;
	struct stream stream;
	bool open, secured, failed;
	int64_t began_us;     /* of the present step */
	int code;             /* of the last SMTP reply; 0: none */
	struct buf text;      /* of the last reply: its last line without code or tag; IMAP: numbers of the last SEARCH */
	char why[320];
	char way_out[320];
	unsigned n_tags;
};

void probe_init(struct probe *p, struct sched *sched);
void probe_fini(struct probe *p);
void probe_step(struct probe *p);            /* a step begins */
double probe_ms(const struct probe *p);      /* how long it has taken so far */
void probe_fail(struct probe *p, const char *way_out, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Where a listener is reached from this machine: its address, or loopback when it is any; "[::1]:993", "/run/lmtp.sock". */
void probe_target(const struct conf_listener *l, struct conf_address *out, char text[160]);
/* Whether this machine may connect to it at all; false: why and way_out say why not. */
bool probe_is_let_in(struct probe *p, const struct conf_listener *l);

SUSPENDS bool probe_connect(struct probe *p, const struct conf_listener *l, int64_t timeout_ms);
SUSPENDS bool probe_connect_to(struct probe *p, const struct conf_address *a, uint16_t port, int64_t timeout_ms);
SUSPENDS bool probe_tls(struct probe *p, const struct tls_client *client);

SUSPENDS bool probe_line(struct probe *p, struct str *line);
SUSPENDS void probe_say(struct probe *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A whole SMTP reply; false unless its code is want. what: for the reason, as "MAIL". */
SUSPENDS bool probe_smtp(struct probe *p, int want, const char *what);
/* Says a command under a tag and reads to its answer; false unless that is OK. */
SUSPENDS bool probe_imap(struct probe *p, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* One POP3 or POP2 answer line; false unless it begins with good ("+" or "=" or "#"). */
SUSPENDS bool probe_pop(struct probe *p, char good, const char *what);

#endif
