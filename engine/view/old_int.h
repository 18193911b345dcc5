/* SPDX-License-Identifier: Apache-2.0 */
/* Between old.c (what there is) and old_file.c (building it). */
#ifndef ENGINE_VIEW_OLD_INT_H
#define ENGINE_VIEW_OLD_INT_H

#include "engine/view/old.h"

#include <pthread.h>

struct old_entry {
	char generation[NAME03_GENERATION_LEN + 1];
	bool snapshot;
	uint32_t index, page_size; /* page_size 0: not known yet */
	uint64_t start, end;	   /* of a segment; end 0: not known yet */
	uint64_t stored;	   /* bytes of its object */
	uint64_t size;		   /* of the database; 0: not known yet */
	int64_t time_ms;
};

struct old {
	struct store *store;
	pthread_mutex_t lock; /* for all that follows */
	struct generations generations;
	uint64_t listed_ms;
	struct old_entry *entries;
	size_t n;
	struct old_file *files;	  /* open ones */
	pthread_mutex_t building; /* one at a time; taken before lock */
};

/* Under the lock; NULL: it is gone. */
const struct generation *old_generation(const struct old *o, const char *id);

#endif
