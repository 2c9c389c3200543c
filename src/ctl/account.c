/* ctl/account.c - commands: what an account may use, its authorization codes, its pinned certificates.
 * Trust       runs as who called it; the command socket's owner decides who may.
 */
#include "ctl/ctl_impl.h"

#include "auth/code.h"
#include "base/cidr.h"
#include "base/clock.h"
#include "base/file.h"
#include "ipc/words.h"
#include "mail/base64.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDERS_MAX 50
#define NETWORKS_MAX 16
#define FINGERPRINT_SIZE 32
#define CERTIFICATE_MAX 65536

/* ---- values */

static const struct word {
	const char *name;
	uint64_t value;
} services[] = { { "smtp", ACCESS_SMTP }, { "imap", ACCESS_IMAP }, { "pop", ACCESS_POP }, { "sieve", ACCESS_SIEVE }, { 0 } },
  deles[] = { { "delete", POP_DELE_DELETE }, { "trash", POP_DELE_TRASH }, { "keep", POP_DELE_KEEP }, { 0 } },
  size_units[] = { { "K", (uint64_t)1 << 10 }, { "M", (uint64_t)1 << 20 }, { "G", (uint64_t)1 << 30 }, { "T", (uint64_t)1 << 40 }, { 0 } },
  time_units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { "w", 7 * 86400 }, { "y", 366 * 86400 }, { 0 } };

static const struct word *word_find(const struct word *list, struct str name)
{
	for (; list->name; list++)
		if (str_eq(str_z(list->name), name))
			return list;
	return NULL;
}

static bool wrong(const char *word, const char *want)
{
	fprintf(stderr, "sallyport: \"%s\" is not %s\n", word, want);
	return false;
}

static bool on_or_off(const char *word, bool *on)
{
	*on = strcmp(word, "on") == 0;
	return *on || strcmp(word, "off") == 0 || wrong(word, "on or off");
}

/* A number and a unit; the unit may be left out where the list allows bare numbers. */
static bool with_unit(const char *word, const struct word *units, bool bare, const char *want, uint64_t *out)
{
	struct str s = str_z(word);
	const struct word *u = s.n ? word_find(units, str_from(s, s.n - 1)) : NULL;
	uint64_t factor = u ? u->value : 1;

	if ((!u && !bare) || !str_to_u64(u ? str_sub(s, 0, s.n - 1) : s, out) || *out > (uint64_t)INT64_MAX / factor)
		return wrong(word, want);
	*out *= factor;
	return true;
}

static bool two_digits(struct str s, size_t at, int *out)
{
	uint32_t v;

	if (!str_to_u32(str_sub(s, at, 2), &v))
		return false;
	*out = (int)v;
	return true;
}

/* 2026-11-22, the beginning of that day in UTC; "all" is 0. */
static bool date(const char *word, uint64_t *out)
{
	struct str s = str_z(word);
	struct civil c = { 0 };
	uint32_t year = 0;
	bool ok;

	*out = 0;
	if (strcmp(word, "all") == 0)
		return true;
	ok = s.n == 10 && s.p[4] == '-' && s.p[7] == '-' && str_to_u32(str_sub(s, 0, 4), &year) && two_digits(s, 5, &c.month) &&
	     two_digits(s, 8, &c.day) && year >= 1970;
	c.year = (int)year;
	if (ok) {
		struct civil back = civil_of_days(civil_to_days(c));

		ok = back.year == c.year && back.month == c.month && back.day == c.day;
	}
	if (!ok)
		return wrong(word, "a date of the form 2026-11-22, or all");
	*out = (uint64_t)civil_to_days(c) * 86400;
	return true;
}

static bool folder_list(struct ctl *c, const char *word, struct str **list, size_t *n)
{
	struct str rest = str_z(word), one;

	*list = arena_array(&c->client.arena, FOLDERS_MAX, sizeof **list);
	*n = 0;
	while (rest.n && str_split(&rest, ',', &one)) {
		one = str_trim(one);
		if (one.n == 0 || one.n > IPC_ACCOUNT_SET_FOLDERS_EACH_MAX)
			return wrong(word, "a list of mailbox names with commas between");
		if (*n == FOLDERS_MAX) {
			fprintf(stderr, "sallyport: at most %d folders\n", FOLDERS_MAX);
			return false;
		}
		(*list)[(*n)++] = one;
	}
	return true;
}

static bool service_list(const char *word, uint32_t *out)
{
	struct str rest = str_z(word), one;

	*out = 0;
	while (str_split(&rest, ',', &one)) {
		const struct word *w = word_find(services, str_trim(one));

		if (!w)
			return wrong(word, "a list of smtp, imap, pop, sieve with commas between");
		*out |= (uint32_t)w->value;
	}
	return true;
}

