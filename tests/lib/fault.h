/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault: the loop "fail call N, N = 1, 2, ... until nothing fails" over both seams.
 *
 *   for (size_t i = 0; i < fault_kinds_n; i++)
 *           for (uint64_t n = 1; ; n++) {
 *                   fault_begin(&fault_kinds[i], n);
 *                   rc = work();
 *                   if (!fault_end(&fault_kinds[i])) break;
 *                   check(rc);
 *           }
 */
#ifndef TESTS_LIB_FAULT_H
#define TESTS_LIB_FAULT_H

#include "tests/lib/fault_alloc.h"
#include "tests/lib/fault_io.h"

#include <errno.h>
#include <stddef.h>

struct fault_kind {
	const char *name;
	bool alloc; /* allocations, else system calls */
	bool persistent;
	int errnum; /* of system calls */
	bool done;  /* the acknowledgement is lost, the change is made */
	bool brief; /* one of the few for a test that cannot take them all every time */
};

static const struct fault_kind fault_kinds[] = {
	{"system call: EIO", .errnum = EIO, .brief = true},
	{"system call: ENOSPC", .errnum = ENOSPC},
	{"system call: EINTR", .errnum = EINTR},
	{"system call: EINVAL", .errnum = EINVAL},
	{"system calls from here on: EIO", .persistent = true, .errnum = EIO},
	{"system calls from here on: ENOSPC", .persistent = true, .errnum = ENOSPC},
	{"lost acknowledgement: EIO", .done = true, .errnum = EIO, .brief = true},
	{"lost acknowledgements from here on: EIO", .done = true, .persistent = true,
	 .errnum = EIO},
	{"allocation", .alloc = true, .brief = true},
	{"allocations from here on", .alloc = true, .persistent = true},
};
static const size_t fault_kinds_n = sizeof fault_kinds / sizeof fault_kinds[0];

static inline void
fault_begin(const struct fault_kind *k, uint64_t nth)
{
	struct fault_io_plan io = {
		.nth = nth, .errnum = k->errnum, .persistent = k->persistent, .done = k->done};

	if (k->alloc)
		fault_alloc_arm(nth, k->persistent);
	else
		fault_io_arm(&io);
}

/* Whether a call failed since fault_begin(). */
static inline bool
fault_end(const struct fault_kind *k)
{
	return k->alloc ? fault_alloc_disarm() : fault_io_disarm();
}

#endif
