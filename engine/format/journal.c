/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/format/journal.h"

#include "engine/base/bytes.h"

#include <string.h>

enum { SUM_STEP = 200 };

static const uint8_t magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};

void
journal_header_encode(uint32_t nrecords, uint32_t nonce, uint32_t npages, uint32_t page_size,
		      uint8_t *out)
{
	memset(out, 0, JOURNAL_SECTOR);
	memcpy(out, magic, sizeof magic);
	put_be32(out + 8, nrecords);
	put_be32(out + 12, nonce);
	put_be32(out + 16, npages);
	put_be32(out + 20, JOURNAL_SECTOR);
	put_be32(out + 24, page_size);
}

void
journal_record_encode(uint32_t pgno, const uint8_t *page, uint32_t page_size, uint32_t nonce,
		      uint8_t *out)
{
	uint32_t sum = nonce;

	for (uint32_t at = page_size - SUM_STEP; (int32_t)at > 0; at -= SUM_STEP)
		sum += page[at];
	put_be32(out, pgno);
	memcpy(out + 4, page, page_size);
	put_be32(out + 4 + page_size, sum);
}
