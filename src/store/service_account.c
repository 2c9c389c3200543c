/* store/service_account.c - requests about one account: its credential, grants, switches, codes, certificates.
 * Trust       password hashes and verifiers leave towards auth alone (ipc.def), and are never logged.
 */
#include "store/service.h"

#include "base/clock.h"
#include "ipc/words.h"
#include "store/settings.h"

#define WORK_MAX ((size_t)16 << 20)

/* ---- auth */

static struct directory *directory_of(void *ctx)
{
	return &((struct store *)ctx)->directory;
}

static void fill_codes(const struct code_entries *all, struct arena *ar, struct ipc_credential_reply *r)
{
	struct ipc_code *list = arena_array(ar, CODES_MAX, sizeof *list);

	for (size_t i = 0; i < all->v.n && r->n_codes < CODES_MAX; i++) {
		const struct code_entry *e = all->v.v[i];

		list[r->n_codes++] = (struct ipc_code){ .id = e->id, .hash = e->row.hash, .scram = e->row.scram,
			.services = e->row.services, .expires_s = e->row.expires_s, .networks = networks_text(&e->row, ar) };
	}
	r->codes = list;
}

static enum outcome fill_credential(struct store *s, struct arena *ar, struct ipc_credential_reply *r)
{
	struct settings_row *settings = arena_new(ar, struct settings_row);
	struct code_entries codes;
	struct credential_row row;
	enum outcome o = credential_read(s->shard.port, r->account, ar, &row);

	if (o == OK)
		o = settings_read(s->shard.port, r->account, ar, settings);
	if (o != OK)
		return o;
	*r = (struct ipc_credential_reply){ .account = r->account, .version = row.version, .hash = row.hash, .scram = row.scram,
		.flags = settings->flags, .services = settings->services, .address = row.address };
	codes_read(s->shard.port, r->account, ar, &codes);
	fill_codes(&codes, ar, r);
	vec_free(&codes.v);
	return OK;
}

void serve_credential(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_credential *q = msg;
	struct ipc_credential_reply r = { 0 };
	struct store *s = ctx;
	struct arena ar;
	enum outcome o = directory_account(&s->directory, q->login, &r.account);

	arena_init(&ar, "store-credential", WORK_MAX);
	if (o == OK)
		o = fill_credential(s, &ar, &r);
	if (o != OK)
		r = (struct ipc_credential_reply){ 0 };
	ipc_credential_reply_send(c, o, &r);
	arena_fini(&ar);
}

void serve_certificate_owner(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_certificate_owner *q = msg;
	struct ipc_certificate_owner_reply r = { 0 };
	struct ipc_credential_reply cred = { 0 };
	struct store *s = ctx;
	struct arena ar;
	enum outcome o = q->login.n ? directory_account(&s->directory, q->login, &cred.account) :
				      pin_owner(&s->directory, q->fingerprint, &cred.account);

	arena_init(&ar, "store-credential", WORK_MAX);
	if (o == OK && !pin_exists(s->shard.port, cred.account, q->fingerprint))
		o = NO_SUCH;
	if (o == OK)
		o = fill_credential(s, &ar, &cred);
	if (o == OK)
		r = (struct ipc_certificate_owner_reply){ cred.account, cred.version, cred.services, cred.address };
	ipc_certificate_owner_reply_send(c, o, &r);
	arena_fini(&ar);
}

SUSPENDS void serve_installation(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_installation_reply r = { 0 };
	struct store *s = ctx;
	enum outcome o = installation_secret(&s->directory, call_arena(c), &r.secret);

	(void)msg;
	ipc_installation_reply_send(c, o, &r);
}

/* Against the records as they are now: what auth has checked may have changed meanwhile. */
static enum outcome check_grant(struct store *s, const struct ipc_grant *q, struct arena *ar, int64_t *expires_s)
{
	struct code_row *code = arena_new(ar, struct code_row);
	struct credential_row row;
	struct account *a;
	enum outcome o = credential_read(s->shard.port, q->account, ar, &row);

