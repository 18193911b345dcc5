/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dbhdr: the fields of a SQLite database header (first 100 bytes of page 1) that matter here.
 * Pure. Source: spec/format.md 5.1.
 */
#ifndef ENGINE_FORMAT_DBHDR_H
#define ENGINE_FORMAT_DBHDR_H

#include "engine/base/err.h"

#include <stdint.h>

enum { DBHDR_SIZE = 100, PAGE_SIZE_MIN = 512, PAGE_SIZE_MAX = 65536 };

struct dbhdr {
	uint32_t page_size;
	uint8_t write_version, read_version; /* 1 rollback journal, 2 WAL */
	uint32_t change_counter;
	uint32_t npages; /* valid only if change_counter == version_valid_for and not 0 */
	uint32_t version_valid_for;
};

/* Decodes n bytes of page 1. -EBADMSG: short, no SQLite magic (also: encrypted), bad page size. */
LS_MUST_USE int dbhdr_decode(const uint8_t *p, size_t n, struct dbhdr *ret, struct ls_err *err);

/* Whether page_size is a power of two in 512..65536. */
bool dbhdr_page_size_ok(uint32_t page_size);

/* The page that covers byte 1 GiB: never stored in an LTX file, read as zeros. */
uint32_t dbhdr_lock_page(uint32_t page_size);

#endif
