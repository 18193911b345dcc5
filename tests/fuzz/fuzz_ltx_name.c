/* SPDX-License-Identifier: Apache-2.0 */
/* Names in a replica: of LTX files and of the 0.3 format. What is accepted formats back. */
#include "config.h"

#include "engine/format/ltx_name.h"
#include "engine/format/name03.h"
#include "tests/fuzz/fuzz.h"

static void
check_ltx(const char *name)
{
	char back[LTX_NAME_LEN + 1];
	uint64_t min = 0, max = 0;

	if (ltx_name_parse(name, &min, &max)) {
		FUZZ_CHECK(min >= 1 && min <= max);
		ltx_name_format(min, max, back);
		FUZZ_CHECK(strcmp(back, name) == 0);
	}
	if (ltx_txid_parse(name, &min)) {
		ltx_txid_format(min, back);
		FUZZ_CHECK(strcmp(back, name) == 0);
		FUZZ_CHECK(name03_is_generation(name));
	}
}

static void
check_03(const char *name)
{
	char back[NAME03_WAL_MAX + 1];
	uint64_t offset = 0, again = 0;
	uint32_t index = 0, index_again = 0;

	if (name03_snapshot_parse(name, &index)) {
		name03_snapshot_format(index, back);
		FUZZ_CHECK(strcmp(back, name) == 0);
	}
	if (name03_wal_parse(name, &index, &offset)) {
		FUZZ_CHECK(index <= NAME03_INDEX_MAX && offset <= INT64_MAX);
		/* Leading zeros in a long offset are legal, so only the numbers come back. */
		name03_wal_format(index, offset, back);
		FUZZ_CHECK(name03_wal_parse(back, &index_again, &again));
		FUZZ_CHECK(index_again == index && again == offset);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *name = malloc(n + 1);

	FUZZ_CHECK(name != NULL);
	memcpy(name, data, n);
	name[n] = '\0';
	check_ltx(name);
	check_03(name);
	free(name);
	return 0;
}