static bool network_list(struct ctl *c, const char *word, struct str **list, size_t *n)
{
	struct str rest = str_z(word), one;
	char text[CIDR_TEXT_SIZE];
	struct cidr net;

	*list = arena_array(&c->client.arena, NETWORKS_MAX, sizeof **list);
	*n = 0;
	while (str_split(&rest, ',', &one)) {
		if (cidr_parse(str_trim(one), &net))
			return wrong(word, "a list of networks as 192.0.2.0/24,2001:db8::/32, with no bits set behind the prefix");
		if (*n == NETWORKS_MAX) {
			fprintf(stderr, "sallyport: at most %d networks\n", NETWORKS_MAX);
			return false;
		}
		cidr_text(&net, text);
		(*list)[(*n)++] = arena_dup(&c->client.arena, str_z(text));
	}
	return true;
}

/* ---- account set and show */

static bool set_flag(const char *value, uint64_t bit, int on, int off, struct ipc_account_set *m)
{
	bool is_on;

	if (!on_or_off(value, &is_on))
		return false;
	m->what = (uint8_t)(is_on ? on : off);
	m->number = bit;
	return true;
}

static bool set_folders(struct ctl *c, const char *value, struct ipc_account_set *m)
{
	struct str *list;

	m->what = SET_POP_FOLDERS;
	if (!folder_list(c, value, &list, &m->n_folders))
		return false;
	m->folders = list;
	return true;
}

static bool dele_word(const char *value, uint64_t *out)
{
	const struct word *w = word_find(deles, str_z(value));

	*out = w ? w->value : 0;
	return w || wrong(value, "delete, trash or keep");
}

static bool setting_of(struct ctl *c, const char *name, const char *value, struct ipc_account_set *m)
{
	const struct word *service = word_find(services, str_z(name));

	if (service)
		return set_flag(value, service->value, SET_SERVICE_ON, SET_SERVICE_OFF, m);
	if (strcmp(name, "sent-copy") == 0)
		return set_flag(value, SETTING_SENT_COPY, SET_FLAG_ON, SET_FLAG_OFF, m);
	if (strcmp(name, "second-factor") == 0)
		return set_flag(value, SETTING_SECOND_FACTOR, SET_FLAG_ON, SET_FLAG_OFF, m);
	if (strcmp(name, "pop-folders") == 0)
		return set_folders(c, value, m);
	m->what = SET_POP_SINCE;
	if (strcmp(name, "pop-since") == 0)
		return date(value, &m->number);
	m->what = SET_POP_DELE;
	if (strcmp(name, "pop-dele") == 0)
		return dele_word(value, &m->number);
	m->what = SET_QUOTA_BYTES;
	if (strcmp(name, "quota") == 0)
		return with_unit(value, size_units, true, "a size as 500M or 10G; 0 is the configuration's", &m->number);
	m->what = SET_QUOTA_MESSAGES;
	if (strcmp(name, "quota-messages") == 0)
		return str_to_u64(str_z(value), &m->number) || wrong(value, "a number; 0 is the configuration's");
	return wrong(name, "smtp, imap, pop, sieve, sent-copy, second-factor, pop-folders, pop-since, pop-dele, quota or quota-messages");
}

static int account_set(struct ctl *c)
{
	struct ipc_account_set m = { 0 };

	if (!ctl_address(c, c->words[0], &m.address) || !setting_of(c, c->words[1], c->words[2], &m))
		return 1;
	return ctl_done(client_call(&c->client, ROLE_STORE, IPC_ACCOUNT_SET, &m, NULL), "account set", c->words[0]);
}

static int account_show(struct ctl *c)
{
	struct ipc_account_show m = { 0 };
	struct ipc_account_show_reply r;
	enum outcome o;

	if (!ctl_address(c, c->words[0], &m.address))
		return 1;
	o = client_call(&c->client, ROLE_STORE, IPC_ACCOUNT_SHOW, &m, &r);
	if (o == OK)
		ctl_print_lines(r.lines, r.n_lines);
	return ctl_done(o, "account show", c->words[0]);
}

/* ---- codes */

static bool code_option(struct ctl *c, const char *name, const char *value, struct ipc_code_add *m)
{
	struct str *list;
	uint64_t v;
	bool ok;

	if (strcmp(name, "--protocols") == 0)
		return service_list(value, &m->services);
	if (strcmp(name, "--expires") == 0) {
		ok = with_unit(value, time_units, false, "a time as 12h, 90d or 1y", &v) && v > 0 && v < (uint64_t)1 << 40;
		m->expires_s = clock_wall_us() / 1000000 + (int64_t)v;
		return ok;
	}
	if (strcmp(name, "--networks") == 0) {
		ok = network_list(c, value, &list, &m->n_networks);
		m->networks = list;
		return ok;
	}
	m->pop_given = 1;
	if (strcmp(name, "--pop-folders") == 0) {
		ok = folder_list(c, value, &list, &m->n_pop_folders);
		m->pop_folders = list;
		return ok;
	}
	ok = false;
	if (strcmp(name, "--pop-since") == 0) {
		ok = date(value, &v);
		m->pop_since_s = (int64_t)v;
	} else if (strcmp(name, "--pop-dele") == 0) {
		ok = dele_word(value, &v);
		m->pop_dele = (uint8_t)v;
	} else {
		wrong(name, "--protocols, --expires, --networks, --pop-folders, --pop-since or --pop-dele");
	}
	return ok;
}

