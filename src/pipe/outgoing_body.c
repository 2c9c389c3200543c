/* pipe/outgoing_body.c - the bytes of a letter that attempts to several destinations share. See outgoing_impl.h.
 * Invariants  B1 what is held is counted in the budget.
 */
#include "pipe/outgoing_impl.h"

#include <fcntl.h>
#include <unistd.h>

static bool copy(struct body *to, const struct body *from)
{
	char *bytes;

	*to = *from;
	if (from->fd >= 0) {
		to->fd = fcntl(from->fd, F_DUPFD_CLOEXEC, 10);
		return to->fd >= 0;
	}
	bytes = mem_alloc(from->inl.n + 1);
	memcpy(bytes, from->inl.p, from->inl.n);
	to->inl = str_of(bytes, from->inl.n);
	return true;
}

struct shared_body *shared_body_new(struct body_budget *budget, const struct body *body)
{
	struct shared_body *s;

	if (!body_budget_has(budget, body->size))
		return NULL;
	s = mem_new(struct shared_body);
	*s = (struct shared_body){ .n_users = 1, .budget = budget };
	if (!copy(&s->body, body)) {
		free(s);
		return NULL;
	}
	budget->used += body->size;
	return s;
}

void shared_body_put(struct shared_body *s)
{
	if (!s || --s->n_users)
		return;
	s->budget->used -= s->body.size;
	if (s->body.fd >= 0)
		close(s->body.fd);
	else
		free((char *)(uintptr_t)s->body.inl.p);
	free(s);
}
