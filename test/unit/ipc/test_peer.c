/* Two roles in one process over a channel: calls, deadlines, ends, back-pressure; and a hostile other end, record by
 * record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/die.h"
#include "ipc/codec.h"
#include "ipc/wire.h"
#include "ipc_gen.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
	struct sched *s;
	struct log log;
	struct ipc_service serving, edge_serving;
	ipc_handler *handlers[IPC_TYPE_COUNT], *edge_handlers[IPC_TYPE_COUNT];
	struct link link;    /* the edge's, towards the server */
	struct peer *server; /* the server's end; NULL once it is gone */
	int raw;	     /* a hostile end, where a test has one */
	int n_fds_before;
	int n_gone, n_running, n_served, n_done;
	uint64_t seen[64];
	size_t n_seen;
	int taken_fd;
	bool take;
};

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* ---- what the server serves */

/* Answers after handle milliseconds. */
static void serve_status(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_status *m = msg;
	struct world *w = ctx;

	w->n_running++;
	if (m->handle)
		task_sleep(w->s, (int64_t)m->handle);
	w->n_running--;
	w->n_served++;
	ipc_status_reply_send(call, OK, &(struct ipc_status_reply){ .id = m->handle, .messages = (uint32_t)m->name.n });
}

static void serve_mailboxes(void *ctx, struct ipc_call *call, const void *msg)
{
	struct ipc_mailbox list[3] = { { .name = STR("INBOX"), .id = 1 }, { .name = STR("Sent"), .id = 2 },
		{ .name = STR(""), .id = 3 } };

	(void)ctx;
	(void)msg;
	ipc_mailboxes_reply_send(call, OK, &(struct ipc_mailboxes_reply){ .list = list, .n_list = 3, .more = 1 });
}

static void serve_unselect(void *ctx, struct ipc_call *call, const void *msg)
{
	(void)ctx;
	(void)msg;
	ipc_unselect_reply_send(call, BAD_STATE);
}

static void serve_select(void *ctx, struct ipc_call *call, const void *msg)
{
	(void)ctx;
	(void)msg;
	ipc_select_reply_send(call, NO_SUCH, NULL);
}

static void serve_nothing(void *ctx, struct ipc_call *call, const void *msg)
{
	(void)ctx;
	(void)call;
	(void)msg;
}

static void serve_logout(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_logout *m = msg;
	struct world *w = ctx;

	(void)call;
	w->n_served++;
	if (w->n_seen < 64)
		w->seen[w->n_seen++] = m->handle;
}

static void serve_read_body(void *ctx, struct ipc_call *call, const void *msg)
{
	static const char block[IPC_READ_BODY_BYTES_MAX];
	const struct ipc_read_body *m = msg;

	(void)ctx;
	ipc_read_body_reply_send(call, OK, &(struct ipc_read_body_reply){ .bytes = str_of(block, m->n) });
}

/* Answers with a byte of the letter. */
static void serve_append(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_append *m = msg;
	struct world *w = ctx;
	struct body_map map;

	task_sleep(w->s, 1);
	w->n_served++;
	if (body_map(&m->body, &map) != OK)
		return;
	ipc_append_reply_send(call, OK,
		&(struct ipc_append_reply){ .uid = map.bytes.n ? (unsigned char)map.bytes.p[map.bytes.n - 1] : 0 });
	body_unmap(&map);
	if (w->take && m->body.size == 1000000)
		w->taken_fd = call_take_fd(call);
}

static void serve_listener(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_listener *m = msg;
	struct world *w = ctx;

	w->n_served++;
	if (w->take) {
		w->taken_fd = call_take_fd(call);
		assert_int_equal(w->taken_fd, m->socket);
		assert_int_equal(call_take_fd(call), -1);
	}
}

static void server_gone(void *ctx, struct peer *p)
{
	struct world *w = ctx;

	assert_ptr_equal(peer_data(p), w);
	assert_int_equal(w->n_running, 0);
	task_yield(w->s); /* it may suspend */
	w->n_gone++;
	w->server = NULL;
}

/* ---- worlds */

static struct world *world_new(void)
{
	struct world *w = mem_new(struct world);

	w->n_fds_before = count_fds();
	w->s = sched_new(&(struct sched_opts){ .virtual_time = true });
	log_init(&w->log, open("/dev/null", O_WRONLY | O_CLOEXEC), "test");
	w->handlers[IPC_STATUS] = serve_status;
	w->handlers[IPC_MAILBOXES] = serve_mailboxes;
	w->handlers[IPC_UNSELECT] = serve_unselect;
	w->handlers[IPC_SELECT] = serve_select;
	w->handlers[IPC_SUBSCRIBE] = serve_nothing;
	w->handlers[IPC_LOGOUT] = serve_logout;
	w->handlers[IPC_READ_BODY] = serve_read_body;
	w->handlers[IPC_APPEND] = serve_append;
	w->handlers[IPC_LISTENER] = serve_listener;
	w->edge_handlers[IPC_CHANGED] = serve_logout; /* the same first field */
	w->serving = (struct ipc_service){ .ctx = w, .handlers = w->handlers, .gone = server_gone };
	w->edge_serving = (struct ipc_service){ .ctx = w, .handlers = w->edge_handlers };
	w->raw = w->taken_fd = -1;
	link_init(&w->link, w->s);
	return w;
}

