/* SPDX-License-Identifier: Apache-2.0 */
/* A slot of the position file: as it is, then with magic, version and CRC made right. */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/format/crc64.h"
#include "engine/format/dbhdr.h"
#include "engine/sync/position.h"
#include "tests/fuzz/fuzz.h"

static void
check(const uint8_t *p)
{
	uint8_t once[POSITION_SLOT_SIZE], twice[POSITION_SLOT_SIZE];
	struct position pos;
	struct ls_err err = {0};
	uint64_t seq = 0;
	int rc = position_decode(p, &pos, &seq, &err);

	FUZZ_CHECK(rc == 0 || rc == -EBADMSG || rc == -EINVAL);
	if (rc < 0)
		return;
	FUZZ_CHECK(pos.txid && dbhdr_page_size_ok(pos.page_size));
	FUZZ_CHECK(pos.nhistory <= POSITION_SALT_HISTORY);
	/* Reserved bytes are dropped; all that is read comes back. */
	position_encode(&pos, seq, once);
	FUZZ_CHECK(position_decode(once, &pos, &seq, &err) == 0);
	position_encode(&pos, seq, twice);
	FUZZ_CHECK(memcmp(once, twice, sizeof once) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t p[POSITION_SLOT_SIZE] = {0};

	memcpy(p, data, n < sizeof p ? n : sizeof p);
	check(p);
	memcpy(p, "LSPOSIT1", 8);
	put_be32(p + 8, 1);
	put_be64(p + POSITION_SLOT_SIZE - 8, crc64(0, p, POSITION_SLOT_SIZE - 8));
	check(p);
	return 0;
}