	*expires_s = 0;
	if (o == OK && row.version != q->version)
		return BAD_STATE;
	if (o != OK || q->code == 0)
		return o;
	o = account_get(&s->shard, q->account, &a);
	if (o != OK)
		return o;
	o = code_get(a, q->code, ar, code) ? OK : DENIED;
	if (o == OK && code->expires_s && code->expires_s <= shard_now_s(&s->shard))
		o = DENIED;
	*expires_s = code->expires_s;
	account_put(a);
	return o;
}

void serve_grant(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_grant *q = msg;
	struct handle_facts f = { .code = q->code, .service = q->service };
	struct ipc_grant_reply r = { 0 };
	struct store *s = ctx;
	struct account *a;
	struct arena ar;
	enum outcome o;

	arena_init(&ar, "store-grant", WORK_MAX);
	o = check_grant(s, q, &ar, &f.expires_s);
	if (o == OK)
		o = account_get(&s->shard, q->account, &a);
	if (o == OK) {
		o = handle_grant(&s->shard, holder_edge(q->edge, q->edge_life), &f, a, &r.handle);
		if (o == OK && q->code)
			code_used(a, q->code, q->ip, q->service);
		account_put(a);
	}
	ipc_grant_reply_send(c, o, &r);
	arena_fini(&ar);
}

/* What a command does in an account's name passes here first. */
void serve_open_account(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_open_account *q = msg;
	struct ipc_open_account_reply r = { 0 };
	struct str address = arena_fmt(call_arena(c), "%.*s@%.*s", STR_ARG(q->address.local), STR_ARG(q->address.domain));
	struct store *s = ctx;
	struct account *a;
	enum outcome o = directory_account(&s->directory, address, &r.account);

	if (o == OK)
		o = account_get(&s->shard, r.account, &a);
	if (o == OK) {
		o = handle_grant(&s->shard, holder_of(call_peer(c)), NULL, a, &r.handle);
		log_info(s->log, "account-opened", "a command opens %.*s", STR_ARG(a->address));
		account_put(a);
	}
	ipc_open_account_reply_send(c, o, &r);
}

SUSPENDS void serve_rehash(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_rehash *q = msg;
	struct store *s = ctx;
	enum outcome o = account_rehash(directory_of(ctx), q);

	(void)c;
	if (o != OK && o != BAD_STATE)
		log_warning(s->log, "rehash-failed", "account %llu: %s; it is tried again at the next login", (unsigned long long)q->account, outcome_name(o));
}

void serve_present(void *ctx, struct ipc_call *c, const void *msg)
{
	(void)msg;
	handles_edge_present(&((struct store *)ctx)->shard, call_peer(c));
}

void serve_logout(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_logout *q = msg;
	struct peer *p = call_peer(c);
	struct store *s = ctx;
	struct handle *h;
	enum outcome o = handle_find(&s->shard, q->handle, holder_of(p), &h);

	if (o == OK)
		handle_release(&s->shard, h);
	else if (o == DENIED)
		peer_close(p);
}

/* ---- commands */

SUSPENDS void serve_account_password(void *ctx, struct ipc_call *c, const void *msg)
{
	ipc_account_password_reply_send(c, account_set_password(directory_of(ctx), msg));
}

SUSPENDS void serve_account_set(void *ctx, struct ipc_call *c, const void *msg)
{
	ipc_account_set_reply_send(c, account_set(directory_of(ctx), msg));
}

SUSPENDS void serve_code_add(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_code_add_reply r = { 0 };
	enum outcome o = code_add(directory_of(ctx), msg, &r.id);

	ipc_code_add_reply_send(c, o, &r);
}

SUSPENDS void serve_code_delete(void *ctx, struct ipc_call *c, const void *msg)
{
	ipc_code_delete_reply_send(c, code_delete(directory_of(ctx), msg));
}

