/* dns/answer.c - questions and answers of DNS as packets. See the header.
 * Trust       packets are hostile: whoever guesses an id and a port may have made them.
 * Invariants  I1 a compression pointer leads to before the piece of name that holds it, so reading a name ends.
 *             I2 an answer holds records of the question's type whose owner is the question's name or one that CNAMEs led to.
 */
#include "dns/answer.h"

#include "base/cur.h"

#include <string.h>
#include <sys/socket.h>

#define CLASS_IN 1
#define TYPE_OPT 41
#define HEADER_SIZE 12
#define LABEL_MAX 63
#define NAME_MAX 255
#define FLAG_QR 0x8000
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define FLAG_AD 0x0020

static const struct {
	enum dns_type type;
	const char *name;
} types[] = {
	{ DNS_A, "A" }, { DNS_NS, "NS" }, { DNS_CNAME, "CNAME" }, { DNS_SOA, "SOA" }, { DNS_PTR, "PTR" }, { DNS_MX, "MX" }, { DNS_TXT, "TXT" },
	{ DNS_AAAA, "AAAA" }, { DNS_SRV, "SRV" }, { DNS_TLSA, "TLSA" }, { DNS_CAA, "CAA" },
};
#define N_TYPES (sizeof types / sizeof *types)

const char *dns_result_name(enum dns_result r)
{
	static const char *const names[DNS_RESULT_COUNT] = { "ok", "nodata", "nxdomain", "servfail", "refused", "timeout", "broken", "bad-name" };

	return names[r];
}

const char *dns_type_name(enum dns_type t)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (types[i].type == t)
			return types[i].name;
	return "?";
}

bool dns_type_parse(struct str s, enum dns_type *out)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (str_ieq(s, str_z(types[i].name))) {
			*out = types[i].type;
			return true;
		}
	return false;
}

/* ---- names */

static bool is_plain(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '*' || c == '/';
}

/* One byte of a label as text has it; false: a backslash without what belongs to it. */
static bool take_byte(struct cur *c, unsigned char *out)
{
	int ch = cur_take(c), digits = 0;

	*out = (unsigned char)ch;
	if (ch != '\\')
		return ch > 0x20 && ch < 0x7f;
	for (int i = 0; i < 3; i++) {
		int d = cur_take(c);

		if (d < '0' || d > '9')
			return false;
		digits = digits * 10 + d - '0';
	}
	*out = (unsigned char)digits;
	return digits <= 255;
}

/* The name as labels with their lengths, not compressed; false: it is none. */
static bool name_encode(struct str name, struct buf *out)
{
	struct cur c = cur_of(str_ends(name, STR(".")) && !str_ends(name, STR("\\.")) ? str_sub(name, 0, name.n - 1) : name);
	unsigned char wire[NAME_MAX];
	size_t at = 0, n = 1; /* of the present label's length byte; bytes in use */

	wire[0] = 0;
	while (!cur_end(&c)) {
		unsigned char byte;

		if (n >= NAME_MAX - 1)
			return false;
		if (cur_try(&c, '.')) {
			if (n == at + 1 || cur_end(&c))
				return false; /* an empty label */
			wire[at] = (unsigned char)(n - at - 1);
			at = n++;
			continue;
		}
		if (!take_byte(&c, &byte) || n - at > LABEL_MAX)
			return false;
		wire[n++] = byte;
	}
	wire[at] = (unsigned char)(n - at - 1);
	buf_add(out, str_of(wire, n));
	if (n > 1)
		buf_addc(out, 0);
	return true;
}

static void put16(struct buf *b, unsigned v)
{
	buf_addc(b, (char)(v >> 8));
	buf_addc(b, (char)v);
}

