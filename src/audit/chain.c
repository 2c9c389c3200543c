/* audit/chain.c - see the header. */
#include "audit/chain.h"

#include "base/buf.h"
#include "base/die.h"

#include <openssl/evp.h>

const char *audit_kind_name(unsigned kind)
{
	static const char *const names[AUDIT_KINDS] = {
		[AUDIT_START] = "start",
		[AUDIT_LOGIN] = "login",
		[AUDIT_LOGIN_REFUSED] = "login-refused",
		[AUDIT_COMMAND] = "command",
		[AUDIT_COMMAND_FAILED] = "command-failed",
		[AUDIT_OPENED] = "opened",
		[AUDIT_BAN] = "ban",
		[AUDIT_UNRECORDED] = "unrecorded",
	};

	return kind < AUDIT_KINDS ? names[kind] : "unknown";
}

static void add_u64(struct buf *b, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		buf_addc(b, (char)(v >> 8 * i));
}

/* With its length, so that two records with other borders between their fields differ. */
static void add_str(struct buf *b, struct str s)
{
	add_u64(b, s.n);
	buf_add(b, s);
}

void audit_hash(const unsigned char before[AUDIT_HASH_SIZE], const struct audit_record *r, unsigned char out[AUDIT_HASH_SIZE])
{
	unsigned n = AUDIT_HASH_SIZE;
	struct buf b;

	buf_init(&b, (size_t)1 << 20);
	buf_add(&b, str_of((const char *)before, AUDIT_HASH_SIZE));
	add_u64(&b, r->seq);
	add_u64(&b, (uint64_t)r->time_us);
	add_u64(&b, r->account);
	buf_addc(&b, (char)r->kind);
	add_str(&b, r->who);
	add_str(&b, r->service);
	add_str(&b, r->ip);
	add_str(&b, r->text);
	die_unless(!b.full, "an audit record of more than a megabyte");
	if (EVP_Digest(b.p, b.n, out, &n, EVP_sha256(), NULL) != 1 || n != AUDIT_HASH_SIZE)
		die("audit/chain: SHA-256 fails");
	buf_fini(&b);
}