static struct peer *open_server(struct world *w, enum role self, enum role other, int fd)
{
	struct peer_opts opts = {
		.sched = w->s, .log = &w->log, .service = &w->serving, .self = self, .other = other, .fd = fd, .life = 1
	};

	w->server = peer_open(&opts);
	peer_set_data(w->server, w);
	return w->server;
}

static void connect_roles(struct world *w, enum role caller, enum role callee)
{
	struct peer_opts opts = {
		.sched = w->s, .log = &w->log, .service = &w->edge_serving, .self = caller, .other = callee
	};
	int fds[2];

	ipc_channel(fds);
	open_server(w, callee, caller, fds[1]);
	opts.fd = fds[0];
	link_set(&w->link, peer_open(&opts));
}

/* Winds down, runs to the last task and looks for leaks. */
static void world_end(struct world *w)
{
	link_close(&w->link);
	if (w->server)
		peer_close(w->server);
	sched_run(w->s);
	assert_null(w->server);
	sched_free(w->s);
	close(w->log.fd);
	if (w->raw >= 0)
		close(w->raw);
	if (w->taken_fd >= 0)
		close(w->taken_fd);
	assert_int_equal(count_fds(), w->n_fds_before);
	free(w);
}

/* Runs fn as a task; it stops the scheduler, which leaves readers alive. */
struct script {
	struct world *w;
	void (*fn)(struct world *w);
};

static void run_script(void *arg)
{
	struct script *x = arg;

	x->fn(x->w);
	sched_stop(x->w->s);
}

static void play(struct world *w, void (*fn)(struct world *w))
{
	struct script x = { w, fn };

	task_spawn(w->s, "script", run_script, &x);
	sched_run(w->s);
}

static enum outcome ask_status(struct world *w, uint64_t after_ms, int64_t timeout_ms, struct ipc_status_reply *r)
{
	return ipc_status_within(
		&w->link, &(struct ipc_status){ .handle = after_ms, .name = STR("INBOX") }, r, NULL, timeout_ms);
}

/* ---- calls */

static void simple_calls(struct world *w)
{
	struct ipc_status_reply status;
	struct ipc_mailboxes_reply boxes;
	struct ipc_select_reply sel = { .sel = 7 };
	struct arena a;

	arena_init(&a, "test", IPC_REPLY_MEMORY);
	assert_int_equal(ask_status(w, 5, 1000, &status), OK);
	assert_int_equal(status.id, 5);
	assert_int_equal(status.messages, 5);
	assert_int_equal(ipc_mailboxes(&w->link, &(struct ipc_mailboxes){ .handle = 1 }, &boxes, &a), OK);
	assert_int_equal(boxes.n_list, 3);
	assert_true(str_eq(boxes.list[1].name, STR("Sent")));
	assert_int_equal(boxes.more, 1);
	assert_int_equal(ipc_unselect(&w->link, &(struct ipc_unselect){ .sel = 1 }), BAD_STATE);
	assert_int_equal(ipc_select(&w->link, &(struct ipc_select){ .name = STR("x") }, &sel, &a), NO_SUCH);
	assert_int_equal(sel.sel, 0);
	/* A handler that forgets to answer. */
	assert_int_equal(ipc_subscribe(&w->link, &(struct ipc_subscribe){ .name = STR("x") }), FAILED);
	arena_fini(&a);
}

static void calls_are_answered_where_they_were_asked(void **state)
{
	struct world *w = world_new();

	(void)state;
	connect_roles(w, ROLE_EDGE_USER, ROLE_STORE);
	assert_int_equal(peer_role(w->server), ROLE_EDGE_USER);
	assert_int_equal(peer_life(w->server), 1);
	assert_string_equal(role_name(ROLE_EDGE_USER), "edge-user");
	play(w, simple_calls);
	world_end(w);
}

struct asker {
	struct world *w;
	uint64_t ms;
	int64_t timeout_ms;
	enum outcome result;
	struct ipc_status_reply reply;
};

static void ask(void *arg)
{
	struct asker *x = arg;

	x->result = ask_status(x->w, x->ms, x->timeout_ms, &x->reply);
	x->w->n_done++;
}

static void wait_1500(struct world *w)
{
	for (int i = 0; w->n_done < 1500 && i < 5000; i++)
		task_sleep(w->s, 1);
	assert_int_equal(w->n_done, 1500);
}