bool dns_query_make(struct str name, enum dns_type type, uint16_t id, struct buf *out)
{
	put16(out, id);
	put16(out, FLAG_RD | FLAG_AD);
	put16(out, 1);
	put16(out, 0);
	put16(out, 0);
	put16(out, 1);
	if (!name_encode(name, out))
		return false;
	put16(out, type);
	put16(out, CLASS_IN);
	buf_addc(out, 0); /* OPT: the root, our size as its class, no flags, no options (RFC 6891 6.1.2) */
	put16(out, TYPE_OPT);
	put16(out, DNS_UDP_SIZE);
	put16(out, 0);
	put16(out, 0);
	put16(out, 0);
	return !out->full;
}

/* ---- packets */

struct packet {
	const unsigned char *p;
	size_t n, at;
	bool bad;
};

static unsigned get8(struct packet *k)
{
	if (k->at >= k->n) {
		k->bad = true;
		return 0;
	}
	return k->p[k->at++];
}

static unsigned get16(struct packet *k)
{
	unsigned high = get8(k);

	return high << 8 | get8(k);
}

static uint32_t get32(struct packet *k)
{
	uint32_t high = get16(k);

	return high << 16 | get16(k);
}

static struct str get_bytes(struct packet *k, size_t n)
{
	if (k->bad || n > k->n - k->at) {
		k->bad = true;
		return (struct str){ 0 };
	}
	k->at += n;
	return str_of(k->p + k->at - n, n);
}

static size_t add_label(char *out, size_t n, const unsigned char *p, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		char c = (char)p[i];

		if (is_plain(c)) {
			out[n++] = ascii_lower(c);
			continue;
		}
		out[n++] = '\\';
		out[n++] = (char)('0' + p[i] / 100);
		out[n++] = (char)('0' + p[i] / 10 % 10);
		out[n++] = (char)('0' + p[i] % 10);
	}
	return n;
}

/* A name as text, at most DNS_NAME_TEXT_MAX bytes; the cursor is behind it. out NULL: it is only skipped. */
static size_t get_name(struct packet *k, char *out)
{
	size_t at = k->at, began = k->at, n = 0, wire = 0;
	bool jumped = false;

	while (!k->bad && at < k->n) {
		unsigned size = k->p[at];

		if (size >= 0xc0) {
			size_t to = at + 1 < k->n ? (size_t)(size & 0x3f) << 8 | k->p[at + 1] : k->n;

			if (!jumped)
				k->at = at + 2;
			jumped = true;
			k->bad = to >= began; /* I1 */
			at = began = to;
			continue;
		}
		wire += size + 1;
		if (size > LABEL_MAX || wire > NAME_MAX || size >= k->n - at)
			break;
		if (size == 0) {
			if (!jumped)
				k->at = at + 1;
			return n;
		}
		if (out && n)
			out[n++] = '.';
		if (out)
			n = add_label(out, n, k->p + at + 1, size);
		at += size + 1;
	}
	k->bad = true;
	return 0;
}

static struct str get_name_in(struct packet *k, struct arena *a)
{
	char text[DNS_NAME_TEXT_MAX];
	size_t n = get_name(k, text);

	return arena_dup(a, str_of(text, n));
}

/* ---- records */

struct rr {
	size_t owner_at; /* in the packet */
	unsigned type, class;
	uint32_t ttl_s;
	size_t at, n; /* its data */
};

static struct rr get_rr(struct packet *k)
{
	struct rr r = { .owner_at = k->at };

	get_name(k, NULL);
	r.type = get16(k);
	r.class = get16(k);
	r.ttl_s = get32(k);
	if (r.ttl_s > INT32_MAX)
		r.ttl_s = 0; /* RFC 2181 8 */
	r.n = get16(k);
	r.at = k->at;
	get_bytes(k, r.n);
	return r;
}

static bool owner_is(const struct packet *whole, size_t at, struct str name)
{
	struct packet k = *whole;
	char text[DNS_NAME_TEXT_MAX];
	size_t n;

	k.at = at;
	n = get_name(&k, text);
	return !k.bad && dns_name_eq(str_of(text, n), name);
}

static struct str txt_data(struct packet *k, struct arena *a)
{
	char *joined = arena_alloc(a, k->n - k->at + 1);
	size_t n = 0;

