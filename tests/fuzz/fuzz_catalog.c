/* SPDX-License-Identifier: Apache-2.0 */
/* The log of a catalog: as it is, then with header and the CRC of every record made right. */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/format/crc64.h"
#include "engine/replica/catalog_log.h"
#include "tests/fuzz/fuzz.h"

enum { HEADER = 32, RECORD = 48 };

static void
check(const uint8_t *p, size_t n, uint64_t bind)
{
	struct catalog_log_text text;
	struct catalog cat = {0};
	struct ls_err err = {0};
	int rc = catalog_log_decode(p, n, bind, &cat, &text, &err);

	FUZZ_CHECK(rc == 0 || rc == -EINVAL);
	FUZZ_CHECK(text.off <= n);
	FUZZ_CHECK(text.valid || cat.total == 0);
	FUZZ_CHECK(cat.total * RECORD <= n);
	for (size_t i = 0; i < cat.total; i++) {
		const struct catalog_file *f = &cat.files[i];

		FUZZ_CHECK(f->min >= 1 && f->min <= f->max && f->level <= REPLICA_PACKS);
		FUZZ_CHECK(catalog_find(&cat, f) == f);
		FUZZ_CHECK(i >= cat.first[f->level] && i < cat.first[f->level + 1]);
	}
	catalog_done(&cat);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *p = malloc(n ? n : 1);
	uint64_t crc;

	FUZZ_CHECK(p != NULL);
	memcpy(p, data, n);
	check(p, n, n >= HEADER ? get_be64(p + 16) : 0);
	if (n >= HEADER) {
		memcpy(p, "LSCATLG1", 8);
		put_be64(p + 8, UINT64_C(1) << 32);
		crc = crc64(0, p, 24);
		put_be64(p + 24, crc);
		for (size_t at = HEADER; n - at >= RECORD; at += RECORD) {
			crc = crc64(crc, p + at, 40);
			put_be64(p + at + 40, crc);
		}
		check(p, n, get_be64(p + 16));
		check(p, n, ~get_be64(p + 16));
	}
	free(p);
	return 0;
}
