/* http/metrics.c - GET /metrics: what the server counts, as Prometheus reads it (text format 0.0.4).
 * Trust       runs in edge; whoever reaches the listener may read the counters: they name no account and no address.
 */
#include "http/session.h"

static SUSPENDS void serve(struct door *d, const struct http_request *r, struct arena *a, struct http_reply *out)
{
	if (r->method == HTTP_UNKNOWN) {
		out->status = 501;
	} else if (!str_eq(r->path, STR("/metrics"))) {
		out->status = 404;
		out->text = STR("There is one page here: /metrics\n");
	} else if (r->method != HTTP_GET && r->method != HTTP_HEAD) {
		out->status = 405;
		out->allow = "GET, HEAD";
	} else {
		out->status = door_metrics(d, a, &out->text) == OK ? 200 : 503;
		out->type = STR("text/plain; version=0.0.4; charset=utf-8");
	}
}

void metrics_session(struct door *d)
{
	http_serve(d, serve);
}
