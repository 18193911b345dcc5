/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/format/dbhdr.h"
#include "tests/lib/tap.h"

static void
make(uint8_t *p, uint16_t size16)
{
	memset(p, 0, DBHDR_SIZE);
	memcpy(p, "SQLite format 3", 16);
	put_be16(p + 16, size16);
	p[18] = 2;
	p[19] = 2;
	put_be32(p + 24, 7);
	put_be32(p + 28, 11);
	put_be32(p + 92, 6);
}

static void
test_fields(void)
{
	uint8_t p[DBHDR_SIZE];
	struct dbhdr h;

	make(p, 4096);
	is_int(dbhdr_decode(p, sizeof p, &h, NULL), 0, "header");
	ok(h.page_size == 4096 && h.write_version == 2 && h.read_version == 2 &&
		   h.change_counter == 7 && h.npages == 11 && h.version_valid_for == 6,
	   "its fields");
	for (uint32_t ps = 512; ps <= 32768; ps *= 2) {
		make(p, (uint16_t)ps);
		ok(dbhdr_decode(p, sizeof p, &h, NULL) == 0 && h.page_size == ps, "%u", ps);
	}
	make(p, 1);
	ok(dbhdr_decode(p, sizeof p, &h, NULL) == 0 && h.page_size == 65536, "1 means 65536");
}

static void
test_refused(void)
{
	static const uint16_t sizes[] = {0, 2, 256, 511, 513, 4097, 65535};
	uint8_t p[DBHDR_SIZE];
	struct dbhdr h;

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		make(p, sizes[i]);
		ok(dbhdr_decode(p, sizeof p, &h, NULL) == -EBADMSG, "page size %u", sizes[i]);
	}
	make(p, 4096);
	is_int(dbhdr_decode(p, 99, &h, NULL), -EBADMSG, "short");
	is_int(dbhdr_decode(p, 0, &h, NULL), -EBADMSG, "empty");
	p[15] = 1;
	is_int(dbhdr_decode(p, sizeof p, &h, NULL), -EBADMSG, "magic without its NUL");
}

int
main(void)
{
	RUN(test_fields);
	RUN(test_refused);
	return tap_done();
}
