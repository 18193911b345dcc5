/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault_alloc: the n-th allocation fails. For programs that are linked with the -Wl,--wrap options
 * of tests/fault/local.mk; what libraries allocate by themselves is not counted.
 * Threads: any.
 */
#ifndef TESTS_LIB_FAULT_ALLOC_H
#define TESTS_LIB_FAULT_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

/* From now on the nth allocation fails, from 1, and with `persistent` all after it; 0: none. */
void fault_alloc_arm(uint64_t nth, bool persistent);
/* Ends it; returns whether one failed. */
bool fault_alloc_disarm(void);

#endif
