/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict: what "litestream verify" found last of a replica, kept in the state
 * directory: replicas/NAME/verdict, a JSON object of verdict, time, deep and last_txid. Threads:
 * single.
 */
#ifndef TOOLS_VERDICT_H
#define TOOLS_VERDICT_H

#include "engine/conf/conf.h"

#include <jansson.h>

/* Takes the reference to value. A state directory that is not there is left alone: success. */
LS_MUST_USE int verdict_keep(const struct conf_db *db, const struct conf_replica *r, json_t *value,
			     struct ls_err *err);
/* Of several replicas one that is not sound, else the newest. NULL: none is known. The caller's. */
json_t *verdict_load(const struct conf_db *db);

#endif
