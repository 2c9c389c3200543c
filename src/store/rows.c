/* store/rows.c - keys and values of all rows. See the header.
 * Trust       values come from our own disk, yet every length is checked: a damaged row must not become a wild pointer.
 */
#include "store/rows.h"

#include "base/die.h"
#include "ipc/words.h"

#include <endian.h>
#include <string.h>

#define VERSION 1

/* ---- keys */

struct key key_bytes(struct key k, struct str s)
{
	die_unless(s.n <= sizeof k.p - k.n, "rows: key too long");
	if (s.n)
		memcpy(k.p + k.n, s.p, s.n);
	k.n = (uint8_t)(k.n + s.n);
	return k;
}

struct key key_of(char tag)
{
	return (struct key){ .n = 1, .p = { tag } };
}

struct key key_u32(struct key k, uint32_t v)
{
	v = htobe32(v);
	return key_bytes(k, str_of(&v, sizeof v));
}

struct key key_u64(struct key k, uint64_t v)
{
	v = htobe64(v);
	return key_bytes(k, str_of(&v, sizeof v));
}

struct key key_message(char tag, uint32_t mailbox, uint32_t uid)
{
	return key_u32(key_u32(key_of(tag), mailbox), uid);
}

struct key key_ref(uint64_t blob, uint64_t owner, uint32_t mailbox, uint32_t uid)
{
	return key_u32(key_u32(key_u64(key_u64(key_of('R'), blob), owner), mailbox), uid);
}

struct key key_garbage(int64_t time_s, uint64_t blob)
{
	return key_u64(key_u64(key_of('G'), (uint64_t)time_s), blob);
}

struct key key_deleted(int64_t time_s, uint64_t account, uint32_t mailbox, uint32_t uid)
{
	return key_u32(key_u32(key_u64(key_u64(key_of('Y'), (uint64_t)time_s), account), mailbox), uid);
}

uint32_t cur_be32(struct cur *c)
{
	struct str s = cur_bytes(c, 4);
	uint32_t v = 0;

	if (s.n)
		memcpy(&v, s.p, 4);
	return be32toh(v);
}

uint64_t cur_be64(struct cur *c)
{
	struct str s = cur_bytes(c, 8);
	uint64_t v = 0;

	if (s.n)
		memcpy(&v, s.p, 8);
	return be64toh(v);
}

/* ---- values */

void put_u8(struct buf *b, uint8_t v)
{
	buf_addc(b, (char)v);
}

void put_u16(struct buf *b, uint16_t v)
{
	v = htole16(v);
	buf_add(b, str_of(&v, sizeof v));
}

void put_u32(struct buf *b, uint32_t v)
{
	v = htole32(v);
	buf_add(b, str_of(&v, sizeof v));
}

void put_u64(struct buf *b, uint64_t v)
{
	v = htole64(v);
	buf_add(b, str_of(&v, sizeof v));
}

static void put_i64(struct buf *b, int64_t v)
{
	put_u64(b, (uint64_t)v);
}

static int64_t cur_i64(struct cur *c)
{
	return (int64_t)cur_le64(c);
}

void put_str(struct buf *b, struct str s)
{
	put_u32(b, (uint32_t)s.n);
	buf_add(b, s);
}

struct str cur_str(struct cur *c)
{
	uint32_t n = cur_le32(c);

	return cur_bytes(c, n);
}

static struct cur value_cur(struct str v)
{
	struct cur c = cur_of(v);

	if (cur_le8(&c) != VERSION)
		cur_fail(&c);
	return c;
}

void head_row_encode(const struct head_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_u64(out, r->modseq);
	put_u64(out, r->email_next);
	put_u64(out, r->bytes);
	put_u64(out, r->messages);
	put_u32(out, r->uidvalidity_next);
	put_u32(out, r->mailbox_next);
}

bool head_row_decode(struct str v, struct head_row *out)
{
	struct cur c = value_cur(v);

	out->modseq = cur_le64(&c);
	out->email_next = cur_le64(&c);
	out->bytes = cur_le64(&c);
	out->messages = cur_le64(&c);
	out->uidvalidity_next = cur_le32(&c);
	out->mailbox_next = cur_le32(&c);
	return cur_done(&c);
}

#define CREDENTIAL_VERSION 2 /* since 2: scram, code_next */

void credential_row_encode(const struct credential_row *r, struct buf *out)
{
	put_u8(out, CREDENTIAL_VERSION);
	put_str(out, r->address);
	put_str(out, r->hash);
	put_u64(out, r->version);
	put_u32(out, r->flags);
	put_u64(out, r->quota_bytes);
	put_u64(out, r->quota_messages);
	put_str(out, r->scram);
	put_u32(out, r->code_next);
}

