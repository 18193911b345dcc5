/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog_log: the durable catalog of one replica in the state directory: an append-only log of
 * put and delete records with a CRC each, bound to the URL and the identity of the root; rewritten
 * when half of it is dead. Layout at the top of catalog_log.c; it begins with magic and version.
 * Threads: single.
 */
#ifndef ENGINE_REPLICA_CATALOG_LOG_H
#define ENGINE_REPLICA_CATALOG_LOG_H

#include "engine/replica/catalog.h"

struct catalog_log;

/*
 * Opens or creates path for this URL and root identity.
 *   ret_valid   false: new, damaged, or of another URL or root: the caller lists the replica and
 *               calls catalog_log_reset()
 * -EINVAL: an unknown version (text says which program wrote it).
 */
LS_MUST_USE int catalog_log_open(const char *path, const char *url, const char *root,
				 struct catalog_log **ret, bool *ret_valid, struct ls_err *err);
/* The files it holds now; borrowed, sorted. */
const struct catalog *catalog_log_catalog(const struct catalog_log *l);
LS_MUST_USE int
catalog_log_put(struct catalog_log *l, const struct catalog_file *f, struct ls_err *err);
LS_MUST_USE int
catalog_log_del(struct catalog_log *l, const struct catalog_file *f, struct ls_err *err);
/* Replaces everything by the content of c, atomically. */
LS_MUST_USE int
catalog_log_reset(struct catalog_log *l, const struct catalog *c, struct ls_err *err);
void catalog_log_close(struct catalog_log *l);

#endif
