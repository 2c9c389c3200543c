/* Every message there and back, at its least, its most and at random; cut, lengthened and flipped records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/die.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc_fuzz_gen.c"

#define ROUNDS 40
#define CUTS 300
#define FLIPS 300

struct sample {
	int type;
	bool reply, has_fd;
	const struct ipc_shape *shape;
	char *bytes; /* three for ipc_fuzz_one, then the record's fields */
	size_t n;
};

static const struct ipc_shape *shape_of(int type, bool reply)
{
	return reply ? &ipc_descs[type].reply : &ipc_descs[type].request;
}

/* A filled message as ipc_fuzz_one takes it. */
static struct sample make(int type, bool reply, enum ipc_fill_mode mode, uint64_t seed)
{
	struct sample s = { .type = type, .reply = reply, .shape = shape_of(type, reply) };
	struct ipc_out o = { .max = IPC_RECORD_MAX, .fd = -1 };
	struct ipc_fill f = { .seed = seed, .mode = mode };
	struct arena a;

	arena_init(&a, "test", (size_t)64 << 20);
	void *m = arena_alloc(&a, s.shape->size);
	f.arena = &a;
	ipc_fill(&f, type, reply, m);
	s.bytes = mem_alloc(IPC_RECORD_MAX + 3);
	o.p = s.bytes + 3;
	ipc_encode(&o, &ipc_descs[type], s.shape, m);
	assert_int_equal(ipc_size(type, reply, m), IPC_HEADER_SIZE + o.n + o.tail.n);
	if (o.tail.n)
		memcpy(o.p + o.n, o.tail.p, o.tail.n);
	s.n = o.n + o.tail.n;
	s.has_fd = o.fd >= 0;
	s.bytes[0] = (char)type;
	s.bytes[1] = (char)(type >> 8);
	s.bytes[2] = (char)(reply | s.has_fd << 1);
	arena_fini(&a);
	return s;
}

/* Decodes a copy of exactly n bytes, so that the sanitizer sees a step beyond. */
static bool decodes(const struct sample *s, const char *bytes, size_t n)
{
	char *copy = mem_dup(bytes, n);
	struct arena a;
	struct ipc_in in = { .cur = cur_of(str_of(copy, n)), .arena = &a, .fd = s->has_fd ? 0 : -1 };

	arena_init(&a, "test", (size_t)IPC_RECORD_MAX * IPC_UNFOLD);
	bool ok = ipc_decode(&in, s->shape, arena_alloc(&a, s->shape->size));
	arena_fini(&a);
	free(copy);
	return ok;
}

static void fuzz_exact(const struct sample *s, size_t n)
{
	uint8_t *copy = mem_dup(s->bytes, n + 3);

	ipc_fuzz_one(copy, n + 3);
	free(copy);
}

static void each_message(void (*fn)(const struct sample *s, uint64_t *seed), int rounds)
{
	for (int type = 0; type < IPC_TYPE_COUNT; type++) {
		for (int reply = 0; reply < 2; reply++) {
			uint64_t seed = (uint64_t)type * 2 + (uint64_t)reply + 1;

			for (int i = 0; shape_of(type, reply)->size && i < rounds; i++) {
				enum ipc_fill_mode mode = i == 0   ? IPC_FILL_LEAST
							  : i == 1 ? IPC_FILL_MOST
								   : IPC_FILL_ANY;
				struct sample s = make(type, reply, mode, seed);

				fn(&s, &seed);
				rng_step(&seed);
				free(s.bytes);
			}
		}
	}
}

static void one_round_trip(const struct sample *s, uint64_t *seed)
{
	(void)seed;
	assert_true(decodes(s, s->bytes + 3, s->n));
	fuzz_exact(s, s->n); /* aborts when the bytes are not the same again */
}

static void every_message_comes_back(void **state)
{
	(void)state;
	each_message(one_round_trip, ROUNDS);
}

static void one_cut(const struct sample *s, uint64_t *seed)
{
	size_t step = s->n / CUTS + 1;
	char *longer = mem_alloc(s->n + 1);

	(void)seed;
	for (size_t n = 0; n < s->n; n += step)
		assert_false(decodes(s, s->bytes + 3, n));
	memcpy(longer, s->bytes + 3, s->n);
	assert_false(decodes(s, longer, s->n + 1));
	free(longer);
}

