/* fuzz/pop2_session.c - whole POP2 sessions: the first byte chooses the login and how the input is cut. */
#include "../test/unit/smtp/fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake f; /* the configuration is parsed once */
	struct buf in, said;

	if (size == 0)
		return 0;
	if (!f.sched) {
		fake_open(&f);
		f.messages[0] = STR("A: b\r\n\r\n.one\r\n");
		f.messages[1] = STR("no end");
		f.n_messages = 2;
	}
	f.may_login = true;
	f.open_outcome = (data[0] & 6) == 6 ? IN_USE : OK;
	f.removed = 0;
	buf_init(&in, size + 100);
	if (data[0] & 1)
		buf_addz(&in, "HELO alice@demo.test de\\ mo\r\n");
	buf_add(&in, str_of(data + 1, size - 1));
	buf_init(&said, 64 << 20);
	fake_run(&f, pop2_session, buf_str(&in), data[0] >> 3, &said);
	die_unless(!f.removed || str_ifind(buf_str(&in), STR("QUIT")) >= 0 || str_ifind(buf_str(&in), STR("FOLD")) >= 0, "removed without QUIT or FOLD");
	die_unless(!f.removed || str_ifind(buf_str(&in), STR("ACKD")) >= 0, "removed without ACKD");
	buf_fini(&said);
	buf_fini(&in);
	arena_fini(&f.door.arena);
	return 0;
}
