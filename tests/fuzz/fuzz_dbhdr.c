/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/format/dbhdr.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct ls_err err = {0};
	struct dbhdr h;
	int rc = dbhdr_decode(data, n, &h, &err);

	FUZZ_CHECK(rc == 0 || (rc == -EBADMSG && err.msg[0]));
	if (rc == 0) {
		FUZZ_CHECK(n >= DBHDR_SIZE && dbhdr_page_size_ok(h.page_size));
		FUZZ_CHECK((uint64_t)(dbhdr_lock_page(h.page_size) - 1) * h.page_size == 1u << 30);
	}
	return 0;
}
