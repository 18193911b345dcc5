/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names: texts that have a number as long as the mount lives, for inodes of what has no number of
 * its own: generations, and objects by their key. Threads: locked.
 */
#ifndef FS_NAMES_H
#define FS_NAMES_H

#include "engine/base/err.h"

#include <stdint.h>

struct names {
	pthread_mutex_t lock;
	void *tree; /* of tsearch(3), of struct name */
	struct name **v;
	size_t n;
};

void names_init(struct names *s);
void names_done(struct names *s);
/* Its number, from 1; 0: out of memory. */
uint32_t names_id(struct names *s, const char *text);
/* The text of a number, which stays; NULL: there is none. */
const char *names_text(struct names *s, uint64_t id);

#endif