static void replies_come_out_of_order(void **state)
{
	struct world *w = world_new();
	struct asker *askers = mem_array(1500, sizeof *askers); /* more than run at once */

	(void)state;
	connect_roles(w, ROLE_EDGE_USER, ROLE_STORE);
	for (int i = 0; i < 1500; i++) {
		askers[i] = (struct asker){ .w = w, .ms = (uint64_t)(1 + i * 37 % 100), .timeout_ms = 5000 };
		task_spawn(w->s, "asker", ask, &askers[i]);
	}
	play(w, wait_1500);
	for (int i = 0; i < 1500; i++) {
		assert_int_equal(askers[i].result, OK);
		assert_int_equal(askers[i].reply.id, askers[i].ms);
	}
	free(askers);
	world_end(w);
}

static void cast_in_order(struct world *w)
{
	for (uint64_t i = 0; i < 64; i++)
		ipc_logout_cast(w->link.peer, &(struct ipc_logout){ .handle = i });
	task_sleep(w->s, 10);
	assert_int_equal(w->n_seen, 64);
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(w->seen[i], i);
	w->n_seen = 0;
	ipc_changed_cast(w->server, &(struct ipc_changed){ .handle = 42, .sel = 1 });
	ipc_changed_cast(NULL, &(struct ipc_changed){ .handle = 42, .sel = 1 });
	task_sleep(w->s, 10);
	assert_int_equal(w->n_seen, 1);
	assert_int_equal(w->seen[0], 42);
}

static void casts_arrive_in_order(void **state)
{
	struct world *w = world_new();

	(void)state;
	connect_roles(w, ROLE_EDGE_USER, ROLE_STORE);
	play(w, cast_in_order);
	world_end(w);
}

static void be_late(struct world *w)
{
	int64_t before_ms = sched_now_ms(w->s);
	struct ipc_status_reply r = { .id = 9 };

	assert_int_equal(ask_status(w, 1000, 100, &r), UNANSWERED);
	assert_int_equal(sched_now_ms(w->s), before_ms + 100);
	assert_int_equal(r.id, 0);
	task_sleep(w->s, 2000); /* the late answer comes and goes */
	assert_int_equal(w->n_served, 1);
	assert_int_equal(ask_status(w, 1, 100, &r), OK);
	assert_int_equal(ask_status(w, 50, NEVER_MS, &r), OK);
}

static void a_late_reply_is_dropped_and_the_channel_lives(void **state)
{
	struct world *w = world_new();

	(void)state;
	connect_roles(w, ROLE_EDGE_USER, ROLE_STORE);
	play(w, be_late);
	assert_int_equal(w->n_gone, 0);
	world_end(w);
}

static void be_cancelled(struct world *w)
{
	struct asker x = { .w = w, .ms = 1000, .timeout_ms = 5000, .result = OK };
	struct task *t = task_spawn(w->s, "asker", ask, &x);

	task_sleep(w->s, 10);
	task_cancel(t);
	task_sleep(w->s, 1);
	assert_int_equal(w->n_done, 1);
	assert_int_equal(x.result, UNANSWERED);
}

static void a_cancelled_caller_leaves_at_once(void **state)
{
	struct world *w = world_new();

	(void)state;
	connect_roles(w, ROLE_EDGE_USER, ROLE_STORE);
	play(w, be_cancelled);
	world_end(w);
}

/* ---- ends */

