/* fuzz/conf.c - any bytes as a configuration: no crash, and what is accepted is written out to the same. */
#include "conf/conf.h"

#include "base/die.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show_and_reread(const struct conf *c, bool with_defaults)
{
	struct conf_errors errs;
	struct buf first, second;
	struct conf *again;

	conf_errors_init(&errs);
	buf_init(&first, 4 * CONF_TEXT_MAX);
	buf_init(&second, 4 * CONF_TEXT_MAX);
	conf_show(c, &first, with_defaults);
	die_unless(!first.full && conf_parse(buf_str(&first), "shown", &again, &errs), "what is shown does not parse");
	conf_show(again, &second, with_defaults);
	die_unless(str_eq(buf_str(&first), buf_str(&second)), "what is shown reads back as something else");
	conf_free(again);
	buf_fini(&first);
	buf_fini(&second);
	conf_errors_fini(&errs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors errs;
	struct conf *c;

	conf_errors_init(&errs);
	if (conf_parse(str_of(data, size), "fuzz", &c, &errs)) {
		show_and_reread(c, false);
		show_and_reread(c, true);
	} else {
		die_unless(errs.n > 0 && errs.text.n > 0 && !errs.text.full, "refused without a reason");
	}
	conf_free(c);
	conf_errors_fini(&errs);
	return 0;
}