	while (!k->bad && k->at < k->n) {
		struct str part = get_bytes(k, get8(k));

		if (part.n)
			memcpy(joined + n, part.p, part.n);
		n += part.n;
	}
	return str_of(joined, n);
}

/* The data of one record; k ends where it ends. False: it is not as its type says. */
static bool get_data(struct packet *k, enum dns_type type, struct arena *a, struct dns_record *r)
{
	switch (type) {
	case DNS_A:
	case DNS_AAAA: {
		struct str bytes = get_bytes(k, type == DNS_A ? 4 : 16);

		if (bytes.n)
			memcpy(r->address, bytes.p, bytes.n);
		break;
	}
	case DNS_MX:
		r->preference = (uint16_t)get16(k);
		r->name = get_name_in(k, a);
		break;
	case DNS_SRV:
		r->preference = (uint16_t)get16(k);
		r->weight = (uint16_t)get16(k);
		r->port = (uint16_t)get16(k);
		r->name = get_name_in(k, a);
		break;
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		r->name = get_name_in(k, a);
		break;
	case DNS_SOA:
		r->name = get_name_in(k, a);
		get_name(k, NULL); /* the mail address of its keeper */
		r->serial = get32(k);
		get_bytes(k, 12); /* refresh, retry, expire */
		r->minimum_s = get32(k);
		break;
	case DNS_TXT:
		r->data = txt_data(k, a);
		break;
	case DNS_TLSA:
		r->usage = (uint8_t)get8(k);
		r->selector = (uint8_t)get8(k);
		r->matching = (uint8_t)get8(k);
		r->data = arena_dup(a, get_bytes(k, k->n - k->at));
		break;
	case DNS_CAA:
		r->flags = (uint8_t)get8(k);
		r->tag = arena_dup(a, get_bytes(k, get8(k)));
		r->data = arena_dup(a, get_bytes(k, k->n - k->at));
		break;
	}
	return !k->bad && k->at == k->n;
}

static struct packet data_of(const struct packet *whole, const struct rr *rr)
{
	return (struct packet){ .p = whole->p, .n = rr->at + rr->n, .at = rr->at };
}

/* ---- answers */

struct reading {
	struct packet packet;  /* at the first record of the answer */
	unsigned n_answer, n_authority;
	enum dns_type type;
	struct arena *arena;
	struct dns_answer *out;
	uint32_t least_ttl_s;
};

/* False: one too many, or its data are not as its type says. */
static bool take_record(struct reading *g, const struct rr *rr)
{
	struct packet data = data_of(&g->packet, rr);
	struct dns_record *r;

	if (g->out->n == DNS_RECORDS_MAX)
		return false;
	if (!g->out->records)
		g->out->records = arena_array(g->arena, DNS_RECORDS_MAX, sizeof *g->out->records);
	r = &g->out->records[g->out->n++];
	r->ttl_s = rr->ttl_s;
	if (rr->ttl_s < g->least_ttl_s)
		g->least_ttl_s = rr->ttl_s;
	return get_data(&data, g->type, g->arena, r);
}

/* One pass over the answer for the records of a name; *next: where its CNAME leads. False: broken. */
static bool read_owner(struct reading *g, struct str owner, struct str *next)
{
	struct packet k = g->packet;

	*next = (struct str){ 0 };
	for (unsigned i = 0; i < g->n_answer; i++) {
		struct rr rr = get_rr(&k);

		if (k.bad)
			return false;
		if (rr.class != CLASS_IN || (rr.type != (unsigned)g->type && rr.type != DNS_CNAME) || !owner_is(&g->packet, rr.owner_at, owner))
			continue;
		if (rr.type == (unsigned)g->type) {
			if (!take_record(g, &rr))
				return false;
		} else if (!next->p) { /* a name has one; many would fill the arena */
			struct packet data = data_of(&g->packet, &rr);

			*next = get_name_in(&data, g->arena);
			if (rr.ttl_s < g->least_ttl_s)
				g->least_ttl_s = rr.ttl_s;
			if (data.bad)
				return false;
		}
	}
	return true;
}