SUSPENDS void serve_pin_add(void *ctx, struct ipc_call *c, const void *msg)
{
	ipc_pin_add_reply_send(c, pin_add(directory_of(ctx), msg));
}

SUSPENDS void serve_pin_delete(void *ctx, struct ipc_call *c, const void *msg)
{
	ipc_pin_delete_reply_send(c, pin_delete(directory_of(ctx), msg));
}

/* ---- what commands show: lines of fields with tabs between */

static enum outcome find(struct store *s, const struct ipc_addr *address, struct arena *ar, uint64_t *account)
{
	return directory_account(&s->directory, arena_fmt(ar, "%.*s@%.*s", STR_ARG(address->local), STR_ARG(address->domain)), account);
}

struct lines {
	struct arena *ar;
	struct str *v;
	size_t n;
};

static void add_line(struct lines *l, const char *name, struct str value)
{
	l->v[l->n++] = arena_fmt(l->ar, "%s\t%.*s", name, STR_ARG(value));
}

static void add_number(struct lines *l, const char *name, uint64_t v)
{
	l->v[l->n++] = arena_fmt(l->ar, "%s\t%llu", name, (unsigned long long)v);
}

static struct str time_text(struct arena *ar, int64_t when_s, const char *none)
{
	char text[CLOCK_RFC3339_SIZE];

	if (!when_s)
		return str_z(none);
	clock_rfc3339(when_s * 1000000, text);
	return arena_dup(ar, str_z(text));
}

static const struct {
	const char *name;
	unsigned bit;
} service_names[] = { { "smtp", ACCESS_SMTP }, { "imap", ACCESS_IMAP }, { "pop", ACCESS_POP }, { "sieve", ACCESS_SIEVE } };
#define N_SERVICES (sizeof service_names / sizeof *service_names)

static struct str services_text(struct arena *ar, uint32_t services)
{
	struct str s = { 0 };

	for (size_t i = 0; i < N_SERVICES; i++)
		if (services & service_names[i].bit)
			s = arena_fmt(ar, "%.*s%s%s", STR_ARG(s), s.n ? "," : "", service_names[i].name);
	return s.n ? s : STR("none");
}

static const char *const dele_names[] = { [POP_DELE_DELETE] = "delete", [POP_DELE_TRASH] = "trash", [POP_DELE_KEEP] = "keep" };

static void add_rules(struct lines *l, const struct pop_rules *r)
{
	add_line(l, "pop-since", time_text(l->ar, r->since_s, "all"));
	add_line(l, "pop-dele", str_z(dele_names[r->dele]));
	for (uint32_t i = 0; i < r->n_folders; i++)
		add_line(l, "pop-folder", r->folders[i]);
	if (!r->n_folders)
		add_line(l, "pop-folder", STR("INBOX"));
}

static void add_account(struct lines *l, const struct ipc_credential_reply *c, const struct credential_row *row, const struct settings_row *s)
{
	add_line(l, "address", c->address);
	for (size_t i = 0; i < N_SERVICES; i++)
		add_line(l, service_names[i].name, s->services & service_names[i].bit ? STR("on") : STR("off"));
	add_line(l, "sent-copy", s->flags & SETTING_SENT_COPY ? STR("on") : STR("off"));
	add_line(l, "second-factor", s->flags & SETTING_SECOND_FACTOR ? STR("on") : STR("off"));
	add_rules(l, &s->pop);
	add_number(l, "quota", row->quota_bytes);
	add_number(l, "quota-messages", row->quota_messages);
	add_number(l, "codes", c->n_codes);
	add_line(l, "scram", row->scram.n ? STR("yes") : STR("no"));
}