static void lose_the_server(struct world *w)
{
	struct asker *x = mem_array(3, sizeof *x);
	int64_t now_ms = sched_now_ms(w->s);

	for (int i = 0; i < 3; i++) {
		x[i] = (struct asker){ .w = w, .ms = 1000, .timeout_ms = 5000, .result = OK };
		task_spawn(w->s, "asker", ask, &x[i]);
	}
	task_sleep(w->s, 10);
	assert_int_equal(w->n_running, 3);
	peer_close(w->server);
	assert_true(peer_is_lost(w->server));
	task_sleep(w->s, 10);
	assert_int_equal(w->n_done, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(x[i].result, UNANSWERED);
	assert_null(w->link.peer);
	assert_int_equal(w->n_gone, 0); /* handlers are still at work */
	task_sleep(w->s, 1500);
	assert_int_equal(w->n_gone, 1);
	/* Nobody is there: the call waits for its deadline. */
	now_ms = sched_now_ms(w->s);
	assert_int_equal(ask_status(w, 0, 300, &x[0].reply), TRY_LATER);
	assert_int_equal(sched_now_ms(w->s), now_ms + 300);
	/* A new process comes meanwhile. */
	x[0] = (struct asker){ .w = w, .ms = 1, .timeout_ms = 5000, .result = FAILED };
	task_spawn(w->s, "asker", ask, &x[0]);
	task_sleep(w->s, 100);
	connect_roles(w, ROLE_EDGE_USER, ROLE_STORE);
	task_sleep(w->s, 100);
	assert_int_equal(x[0].result, OK);
	free(x);
}

static void calls_end_with_their_peer(void **state)
{
	struct world *w = world_new();

	(void)state;
	connect_roles(w, ROLE_EDGE_USER, ROLE_STORE);
	play(w, lose_the_server);
	world_end(w);
}

static void close_the_link(struct world *w)
{
	struct asker x = { .w = w, .timeout_ms = NEVER_MS, .result = OK };

	task_spawn(w->s, "asker", ask, &x);
	task_sleep(w->s, 10);
	assert_int_equal(w->n_done, 0);
	link_close(&w->link);
	task_sleep(w->s, 1);
	assert_int_equal(w->n_done, 1);
	assert_int_equal(x.result, TRY_LATER);
}

static void a_closed_link_waits_for_nobody(void **state)
{
	struct world *w = world_new();

	(void)state;
	play(w, close_the_link);
	world_end(w);
}

/* The caller closes its own end with calls under way, the tasks run to their end. */
static void winding_down_ends_all_tasks(void **state)
{
	struct world *w = world_new();
	struct asker x[4];

	(void)state;
	connect_roles(w, ROLE_EDGE_USER, ROLE_STORE);
	for (int i = 0; i < 4; i++) {
		x[i] = (struct asker){ .w = w, .ms = 100, .timeout_ms = NEVER_MS, .result = OK };
		task_spawn(w->s, "asker", ask, &x[i]);
	}
	world_end(w);
	for (int i = 0; i < 4; i++)
		assert_int_equal(x[i].result, TRY_LATER);
}

/* ---- letters and descriptors */

static enum outcome append(struct world *w, const struct body *b, uint32_t *uid)
{
	struct ipc_append m = { .mailbox = STR("INBOX"), .body = *b };
	struct ipc_append_reply r;
	enum outcome o = ipc_append(&w->link, &m, &r, NULL);

	*uid = r.uid;
	return o;
}

static void send_letters(struct world *w)
{
	static const size_t sizes[] = { 0, 1, 10000, BODY_INLINE_MAX, BODY_INLINE_MAX + 1, 1000000 };
	char *letter = mem_alloc(1000000);

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct body_budget budget = { .max = 1 << 20 };
		struct body_writer writer;
		struct body b;
		uint32_t uid;

		memset(letter, (int)i + 1, 1000000);
		body_writer_open(&writer, &budget, 1 << 20);
		body_writer_add(&writer, str_of(letter, sizes[i]));
		assert_int_equal(body_writer_seal(&writer, &b), OK);
		assert_int_equal(append(w, &b, &uid), OK);
		assert_int_equal(uid, sizes[i] ? i + 1 : 0);
		body_writer_close(&writer);
	}
	free(letter);
}

static void letters_arrive_inline_and_sealed(void **state)
{
	struct world *w = world_new();

	(void)state;
	connect_roles(w, ROLE_EDGE_USER, ROLE_POST);
	play(w, send_letters);
	assert_int_equal(w->taken_fd, -1);
	w->take = true;
	play(w, send_letters);
	assert_int_equal(lseek(w->taken_fd, 0, SEEK_END), 1000000);
	world_end(w);
}

static void send_unsound(struct world *w, int fd, uint64_t size)
{
	struct body b = { .size = size, .fd = fd };
	uint32_t uid;

	assert_int_equal(append(w, &b, &uid), UNANSWERED);
	assert_null(w->link.peer);
	close(fd);
}

static void send_unsealed(struct world *w)
{
	int fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, 100000), 0);
	send_unsound(w, fd, 100000);
}

static void send_misjudged(struct world *w)
{
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, 100000), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	send_unsound(w, fd, 100001);
}

static void unsound_letters_end_the_channel(void **state)
{
	void (*const scripts[])(struct world *) = { send_unsealed, send_misjudged };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world *w = world_new();

		connect_roles(w, ROLE_EDGE_USER, ROLE_POST);
		play(w, scripts[i]);
		assert_int_equal(w->n_served, 0);
		world_end(w);
	}
}

static void pass_descriptors(struct world *w)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	ipc_listener_cast(w->link.peer, &(struct ipc_listener){ .number = 1, .socket = null });
	task_sleep(w->s, 1);
	assert_int_equal(w->n_served, 1);
	assert_int_equal(w->taken_fd, -1);
	w->take = true;
	ipc_listener_cast(w->link.peer, &(struct ipc_listener){ .number = 1, .socket = null });
	close(null);
	task_sleep(w->s, 1);
	assert_int_equal(w->n_served, 2);
	assert_true(fcntl(w->taken_fd, F_GETFD) & FD_CLOEXEC);
}

static void descriptors_are_closed_unless_taken(void **state)
{
	struct world *w = world_new();

	(void)state;
	connect_roles(w, ROLE_MASTER, ROLE_EDGE_USER);
	play(w, pass_descriptors);
	world_end(w);
}