bool credential_row_decode(struct str v, struct credential_row *out)
{
	struct cur c = cur_of(v);
	uint8_t version = cur_le8(&c);

	if (version < 1 || version > CREDENTIAL_VERSION)
		cur_fail(&c);
	out->address = cur_str(&c);
	out->hash = cur_str(&c);
	out->version = cur_le64(&c);
	out->flags = cur_le32(&c);
	out->quota_bytes = cur_le64(&c);
	out->quota_messages = cur_le64(&c);
	out->scram = version > 1 ? cur_str(&c) : (struct str){ 0 };
	out->code_next = version > 1 ? cur_le32(&c) : 1;
	return cur_done(&c);
}

static void put_pop_rules(struct buf *out, const struct pop_rules *r)
{
	put_u8(out, r->given);
	put_u8(out, r->dele);
	put_i64(out, r->since_s);
	put_u8(out, (uint8_t)r->n_folders);
	for (uint32_t i = 0; i < r->n_folders; i++)
		put_str(out, r->folders[i]);
}

static void cur_pop_rules(struct cur *c, struct pop_rules *out)
{
	out->given = cur_le8(c);
	out->dele = cur_le8(c);
	out->since_s = cur_i64(c);
	out->n_folders = cur_le8(c);
	if (out->dele > POP_DELE_KEEP || out->n_folders > POP_FOLDERS_MAX)
		cur_fail(c);
	for (uint32_t i = 0; cur_ok(c) && i < out->n_folders; i++)
		out->folders[i] = cur_str(c);
}

void settings_row_encode(const struct settings_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_u32(out, r->services);
	put_u32(out, r->flags);
	put_pop_rules(out, &r->pop);
}

bool settings_row_decode(struct str v, struct settings_row *out)
{
	struct cur c = value_cur(v);

	out->services = cur_le32(&c);
	out->flags = cur_le32(&c);
	cur_pop_rules(&c, &out->pop);
	return cur_done(&c);
}

void code_row_encode(const struct code_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_str(out, r->name);
	put_str(out, r->hash);
	put_str(out, r->scram);
	put_u32(out, r->services);
	put_i64(out, r->expires_s);
	put_i64(out, r->created_s);
	put_u8(out, (uint8_t)r->n_networks);
	for (uint32_t i = 0; i < r->n_networks; i++)
		put_str(out, r->networks[i]);
	put_pop_rules(out, &r->pop);
}

bool code_row_decode(struct str v, struct code_row *out)
{
	struct cur c = value_cur(v);

	out->name = cur_str(&c);
	out->hash = cur_str(&c);
	out->scram = cur_str(&c);
	out->services = cur_le32(&c);
	out->expires_s = cur_i64(&c);
	out->created_s = cur_i64(&c);
	out->n_networks = cur_le8(&c);
	if (out->n_networks > CODE_NETWORKS_MAX)
		cur_fail(&c);
	for (uint32_t i = 0; cur_ok(&c) && i < out->n_networks; i++)
		out->networks[i] = cur_str(&c);
	cur_pop_rules(&c, &out->pop);
	return cur_done(&c);
}

void code_use_row_encode(const struct code_use_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_i64(out, r->last_s);
	put_str(out, r->ip);
	put_u8(out, r->service);
}

bool code_use_row_decode(struct str v, struct code_use_row *out)
{
	struct cur c = value_cur(v);

	out->last_s = cur_i64(&c);
	out->ip = cur_str(&c);
	out->service = cur_le8(&c);
	return cur_done(&c);
}

void pin_row_encode(const struct pin_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_str(out, r->name);
	put_i64(out, r->created_s);
}

bool pin_row_decode(struct str v, struct pin_row *out)
{
	struct cur c = value_cur(v);

	out->name = cur_str(&c);
	out->created_s = cur_i64(&c);
	return cur_done(&c);
}

void mailbox_row_encode(const struct mailbox_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_str(out, r->name);
	put_u32(out, r->uidvalidity);
	put_u32(out, r->uidnext);
	put_u32(out, r->special);
	put_u32(out, r->watermark);
	put_u32(out, r->messages);
	put_u32(out, r->unseen);
	put_u32(out, r->deleted);
	put_u32(out, r->recent);
	put_u64(out, r->size);
	put_u64(out, r->modseq);
	put_u8(out, (uint8_t)r->n_keywords);
	for (uint32_t i = 0; i < r->n_keywords; i++)
		put_str(out, r->keywords[i]);
}

