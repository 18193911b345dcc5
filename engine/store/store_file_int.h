/* SPDX-License-Identifier: Apache-2.0 */
/* store_file_int: what the files of the directory driver share. */
#ifndef ENGINE_STORE_STORE_FILE_INT_H
#define ENGINE_STORE_STORE_FILE_INT_H

#include "engine/base/io.h"
#include "engine/store/store_file.h"

#include <stdatomic.h>

enum { STORE_FILE_DIR_MODE = 0755, STORE_FILE_CHUNK = 1 << 20, STORE_FILE_DURABLE = 32 };

struct store_file {
	struct store base;
	char *root;			      /* absolute, no slash at its end unless it is "/" */
	uint64_t tmp_id;		      /* random: temporary names of two stores never meet */
	atomic_uint serial;		      /* of temporary names */
	pthread_mutex_t lock;		      /* protects durable, ndurable */
	uint64_t durable[STORE_FILE_DURABLE]; /* hashes of directories known to be on the disk */
	unsigned ndurable;
};

/* What tells one file from another, and the parts of struct store_meta. */
struct store_file_id {
	uint64_t dev, ino, size;
	int64_t mtime_ns;
};

struct store_file_id store_file_id(const struct stat *st);
void store_file_meta(const struct store_file_id *id, struct store_meta *ret);

/* Whether this driver keeps such a key: at most 32 parts of at most 200 bytes each, none of which
 * begins with '.' or ends in ".tmp" (those names are for temporary files). */
bool store_file_key_ok(const char *key);

/* -ENOENT and what to do when the root is missing; -EINVAL when it is no directory. */
int store_file_check_root(struct store_file *f, struct stat *ret, struct ls_err *err);

int store_file_put(struct store *st, const struct store_call *call, const struct store_put *p,
		   const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err);
int store_file_list(struct store *st, const struct store_call *call, const char *prefix,
		    const char *after, store_entry_fn *fn, void *arg, struct ls_err *err);

/* What store_root() says of a directory. */
void store_file_identity(const struct stat *root, char out[STORE_ETAG_MAX]);

#endif
