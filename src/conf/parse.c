/* conf/parse.c - a configuration text becomes a struct conf
 * Purpose     read statements, fill the fields that the schema names, collect all that is wrong.
 * Trust       the operator's text; nothing in it may crash the parser all the same (fuzz/conf.c).
 * Owns        the struct conf until it is handed out.
 * Invariants  I1 blocks are one deep: no recursion.
 *             I2 a wrong statement is skipped to its end and gives one error.
 */
#include "conf/conf.h"

#include "base/buf.h"
#include "base/die.h"
#include "base/vec.h"
#include "conf/check.h"
#include "conf/lex.h"
#include "conf/schema.h"
#include "conf/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ARENA_CAP ((size_t)16 << 20) /* above what a text of CONF_TEXT_MAX can need */

struct conf_parser {
	struct conf_lexer lexer;
	const char *file_name;
	struct conf_errors *errs;
	struct conf *conf;
	struct buf why;

	const struct conf_block *block; /* the one that is open, or NULL */
	unsigned block_line;
	bool skipping;         /* the open block is not known or a duplicate: its statements go unread */
	unsigned skip_depth;   /* blocks open within that */
	unsigned *setting_line; /* by index in conf_settings: where it was set, 0 if not */
	unsigned *block_lines;  /* by index in conf_blocks */

	struct conf_listen_block *listen; /* the listen block being read */
	struct conf_certificate certificate; /* the certificate block being read */
	struct VEC(struct conf_certificate) certificates;
	struct VEC(struct conf_listener) listeners;
	unsigned n_listen;
};

/* A statement: its words, and what ended it. */
struct statement {
	struct conf_words words;
	unsigned line;
	enum conf_token_kind end; /* END, OPEN, CLOSE or EOF */
	bool bad;                 /* already reported */
};

void conf_errors_init(struct conf_errors *errs)
{
	*errs = (struct conf_errors){ 0 };
	buf_init(&errs->text, 64 * 1024);
}

void conf_errors_fini(struct conf_errors *errs)
{
	buf_fini(&errs->text);
}

void conf_error(struct conf_parser *p, unsigned line, const char *fmt, ...)
{
	va_list ap;

	if (p->errs->n++ >= CONF_ERRORS_MAX)
		return;
	buf_addf(&p->errs->text, "%s:%u: ", p->file_name, line ? line : p->lexer.line);
	va_start(ap, fmt);
	buf_vaddf(&p->errs->text, fmt, ap);
	va_end(ap);
	buf_addc(&p->errs->text, '\n');
}

unsigned conf_line_of(const struct conf_parser *p, const struct conf_setting *s)
{
	return p->setting_line[s - conf_settings];
}

/* A word of the text as a message shows it. Valid until the next call. */
static struct str shown(struct conf_parser *p, struct str word)
{
	buf_reset(&p->why);
	conf_clean(word, &p->why);
	return buf_str(&p->why);
}

static void statement_bad(struct conf_parser *p, struct statement *st, unsigned line, const char *why)
{
	if (!st->bad)
		conf_error(p, line, "%s", why);
	st->bad = true;
}

static void statement_read(struct conf_parser *p, struct statement *st)
{
	*st = (struct statement){ .line = p->lexer.line };
	for (;;) {
		struct conf_token t = conf_lex(&p->lexer);

		if (t.kind == CONF_TOKEN_BAD) {
			statement_bad(p, st, t.line, t.why);
		} else if (t.kind != CONF_TOKEN_WORD) {
			st->end = t.kind;
			return;
		} else if (st->words.n < CONF_WORDS_MAX) {
			st->words.v[st->words.n++] = t.text;
		} else {
			statement_bad(p, st, t.line, "more values than any setting takes; end the statement with a newline or ';'");
		}
	}
}

/* ------------------------------------------------------------------------------------------------ listen blocks */