void serve_account_show(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_account_show *q = msg;
	struct arena *ar = call_arena(c);
	struct lines l = { ar, arena_array(ar, IPC_ACCOUNT_SHOW_LINES_MAX, sizeof(struct str)), 0 };
	struct settings_row *settings = arena_new(ar, struct settings_row);
	struct ipc_credential_reply cred = { 0 };
	struct ipc_account_show_reply r = { 0 };
	struct credential_row row;
	struct store *s = ctx;
	enum outcome o = find(s, &q->address, ar, &cred.account);

	if (o == OK)
		o = fill_credential(s, ar, &cred);
	if (o == OK)
		o = credential_read(s->shard.port, cred.account, ar, &row);
	if (o == OK)
		o = settings_read(s->shard.port, cred.account, ar, settings);
	if (o == OK)
		add_account(&l, &cred, &row, settings);
	r.lines = l.v;
	r.n_lines = l.n;
	ipc_account_show_reply_send(c, o, &r);
}

static struct str code_line(struct arena *ar, const struct code_entry *e)
{
	struct str networks = networks_text(&e->row, ar);
	struct str rules = e->row.pop.given ? STR("own") : STR("account");
	struct str by = e->use.last_s ? e->use.ip : STR("-");

	return arena_fmt(ar, "%u\t%.*s\t%.*s\t%.*s\t%.*s\t%.*s\t%.*s\t%.*s\t%.*s", e->id, STR_ARG(e->row.name),
		STR_ARG(services_text(ar, e->row.services)), STR_ARG(time_text(ar, e->row.expires_s, "never")),
		STR_ARG(networks.n ? networks : STR("any")), STR_ARG(rules), STR_ARG(time_text(ar, e->row.created_s, "-")),
		STR_ARG(time_text(ar, e->use.last_s, "never")), STR_ARG(by));
}

void serve_code_list(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_code_list *q = msg;
	struct arena *ar = call_arena(c);
	struct lines l = { ar, arena_array(ar, IPC_CODE_LIST_LINES_MAX, sizeof(struct str)), 0 };
	struct ipc_code_list_reply r = { 0 };
	struct code_entries all = { 0 };
	struct store *s = ctx;
	uint64_t account;
	enum outcome o = find(s, &q->address, ar, &account);

	if (o == OK)
		codes_read(s->shard.port, account, ar, &all);
	for (size_t i = 0; i < all.v.n && l.n < IPC_CODE_LIST_LINES_MAX; i++)
		l.v[l.n++] = code_line(ar, all.v.v[i]);
	r.lines = l.v;
	r.n_lines = l.n;
	ipc_code_list_reply_send(c, all.damaged ? FAILED : o, &r);
	vec_free(&all.v);
}

static bool add_pin_line(void *arg, const struct engine_row *row)
{
	struct lines *l = arg;
	struct str fingerprint = str_from(row->key, 1);
	struct pin_row p;
	char hex[FINGERPRINT_SIZE * 2 + 1] = "";

	for (size_t i = 0; i < fingerprint.n && i < FINGERPRINT_SIZE; i++) {
		hex[i * 2] = "0123456789abcdef"[(unsigned char)fingerprint.p[i] >> 4];
		hex[i * 2 + 1] = "0123456789abcdef"[(unsigned char)fingerprint.p[i] & 15];
	}
	if (!pin_row_decode(row->value, &p))
		p = (struct pin_row){ .name = STR("damaged") };
	l->v[l->n++] = arena_fmt(l->ar, "%s\t%.*s\t%.*s", hex, STR_ARG(p.name), STR_ARG(time_text(l->ar, p.created_s, "-")));
	return l->n < IPC_PIN_LIST_LINES_MAX;
}

void serve_pin_list(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_pin_list *q = msg;
	struct arena *ar = call_arena(c);
	struct lines l = { ar, arena_array(ar, IPC_PIN_LIST_LINES_MAX, sizeof(struct str)), 0 };
	struct engine_range pins = { .from = STR("K"), .to = STR("L") };
	struct ipc_pin_list_reply r = { 0 };
	struct store *s = ctx;
	enum outcome o = find(s, &q->address, ar, &pins.partition);

	if (o == OK)
		engine_range(s->shard.port, &pins, add_pin_line, &l);
	r.lines = l.v;
	r.n_lines = l.n;
	ipc_pin_list_reply_send(c, o, &r);
}
