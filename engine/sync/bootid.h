/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bootid: a number that is another one after each start of the machine. Two equal ones say that no
 * power failure lies between. Source: proc(5), random/boot_id. Threads: any.
 */
#ifndef ENGINE_SYNC_BOOTID_H
#define ENGINE_SYNC_BOOTID_H

#include <stdint.h>

/* 0: unknown, which is equal to nothing. */
uint64_t bootid_get(void);

#endif