/* No place for another descriptor. */
static void run_short(struct world *w)
{
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct body b = { .size = 100000, .fd = fd };
	struct rlimit before, now;
	uint32_t uid;

	assert_int_equal(ftruncate(fd, 100000), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	getrlimit(RLIMIT_NOFILE, &before);
	now = (struct rlimit){ 3, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	assert_int_equal(append(w, &b, &uid), TRY_LATER);
	assert_int_equal(w->n_served, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(append(w, &b, &uid), OK);
	close(fd);
}

static void without_room_for_a_descriptor_the_call_may_try_later(void **state)
{
	struct world *w = world_new();

	(void)state;
	connect_roles(w, ROLE_EDGE_USER, ROLE_POST);
	play(w, run_short);
	assert_int_equal(w->n_gone, 0);
	world_end(w);
}

/* ---- full sockets */

static void read_large(void *arg)
{
	struct asker *x = arg;
	struct ipc_read_body_reply r;
	struct arena a;

	arena_init(&a, "test", IPC_REPLY_MEMORY);
	x->result = ipc_read_body_within(
		&x->w->link, &(struct ipc_read_body){ .n = IPC_READ_BODY_BYTES_MAX }, &r, &a, 60000);
	if (x->result == OK && r.bytes.n != IPC_READ_BODY_BYTES_MAX)
		x->result = FAILED;
	arena_fini(&a);
	x->w->n_done++;
}

static void send_large(void *arg)
{
	static char letter[BODY_INLINE_MAX] = { [BODY_INLINE_MAX - 1] = 7 };
	struct asker *x = arg;
	struct body b = body_of(str_of(letter, sizeof letter));
	uint32_t uid;

	x->result = append(x->w, &b, &uid);
	if (x->result == OK && uid != 7)
		x->result = FAILED;
	x->w->n_done++;
}

static void wait_all(struct world *w)
{
	for (int i = 0; w->n_done < 600 && i < 60000; i++)
		task_sleep(w->s, 1);
}

static void a_full_socket_delays_and_loses_nothing(void **state)
{
	void (*const fns[])(void *) = { read_large, send_large };

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct world *w = world_new();
		struct asker *x = mem_array(600, sizeof *x);

		connect_roles(w, ROLE_EDGE_USER, k ? ROLE_POST : ROLE_STORE);
		for (int i = 0; i < 600; i++) {
			x[i] = (struct asker){ .w = w, .result = FAILED };
			task_spawn(w->s, "asker", fns[k], &x[i]);
		}
		play(w, wait_all);
		assert_int_equal(w->n_done, 600);
		for (int i = 0; i < 600; i++)
			assert_int_equal(x[i].result, OK);
		free(x);
		world_end(w);
	}
}

/* ---- a hostile other end */

static void raw_send(struct world *w, const void *p, size_t n, const int *fds, size_t n_fds)
{
	struct iovec iov = { (void *)(uintptr_t)p, n };
	char room[CMSG_SPACE(8 * sizeof(int))] = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds) {
		msg.msg_control = room;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(w->raw, &msg, MSG_DONTWAIT | MSG_NOSIGNAL), n);
}

/* A header and n bytes of fields. */
static void raw_record(struct world *w, const struct ipc_header *h, const char *fields, size_t n)
{
	char *bytes = mem_alloc(IPC_HEADER_SIZE + n);
	struct ipc_out o = { .p = bytes, .max = IPC_HEADER_SIZE + n, .fd = -1 };

	ipc_put_header(&o, h);
	ipc_put(&o, fields, n, "test");
	raw_send(w, bytes, o.n, NULL, 0);
	free(bytes);
}

static void raw_hello(struct world *w)
{
	raw_record(w, &(struct ipc_header){ .id = ipc_schema_hash, .type = ROLE_EDGE_USER, .kind = IPC_KIND_HELLO },
		NULL, 0);
}

/* handle, and an empty name */
static const char status_fields[12] = { 0 };
#define STATUS ((struct ipc_header){ .id = 1, .type = IPC_STATUS, .kind = IPC_KIND_CALL })

static void say_nothing_first(struct world *w)
{
	raw_record(w, &STATUS, status_fields, sizeof status_fields);
}

static void say_another_version(struct world *w)
{
	raw_record(w, &(struct ipc_header){ .id = ipc_schema_hash ^ 1, .type = ROLE_EDGE_USER, .kind = IPC_KIND_HELLO },
		NULL, 0);
}

static void say_another_role(struct world *w)
{
	raw_record(w, &(struct ipc_header){ .id = ipc_schema_hash, .type = ROLE_CTL, .kind = IPC_KIND_HELLO }, NULL, 0);
}

static void say_hello_twice(struct world *w)
{
	raw_hello(w);
	raw_hello(w);
}

static void say_garbage(struct world *w)
{
	raw_hello(w);
	raw_send(w, "garbage", 7, NULL, 0);
}

static void say_unknown_kind(struct world *w)
{
	raw_hello(w);
	raw_record(w, &(struct ipc_header){ .type = IPC_STATUS, .kind = IPC_KIND_COUNT }, NULL, 0);
}

static void say_unknown_type(struct world *w)
{
	raw_hello(w);
	raw_record(w, &(struct ipc_header){ .type = IPC_TYPE_COUNT, .kind = IPC_KIND_CALL }, NULL, 0);
}

/* Legal from ctl alone. */
static void say_anothers(struct world *w)
{
	raw_hello(w);
	raw_record(w, &(struct ipc_header){ .id = 1, .type = IPC_STORE_STATUS, .kind = IPC_KIND_CALL }, NULL, 0);
}

static void say_unserved(struct world *w)
{
	raw_hello(w);
	raw_record(w, &(struct ipc_header){ .id = 1, .type = IPC_FETCH, .kind = IPC_KIND_CALL }, NULL, 0);
}

static void cast_a_call(struct world *w)
{
	raw_hello(w);
	raw_record(w, &(struct ipc_header){ .type = IPC_STATUS, .kind = IPC_KIND_CAST }, status_fields,
		sizeof status_fields);
}

static void call_a_cast(struct world *w)
{
	raw_hello(w);
	raw_record(w, &(struct ipc_header){ .id = 1, .type = IPC_LOGOUT, .kind = IPC_KIND_CALL }, status_fields, 8);
}

static void call_cut_short(struct world *w)
{
	raw_hello(w);
	raw_record(w, &STATUS, status_fields, sizeof status_fields - 1);
}

static void call_too_long(struct world *w)
{
	raw_hello(w);
	raw_record(w, &STATUS, "0123456789abc", 13);
}

static void call_beyond_a_limit(struct world *w)
{
	char *fields = mem_alloc(12 + 2000);

	fields[8] = (char)(1025 & 255);
	fields[9] = 1025 >> 8;
	raw_hello(w);
	raw_record(w, &STATUS, fields, 12 + 1025);
	free(fields);
}

static void call_with_outcome(struct world *w)
{
	raw_hello(w);
	raw_record(
		w, &(struct ipc_header){ .type = IPC_STATUS, .kind = IPC_KIND_CALL, .outcome = 1 }, status_fields, 12);
}

static void answer_nothing_asked(struct world *w)
{
	raw_hello(w);
	raw_record(w, &(struct ipc_header){ .type = IPC_STATUS, .kind = IPC_KIND_REPLY, .outcome = FAILED }, NULL, 0);
}

static void bring_descriptors(struct world *w, size_t n)
{
	int fds[8] = { 0 };
	struct ipc_header h = STATUS;
	char bytes[IPC_HEADER_SIZE + sizeof status_fields] = { 0 };
	struct ipc_out o = { .p = bytes, .max = sizeof bytes, .fd = -1 };

	ipc_put_header(&o, &h);
	raw_hello(w);
	raw_send(w, bytes, sizeof bytes, fds, n);
}

static void bring_one_descriptor(struct world *w)
{
	bring_descriptors(w, 1);
}

static void bring_two_descriptors(struct world *w)
{
	bring_descriptors(w, 2);
}

static void bring_many_descriptors(struct world *w)
{
	bring_descriptors(w, 8);
}

static void greet_with_a_descriptor(struct world *w)
{
	char hello[IPC_HEADER_SIZE];
	int fd = 0;

	wire_hello(hello, ROLE_EDGE_USER);
	raw_send(w, hello, sizeof hello, &fd, 1);
}

static void send_too_much(struct world *w)
{
	char *big = mem_alloc(IPC_RECORD_MAX + 1);

	raw_hello(w);
	raw_send(w, big, IPC_RECORD_MAX + 1, NULL, 0);
	free(big);
}

static void send_an_empty_record(struct world *w)
{
	raw_hello(w);
	raw_send(w, "", 0, NULL, 0);
}

static void hang_up(struct world *w)
{
	close(w->raw);
	w->raw = -1;
}

static void whatever_is_not_legal_ends_the_channel(void **state)
{
	void (*const wrongs[])(struct world *) = { say_nothing_first, say_another_version, say_another_role,
		say_hello_twice, say_garbage, say_unknown_kind, say_unknown_type, say_anothers, say_unserved,
		cast_a_call, call_a_cast, call_cut_short, call_too_long, call_beyond_a_limit, call_with_outcome,
		answer_nothing_asked, bring_one_descriptor, bring_two_descriptors, bring_many_descriptors,
		greet_with_a_descriptor, send_too_much, send_an_empty_record, hang_up };

	(void)state;
	for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
		struct world *w = world_new();
		int fds[2];

		ipc_channel(fds);
		w->raw = fds[1];
		open_server(w, ROLE_STORE, ROLE_EDGE_USER, fds[0]);
		wrongs[i](w);
		sched_run(w->s); /* until no task is left */
		if (w->n_gone != 1 || w->n_served != 0)
			fail_msg("wrong %zu went unpunished", i);
		world_end(w);
	}
}

