/* ipc/codec.h - records as bytes: what the generated encoders and decoders are made of, and the table of all messages.
 *
 * A record is a header of 12 bytes (u64 id, u16 type, u8 kind, u8 outcome) and the message's fields in their order.
 * Integers are little-endian and of fixed width; a string is a u32 length and its bytes, a list a u32 count and its
 * elements, a body a u64 size and a u8 that says whether its bytes end the record (0) or a sealed memfd comes along (1).
 * An fd takes no byte. The encoding is canonical: what decodes encodes to the same bytes. A reply without fields after
 * its header is one whose outcome says it all.
 */
#ifndef SALLYPORT_IPC_CODEC_H
#define SALLYPORT_IPC_CODEC_H

#include "base/arena.h"
#include "base/cur.h"
#include "base/outcome.h"
#include "ipc/body.h"

#include <endian.h>
#include <string.h>

#define IPC_HEADER_SIZE 12
/* Memory that a record's copy and its decoded message take at most, in times its length; the generated code asserts. */
#define IPC_UNFOLD 8 /* IPC_REPLY_MEMORY / IPC_RECORD_MAX */

/* The hello's id is the schema hash and its type the sender's role. */
enum ipc_kind { IPC_KIND_HELLO, IPC_KIND_CALL, IPC_KIND_REPLY, IPC_KIND_CAST, IPC_KIND_COUNT };

struct ipc_header {
	uint64_t id; /* of the call; 0 in casts */
	uint16_t type;
	uint8_t kind;
	uint8_t outcome; /* 0 but in replies */
};

/* A record being written. Passing max, or a field's limit, is a bug of the caller and dies naming both. */
struct ipc_out {
	char *p; /* NULL: only counts */
	size_t n, max;
	struct str tail; /* a body's inline bytes, which follow p[0..n) and are not copied; n + tail.n <= max */
	int fd;          /* to be sent along, borrowed, or -1 */
	const char *message;
};

/* A record being read. */
struct ipc_in {
	struct cur cur;
	struct arena *arena; /* for lists */
	int fd;              /* that came along, or -1; stays the caller's */
	bool fd_used;
	uint64_t body_size;  /* found, of a body that came as a descriptor */
	bool short_of_fds;   /* a descriptor was lost on the way for want of room in our table: its field becomes -1 */
};

struct ipc_shape {
	size_t size; /* of the struct; 0: the message has no fields */
	void (*put)(struct ipc_out *o, const void *m);
	void (*get)(struct ipc_in *in, void *m);
	bool views;  /* it points into the record or the arena */
	bool fd, body;
	bool secret; /* its bytes are wiped after use */
};

struct ipc_desc {
	const char *name;
	bool cast;
	uint32_t from, to; /* bits 1 << enum role */
	struct ipc_shape request, reply;
};

extern const struct ipc_desc ipc_descs[]; /* by enum ipc_type */
extern const size_t ipc_n_descs;
extern const uint64_t ipc_schema_hash;

void ipc_put_header(struct ipc_out *o, const struct ipc_header *h);
struct ipc_header ipc_get_header(struct cur *c);
/* m: NULL when the message has no fields, or a reply needs none. */
void ipc_encode(struct ipc_out *o, const struct ipc_desc *d, const struct ipc_shape *s, const void *m);
/* m: zeroed, s->size bytes. False: the bytes are not exactly one such message. */
bool ipc_decode(struct ipc_in *in, const struct ipc_shape *s, void *m) MUST_USE;

/* For the generated code. field: its name, for the last words. */
_Noreturn void ipc_put_over(const struct ipc_out *o, const char *field, size_t n, size_t max);
void ipc_put_fd(struct ipc_out *o, int fd, const char *field);
void ipc_put_body(struct ipc_out *o, const struct body *b, const char *field);
int ipc_get_fd(struct ipc_in *in);
struct body ipc_get_body(struct ipc_in *in);
struct str ipc_get_str(struct ipc_in *in, size_t max);
/* Room for the elements that follow, at most max of them, each taking at least wire bytes of the record. */
void *ipc_get_list(struct ipc_in *in, size_t *n, size_t max, size_t wire, size_t size);

static inline void ipc_put(struct ipc_out *o, const void *p, size_t n, const char *field)
{
	if (__builtin_expect(n > o->max - o->n, 0))
		ipc_put_over(o, field, o->n + n, o->max);
	if (o->p && n)
		memcpy(o->p + o->n, p, n);
	o->n += n;
}

static inline void ipc_put_u64(struct ipc_out *o, uint64_t v)
{
	v = htole64(v);
	ipc_put(o, &v, sizeof v, "record");
}

static inline void ipc_put_u32(struct ipc_out *o, uint32_t v)
{
	v = htole32(v);
	ipc_put(o, &v, sizeof v, "record");
}

static inline void ipc_put_u16(struct ipc_out *o, uint16_t v)
{
	v = htole16(v);
	ipc_put(o, &v, sizeof v, "record");
}

static inline void ipc_put_u8(struct ipc_out *o, uint8_t v)
{
	ipc_put(o, &v, sizeof v, "record");
}

static inline void ipc_put_count(struct ipc_out *o, size_t n, size_t max, const char *field)
{
	if (__builtin_expect(n > max, 0))
		ipc_put_over(o, field, n, max);
	ipc_put_u32(o, (uint32_t)n);
}

static inline void ipc_put_str(struct ipc_out *o, struct str s, size_t max, const char *field)
{
	ipc_put_count(o, s.n, max, field);
	ipc_put(o, s.p, s.n, field);
}

#endif