/* RFC 2308 5: the lesser of the SOA's own time and its minimum. */
static uint32_t negative_ttl(struct reading *g)
{
	struct packet k = g->packet;

	for (unsigned i = 0; i < g->n_answer + g->n_authority; i++) {
		struct rr rr = get_rr(&k);
		struct packet data = data_of(&g->packet, &rr);
		struct dns_record soa = { 0 };

		if (k.bad)
			return 0;
		if (i >= g->n_answer && rr.type == DNS_SOA && get_data(&data, DNS_SOA, g->arena, &soa))
			return rr.ttl_s < soa.minimum_s ? rr.ttl_s : soa.minimum_s;
	}
	return 0;
}

static enum dns_result read_answer(struct reading *g, struct str name, unsigned rcode)
{
	struct str next;

	g->out->name = name;
	g->least_ttl_s = UINT32_MAX;
	for (;;) {
		if (!read_owner(g, g->out->name, &next))
			return DNS_BROKEN;
		if (g->out->n || !next.p)
			break;
		if (++g->out->n_cnames > DNS_CNAMES_MAX)
			return DNS_BROKEN;
		g->out->name = next;
	}
	if (g->out->n) {
		g->out->ttl_s = g->least_ttl_s;
		return DNS_OK;
	}
	g->out->ttl_s = negative_ttl(g);
	return rcode == 3 ? DNS_NXDOMAIN : DNS_NODATA;
}

static bool question_is(struct packet *k, struct str name, enum dns_type type)
{
	bool same = owner_is(k, k->at, name);
	unsigned its_type, its_class;

	get_name(k, NULL);
	its_type = get16(k);
	its_class = get16(k);
	return same && !k->bad && its_type == (unsigned)type && its_class == CLASS_IN;
}

void dns_answer_parse(struct str packet, struct str name, enum dns_type type, struct arena *a, struct dns_answer *out)
{
	struct reading g = { .packet = { .p = (const unsigned char *)packet.p, .n = packet.n }, .type = type, .arena = a, .out = out };
	struct packet *k = &g.packet;
	unsigned flags, n_question, rcode;

	*out = (struct dns_answer){ .result = DNS_BROKEN };
	get16(k);
	flags = get16(k);
	n_question = get16(k);
	g.n_answer = get16(k);
	g.n_authority = get16(k);
	get16(k);
	rcode = flags & 15;
	if (k->bad || !(flags & FLAG_QR) || (flags & FLAG_TC))
		return;
	if (rcode == 2 || rcode == 5) { /* some leave the question out then */
		out->result = rcode == 2 ? DNS_SERVFAIL : DNS_REFUSED;
		return;
	}
	if ((rcode != 0 && rcode != 3) || n_question != 1 || !question_is(k, name, type))
		return;
	out->result = read_answer(&g, name, rcode);
	out->secure = flags & FLAG_AD && out->result != DNS_BROKEN;
	if (out->result != DNS_OK)
		out->n = 0;
}

/* ---- names of addresses */

struct str dns_reverse(int family, const uint8_t *address, const char *zone, struct arena *a)
{
	static const char digits[] = "0123456789abcdef";
	char text[65];
	size_t n = 0;

	if (family == AF_INET)
		return arena_fmt(a, "%u.%u.%u.%u.%s", address[3], address[2], address[1], address[0], zone);
	for (int i = 15; i >= 0; i--) {
		text[n++] = digits[address[i] & 15];
		text[n++] = '.';
		text[n++] = digits[address[i] >> 4];
		text[n++] = '.';
	}
	return arena_fmt(a, "%.*s%s", (int)n, text, zone);
}

struct str dns_ptr_name(int family, const uint8_t *address, struct arena *a)
{
	return dns_reverse(family, address, family == AF_INET ? "in-addr.arpa" : "ip6.arpa", a);
}

bool dns_name_eq(struct str a, struct str b)
{
	if (str_ends(a, STR(".")))
		a.n--;
	if (str_ends(b, STR(".")))
		b.n--;
	return str_ieq(a, b);
}