/* A server that answers wrongly. */
struct wrong_reply {
	struct ipc_header header; /* id is filled in */
	size_t n;
	int times;
};

static void hostile_server(struct world *w, const struct wrong_reply *x, enum outcome want)
{
	struct peer_opts opts = { .sched = w->s, .log = &w->log, .self = ROLE_EDGE_USER, .other = ROLE_STORE };
	struct asker asker = { .w = w, .timeout_ms = 1000, .result = FAILED };
	char record[256];
	int fds[2];

	ipc_channel(fds);
	w->raw = fds[1];
	opts.fd = fds[0];
	link_set(&w->link, peer_open(&opts));
	task_spawn(w->s, "asker", ask, &asker);
	raw_record(
		w, &(struct ipc_header){ .id = ipc_schema_hash, .type = ROLE_STORE, .kind = IPC_KIND_HELLO }, NULL, 0);
	task_sleep(w->s, 1);
	assert_int_equal(recv(w->raw, record, sizeof record, 0), IPC_HEADER_SIZE);
	ssize_t n = recv(w->raw, record, sizeof record, 0);
	struct cur c = cur_of(str_of(record, (size_t)n));
	struct ipc_header h = x->header, asked = ipc_get_header(&c);
	char fields[256] = { 0 };
	h.id += asked.id;
	for (int i = 0; i < x->times; i++)
		raw_record(w, &h, fields, x->n);
	task_sleep(w->s, 1);
	assert_int_equal(w->n_done, 1);
	assert_int_equal(asker.result, want);
	assert_null(w->link.peer);
}

