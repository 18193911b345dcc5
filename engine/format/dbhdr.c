/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Database header, page 1 of every SQLite database:
 *
 *   off size
 *     0   16  "SQLite format 3" NUL
 *    16    2  page size; 1 means 65536
 *    18    1  write version, 19 read version: 1 rollback journal, 2 WAL
 *    24    4  change counter
 *    28    4  size in pages, to be trusted only if [24] == [92]
 *    92    4  version-valid-for
 */
#include "config.h"

#include "engine/format/dbhdr.h"

#include "engine/base/bytes.h"

#include <string.h>

bool
dbhdr_page_size_ok(uint32_t page_size)
{
	return page_size >= PAGE_SIZE_MIN && page_size <= PAGE_SIZE_MAX &&
	       (page_size & (page_size - 1)) == 0;
}

uint32_t
dbhdr_lock_page(uint32_t page_size)
{
	return 0x40000000u / page_size + 1;
}

int
dbhdr_decode(const uint8_t *p, size_t n, struct dbhdr *ret, struct ls_err *err)
{
	struct dbhdr h;

	if (n < DBHDR_SIZE)
		return ls_err_set(err, -EBADMSG, "%zu bytes are too short for a database header",
				  n);
	if (memcmp(p, "SQLite format 3", 16) != 0)
		return ls_err_set(err, -EBADMSG, "not a SQLite database (or an encrypted one)");
	h.page_size = get_be16(p + 16);
	if (h.page_size == 1)
		h.page_size = 65536;
	if (!dbhdr_page_size_ok(h.page_size))
		return ls_err_set(err, -EBADMSG, "database header: page size %u", h.page_size);
	h.write_version = p[18];
	h.read_version = p[19];
	h.change_counter = get_be32(p + 24);
	h.npages = get_be32(p + 28);
	h.version_valid_for = get_be32(p + 92);
	*ret = h;
	return 0;
}
