/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: bytes by key in some kind of storage. It knows nothing of LTX, levels or databases.
 *
 * Keys are relative to the root that the store was opened with: UTF-8, '/' between parts, no empty
 * part, no "." or "..". Objects are immutable once they exist; replacing one gives a new etag.
 * All calls block, may run at once from any thread, and end early (-ECANCELED, -ETIMEDOUT) when
 * the call context says so. Wrappers (counting, faults, retry, limits) hold an inner store and the
 * same table.
 * Threads: locked (a store is shared by all).
 */
#ifndef ENGINE_STORE_STORE_H
#define ENGINE_STORE_STORE_H

#include "engine/base/err.h"
#include "engine/base/stop.h"

#include <stddef.h>
#include <stdint.h>

enum { STORE_ETAG_MAX = 96, STORE_KEY_MAX = 1024 };

enum store_priority { STORE_PRIO_CAPTURE, STORE_PRIO_READ, STORE_PRIO_BACKGROUND };

/* Context of every call. NULL means: no token, no deadline. */
struct store_call {
	const struct stop *stop;
	uint64_t deadline_ms; /* clock_mono_ms() value; 0: none */
	/* NULL, or a clock_boot_ms() value that others may move on: once it has passed, the call
	 * ends with -ETIMEDOUT. So nothing is written without a lease (lease.h). */
	const _Atomic uint64_t *until_ms;
	enum store_priority priority;
	/* 0, or others wait for this thread: the call is given up when the server shows no sign of
	 * life for so long, and at once while it is known that it does not answer. */
	unsigned patience_ms;
};

struct store_meta {
	uint64_t size;
	int64_t time_ms;	   /* transaction time if exact, else when the object was written */
	bool time_exact;	   /* the writer stamped time_ms; else only the LTX header knows */
	char etag[STORE_ETAG_MAX]; /* changes when the content of the key changes */
};

struct store_entry {
	const char *key; /* full key below the root; valid during the callback */
	struct store_meta meta;
};

/* A callback's negative result ends the call and is returned. */
typedef int store_entry_fn(void *arg, const struct store_entry *e, struct ls_err *err);

struct store_get {
	const char *key;
	uint64_t off;
	size_t len;	  /* at most; fewer bytes only at the end of the object */
	const char *etag; /* NULL, or -ESTALE unless the object is still this one */
};

/* What to put: read again from any offset, for retries, and from several threads. read() delivers
 * exactly n bytes or fails.
 */
struct store_source {
	uint64_t size;
	int (*read)(void *arg, uint64_t off, void *p, size_t n, struct ls_err *err);
	void *arg;
	const char *path;  /* NULL, or a local file with these bytes, durable and never changed
			      again: a driver may link it instead of copying */
	bool path_checked; /* that is a regular file of this size, with the transaction time */
};

struct store_put {
	const char *key;
	int64_t time_ms;  /* transaction time, stored with the object */
	const char *root; /* NULL, or -ESTALE unless the root has this identity */
	bool create_only; /* -EEXIST if the key is taken by other content; the same bytes: success
			   */
	/* NULL, or what the server itself has to compare: -ESTALE unless the object has this etag;
	 * "": -EEXIST unless there is none. -ENOTSUP: it cannot. Not for what is sent in parts. */
	const char *if_match;
};

struct store;

struct store_ops {
	const char *scheme;
	unsigned parallel; /* calls at a time that are worth it: 1 where nothing is waited for */
	/* Reads into buf; *ret_n bytes arrived, which may be some also on failure (0 if nothing is
	 * said). off at or past the end gives 0 bytes. -ENOENT, -ESTALE. ret_meta may be NULL. */
	int (*get)(struct store *, const struct store_call *, const struct store_get *, void *buf,
		   size_t *ret_n, struct store_meta *ret_meta, struct ls_err *);
	/* All or nothing, durable when it returns. -EEXIST, -ENOSPC, -EACCES. */
	int (*put)(struct store *, const struct store_call *, const struct store_put *,
		   const struct store_source *, struct store_meta *ret_meta, struct ls_err *);
	/* Every object whose key begins with prefix and is greater than after (NULL: all), in byte
	 * order; complete, or it fails. Temporary and foreign names that are no valid key are left
	 * out. A prefix without objects is success. */
	int (*list)(struct store *, const struct store_call *, const char *prefix,
		    const char *after, store_entry_fn *, void *arg, struct ls_err *);
	int (*head)(struct store *, const struct store_call *, const char *key,
		    struct store_meta *ret, struct ls_err *);
	/* A key that is not there is success. */
	int (*del)(struct store *, const struct store_call *, const char *const *keys, size_t n,
		   struct ls_err *);
	/*
	 * The root itself: identity is a text that changes when the root becomes another one
	 * (unmounted, replaced; H86). create: make it if it is missing. -ENOENT: it is missing,
	 * and *ret_parent_ok says whether its parent could be listed (so it is provably absent).
	 */
	int (*root)(struct store *, const struct store_call *, bool create,
		    char identity[STORE_ETAG_MAX], bool *ret_parent_ok, struct ls_err *);
	void (*close)(struct store *);
};

struct store {
	const struct store_ops *ops; /* first member of every driver's struct */
};

/* What a driver is opened with. Fields that a driver does not use are ignored. */
struct store_config {
	const char *type; /* "file", "s3" */
	const char *path; /* file: directory */
	const struct s3_config *s3;
	const struct store_limits *limits; /* NULL: none (store_limit.h) */
	struct store_counts *counts;	   /* NULL, or counted there (store_count.h); outlives it */
};

/* -EINVAL: unknown type, or a field that is missing. Nothing is contacted yet. */
LS_MUST_USE int store_open(const struct store_config *cfg, struct store **ret, struct ls_err *err);
void store_close(struct store *st); /* takes NULL; a wrapper closes its inner store */

LS_MUST_USE int
store_get(struct store *st, const struct store_call *call, const struct store_get *g, void *buf,
	  size_t *ret_n, struct store_meta *ret_meta, struct ls_err *err);
LS_MUST_USE int
store_put(struct store *st, const struct store_call *call, const struct store_put *p,
	  const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err);
LS_MUST_USE int store_list(struct store *st, const struct store_call *call, const char *prefix,
			   const char *after, store_entry_fn *fn, void *arg, struct ls_err *err);
LS_MUST_USE int store_head(struct store *st, const struct store_call *call, const char *key,
			   struct store_meta *ret, struct ls_err *err);
LS_MUST_USE int store_del(struct store *st, const struct store_call *call, const char *const *keys,
			  size_t n, struct ls_err *err);
LS_MUST_USE int store_root(struct store *st, const struct store_call *call, bool create,
			   char identity[STORE_ETAG_MAX], bool *ret_parent_ok, struct ls_err *err);

/* -ECANCELED or -ETIMEDOUT when the call should end. For drivers and long loops. */
int store_call_check(const struct store_call *call, struct ls_err *err);

/* Whether a call mostly waits: it is over a network. */
bool store_is_far(const struct store *st);

/* Whether key is well formed as stated above. */
bool store_key_ok(const char *key);

/* A source over bytes in memory, which must outlive the put. */
struct store_source store_source_mem(const void *p, size_t n);

#endif