#define STATUS_REPLY                                                                                                   \
	{                                                                                                              \
		.type = IPC_STATUS, .kind = IPC_KIND_REPLY                                                             \
	}
#define STATUS_REPLY_SIZE (IPC_STATUS_REPLY_FIXED - IPC_HEADER_SIZE)

static void reply_twice(struct world *w)
{
	hostile_server(w, &(struct wrong_reply){ STATUS_REPLY, STATUS_REPLY_SIZE, 2 }, OK);
}

static void reply_cut_short(struct world *w)
{
	hostile_server(w, &(struct wrong_reply){ STATUS_REPLY, STATUS_REPLY_SIZE - 1, 1 }, UNANSWERED);
}

static void reply_without_fields(struct world *w)
{
	hostile_server(w, &(struct wrong_reply){ STATUS_REPLY, 0, 1 }, UNANSWERED);
}

static void reply_of_another_type(struct world *w)
{
	hostile_server(w, &(struct wrong_reply){ { .type = IPC_UNSELECT, .kind = IPC_KIND_REPLY }, 0, 1 }, UNANSWERED);
}

static void reply_to_another_id(struct world *w)
{
	hostile_server(w,
		&(struct wrong_reply){ { .id = 1, .type = IPC_STATUS, .kind = IPC_KIND_REPLY }, STATUS_REPLY_SIZE, 1 },
		UNANSWERED);
}

static void reply_to_another_turn(struct world *w)
{
	struct ipc_header h = { .id = UINT64_C(1) << 32, .type = IPC_STATUS, .kind = IPC_KIND_REPLY };

	hostile_server(w, &(struct wrong_reply){ h, STATUS_REPLY_SIZE, 1 }, UNANSWERED);
}

static void reply_with_no_outcome(struct world *w)
{
	struct ipc_header h = { .type = IPC_STATUS, .kind = IPC_KIND_REPLY, .outcome = OUTCOME_COUNT };

	hostile_server(w, &(struct wrong_reply){ h, 0, 1 }, UNANSWERED);
}

static void wrong_replies_end_the_channel(void **state)
{
	void (*const wrongs[])(struct world *) = { reply_twice, reply_cut_short, reply_without_fields,
		reply_of_another_type, reply_to_another_id, reply_to_another_turn, reply_with_no_outcome };

	(void)state;
	for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
		struct world *w = world_new();

		play(w, wrongs[i]);
		w->server = NULL;
		world_end(w);
	}
}

/* The other end reads nothing: casts are kept up to a bound. */
static void cast_to_the_deaf(struct world *w)
{
	int n = 0;

	raw_hello(w);
	task_sleep(w->s, 1);
	for (; n < 1000000 && !peer_is_lost(w->server); n++)
		ipc_changed_cast(w->server, &(struct ipc_changed){ .handle = 1, .sel = 1 });
	assert_true(n > 8 * 1024 * 1024 / 24);
	assert_true(n < 1000000);
}

static void who_does_not_read_is_dropped(void **state)
{
	struct world *w = world_new();
	int fds[2];

	(void)state;
	ipc_channel(fds);
	w->raw = fds[1];
	open_server(w, ROLE_STORE, ROLE_EDGE_USER, fds[0]);
	play(w, cast_to_the_deaf);
	world_end(w);
}

/* It asks for large answers and never reads them: the server stops reading, and holds a bounded amount. */
static void ask_and_never_read(struct world *w)
{
	char fields[8 + 4 + 4 + 4 + 4] = { 0 };
	size_t sent = 0;
	uint32_t n = htole32(IPC_READ_BODY_BYTES_MAX);

	memcpy(fields + 20, &n, 4);
	raw_hello(w);
	for (uint64_t i = 0; i < 5000; i++) {
		char bytes[IPC_HEADER_SIZE + sizeof fields];
		struct ipc_out o = { .p = bytes, .max = sizeof bytes, .fd = -1 };

		ipc_put_header(&o, &(struct ipc_header){ .id = i, .type = IPC_READ_BODY, .kind = IPC_KIND_CALL });
		ipc_put(&o, fields, sizeof fields, "test");
		if (send(w->raw, bytes, o.n, MSG_DONTWAIT) < 0)
			task_sleep(w->s, 1);
		else
			sent++;
	}
	assert_true(sent < 2000); /* the rest found no room in the socket */
	assert_false(peer_is_lost(w->server));
}