static int code_add(struct ctl *c)
{
	struct ipc_code_add m = { .name = str_z(c->words[1]), .services = ACCESS_DEFAULT | ACCESS_POP };
	struct ipc_code_add_reply r;
	struct ipc_hash_secret secret = { .is_code = 1 };
	struct ipc_hash_secret_reply verifiers;
	unsigned char hash[CODE_HASH_SIZE];
	char text[CODE_TEXT_SIZE];
	enum outcome o;

	if (!ctl_address(c, c->words[0], &m.address))
		return 1;
	if (m.name.n == 0 || m.name.n > IPC_CODE_ADD_NAME_MAX || str_find(m.name, '\t') >= 0) {
		fprintf(stderr, "sallyport: a code's name has 1 to %d bytes and no tab\n", IPC_CODE_ADD_NAME_MAX);
		return 1;
	}
	for (int i = 2; i < c->n_words; i += 2)
		if (i + 1 == c->n_words ? !wrong(c->words[i], "followed by its value") : !code_option(c, c->words[i], c->words[i + 1], &m))
			return 1;
	code_new(text);
	code_hash(str_z(text), hash);
	m.hash = str_of(hash, sizeof hash);
	secret.address = m.address;
	secret.secret = str_z(text);
	o = client_call(&c->client, ROLE_AUTH, IPC_HASH_SECRET, &secret, &verifiers);
	m.scram = verifiers.scram;
	if (o == OK)
		o = client_call(&c->client, ROLE_STORE, IPC_CODE_ADD, &m, &r);
	if (o == OK)
		printf("%u\t%s\n", r.id, text);
	explicit_bzero(text, sizeof text);
	return ctl_done(o, "code add", c->words[1]);
}

static int code_list(struct ctl *c)
{
	struct ipc_code_list m = { 0 };
	struct ipc_code_list_reply r;
	enum outcome o;

	if (!ctl_address(c, c->words[0], &m.address))
		return 1;
	o = client_call(&c->client, ROLE_STORE, IPC_CODE_LIST, &m, &r);
	if (o == OK)
		ctl_print_lines(r.lines, r.n_lines);
	return ctl_done(o, "code list", c->words[0]);
}

static int code_delete(struct ctl *c)
{
	struct ipc_code_delete m = { 0 };

	if (!ctl_address(c, c->words[0], &m.address))
		return 1;
	if (!str_to_u32(str_z(c->words[1]), &m.id)) {
		wrong(c->words[1], "the number of a code; see: sallyport code list");
		return 1;
	}
	return ctl_done(client_call(&c->client, ROLE_STORE, IPC_CODE_DELETE, &m, NULL), "code delete", c->words[1]);
}

/* ---- certificates */

static bool digest_of(X509 *x, unsigned char out[FINGERPRINT_SIZE])
{
	unsigned n = 0;

	return x && X509_digest(x, EVP_sha256(), out, &n) == 1 && n == FINGERPRINT_SIZE;
}

/* The first certificate of a PEM file, or one in DER. */
static bool fingerprint_of_file(const char *path, unsigned char out[FINGERPRINT_SIZE])
{
	struct buf why;
	struct str text;
	const unsigned char *p;
	X509 *x = NULL;
	bool ok;

	buf_init(&why, 4096);
	if (!file_read(path, CERTIFICATE_MAX, &text, &why)) {
		fprintf(stderr, "%.*s", STR_ARG(buf_str(&why)));
		buf_fini(&why);
		return false;
	}
	buf_fini(&why);
	if (str_search(text, STR("-----BEGIN")) >= 0) {
		BIO *b = BIO_new_mem_buf(text.p, (int)text.n);

		x = PEM_read_bio_X509(b, NULL, NULL, NULL);
		BIO_free(b);
	} else {
		p = (const unsigned char *)text.p;
		x = d2i_X509(NULL, &p, (long)text.n);
	}
	ok = digest_of(x, out);
	X509_free(x);
	free((void *)(uintptr_t)text.p);
	return ok || wrong(path, "a certificate in PEM or DER");
}

