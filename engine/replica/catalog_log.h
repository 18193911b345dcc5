/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog_log: the catalog of one replica in the state directory: an append-only log of put and
 * delete records, bound to the URL and the identity of the root; rewritten when half of it is dead.
 * Layout at the top of catalog_log.c; it begins with magic and version.
 *
 * Appending does not wait for the disk: after a power loss the log holds what was true some time
 * before, never anything else. The replica itself is what counts; the log spares reading it.
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
/* The files it holds now, without etags; borrowed, sorted. */
const struct catalog *catalog_log_catalog(const struct catalog_log *l);
/* Both change nothing when they fail. Putting a file again replaces it; deleting one that is not
 * there is success. */
LS_MUST_USE int
catalog_log_put(struct catalog_log *l, const struct catalog_file *f, struct ls_err *err);
LS_MUST_USE int
catalog_log_del(struct catalog_log *l, const struct catalog_file *f, struct ls_err *err);
/* Replaces everything by the content of c (which may be the log's own catalog), atomically. */
LS_MUST_USE int
catalog_log_reset(struct catalog_log *l, const struct catalog *c, struct ls_err *err);
/* Closes its file until something is appended. */
void catalog_log_rest(struct catalog_log *l);
void catalog_log_close(struct catalog_log *l);

/* What catalog_log_decode() found. */
struct catalog_log_text {
	bool valid;    /* the header is one of ours, for this `bind` */
	uint64_t off;  /* end of the last whole record */
	uint64_t crc;  /* of the last record, for the next one */
	uint64_t dead; /* records that no longer count */
};

/* The bytes of a log -> files; what follows the first record that is cut or wrong is ignored. Pure.
 *   bind   CRC-64 of URL NUL root
 * -EINVAL: an unknown version. */
LS_MUST_USE int catalog_log_decode(const void *p, size_t n, uint64_t bind, struct catalog *ret,
				   struct catalog_log_text *ret_text, struct ls_err *err);

#endif
