/* SPDX-License-Identifier: Apache-2.0 */
/* Between upload.c and upload_snapshot.c. */
#ifndef ENGINE_SYNC_UPLOAD_IMPL_H
#define ENGINE_SYNC_UPLOAD_IMPL_H

#include "engine/replica/replica.h"
#include "engine/sync/upload.h"

struct upload {
	const struct statedir *dir;
	const struct conf_replica *conf;
	struct store *store;
	struct replica replica;
	struct catalog_log *log;
	char *home; /* replicas/NAME */
	char root[STORE_ETAG_MAX];
	bool seen; /* this state directory has met this replica before */
	bool local_gone;
	struct upload_info info;
};

/* A local LTX file as a source. */
struct upload_local {
	int fd;
	uint64_t size;
	char *path;
	int64_t time_ms;
};

/* Opens and looks at the header: a file that is not what its name says is never sent (H90). */
LS_MUST_USE int upload_local_open(const struct statedir *dir, uint64_t txid,
				  struct upload_local *ret, struct ls_err *err);
void upload_local_close(struct upload_local *l);

/* Puts under the key of f, then records it. */
LS_MUST_USE int
upload_put(struct upload *u, const struct store_call *call, const struct upload_local *l,
	   const struct catalog_file *f, struct ls_err *err);
/* The root is looked at before each put: nothing is written under a bare mount point (H86). */
LS_MUST_USE int
upload_same_root(struct upload *u, const struct store_call *call, struct ls_err *err);

#endif