static void listen_open(struct conf_parser *p, const struct statement *st)
{
	const struct conf_choice *service = conf_services;

	while (service->name && !str_eq(str_z(service->name), st->words.v[1]))
		service++;
	if (!service->name) {
		const char *near = conf_choice_near(conf_services, st->words.v[1]);

		conf_error(p, st->line, "'%.*s' is not a service; %s%s%s", STR_ARG(shown(p, st->words.v[1])),
			near ? "did you mean '" : "use smtp, submission, submissions, imap, imaps, pop3, pop3s, lmtp or pop2",
			near ? near : "", near ? "'?" : "");
		p->skipping = true;
		return;
	}
	*p->listen = (struct conf_listen_block){ .tls = CONF_TLS_BY_SERVICE };
	p->listen->common.service = (enum conf_service)service->value;
	p->listen->common.port = conf_service_port(p->listen->common.service);
	p->listen->common.line = st->line;
	p->listen->common.block = p->n_listen++;
	for (size_t i = 0; i < conf_n_settings; i++)
		if (conf_setting_in(&conf_settings[i], "listen")) {
			p->setting_line[i] = 0;
			conf_value_default(&conf_settings[i], &p->conf->arena, p->listen);
		}
}

static void listen_close(struct conf_parser *p)
{
	const struct conf_setting *address = conf_setting_find("listen", STR("address"));

	if (p->listen->common.path.n) {
		if (conf_line_of(p, address) || conf_line_of(p, conf_setting_find("listen", STR("port"))))
			conf_error(p, p->block_line, "listen has a path as well as an address or port; keep one, and give the other a block of its own");
		p->listen->addresses.n = 1; /* of none */
		p->listen->addresses.v[0] = (struct conf_address){ .family = AF_UNIX };
	}
	for (size_t i = 0; i < p->listen->addresses.n; i++) {
		struct conf_listener *l;

		if (p->listeners.n == CONF_LISTENERS_MAX) {
			conf_error(p, p->block_line, "more than %d addresses to listen on; remove some", CONF_LISTENERS_MAX);
			return;
		}
		l = vec_push(&p->listeners);
		*l = p->listen->common;
		l->address = p->listen->addresses.v[i];
		l->address_given = conf_line_of(p, address) != 0;
		l->tls = (enum conf_tls_mode)p->listen->tls;
	}
}

/* ------------------------------------------------------------------------------------------- certificate blocks */

static bool name_ok(struct str name)
{
	return conf_hostname_ok(str_starts(name, STR("*.")) ? str_from(name, 2) : name);
}

static void certificate_open(struct conf_parser *p, const struct statement *st)
{
	struct conf_certificate *c = &p->certificate;

	*c = (struct conf_certificate){ .line = st->line };
	for (size_t i = 1; i < st->words.n; i++) {
		char *name = arena_dupz(&p->conf->arena, st->words.v[i]);

		for (char *z = name; *z; z++)
			*z = ascii_lower(*z);
		if (!name_ok(st->words.v[i])) {
			conf_error(p, st->line, "'%.*s' is not a name for a certificate; give a host name (in A-labels, xn--...), or *. and one",
				STR_ARG(shown(p, st->words.v[i])));
			p->skipping = true;
			return;
		}
		c->names[c->n_names++] = str_z(name);
	}
	for (size_t i = 0; i < conf_n_settings; i++)
		if (conf_setting_in(&conf_settings[i], "certificate"))
			p->setting_line[i] = 0;
}

static void certificate_close(struct conf_parser *p)
{
	const struct conf_certificate *c = &p->certificate;

	if (!c->certificate.n || !c->key.n)
		conf_error(p, c->line, "certificate for %s lacks %s; add it: %s /path/to/file.pem", c->names[0].p, c->certificate.n ? "its key" : "its file",
			c->certificate.n ? "key" : "certificate");
	else if (p->certificates.n == CONF_CERTIFICATES_MAX)
		conf_error(p, c->line, "more than %d certificate blocks; join some", CONF_CERTIFICATES_MAX);
	else
		*vec_push(&p->certificates) = *c;
}

static void certificates_finish(struct conf_parser *p)
{
	struct conf *c = p->conf;

	c->certificates = arena_array(&c->arena, p->certificates.n, sizeof *c->certificates);
	c->n_certificates = p->certificates.n;
	for (size_t i = 0; i < c->n_certificates; i++)
		c->certificates[i] = p->certificates.v[i];
}

/* Whether there is a certificate is known at the end of the text only. */
static void listeners_finish(struct conf_parser *p)
{
	struct conf *c = p->conf;

	c->listeners = arena_array(&c->arena, p->listeners.n, sizeof *c->listeners);
	c->n_listeners = p->listeners.n;
	for (size_t i = 0; i < c->n_listeners; i++) {
		struct conf_listener *l = &c->listeners[i];

		*l = p->listeners.v[i];
		if (!conf_service_has_tls(l->service) && conf_service_has_logins(l->service))
			l->auth_without_tls = true; /* its protocol knows no other way; where it may be bound is checked */
		if ((int)l->tls != CONF_TLS_BY_SERVICE)
			continue;
		if (conf_service_implicit(l->service))
			l->tls = CONF_TLS_IMPLICIT;
		else
			l->tls = c->tls.certificate.n && conf_service_has_tls(l->service) && !l->path.n ? CONF_TLS_STARTTLS : CONF_TLS_NONE;
	}
}

