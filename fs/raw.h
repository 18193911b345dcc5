/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw: the objects of the replica as they are stored, by key. Listed when somebody looks and the
 * last listing is older than a second. Threads: locked; a list is reference counted and immutable.
 */
#ifndef FS_RAW_H
#define FS_RAW_H

#include "engine/store/store.h"

#include <limits.h>
#include <stdatomic.h>

struct raw_object {
	char *key;
	uint64_t size;
	int64_t time_ms;
};

struct raw_list {
	atomic_uint refs;
	struct raw_object *v; /* by key */
	size_t n;
};

struct raw {
	struct store *store; /* borrowed */
	pthread_mutex_t lock;
	struct raw_list *list;
	uint64_t at_ms;
};

void raw_init(struct raw *r, struct store *store);
void raw_done(struct raw *r);
LS_MUST_USE int
raw_get(struct raw *r, const struct store_call *call, struct raw_list **ret, struct ls_err *err);
void raw_put(struct raw_list *l); /* takes NULL */

/* One name in a directory. */
struct raw_child {
	char name[NAME_MAX + 1];
	const struct raw_object *object; /* NULL: a directory */
};

/* The next child of dir ("": the top; else without a '/' at the end); *at begins with 0. */
bool raw_next(const struct raw_list *l, const char *dir, size_t *at, struct raw_child *ret);
/* The object of a key, or NULL; *ret_dir: there are objects below it. */
const struct raw_object *raw_find(const struct raw_list *l, const char *key, bool *ret_dir);

#endif