static void cut_and_lengthened_records_are_refused(void **state)
{
	(void)state;
	each_message(one_cut, 4);
}

static void one_flipped(const struct sample *s, uint64_t *seed)
{
	uint8_t *copy = mem_dup(s->bytes, s->n + 3); /* of exactly that size */

	for (int i = 0; i < FLIPS && s->n; i++) {
		uint64_t r = rng_step(seed);
		/* Half of them near the front, where counts and lengths are. */
		size_t at = 3 + (i % 2 && s->n > 64 ? r % 64 : r % s->n);

		copy[at] ^= (uint8_t)(1 << (r >> 32) % 8);
		ipc_fuzz_one(copy, s->n + 3);
		copy[at] ^= (uint8_t)(1 << (r >> 32) % 8);
	}
	free(copy);
}

static void flipped_records_stay_in_bounds(void **state)
{
	(void)state;
	each_message(one_flipped, 4);
}

static void a_descriptor_comes_exactly_when_a_field_wants_it(void **state)
{
	struct ipc_listener m = { .number = 7, .socket = 5 };
	char bytes[64];
	struct ipc_out o = { .p = bytes, .max = sizeof bytes, .fd = -1 };
	struct sample s = { .shape = &ipc_descs[IPC_LISTENER].request };
	struct sample go = { .shape = &ipc_descs[IPC_GO].request, .has_fd = true };

	(void)state;
	ipc_encode(&o, &ipc_descs[IPC_LISTENER], s.shape, &m);
	assert_int_equal(o.fd, 5);
	assert_false(decodes(&s, bytes, o.n));
	s.has_fd = true;
	assert_true(decodes(&s, bytes, o.n));
	assert_false(decodes(&go, "12345678", 8));
	go.has_fd = false;
	assert_true(decodes(&go, "12345678", 8));
}

static void too_long(void)
{
	static char big[IPC_DOMAIN_ADD_NAME_MAX + 1];

	ipc_size(IPC_DOMAIN_ADD, false, &(struct ipc_domain_add){ .name = str_of(big, sizeof big) });
}

static void at_its_limit(void)
{
	static char big[IPC_DOMAIN_ADD_NAME_MAX];

	ipc_size(IPC_DOMAIN_ADD, false, &(struct ipc_domain_add){ .name = str_of(big, sizeof big) });
}

static void no_descriptor(void)
{
	ipc_size(IPC_LISTENER, false, &(struct ipc_listener){ .socket = -1 });
}

static bool dies(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(2);
		signal(SIGABRT, SIG_DFL);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void sending_beyond_a_limit_is_a_bug(void **state)
{
	(void)state;
	assert_false(dies(at_its_limit));
	assert_true(dies(too_long));
	assert_true(dies(no_descriptor));
}

static void the_table_says_who_may_send_what(void **state)
{
	const struct ipc_desc *login = &ipc_descs[IPC_LOGIN];

	(void)state;
	assert_string_equal(login->name, "login");
	assert_true(login->request.secret);
	assert_false(login->reply.secret);
	assert_int_equal(login->from, 1u << ROLE_EDGE_USER);
	assert_int_equal(login->to, 1u << ROLE_AUTH);
	assert_true(ipc_descs[IPC_LETTER].request.body);
	assert_true(ipc_descs[IPC_CONF].cast && ipc_descs[IPC_CONF].request.fd);
	assert_int_equal(ipc_descs[IPC_END_OF_LIST].request.size, 0);
	assert_int_equal(ipc_descs[IPC_CONF].to & (1u << ROLE_MASTER | 1u << ROLE_CTL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_back),
		cmocka_unit_test(cut_and_lengthened_records_are_refused),
		cmocka_unit_test(flipped_records_stay_in_bounds),
		cmocka_unit_test(a_descriptor_comes_exactly_when_a_field_wants_it),
		cmocka_unit_test(sending_beyond_a_limit_is_a_bug),
		cmocka_unit_test(the_table_says_who_may_send_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
