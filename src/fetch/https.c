/* fetch/https.c - HTTPS requests. See the header.
 * Trust       what comes back is hostile; libcurl parses it, in a process that has nothing.
 * Owns        one curl multi handle and its sockets a request.
 * Suspends    in https_ask(). libcurl runs on the scheduler's stack and never waits.
 * Invariants  I1 a socket is watched from CURL_POLL_* to CURL_POLL_REMOVE or its close, whichever is first.
 */
#include "fetch/https.h"

#include "base/die.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKETS_MAX 4
#define LOOK_AGAIN_MS 20 /* when there are more sockets than can be waited for */

struct https {
	struct sched *sched;
	const struct tls_authorities *authorities;
	unsigned n_requests;
};

struct https *https_open(struct sched *s, const struct tls_authorities *authorities)
{
	struct https *h = mem_new(struct https);

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		die("fetch: libcurl does not start");
	h->sched = s;
	h->authorities = authorities;
	return h;
}

void https_close(struct https *h)
{
	if (!h)
		return;
	curl_global_cleanup();
	free(h);
}

/* ---- one request */

struct socket {
	curl_socket_t fd; /* -1: free */
	int wants;	  /* CURL_POLL_* */
	struct watch watch;
};

struct request {
	struct https *https;
	const struct https_request *ask;
	struct https_answer *out;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *resolve, *fields;
	struct socket sockets[SOCKETS_MAX];
	bool crowded; /* there is a socket that is not in the table */
	int64_t timer_ms;
	size_t n_header;
	bool over_size;
	bool done;
	CURLcode result;
	char error[CURL_ERROR_SIZE];
};

static struct socket *find_socket(struct request *r, curl_socket_t fd)
{
	for (size_t i = 0; i < SOCKETS_MAX; i++)
		if (r->sockets[i].fd == fd)
			return &r->sockets[i];
	return NULL;
}

static void unwatch(struct request *r, curl_socket_t fd)
{
	struct socket *x = find_socket(r, fd);

	if (!x)
		return;
	watch_close(&x->watch);
	x->fd = CURL_SOCKET_BAD;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *mine)
{
	struct request *r = arg;
	struct socket *x = find_socket(r, fd);

	(void)easy;
	(void)mine;
	if (what == CURL_POLL_REMOVE) {
		unwatch(r, fd);
		return 0;
	}
	if (!x) {
		x = find_socket(r, CURL_SOCKET_BAD);
		r->crowded = r->crowded || !x;
		if (!x)
			return 0;
		x->fd = fd;
		watch_open(&x->watch, r->https->sched, fd, WATCH_READ | WATCH_WRITE);
	}
	x->wants = what;
	return 0;
}

static int on_close(void *arg, curl_socket_t fd)
{
	unwatch(arg, fd);
	return close(fd);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct request *r = arg;

	(void)multi;
	r->timer_ms = timeout_ms < 0 ? NEVER_MS : sched_now_ms(r->https->sched) + timeout_ms;
	return 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct request *r = arg;

	(void)p;
	r->n_header += size * n;
	if (r->n_header <= HTTPS_HEADERS_MAX)
		return size * n;
	r->over_size = true;
	return 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct request *r = arg;

	buf_add(&r->out->bytes, str_of(p, size * n));
	if (!r->out->bytes.full)
		return size * n;
	r->over_size = true;
	return 0;
}

static CURLcode on_ssl(CURL *easy, void *ssl_ctx, void *arg)
{
	struct request *r = arg;

	(void)easy;
	tls_authorities_use(r->https->authorities, ssl_ctx);
	return CURLE_OK;
}

/* ---- making it */

