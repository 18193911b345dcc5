/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault_io: the n-th system call of engine/base/io.c fails, or the process dies there.
 * Threads: any, between fault_io_arm() and fault_io_disarm().
 */
#ifndef TESTS_LIB_FAULT_IO_H
#define TESTS_LIB_FAULT_IO_H

#include <stdbool.h>
#include <stdint.h>

struct fault_io_plan {
	uint64_t nth;	   /* from 1; 0: none */
	int errnum;	   /* with this */
	bool persistent;   /* and all after it */
	bool done;	   /* it is a call that changes something, and is done before it fails */
	bool die;	   /* kill -9 of this process instead */
	bool short_writes; /* every write and read does a part only */
};

/* Replaces the table of system calls, for good: fsync() and fdatasync() are counted, but done no
 * more. Counting starts again. */
void fault_io_arm(const struct fault_io_plan *plan);
/* From now on all calls succeed; returns whether one failed. */
bool fault_io_disarm(void);
/* The call that failed first, as "unlink"; "" if none did. */
const char *fault_io_struck(void);
uint64_t fault_io_count(void); /* calls since fault_io_arm() */

#endif
