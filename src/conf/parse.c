/* conf/parse.c - a configuration text becomes a struct conf
 * Purpose     read statements, fill the fields that the schema names, collect all that is wrong.
 * Trust       the operator's text; nothing in it may crash the parser all the same (fuzz/conf.c).
 * Owns        the struct conf until it is handed out.
 * Invariants  I1 blocks are one deep: no recursion.
 *             I2 a wrong statement is skipped to its end and gives one error.
 */
#include "conf/parse_impl.h"

#include "base/buf.h"
#include "base/die.h"
#include "conf/blocks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ARENA_CAP ((size_t)16 << 20) /* above what a text of CONF_TEXT_MAX can need */

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

struct str conf_shown(struct conf_parser *p, struct str word)
{
	buf_reset(&p->why);
	conf_clean(word, &p->why);
	return buf_str(&p->why);
}

static void statement_bad(struct conf_parser *p, struct conf_statement *st, unsigned line, const char *why)
{
	if (!st->bad)
		conf_error(p, line, "%s", why);
	st->bad = true;
}

static void statement_read(struct conf_parser *p, struct conf_statement *st)
{
	*st = (struct conf_statement){ .line = p->lexer.line };
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

/* ------------------------------------------------------------------------------------------------------- blocks */

static void unknown_block(struct conf_parser *p, const struct conf_statement *st)
{
	struct str name = st->words.v[0];
	const char *near = conf_block_near(name);

	if (conf_setting_find(NULL, name))
		conf_error(p, st->line, "'%.*s' is a setting, not a block; write its value in place of '{'", STR_ARG(name));
	else if (near)
		conf_error(p, st->line, "unknown block '%.*s'; did you mean '%s'?", STR_ARG(conf_shown(p, name)), near);
	else
		conf_error(p, st->line, "unknown block '%.*s'; see the list of settings", STR_ARG(conf_shown(p, name)));
}

/* False: the block cannot be used, its statements are skipped. */
static bool block_begin(struct conf_parser *p, const struct conf_statement *st)
{
	const struct conf_block_kind *kind;
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
	kind = p->kind = conf_block_kind_find(p->block->name);
	if (kind && (st->words.n < 1 + kind->least || st->words.n > 1 + kind->most)) {
		conf_error(p, st->line, "%s takes %s", p->block->name, kind->usage);
		return false;
	}
	if (!kind && st->words.n != 1) {
		conf_error(p, st->line, "block %s takes no value before its '{'; remove it", p->block->name);
		return false;
	}
	line = &p->block_lines[p->block - conf_blocks];
	if (!kind && *line) {
		conf_error(p, st->line, "block %s is given twice; join it with the one in line %u", p->block->name, *line);
		return false;
	}
	*line = st->line;
	return true;
}

/* Each block of its kind begins with nothing set. */
static void kind_open(struct conf_parser *p, const struct conf_statement *st)
{
	p->base = p->kind->open(p, st);
	p->skipping = !p->base;
	for (size_t i = 0; p->base && i < conf_n_settings; i++)
		if (conf_setting_in(&conf_settings[i], p->block->name)) {
			p->setting_line[i] = 0;
			conf_value_default(&conf_settings[i], &p->conf->arena, p->base);
		}
}

static void block_open(struct conf_parser *p, const struct conf_statement *st)
{
	static const struct conf_block none = { "", "" };

	p->block_line = st->line;
	p->kind = NULL;
	p->base = p->conf;
	p->skipping = !block_begin(p, st);
	if (!p->block)
		p->block = &none;
	if (!p->skipping && p->kind)
		kind_open(p, st);
}

static void block_close(struct conf_parser *p)
{
	if (p->skipping && p->skip_depth) {
		p->skip_depth--;
		return;
	}
	if (!p->skipping && p->kind)
		p->kind->close(p);
	p->block = NULL;
	p->kind = NULL;
	p->base = p->conf;
	p->skipping = false;
}

/* ----------------------------------------------------------------------------------------------------- settings */

static void unknown_setting(struct conf_parser *p, const struct conf_statement *st)
{
	struct str name = st->words.v[0];
	const char *block = p->block ? p->block->name : NULL;
	const char *near = conf_setting_near(block, name);

	if (!block && conf_block_find(name)) {
		const struct conf_block_kind *kind = conf_block_kind_find(conf_block_find(name)->name);

		conf_error(p, st->line, "'%.*s' is a block; write %.*s%s%s { ... }", STR_ARG(name), STR_ARG(name), kind ? " " : "",
			kind ? kind->word : "");
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
		conf_error(p, st->line, "unknown setting '%.*s'; did you mean '%s'?", STR_ARG(conf_shown(p, name)), near);
	else
		conf_error(p, st->line, "unknown setting '%.*s'%s%s; see the list of settings", STR_ARG(conf_shown(p, name)),
			block ? " in " : "", block ? block : "");
}

static void setting_set(struct conf_parser *p, const struct conf_statement *st)
{
	const struct conf_setting *s = conf_setting_find(p->block ? p->block->name : NULL, st->words.v[0]);
	struct conf_words values = { .n = st->words.n - 1 };
	unsigned *line;

	if (!s) {
		unknown_setting(p, st);
		return;
	}
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
	if (!conf_value_parse(s, &values, &p->conf->arena, p->base, &p->why))
		conf_error(p, st->line, "%s: %.*s", s->name, STR_ARG(buf_str(&p->why)));
}

static void statement_apply(struct conf_parser *p, const struct conf_statement *st)
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
		if (!conf_settings[i].block || !conf_block_kind_find(conf_settings[i].block))
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
	struct conf_statement st;

	do {
		statement_read(p, &st);
		statement_apply(p, &st);
	} while (st.end != CONF_TOKEN_EOF);
	if (p->block)
		conf_error(p, p->block_line, "block %s%sis not closed; add '}'", p->block->name, *p->block->name ? " " : "");
	conf_blocks_finish(p);
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
	p.base = p.conf = conf_new();
	p.lexer = (struct conf_lexer){ .in = cur_of(text), .line = 1, .arena = &p.conf->arena };
	p.setting_line = arena_array(&p.conf->arena, conf_n_settings, sizeof *p.setting_line);
	p.block_lines = arena_array(&p.conf->arena, conf_n_blocks, sizeof *p.block_lines);
	p.blocks = arena_new(&p.conf->arena, struct conf_blocks);
	buf_init(&p.why, 2000);
	text_read(&p);
	if (!errs->n)
		conf_check(&p, p.conf);
	buf_fini(&p.why);
	conf_blocks_fini(p.blocks);
	if (errs->n) {
		conf_free(p.conf);
		return false;
	}
	*out = p.conf;
	return true;
}
