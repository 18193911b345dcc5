/* SPDX-License-Identifier: Apache-2.0 */
/* conf_levels: the keys of levels, snapshots and retention (spec/contract.md 2.4). */
#ifndef ENGINE_CONF_CONF_LEVELS_H
#define ENGINE_CONF_CONF_LEVELS_H

#include "engine/conf/conf_yaml.h"

extern const struct conf_levels conf_levels_defaults;

/* What stands at the top of the file. */
struct conf_levels_raw {
	yaml_node_t *levels, *snapshot, *retention, *validation;
	bool verify;
	struct conf_duration l0_retention, l0_check, fine_retention;
};

LS_MUST_USE int conf_levels_read(struct conf_yaml *y, const struct conf_levels_raw *raw,
				 struct conf_levels *ret, struct ls_err *err);
/* "snapshot:" of the file or of one database, over what *k holds. */
LS_MUST_USE int conf_levels_read_snapshot(struct conf_yaml *y, yaml_node_t *node,
					  struct conf_levels *k, struct ls_err *err);

#endif