bool mailbox_row_decode(struct str v, struct mailbox_row *out)
{
	struct cur c = value_cur(v);

	out->name = cur_str(&c);
	out->uidvalidity = cur_le32(&c);
	out->uidnext = cur_le32(&c);
	out->special = cur_le32(&c);
	out->watermark = cur_le32(&c);
	out->messages = cur_le32(&c);
	out->unseen = cur_le32(&c);
	out->deleted = cur_le32(&c);
	out->recent = cur_le32(&c);
	out->size = cur_le64(&c);
	out->modseq = cur_le64(&c);
	out->n_keywords = cur_le8(&c);
	if (out->n_keywords > KEYWORDS_MAX)
		cur_fail(&c);
	for (uint32_t i = 0; cur_ok(&c) && i < out->n_keywords; i++)
		out->keywords[i] = cur_str(&c);
	return cur_done(&c);
}

void message_row_encode(const struct message_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_u64(out, r->blob);
	put_u64(out, r->email);
	put_u32(out, r->size);
	put_u32(out, r->header_n);
	put_u16(out, (uint16_t)r->prefix_n);
	put_u8(out, (uint8_t)r->flags);
	put_u64(out, r->keywords);
	put_u64(out, r->modseq);
	put_i64(out, r->date_s);
	put_i64(out, r->saved_s);
}

bool message_row_decode(struct str v, struct message_row *out)
{
	struct cur c = value_cur(v);

	out->blob = cur_le64(&c);
	out->email = cur_le64(&c);
	out->size = cur_le32(&c);
	out->header_n = cur_le32(&c);
	out->prefix_n = cur_le16(&c);
	out->flags = cur_le8(&c);
	out->keywords = cur_le64(&c);
	out->modseq = cur_le64(&c);
	out->date_s = cur_i64(&c);
	out->saved_s = cur_i64(&c);
	return cur_done(&c);
}

void deleted_row_encode(const struct deleted_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_i64(out, r->time_s);
	message_row_encode(&r->message, out);
}

bool deleted_row_decode(struct str v, struct deleted_row *out)
{
	struct cur c = value_cur(v);

	out->time_s = cur_i64(&c);
	return cur_ok(&c) && message_row_decode(cur_rest(&c), &out->message);
}

void gone_row_encode(const struct gone_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_i64(out, r->time_s);
	mailbox_row_encode(&r->mailbox, out);
}

bool gone_row_decode(struct str v, struct gone_row *out)
{
	struct cur c = value_cur(v);

	out->time_s = cur_i64(&c);
	return cur_ok(&c) && mailbox_row_decode(cur_rest(&c), &out->mailbox);
}

void quota_row_encode(uint8_t warned, struct buf *out)
{
	put_u8(out, VERSION);
	put_u8(out, warned);
}

bool quota_row_decode(struct str v, uint8_t *warned)
{
	struct cur c = value_cur(v);

	*warned = cur_le8(&c);
	return cur_done(&c);
}

void retired_row_encode(const struct retired_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_i64(out, r->time_s);
	put_str(out, r->domain);
	put_str(out, r->local);
}

bool retired_row_decode(struct str v, struct retired_row *out)
{
	struct cur c = value_cur(v);

	out->time_s = cur_i64(&c);
	out->domain = cur_str(&c);
	out->local = cur_str(&c);
	return cur_done(&c);
}

void parts_row_encode(struct str prefix, struct str index, struct buf *out)
{
	put_u8(out, VERSION);
	put_str(out, prefix);
	put_str(out, index);
}

bool parts_row_decode(struct str v, struct str *prefix, struct str *index)
{
	struct cur c = value_cur(v);

	*prefix = cur_str(&c);
	*index = cur_str(&c);
	return cur_done(&c);
}

void expunged_row_encode(const struct expunged_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_u32(out, r->mailbox);
	put_i64(out, r->time_s);
	buf_add(out, r->ranges);
}

bool expunged_row_decode(struct str v, struct expunged_row *out)
{
	struct cur c = value_cur(v);

	out->mailbox = cur_le32(&c);
	out->time_s = cur_i64(&c);
	out->ranges = cur_rest(&c);
	return cur_ok(&c) && out->ranges.n % 8 == 0;
}

void mark_row_encode(const struct mark_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_i64(out, r->time_s);
	put_u32(out, r->mailbox);
	put_u32(out, r->uid);
}

bool mark_row_decode(struct str v, struct mark_row *out)
{
	struct cur c = value_cur(v);

	out->time_s = cur_i64(&c);
	out->mailbox = cur_le32(&c);
	out->uid = cur_le32(&c);
	return cur_done(&c);
}

