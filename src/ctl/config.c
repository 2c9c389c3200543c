/* ctl/config.c - commands: what the configuration says. */
#include "ctl/ctl_impl.h"

#include <stdio.h>
#include <string.h>

static int config_check(struct ctl *c)
{
	printf("%s: no errors\n", c->conf_path);
	return 0;
}

static int config_show(struct ctl *c)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	conf_show(c->conf, &out, c->n_words == 1 && strcmp(c->words[0], "all") == 0);
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	return 0;
}

static int config_reference(struct ctl *c)
{
	struct buf out;

	(void)c;
	buf_init(&out, 1 << 20);
	conf_schema_markdown(&out);
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	return 0;
}

const struct command ctl_config_commands[] = {
	{ "config check", "", "check the configuration", 0, 0, WITH_CONF, config_check },
	{ "config show", "[all]", "print the configuration as it is understood; all: with the defaults", 0, 1, WITH_CONF, config_show },
	{ "config reference", "", "print what every setting is, as Markdown", 0, 0, ALONE, config_reference },
	{ 0 },
};