/* ------------------------------------------------------------------------------------------------------- blocks */

static void unknown_block(struct conf_parser *p, const struct statement *st)
{
	struct str name = st->words.v[0];
	const char *near = conf_block_near(name);

	if (conf_setting_find(NULL, name))
		conf_error(p, st->line, "'%.*s' is a setting, not a block; write its value in place of '{'", STR_ARG(name));
	else if (near)
		conf_error(p, st->line, "unknown block '%.*s'; did you mean '%s'?", STR_ARG(shown(p, name)), near);
	else
		conf_error(p, st->line, "unknown block '%.*s'; see the list of settings", STR_ARG(shown(p, name)));
}

/* False: the block cannot be used, its statements are skipped. */
static bool block_begin(struct conf_parser *p, const struct statement *st)
{
	bool is_listen = st->words.n && str_eq(st->words.v[0], STR("listen"));
	bool is_certificate = st->words.n && str_eq(st->words.v[0], STR("certificate"));
	unsigned *line;

	if (st->bad)
		return false;
	if (st->words.n == 0) {
		conf_error(p, st->line, "'{' without the name of a block; write one before it");
		return false;
	}
	p->block = conf_block_find(st->words.v[0]);
	if (!p->block) {
		unknown_block(p, st);
		return false;
	}
	if (is_certificate && (st->words.n < 2 || st->words.n > 1 + CONF_CERTIFICATE_NAMES_MAX)) {
		conf_error(p, st->line, "certificate takes 1 to %d names; write certificate mail.example.org { ... }", CONF_CERTIFICATE_NAMES_MAX);
		return false;
	}
	if (!is_certificate && st->words.n != (is_listen ? 2 : 1)) {
		conf_error(p, st->line, is_listen ? "listen takes one service; write listen smtp { ... }" :
						    "block %s takes no value before its '{'; remove it", p->block->name);
		return false;
	}
	line = &p->block_lines[p->block - conf_blocks];
	if (!is_listen && !is_certificate && *line) {
		conf_error(p, st->line, "block %s is given twice; join it with the one in line %u", p->block->name, *line);
		return false;
	}
	*line = st->line;
	return true;
}

static void block_open(struct conf_parser *p, const struct statement *st)
{
	static const struct conf_block none = { "", "" };

	p->block_line = st->line;
	p->skipping = !block_begin(p, st);
	if (!p->block)
		p->block = &none;
	if (!p->skipping && strcmp(p->block->name, "listen") == 0)
		listen_open(p, st);
	else if (!p->skipping && strcmp(p->block->name, "certificate") == 0)
		certificate_open(p, st);
}

static void block_close(struct conf_parser *p)
{
	if (p->skipping && p->skip_depth) {
		p->skip_depth--;
		return;
	}
	if (!p->skipping && strcmp(p->block->name, "listen") == 0)
		listen_close(p);
	else if (!p->skipping && strcmp(p->block->name, "certificate") == 0)
		certificate_close(p);
	p->block = NULL;
	p->skipping = false;
}

/* ----------------------------------------------------------------------------------------------------- settings */

static void unknown_setting(struct conf_parser *p, const struct statement *st)
{
	struct str name = st->words.v[0];
	const char *block = p->block ? p->block->name : NULL;
	const char *near = conf_setting_near(block, name);

	if (!block && conf_block_find(name)) {
		conf_error(p, st->line, "'%.*s' is a block; write %.*s%s { ... }", STR_ARG(name), STR_ARG(name),
			str_eq(name, STR("listen")) ? " SERVICE" : "");
		return;
	}
	for (size_t i = 0; i < conf_n_settings; i++) {
		const struct conf_setting *s = &conf_settings[i];

		if (!str_eq(str_z(s->name), name))
			continue;
		if (s->block)
			conf_error(p, st->line, "'%s' does not stand here; write %s { %s ... }", s->name, s->block, s->name);
		else
			conf_error(p, st->line, "'%s' does not stand in a block; move it out of %s { }", s->name, block);
		return;
	}
	if (near)
		conf_error(p, st->line, "unknown setting '%.*s'; did you mean '%s'?", STR_ARG(shown(p, name)), near);
	else
		conf_error(p, st->line, "unknown setting '%.*s'%s%s; see the list of settings", STR_ARG(shown(p, name)),
			block ? " in " : "", block ? block : "");
}