/* 64 hexadecimal digits, colons allowed, as openssl x509 -fingerprint -sha256 prints them. */
static bool fingerprint_of_hex(const char *word, unsigned char out[FINGERPRINT_SIZE])
{
	size_t n = 0;

	for (; *word; word++) {
		int digit = mail_hex_digit(*word);

		if (*word == ':')
			continue;
		if (digit < 0 || n == FINGERPRINT_SIZE * 2)
			return false;
		out[n / 2] = (unsigned char)(n % 2 ? out[n / 2] | digit : digit << 4);
		n++;
	}
	return n == FINGERPRINT_SIZE * 2;
}

static bool fingerprint(const char *word, unsigned char out[FINGERPRINT_SIZE])
{
	return fingerprint_of_hex(word, out) || fingerprint_of_file(word, out);
}

static int certificate_pin(struct ctl *c)
{
	unsigned char print[FINGERPRINT_SIZE] = { 0 };
	struct ipc_pin_add m = { .fingerprint = str_of(print, sizeof print), .name = c->n_words > 2 ? str_z(c->words[2]) : STR("-") };

	if (m.name.n > IPC_PIN_ADD_NAME_MAX || str_find(m.name, '\t') >= 0) {
		fprintf(stderr, "sallyport: a certificate's name has at most %d bytes and no tab\n", IPC_PIN_ADD_NAME_MAX);
		return 1;
	}
	if (!ctl_address(c, c->words[0], &m.address) || !fingerprint(c->words[1], print))
		return 1;
	return ctl_done(client_call(&c->client, ROLE_STORE, IPC_PIN_ADD, &m, NULL), "certificate pin", c->words[1]);
}

static int certificate_unpin(struct ctl *c)
{
	unsigned char print[FINGERPRINT_SIZE] = { 0 };
	struct ipc_pin_delete m = { .fingerprint = str_of(print, sizeof print) };

	if (!ctl_address(c, c->words[0], &m.address) || !fingerprint(c->words[1], print))
		return 1;
	return ctl_done(client_call(&c->client, ROLE_STORE, IPC_PIN_DELETE, &m, NULL), "certificate unpin", c->words[1]);
}

static int certificate_list(struct ctl *c)
{
	struct ipc_pin_list m = { 0 };
	struct ipc_pin_list_reply r;
	enum outcome o;

	if (!ctl_address(c, c->words[0], &m.address))
		return 1;
	o = client_call(&c->client, ROLE_STORE, IPC_PIN_LIST, &m, &r);
	if (o == OK)
		ctl_print_lines(r.lines, r.n_lines);
	return ctl_done(o, "certificate list", c->words[0]);
}

/* ---- bans */

static int ban_list(struct ctl *c)
{
	struct ipc_ban_list_reply r;
	enum outcome o = client_call(&c->client, ROLE_AUTH, IPC_BAN_LIST, NULL, &r);

	if (o == OK)
		ctl_print_lines(r.lines, r.n_lines);
	return ctl_done(o, "ban", "list");
}

static int ban_remove(struct ctl *c)
{
	struct ipc_ban_remove m = { .what = str_z(c->words[0]) };

	if (m.what.n > IPC_BAN_REMOVE_WHAT_MAX)
		return ctl_done(NO_SUCH, "ban remove", c->words[0]);
	return ctl_done(client_call(&c->client, ROLE_AUTH, IPC_BAN_REMOVE, &m, NULL), "ban remove", c->words[0]);
}

const struct command ctl_account_commands[] = {
	{ "account set", "ADDRESS NAME VALUE", "smtp|imap|pop|sieve on|off, sent-copy, second-factor, pop-folders, pop-since, pop-dele, quota", 3, 3,
	  ONLINE, account_set },
	{ "account show", "ADDRESS", "print an account's switches and settings", 1, 1, ONLINE, account_show },
	{ "code add", "ADDRESS NAME ...", "make an authorization code, printed this once: --protocols imap,smtp --expires 90d --networks CIDR,..", 2, 14,
	  ONLINE, code_add },
	{ "code list", "ADDRESS", "print codes: number, name, protocols, expiry, networks, POP rules, made, last used, from where", 1, 1, ONLINE, code_list },
	{ "code delete", "ADDRESS NUMBER", "delete a code, which ends its sessions", 2, 2, ONLINE, code_delete },
	{ "certificate pin", "ADDRESS FILE [NAME]", "let who has this certificate log in (SASL EXTERNAL); FILE or its SHA-256", 2, 3, ONLINE, certificate_pin },
	{ "certificate unpin", "ADDRESS FILE", "forget it; FILE or its SHA-256", 2, 2, ONLINE, certificate_unpin },
	{ "certificate list", "ADDRESS", "print the pinned certificates", 1, 1, ONLINE, certificate_list },
	{ "ban list", "", "print who is banned for failed logins, and for how many seconds", 0, 0, ONLINE, ban_list },
	{ "ban remove", "WHAT", "let an address, a network or a login try again", 1, 1, ONLINE, ban_remove },
	{ 0 },
};
