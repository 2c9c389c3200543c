/* conf/schema.h - the table of all settings, inside conf/ only. */
#ifndef SALLYPORT_CONF_SCHEMA_H
#define SALLYPORT_CONF_SCHEMA_H

#include "conf/conf.h"

enum conf_type {
	CONF_TYPE_HOSTNAME,  /* struct str */
	CONF_TYPE_WORD,      /* struct str; min and max are lengths */
	CONF_TYPE_PATH,      /* struct str: absolute; max is its length */
	CONF_TYPE_FILE,      /* struct str: "stderr" or a path */
	CONF_TYPE_SIZE,      /* uint64_t, bytes */
	CONF_TYPE_COUNT,     /* uint32_t */
	CONF_TYPE_DURATION,  /* int64_t, milliseconds */
	CONF_TYPE_BOOL,      /* bool */
	CONF_TYPE_ENUM,      /* an enum, stored as int */
	CONF_TYPE_PORT,      /* uint16_t */
	CONF_TYPE_ADDRESSES, /* struct conf_addresses */
	CONF_TYPE_RESOLVERS, /* struct conf_resolvers */
	CONF_TYPE_NAMES,     /* struct conf_names */
	CONF_TYPE_NETWORKS,  /* struct conf_networks */
	CONF_TYPE_PERCENTS,  /* struct conf_percents */
	CONF_TYPE_HOPS,      /* struct conf_hops */
	CONF_TYPE_COUNT_
};

struct conf_choice {
	const char *name; /* NULL ends */
	int value;
};

struct conf_setting {
	const char *block; /* NULL: outside all blocks */
	const char *name;
	enum conf_type type;
	size_t offset;    /* into struct conf; in blocks that may be repeated into the struct of one */
	const char *text; /* the default as it would be written; NULL: none, see help */
	uint64_t min, max;
	bool zero;        /* 0 is allowed below min: it switches the limit off or leaves the choice to the server */
	const struct conf_choice *choices;
	const char *help; /* one line, ends without a stop */
};

struct conf_block {
	const char *name;
	const char *help;
};

struct conf_addresses {
	struct conf_address v[16];
	size_t n;
};

/* A listen block as it is written; each address of it becomes a listener. */
struct conf_listen_block {
	struct conf_addresses addresses;
	struct conf_listener common;
	int tls; /* enum conf_tls_mode, or CONF_TLS_BY_SERVICE */
};
#define CONF_TLS_BY_SERVICE (-1)

/* A source block as it is written. */
struct conf_source_block {
	struct conf_addresses addresses;
	struct conf_source common; /* without its addresses until the block ends */
};

extern const struct conf_setting conf_settings[];
extern const size_t conf_n_settings;
extern const struct conf_block conf_blocks[];
extern const size_t conf_n_blocks;
extern const struct conf_choice conf_services[];

bool conf_setting_in(const struct conf_setting *s, const char *block); /* block may be NULL */
const struct conf_setting *conf_setting_find(const char *block, struct str name);
const struct conf_block *conf_block_find(struct str name);

/* The name nearest to s among those of a block, when it is near enough to be what was meant; or NULL. */
const char *conf_setting_near(const char *block, struct str s);
const char *conf_block_near(struct str s);
const char *conf_choice_near(const struct conf_choice *choices, struct str s);
/* Of n names of the configuration's own, each step bytes behind the one before. */
const char *conf_name_near(struct str s, const struct str *names, size_t n, size_t step);

#endif
