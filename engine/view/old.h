/* SPDX-License-Identifier: Apache-2.0 */
/*
 * old: the states that a replica of Litestream 0.3 holds, each as a database file.
 *
 * A state is the end of a WAL segment, every one of which ends a transaction, or a snapshot (end
 * 0). Its objects are streams that can only be read from their begin, so the file is built when it
 * is opened, in an unlinked file in $TMPDIR or /var/tmp, and shared by all who have it open.
 *
 * States are known by a number that stays as long as the struct. The replica is listed again when
 * the last listing is older than a second.
 * Cost: the end of the last segment of an index, and the size of a state, take one request each,
 * once. Threads: locked.
 */
#ifndef ENGINE_VIEW_OLD_H
#define ENGINE_VIEW_OLD_H

#include "engine/replica/generations.h"

struct old;

struct old_state {
	uint32_t id;
	uint32_t index;
	uint64_t end; /* offset in the WAL; 0: a snapshot */
	int64_t time_ms;
	uint64_t size; /* of the database; only from old_stat() */
};

/* store is borrowed. */
LS_MUST_USE int old_new(struct store *store, struct old **ret, struct ls_err *err);
void old_free(struct old *o); /* takes NULL; after the last file */

/* The names of the generations, by creation; caller frees. */
LS_MUST_USE int
old_generations(struct old *o, const struct store_call *call,
		char (**ret)[NAME03_GENERATION_LEN + 1], size_t *ret_n, struct ls_err *err);
/* The states of one, by index and end; caller frees. -ENOENT: no such generation. */
LS_MUST_USE int old_states(struct old *o, const struct store_call *call, const char *generation,
			   struct old_state **ret, size_t *ret_n, struct ls_err *err);
LS_MUST_USE int old_stat(struct old *o, const struct store_call *call, uint32_t id,
			 struct old_state *ret, struct ls_err *err);

struct old_file;

/* Builds it, or waits for whoever does. */
LS_MUST_USE int old_open(struct old *o, const struct store_call *call, uint32_t id,
			 struct old_file **ret, struct ls_err *err);
void old_close(struct old_file *f); /* takes NULL */
LS_MUST_USE int
old_read(struct old_file *f, void *p, size_t n, uint64_t off, size_t *ret_n, struct ls_err *err);

#endif