static void setting_set(struct conf_parser *p, const struct statement *st)
{
	const struct conf_setting *s = conf_setting_find(p->block ? p->block->name : NULL, st->words.v[0]);
	struct conf_words values = { .n = st->words.n - 1 };
	void *base = p->conf;
	unsigned *line;

	if (!s) {
		unknown_setting(p, st);
		return;
	}
	if (conf_setting_in(s, "listen"))
		base = p->listen;
	else if (conf_setting_in(s, "certificate"))
		base = &p->certificate;
	line = &p->setting_line[s - conf_settings];
	if (*line) {
		conf_error(p, st->line, "%s is given twice; remove this one or the one in line %u", s->name, *line);
		return;
	}
	*line = st->line;
	if (!values.n) {
		conf_error(p, st->line, "%s has no value; write it behind the name", s->name);
		return;
	}
	memcpy(values.v, st->words.v + 1, values.n * sizeof *values.v);
	buf_reset(&p->why);
	if (!conf_value_parse(s, &values, &p->conf->arena, base, &p->why))
		conf_error(p, st->line, "%s: %.*s", s->name, STR_ARG(buf_str(&p->why)));
}

static void statement_apply(struct conf_parser *p, const struct statement *st)
{
	if (st->end == CONF_TOKEN_OPEN) {
		if (!p->block) {
			block_open(p, st);
			return;
		}
		if (!p->skipping)
			conf_error(p, st->line, "a block within %s; close that with '}' first", p->block->name);
		p->skipping = true;
		p->skip_depth++;
		return;
	}
	if (st->words.n && !st->bad && !p->skipping)
		setting_set(p, st);
	if (st->end != CONF_TOKEN_CLOSE)
		return;
	if (p->block)
		block_close(p);
	else
		conf_error(p, st->line, "'}' closes nothing; remove it");
}

/* --------------------------------------------------------------------------------------------------- whole texts */

static struct conf *conf_new(void)
{
	struct conf *c = mem_new(struct conf);

	arena_init(&c->arena, "configuration", ARENA_CAP);
	for (size_t i = 0; i < conf_n_settings; i++)
		if (!conf_setting_in(&conf_settings[i], "listen"))
			conf_value_default(&conf_settings[i], &c->arena, c);
	return c;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	arena_fini(&c->arena);
	free(c);
}

static void text_read(struct conf_parser *p)
{
	struct statement st;

	do {
		statement_read(p, &st);
		statement_apply(p, &st);
	} while (st.end != CONF_TOKEN_EOF);
	if (p->block)
		conf_error(p, p->block_line, "block %s%sis not closed; add '}'", p->block->name, *p->block->name ? " " : "");
	certificates_finish(p);
	listeners_finish(p);
}

bool conf_parse(struct str text, const char *file_name, struct conf **out, struct conf_errors *errs)
{
	struct conf_parser p = { .file_name = file_name, .errs = errs };

	*out = NULL;
	if (text.n > CONF_TEXT_MAX) {
		p.lexer.line = 1;
		conf_error(&p, 1, "the file is larger than %zu bytes; is it a configuration?", CONF_TEXT_MAX);
		return false;
	}
	p.conf = conf_new();
	p.lexer = (struct conf_lexer){ .in = cur_of(text), .line = 1, .arena = &p.conf->arena };
	p.setting_line = arena_array(&p.conf->arena, conf_n_settings, sizeof *p.setting_line);
	p.block_lines = arena_array(&p.conf->arena, conf_n_blocks, sizeof *p.block_lines);
	p.listen = arena_new(&p.conf->arena, struct conf_listen_block);
	buf_init(&p.why, 2000);
	text_read(&p);
	if (!errs->n)
		conf_check(&p, p.conf);
	buf_fini(&p.why);
	vec_free(&p.listeners);
	vec_free(&p.certificates);
	if (errs->n) {
		conf_free(p.conf);
		return false;
	}
	*out = p.conf;
	return true;
}