static void set_target(struct request *r)
{
	const struct https_request *ask = r->ask;
	struct buf b;

	buf_init(&b, 4096);
	buf_addf(&b, "%.*s:%u:", STR_ARG(ask->host), ask->port);
	for (size_t i = 0; i < ask->n_addresses; i++)
		buf_addf(&b, str_find(ask->addresses[i], ':') >= 0 ? "%s[%.*s]" : "%s%.*s", i ? "," : "", STR_ARG(ask->addresses[i]));
	buf_addc(&b, 0);
	r->resolve = curl_slist_append(NULL, b.p);
	curl_easy_setopt(r->easy, CURLOPT_RESOLVE, r->resolve);
	buf_reset(&b);
	buf_addf(&b, "https://%.*s:%u%.*s", STR_ARG(ask->host), ask->port, STR_ARG(ask->path));
	buf_addc(&b, 0);
	curl_easy_setopt(r->easy, CURLOPT_URL, b.p);
	buf_fini(&b);
}

static void set_bounds(struct request *r)
{
	CURL *e = r->easy;

	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)r->ask->timeout_ms);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "Sallyport");
}

static void set_trust(struct request *r)
{
	CURL *e = r->easy;

	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(e, CURLOPT_CAINFO, NULL); /* those of the machine are files, and come by on_ssl */
	curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_ssl);
	curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, r);
}

static void set_calls(struct request *r)
{
	CURL *e = r->easy;

	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, r);
	curl_multi_setopt(r->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(r->multi, CURLMOPT_SOCKETDATA, r);
	curl_multi_setopt(r->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(r->multi, CURLMOPT_TIMERDATA, r);
}

static void set_post(struct request *r)
{
	char field[300];

	if (!r->ask->content_type)
		return;
	snprintf(field, sizeof field, "Content-Type: %s", r->ask->content_type);
	r->fields = curl_slist_append(NULL, field);
	r->fields = curl_slist_append(r->fields, "Expect:"); /* no waiting for 100 */
	curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->fields);
	curl_easy_setopt(r->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->ask->body.n);
	curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->ask->body.p ? r->ask->body.p : "");
}

static void collect(struct request *r)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(r->multi, &left)))
		if (m->msg == CURLMSG_DONE) {
			r->done = true;
			r->result = m->data.result;
		}
}

static void begin(void *arg)
{
	struct request *r = arg;

	r->multi = curl_multi_init();
	r->easy = curl_easy_init();
	if (!r->multi || !r->easy)
		die("fetch: no curl handle");
	set_bounds(r);
	set_trust(r);
	set_calls(r);
	set_target(r);
	set_post(r);
	curl_multi_add_handle(r->multi, r->easy);
}

/* ---- carrying it on */

static int ready_events(const struct socket *x)
{
	struct pollfd p = { .fd = x->fd, .events = (short)((x->wants & CURL_POLL_IN ? POLLIN : 0) | (x->wants & CURL_POLL_OUT ? POLLOUT : 0)) };

	if (!p.events || poll(&p, 1, 0) <= 0)
		return 0;
	return (p.revents & (POLLIN | POLLHUP) ? CURL_CSELECT_IN : 0) | (p.revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
		(p.revents & POLLERR ? CURL_CSELECT_ERR : 0);
}

/* Whatever is ready is handed on; true: something was. */
static bool carry_sockets(struct request *r)
{
	bool any = false;
	int running;

	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		struct socket *x = &r->sockets[i];
		int events = x->fd == CURL_SOCKET_BAD ? 0 : ready_events(x);

		if (events)
			curl_multi_socket_action(r->multi, x->fd, events, &running);
		any = any || events;
	}
	return any;
}

