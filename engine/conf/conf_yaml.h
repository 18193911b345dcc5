/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_yaml: scalars and maps of a YAML document with the rules of spec/contract.md 2.2; every
 * error names file and line. Threads: single.
 */
#ifndef ENGINE_CONF_CONF_YAML_H
#define ENGINE_CONF_CONF_YAML_H

#include "engine/conf/conf.h"

#include <yaml.h>

struct conf_yaml {
	yaml_document_t doc;
	const char *name;  /* of the file, for messages */
	struct conf *conf; /* collects warnings */
};

enum conf_kind {
	CONF_STRING,   /* char * */
	CONF_BOOL,     /* bool */
	CONF_DURATION, /* uint64_t, milliseconds */
	CONF_INT,      /* int64_t */
	CONF_NODE,     /* yaml_node_t *, any form */
	CONF_LATER,    /* of the released program, not supported yet: a warning */
	CONF_REFUSED,  /* the same, but ignoring it would lose data or secrecy: an error */
};

struct conf_key {
	const char *name;
	enum conf_kind kind;
	size_t offset;	/* of the value in the target struct */
	ssize_t set_at; /* of a bool that says it was given; -1: none */
};

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
int conf_yaml_warn(struct conf *c, const char *fmt, ...) LS_PRINTF(2, 3);

#endif
