/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_yaml: scalars and maps of a YAML document with the rules of spec/contract.md 2.2; every
 * error names file and line. Anchors, aliases and merge keys ("<<") work; of a key that is there
 * twice the last one counts. Threads: single.
 */
#ifndef ENGINE_CONF_CONF_YAML_H
#define ENGINE_CONF_CONF_YAML_H

#include "engine/conf/conf.h"

#include <yaml.h>

enum {
	CONF_YAML_DEPTH_MAX = 32,	/* nested maps and lists */
	CONF_YAML_EVENTS_MAX = 2000000, /* values, keys, beginnings and ends */
	CONF_YAML_ITEMS_MAX = 10000,	/* of one list */
	CONF_YAML_WARNINGS_MAX = 1000,
	CONF_YAML_VISITS_MAX = 5000000, /* of keys, which aliases can multiply */
};

struct conf_yaml {
	yaml_document_t doc;
	const char *name;  /* of the file, for messages */
	struct conf *conf; /* collects warnings */
	size_t visits;
};

enum conf_kind {
	CONF_STRING,   /* char * */
	CONF_BOOL,     /* bool */
	CONF_MAYBE,    /* int: 0 if it is not given, 1 for false, 2 for true */
	CONF_DURATION, /* struct conf_duration */
	CONF_INT,      /* int64_t */
	CONF_SIZE,     /* uint64_t, bytes */
	CONF_NODE,     /* yaml_node_t *, any form; stays NULL for null */
	CONF_LATER,    /* of the released program, not supported yet: a warning */
	CONF_REFUSED,  /* the same, but ignoring a value would lose data or secrecy: an error */
};

struct conf_duration {
	uint64_t ms;		 /* rounded up; 0 also for what is negative */
	const yaml_node_t *node; /* NULL: it was not given */
};

struct conf_key {
	const char *name;
	enum conf_kind kind;
	size_t offset; /* of the value in the target struct */
};

/* Parses the first document of the text. Release with yaml_document_delete(&y->doc). */
LS_MUST_USE int conf_yaml_load(struct conf_yaml *y, const char *text, size_t n, struct ls_err *err);

/* Reads a map into target by the table of n keys. Null is an empty map. Unknown keys: a warning. */
LS_MUST_USE int conf_yaml_map(struct conf_yaml *y, yaml_node_t *node, const struct conf_key *keys,
			      size_t n, void *target, struct ls_err *err);
/* Calls fn for each item of a list; null items are errors. NULL or null node: an empty list. */
typedef int conf_item_fn(struct conf_yaml *y, yaml_node_t *item, void *arg, struct ls_err *err);
LS_MUST_USE int conf_yaml_list(struct conf_yaml *y, yaml_node_t *node, const char *what,
			       conf_item_fn *fn, void *arg, struct ls_err *err);

/* An error at this node: "FILE: line N: text". */
int conf_yaml_error(struct conf_yaml *y, const yaml_node_t *node, struct ls_err *err,
		    const char *fmt, ...) LS_PRINTF(4, 5);
/* Puts "FILE: line N: " before the text that err holds; returns rc. */
int conf_yaml_wrap(struct conf_yaml *y, const yaml_node_t *node, int rc, struct ls_err *err);
/* Adds "FILE: line N: text" unless the same text was there for another line. -ENOMEM. */
int
conf_yaml_warn(struct conf *c, const char *file, size_t line, const char *fmt, ...) LS_PRINTF(4, 5);

#endif
