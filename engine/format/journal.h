/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal: SQLite's rollback journal, as far as it takes to undo what is written into a database
 * file by others than SQLite.
 *
 *   offset  size
 *        0     8  magic d9 d5 05 f9 20 a1 63 d7
 *        8     4  number of records
 *       12     4  nonce of the checksums
 *       16     4  size of the database before, in pages
 *       20     4  sector size: the records begin there
 *       24     4  page size
 *
 * A record is a page number, the page as it was, and a checksum: the nonce, and the bytes at page
 * size - 200, - 400 and so on above 0. All numbers are 32 bits, big-endian. Whoever opens the
 * database while the file is there, and nobody has it locked, puts the pages back and cuts the
 * database to its old size. Source: https://www.sqlite.org/fileformat2.html#the_rollback_journal
 * Pure.
 */
#ifndef ENGINE_FORMAT_JOURNAL_H
#define ENGINE_FORMAT_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

enum { JOURNAL_SECTOR = 512, JOURNAL_RECORD_EXTRA = 8 };

/* out: JOURNAL_SECTOR bytes. */
void journal_header_encode(uint32_t nrecords, uint32_t nonce, uint32_t npages, uint32_t page_size,
			   uint8_t *out);
/* out: page_size + JOURNAL_RECORD_EXTRA bytes. */
void journal_record_encode(uint32_t pgno, const uint8_t *page, uint32_t page_size, uint32_t nonce,
			   uint8_t *out);

#endif