static void who_asks_without_reading_is_not_read(void **state)
{
	struct world *w = world_new();
	int fds[2];

	(void)state;
	ipc_channel(fds);
	w->raw = fds[1];
	open_server(w, ROLE_STORE, ROLE_EDGE_USER, fds[0]);
	play(w, ask_and_never_read);
	world_end(w);
}

/* ---- the blocking client, in a thread of its own */

static void *blocking_client(void *arg)
{
	struct world *w = arg;
	struct ipc_sync_got got;
	struct ipc_status_reply r;
	struct ipc_mailboxes_reply boxes;
	struct arena a;
	struct ipc_status slow = { .handle = 200 }, quick = { .handle = 1, .name = STR("abc") };
	intptr_t bad = 0;

	arena_init(&a, "test", IPC_REPLY_MEMORY);
	bad |= (ipc_sync_hello(w->raw, ROLE_EDGE_USER, ROLE_STORE, 5000) != OK) << 0;
	bad |= (ipc_sync_call(w->raw, IPC_STATUS, &slow, &r, NULL, 20) != TRY_LATER) << 1;
	bad |= (ipc_sync_call(w->raw, IPC_STATUS, &quick, &r, NULL, 5000) != OK || r.id != 1 || r.messages != 3) << 2;
	/* The answer to the first comes before this one's. */
	slow.handle = 400;
	bad |= (ipc_sync_call(w->raw, IPC_STATUS, &slow, &r, NULL, 5000) != OK || r.id != 400) << 3;
	bad |= (ipc_sync_call(w->raw, IPC_MAILBOXES, &(struct ipc_mailboxes){ 0 }, &boxes, &a, 5000) != OK ||
		       boxes.n_list != 3)
	       << 4;
	bad |= (ipc_sync_cast(w->raw, IPC_LOGOUT, &(struct ipc_logout){ .handle = 3 }, 5000) != OK) << 5;
	bad |= (ipc_sync_next(w->raw, ROLE_EDGE_USER, ROLE_STORE, &got, &a, 5000) != OK || got.type != IPC_CHANGED ||
		       ((const struct ipc_changed *)got.msg)->sel != 5)
	       << 6;
	bad |= (ipc_sync_next(w->raw, ROLE_EDGE_USER, ROLE_STORE, &got, &a, 20) != TRY_LATER) << 7;
	arena_fini(&a);
	shutdown(w->raw, SHUT_RDWR);
	return (void *)bad;
}

static void change_after_logout(void *arg)
{
	struct world *w = arg;

	while (w->n_seen == 0)
		task_sleep(w->s, 5);
	ipc_changed_cast(w->server, &(struct ipc_changed){ .sel = 5 });
}

static void a_blocking_client_is_served(void **state)
{
	struct world *w = world_new();
	pthread_t thread;
	void *bad;
	int fds[2];

	(void)state;
	sched_free(w->s);
	w->s = sched_new(NULL);
	link_init(&w->link, w->s);
	ipc_channel(fds);
	w->raw = fds[1];
	open_server(w, ROLE_STORE, ROLE_EDGE_USER, fds[0]);
	task_spawn(w->s, "change", change_after_logout, w);
	assert_int_equal(pthread_create(&thread, NULL, blocking_client, w), 0);
	sched_run(w->s);
	assert_int_equal(pthread_join(thread, &bad), 0);
	assert_int_equal((intptr_t)bad, 0);
	world_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_are_answered_where_they_were_asked),
		cmocka_unit_test(replies_come_out_of_order),
		cmocka_unit_test(casts_arrive_in_order),
		cmocka_unit_test(a_late_reply_is_dropped_and_the_channel_lives),
		cmocka_unit_test(a_cancelled_caller_leaves_at_once),
		cmocka_unit_test(calls_end_with_their_peer),
		cmocka_unit_test(a_closed_link_waits_for_nobody),
		cmocka_unit_test(winding_down_ends_all_tasks),
		cmocka_unit_test(letters_arrive_inline_and_sealed),
		cmocka_unit_test(unsound_letters_end_the_channel),
		cmocka_unit_test(descriptors_are_closed_unless_taken),
		cmocka_unit_test(without_room_for_a_descriptor_the_call_may_try_later),
		cmocka_unit_test(a_full_socket_delays_and_loses_nothing),
		cmocka_unit_test(whatever_is_not_legal_ends_the_channel),
		cmocka_unit_test(wrong_replies_end_the_channel),
		cmocka_unit_test(who_does_not_read_is_dropped),
		cmocka_unit_test(who_asks_without_reading_is_not_read),
		cmocka_unit_test(a_blocking_client_is_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
