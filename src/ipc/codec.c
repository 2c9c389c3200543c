/* ipc/codec.c - records as bytes. See the header.
 * Purpose     what the generated codecs share: headers, descriptors, bodies, bounded lists.
 * Trust       decodes what other roles send: every length and count is checked before it is believed.
 * Invariants  I1 a decoded view lies within the record or the arena.
 *             I2 memory for a list is taken only when the record is long enough for all its elements.
 */
#include "ipc/codec.h"

#include "base/die.h"
#include "ipc/peer.h"

void ipc_put_header(struct ipc_out *o, const struct ipc_header *h)
{
	ipc_put_u64(o, h->id);
	ipc_put_u16(o, h->type);
	ipc_put_u8(o, h->kind);
	ipc_put_u8(o, h->outcome);
}

struct ipc_header ipc_get_header(struct cur *c)
{
	struct ipc_header h = { .id = cur_le64(c) };

	h.type = cur_le16(c);
	h.kind = cur_le8(c);
	h.outcome = cur_le8(c);
	return h;
}

void ipc_put_over(const struct ipc_out *o, const char *field, size_t n, size_t max)
{
	die("ipc: message %s, %s: %zu where %zu is the most", o->message, field, n, max);
}

void ipc_put_fd(struct ipc_out *o, int fd, const char *field)
{
	if (fd < 0)
		die("ipc: message %s, %s: no descriptor", o->message, field);
	o->fd = fd;
}

void ipc_put_body(struct ipc_out *o, const struct body *b, const char *field)
{
	ipc_put_u64(o, b->size);
	ipc_put_u8(o, b->fd >= 0);
	if (b->fd >= 0) {
		o->fd = b->fd;
		return;
	}
	if (b->size != b->inl.n || b->size > BODY_INLINE_MAX)
		ipc_put_over(o, field, b->inl.n, BODY_INLINE_MAX);
	o->tail = b->inl;
}

int ipc_get_fd(struct ipc_in *in)
{
	if (in->fd < 0 && !in->short_of_fds)
		cur_fail(&in->cur);
	in->fd_used = true;
	return in->fd;
}

struct body ipc_get_body(struct ipc_in *in)
{
	struct body b = { .size = cur_le64(&in->cur), .fd = -1 };
	uint8_t how = cur_le8(&in->cur);

	if (how == 1) {
		b.fd = ipc_get_fd(in);
		in->body_size = b.size;
	} else if (how == 0 && b.size <= BODY_INLINE_MAX)
		b.inl = cur_bytes(&in->cur, b.size);
	else
		cur_fail(&in->cur);
	return b;
}

struct str ipc_get_str(struct ipc_in *in, size_t max)
{
	size_t n = cur_le32(&in->cur);

	if (n > max)
		cur_fail(&in->cur);
	return cur_bytes(&in->cur, n);
}

void *ipc_get_list(struct ipc_in *in, size_t *n, size_t max, size_t wire, size_t size)
{
	size_t count = cur_le32(&in->cur);

	if (count > max || count > cur_left(&in->cur) / wire)
		cur_fail(&in->cur);
	*n = cur_ok(&in->cur) ? count : 0;
	return *n ? arena_array(in->arena, *n, size) : NULL;
}

void ipc_encode(struct ipc_out *o, const struct ipc_desc *d, const struct ipc_shape *s, const void *m)
{
	o->message = d->name;
	if (m) {
		die_unless(s->size != 0, "ipc: a message without fields was given some");
		s->put(o, m);
	}
	if (o->tail.n > o->max - o->n)
		ipc_put_over(o, "record", o->n + o->tail.n, o->max);
}

bool ipc_decode(struct ipc_in *in, const struct ipc_shape *s, void *m)
{
	if (s->size)
		s->get(in, m);
	return cur_done(&in->cur) && in->fd_used == (in->fd >= 0 || in->short_of_fds);
}

size_t ipc_size(int type, bool reply, const void *m)
{
	struct ipc_out o = { .n = IPC_HEADER_SIZE, .max = SIZE_MAX, .fd = -1 };

	ipc_encode(&o, &ipc_descs[type], reply ? &ipc_descs[type].reply : &ipc_descs[type].request, m);
	return o.n + o.tail.n;
}
