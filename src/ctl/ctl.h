/* ctl/ctl.h - the commands of the program. */
#ifndef SALLYPORT_CTL_CTL_H
#define SALLYPORT_CTL_CTL_H

#include <stdbool.h>

/* The whole command line. run: what the command run does with the configuration's path. The exit status:
 * 0 done, 1 it could not be done (why is on standard error), 2 wrong usage. */
struct ctl_calls {
	int (*run)(const char *conf_path, bool embedded, bool closed);
	int (*upgrade)(const char *conf_path);
};
int ctl_main(int argc, char **argv, const struct ctl_calls *calls);

#endif
