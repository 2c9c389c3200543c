/* conf/show.c - a configuration written out, and the reference of all settings
 * Invariants  what conf_show writes, conf_parse reads back as the same (tested, fuzzed).
 */
#include "conf/conf.h"

#include "conf/schema.h"
#include "conf/value.h"

#include <string.h>

#define VALUE_MAX 4000 /* bytes of a value as written: a word, all of it escaped, and some */

/* Writes "name value\n" unless it is not set, or is the default and those are not wanted. */
static void show_setting(const struct conf_setting *s, const void *base, struct buf *out, bool with_defaults)
{
	struct buf value;

	buf_init(&value, VALUE_MAX);
	conf_value_show(s, base, &value);
	if (value.n && (with_defaults || !s->text || !str_eq(buf_str(&value), str_z(s->text))))
		buf_addf(out, "%s%s %.*s\n", s->block ? "\t" : "", s->name, STR_ARG(buf_str(&value)));
	buf_fini(&value);
}

static void show_block(const char *block, const void *base, struct buf *out, bool with_defaults)
{
	size_t before = out->n, empty;

	if (block)
		buf_addf(out, "\n%s {\n", block);
	empty = out->n;
	for (size_t i = 0; i < conf_n_settings; i++)
		if (conf_setting_in(&conf_settings[i], block))
			show_setting(&conf_settings[i], base, out, with_defaults);
	if (out->n == empty)
		buf_cut(out, before);
	else if (block)
		buf_addz(out, "}\n");
}

/* Shows the listeners from i on that stand in one block; the first one after them. */
static size_t show_listen(const struct conf *c, size_t i, struct buf *out, bool with_defaults)
{
	const struct conf_listener *first = &c->listeners[i];
	struct conf_listen_block block = { .common = *first, .tls = (int)first->tls };
	bool by_service = first->tls == (conf_service_implicit(first->service) ? CONF_TLS_IMPLICIT :
					 c->tls.certificate.n && conf_service_has_tls(first->service) && !first->path.n ? CONF_TLS_STARTTLS :
										  CONF_TLS_NONE);

	for (; i < c->n_listeners && c->listeners[i].block == first->block; i++)
		block.addresses.v[block.addresses.n++] = c->listeners[i].address;
	buf_addf(out, "\nlisten %s {\n", conf_service_name(first->service));
	for (size_t s = 0; s < conf_n_settings; s++) {
		const struct conf_setting *setting = &conf_settings[s];

		if (!conf_setting_in(setting, "listen"))
			continue;
		if (strcmp(setting->name, "tls") == 0 && by_service && !with_defaults)
			continue;
		if (strcmp(setting->name, "port") == 0 && (first->path.n || (first->port == conf_service_port(first->service) && !with_defaults)))
			continue;
		if (strcmp(setting->name, "address") == 0) {
			if (first->address_given && !first->path.n)
				show_setting(setting, &block, out, true);
			continue;
		}
		show_setting(setting, &block, out, with_defaults);
	}
	buf_addz(out, "}\n");
	return i;
}

static void show_listeners(const struct conf *c, struct buf *out, bool with_defaults)
{
	for (size_t i = 0; i < c->n_listeners;)
		i = show_listen(c, i, out, with_defaults);
}

/* The settings of an open block, and its end. */
static void show_settings(const char *block, const void *base, struct buf *out, bool with_defaults)
{
	for (size_t k = 0; k < conf_n_settings; k++)
		if (conf_setting_in(&conf_settings[k], block))
			show_setting(&conf_settings[k], base, out, with_defaults);
	buf_addz(out, "}\n");
}

static void show_names(const char *block, const struct str *names, size_t n, struct buf *out)
{
	buf_addf(out, "\n%s", block);
	for (size_t k = 0; k < n; k++)
		buf_addf(out, " %.*s", STR_ARG(names[k]));
	buf_addz(out, " {\n");
}

static void show_certificates(const struct conf *c, struct buf *out, bool with_defaults)
{
	(void)with_defaults;
	for (size_t i = 0; i < c->n_certificates; i++) {
		show_names("certificate", c->certificates[i].names, c->certificates[i].n_names, out);
		show_settings("certificate", &c->certificates[i], out, true);
	}
}

static void show_routes(const struct conf *c, struct buf *out, bool with_defaults)
{
	for (size_t i = 0; i < c->n_routes; i++) {
		show_names("route", c->routes[i].domains, c->routes[i].n_domains, out);
		show_settings("route", &c->routes[i], out, with_defaults);
	}
}

static void show_sources(const struct conf *c, struct buf *out, bool with_defaults)
{
	for (size_t i = 0; i < c->n_sources; i++) {
		struct conf_source_block block = { .common = c->sources[i] };

		if (c->sources[i].address4.family)
			block.addresses.v[block.addresses.n++] = c->sources[i].address4;
		if (c->sources[i].address6.family)
			block.addresses.v[block.addresses.n++] = c->sources[i].address6;
		show_names("source", &c->sources[i].name, 1, out);
		show_settings("source", &block, out, with_defaults);
	}
}

static const struct {
	const char *block;
	void (*show)(const struct conf *c, struct buf *out, bool with_defaults);
} repeated[] = {
	{ "listen", show_listeners },
	{ "certificate", show_certificates },
	{ "route", show_routes },
	{ "source", show_sources },
};
#define N_REPEATED (sizeof repeated / sizeof *repeated)

void conf_show(const struct conf *c, struct buf *out, bool with_defaults)
{
	show_block(NULL, c, out, with_defaults);
	for (size_t b = 0; b < conf_n_blocks; b++) {
		size_t k = 0;

		while (k < N_REPEATED && strcmp(repeated[k].block, conf_blocks[b].name) != 0)
			k++;
		if (k < N_REPEATED)
			repeated[k].show(c, out, with_defaults);
		else
			show_block(conf_blocks[b].name, c, out, with_defaults);
	}
}

static void markdown_type(const struct conf_setting *s, struct buf *out)
{
	buf_addz(out, conf_type_name(s));
	for (const struct conf_choice *c = s->choices; c && c->name; c++)
		buf_addf(out, "%s `%s`", c == s->choices ? "" : ",", c->name);
	if (s->type != CONF_TYPE_SIZE && s->type != CONF_TYPE_DURATION && s->type != CONF_TYPE_COUNT)
		return;
	buf_addz(out, s->zero ? ", 0 or " : ", ");
	conf_bound_show(s, s->min, out);
	buf_addz(out, " to ");
	conf_bound_show(s, s->max, out);
}

static void markdown_rows(const char *block, struct buf *out)
{
	buf_addz(out, "\n| setting | default | value | meaning |\n|---|---|---|---|\n");
	for (size_t i = 0; i < conf_n_settings; i++) {
		const struct conf_setting *s = &conf_settings[i];

		if (!conf_setting_in(s, block))
			continue;
		buf_addf(out, "| `%s` | ", s->name);
		if (s->text)
			buf_addf(out, "`%s`", s->text);
		buf_addz(out, " | ");
		markdown_type(s, out);
		buf_addf(out, " | %s |\n", s->help);
	}
}

void conf_schema_markdown(struct buf *out)
{
	buf_addz(out, "### Outside blocks\n");
	markdown_rows(NULL, out);
	for (size_t b = 0; b < conf_n_blocks; b++) {
		buf_addf(out, "\n### `%s`\n\n%s\n", conf_blocks[b].name, conf_blocks[b].help);
		markdown_rows(conf_blocks[b].name, out);
	}
}
