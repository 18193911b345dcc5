/* SPDX-License-Identifier: Apache-2.0 */
/*
 * power_io: what a power failure may leave of two directory trees that are written through
 * engine/base/io.c.
 *
 * Taken for durable: the trees as they were at the start; what was written into a file before its
 * last fsync or fdatasync; which names were made, replaced and removed in a directory before its
 * last fsync. Of the rest: each write to a file is there, is not, or is torn in the middle; of the
 * changes of a directory the first few have happened and the others have not, for each directory
 * by itself. That is less than any file system promises. Reads are answered from the real files.
 * Threads: any while recording.
 */
#ifndef TESTS_LIB_POWER_IO_H
#define TESTS_LIB_POWER_IO_H

#include <stdbool.h>
#include <stdint.h>

struct power_io_plan {
	const char *roots[2]; /* absolute; need not exist */
	const char *left[2];  /* where to build what is left of them */
	uint64_t nth;	      /* the power fails before this change or sync, from 1; 0: never */
	uint64_t seed;	      /* of what is left */
};

/* Replaces the table of system calls, for good. When the power fails, what is left is built and
 * this process ends by SIGKILL. */
void power_io_arm(const struct power_io_plan *plan);

#endif