static void carry(void *arg)
{
	struct request *r = arg;
	int running;

	if (r->timer_ms <= sched_now_ms(r->https->sched) || r->crowded) {
		r->timer_ms = NEVER_MS;
		curl_multi_socket_action(r->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	for (unsigned steps = 0; steps < 64 && carry_sockets(r); steps++)
		;
	collect(r);
}

/* Readiness is told once: a flag that is cleared here and a look with poll() afterwards miss nothing. */
static SUSPENDS bool await(struct request *r, int64_t until)
{
	struct gate *gates[WAIT_GATES_MAX];
	size_t n = 0;
	int64_t at = r->timer_ms < until ? r->timer_ms : until;

	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		struct socket *x = &r->sockets[i];

		if (x->fd == CURL_SOCKET_BAD)
			continue;
		if (ready_events(x))
			return true;
		if ((x->wants & CURL_POLL_IN) && n < WAIT_GATES_MAX)
			gates[n++] = &x->watch.read_gate;
		if ((x->wants & CURL_POLL_OUT) && n < WAIT_GATES_MAX)
			gates[n++] = &x->watch.write_gate;
	}
	if ((r->crowded || n == WAIT_GATES_MAX) && at > sched_now_ms(r->https->sched) + LOOK_AGAIN_MS)
		at = sched_now_ms(r->https->sched) + LOOK_AGAIN_MS;
	return task_wait(r->https->sched, gates, n, at) != WAIT_STOP;
}

static void end(void *arg)
{
	struct request *r = arg;

	curl_multi_remove_handle(r->multi, r->easy);
	curl_easy_cleanup(r->easy);
	curl_multi_cleanup(r->multi);
	curl_slist_free_all(r->resolve);
	curl_slist_free_all(r->fields);
}

static bool is_bad_certificate(CURLcode c)
{
	return c == CURLE_PEER_FAILED_VERIFICATION || c == CURLE_SSL_ISSUER_ERROR || c == CURLE_SSL_INVALIDCERTSTATUS;
}

static void take_answer(void *arg)
{
	struct request *r = arg;
	struct https_answer *out = r->out;
	const char *type = NULL;
	long status = 0;

	if (r->over_size) {
		snprintf(out->why, sizeof out->why, "the answer is larger than %zu bytes, or its header than %u", r->ask->size_max, HTTPS_HEADERS_MAX);
	} else if (!r->done) {
		snprintf(out->why, sizeof out->why, "no answer in time");
	} else if (r->result != CURLE_OK) {
		out->certificate_bad = is_bad_certificate(r->result);
		snprintf(out->why, sizeof out->why, "%s", r->error[0] ? r->error : curl_easy_strerror(r->result));
	} else {
		curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(r->easy, CURLINFO_CONTENT_TYPE, &type);
		out->status = (unsigned)status;
		snprintf(out->content_type, sizeof out->content_type, "%s", type ? type : "");
	}
}

static bool is_path(struct str path)
{
	if (path.n == 0 || path.p[0] != '/')
		return false;
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] <= ' ' || path.p[i] >= 0x7f || path.p[i] == '#')
			return false;
	return true;
}

static bool is_host(struct str host)
{
	for (size_t i = 0; i < host.n; i++)
		if (!ascii_is_alnum(host.p[i]) && host.p[i] != '-' && host.p[i] != '.' && host.p[i] != '_')
			return false;
	return host.n > 0;
}

static bool is_address(struct str a)
{
	for (size_t i = 0; i < a.n; i++)
		if (!ascii_is_alnum(a.p[i]) && a.p[i] != '.' && a.p[i] != ':')
			return false;
	return a.n > 0;
}

static bool can_be_made(const struct https_request *r)
{
	for (size_t i = 0; i < r->n_addresses; i++)
		if (!is_address(r->addresses[i]))
			return false;
	return r->n_addresses > 0 && is_host(r->host) && is_path(r->path) && r->port;
}

SUSPENDS enum outcome https_ask(struct https *h, const struct https_request *ask, struct https_answer *out)
{
	int64_t until = sched_now_ms(h->sched) + ask->timeout_ms;
	struct request *r;

	memset(out, 0, sizeof *out);
	buf_init(&out->bytes, ask->size_max);
	if (!can_be_made(ask))
		return BAD_SYNTAX;
	if (h->n_requests >= HTTPS_AT_ONCE_MAX)
		return TRY_LATER;
	h->n_requests++;
	r = mem_new(struct request);
	r->https = h;
	r->ask = ask;
	r->out = out;
	for (size_t i = 0; i < SOCKETS_MAX; i++)
		r->sockets[i].fd = CURL_SOCKET_BAD;
	sched_call(h->sched, begin, r);
	do
		sched_call(h->sched, carry, r);
	while (!r->done && sched_now_ms(h->sched) < until && await(r, until));
	sched_call(h->sched, take_answer, r);
	sched_call(h->sched, end, r);
	free(r);
	h->n_requests--;
	return OK;
}
