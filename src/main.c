/* main.c - the program: a role when master starts it as one, else the command that was asked for. */
#include "ctl/ctl.h"
#include "role/host.h"
#include "role/master.h"
#include "role/upgrade.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* sallyport --role NAME INDEX LIFE, with the control channel on descriptor 3 and the log on 4. */
static int run_role(char **words)
{
	struct host_opts opts = { .control_fd = 3, .log_fd = 4 };
	uint32_t index, life;

	for (enum role r = ROLE_KEYS; r < ROLE_CTL; r++) {
		if (strcmp(words[0], role_name(r)) != 0 || !str_to_u32(str_z(words[1]), &index) || !str_to_u32(str_z(words[2]), &life))
			continue;
		opts.role = r;
		opts.index = (uint16_t)index;
		opts.life = life;
		return host_main(&opts);
	}
	fprintf(stderr, "sallyport: --role is for the server's own use\n");
	return 2;
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "--role") == 0)
		return run_role(argv + 2);
	return ctl_main(argc, argv, &(struct ctl_calls){ .run = master_main, .upgrade = upgrade_main });
}