void uidl_row_encode(struct str uidl, struct buf *out)
{
	put_u8(out, VERSION);
	put_str(out, uidl);
}

bool uidl_is_sound(struct str uidl)
{
	for (size_t i = 0; i < uidl.n; i++)
		if (!ascii_is_print(uidl.p[i]) || uidl.p[i] == ' ')
			return false;
	return uidl.n > 0 && uidl.n <= UIDL_SIZE_MAX;
}

bool uidl_row_decode(struct str v, struct str *uidl)
{
	struct cur c = value_cur(v);

	*uidl = cur_str(&c);
	return cur_done(&c) && uidl_is_sound(*uidl);
}

#define SENT_NO_BCC 0x80u /* beside `by` */

void sent_row_encode(const struct sent_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_i64(out, r->time_s);
	put_u32(out, r->mailbox);
	put_u32(out, r->uid);
	put_u8(out, r->by | (r->no_bcc ? SENT_NO_BCC : 0));
}

bool sent_row_decode(struct str v, struct sent_row *out)
{
	struct cur c = value_cur(v);

	out->time_s = cur_i64(&c);
	out->mailbox = cur_le32(&c);
	out->uid = cur_le32(&c);
	out->by = cur_le8(&c);
	out->no_bcc = out->by & SENT_NO_BCC;
	out->by &= ~SENT_NO_BCC;
	return cur_done(&c);
}

void hidden_row_encode(const struct hidden_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	buf_add(out, str_of(r->bits, sizeof r->bits));
}

bool hidden_row_decode(struct str v, struct hidden_row *out)
{
	struct cur c = value_cur(v);
	struct str bits = cur_bytes(&c, sizeof out->bits);

	if (bits.n)
		memcpy(out->bits, bits.p, sizeof out->bits);
	return cur_done(&c);
}

void domain_row_encode(const struct domain_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_i64(out, r->created_s);
	put_str(out, r->first);
}

bool domain_row_decode(struct str v, struct domain_row *out)
{
	struct cur c = value_cur(v);

	out->created_s = cur_i64(&c);
	out->first = cur_str(&c);
	return cur_done(&c);
}

void entry_row_encode(const struct entry_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_u64(out, r->account);
	put_u8(out, r->state);
}

bool entry_row_decode(struct str v, struct entry_row *out)
{
	struct cur c = value_cur(v);

	out->account = cur_le64(&c);
	out->state = cur_le8(&c);
	return cur_done(&c) && out->state <= ENTRY_RETIRING;
}

void alias_row_encode(const struct alias_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_u8(out, (uint8_t)r->n);
	for (uint32_t i = 0; i < r->n; i++)
		put_str(out, r->to[i]);
}

bool alias_row_decode(struct str v, struct alias_row *out)
{
	struct cur c = value_cur(v);

	out->n = cur_le8(&c);
	if (out->n > ALIAS_TARGETS_MAX)
		cur_fail(&c);
	for (uint32_t i = 0; cur_ok(&c) && i < out->n; i++)
		out->to[i] = cur_str(&c);
	return cur_done(&c);
}

void queued_row_encode(const struct queued_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_str(out, r->trace);
	put_i64(out, r->date_s);
	put_u64(out, r->blob);
	put_u32(out, r->size);
	put_u32(out, r->header_n);
	put_str(out, r->index);
	put_u8(out, (uint8_t)r->n_rcpts);
	for (uint32_t i = 0; i < r->n_rcpts; i++) {
		put_u64(out, r->accounts[i]);
		put_str(out, r->prefixes[i]);
	}
}

bool queued_row_decode(struct str v, struct queued_row *out)
{
	struct cur c = value_cur(v);

	out->trace = cur_str(&c);
	out->date_s = cur_i64(&c);
	out->blob = cur_le64(&c);
	out->size = cur_le32(&c);
	out->header_n = cur_le32(&c);
	out->index = cur_str(&c);
	out->n_rcpts = cur_le8(&c);
	if (out->n_rcpts > QUEUED_RCPTS_MAX)
		cur_fail(&c);
	for (uint32_t i = 0; cur_ok(&c) && i < out->n_rcpts; i++) {
		out->accounts[i] = cur_le64(&c);
		out->prefixes[i] = cur_str(&c);
	}
	return cur_done(&c);
}

void counter_encode(uint64_t v, struct buf *out)
{
	put_u8(out, VERSION);
	put_u64(out, v);
}

bool counter_decode(struct str v, uint64_t *out)
{
	struct cur c = value_cur(v);

	*out = cur_le64(&c);
	return cur_done(&c);
}
