/* role/notify.h - telling a service manager how the server is (sd_notify(3)'s protocol, systemd.service(5) Type=notify). */
#ifndef SALLYPORT_ROLE_NOTIFY_H
#define SALLYPORT_ROLE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
	int fd;		     /* -1: nobody wants to know */
	int64_t watchdog_ms; /* the manager ends a server that is silent for so long; 0: never */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them, so that no role inherits them. Before the sandbox. */
void notify_open(struct notify *n);
void notify_close(struct notify *n);
/* Lines of the protocol, such as "READY=1\nSTATUS=up". Never blocks: what does not fit is lost. */
void notify_send(const struct notify *n, const char *lines);
/* With the time that a manager wants beside RELOADING=1. */
void notify_reloading(const struct notify *n);

#endif
