/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of an answer: status in the first byte, then the lines as they come. */
#include "config.h"

#include "engine/store/store_s3.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = {data, n};
	struct http_answer a = {.status = fuzz_u8(&in) & 1 ? 206 : 200};
	struct store_meta m;
	char text[16];

	ls_buf_init(&a.text, 1);
	ls_buf_init(&a.headers, 2 * n + 2);
	while (in.n) {
		const uint8_t *eol = memchr(in.p, '\n', in.n);
		size_t len = eol ? (size_t)(eol - in.p) + 1 : in.n;

		FUZZ_CHECK(http_keep_header(&a, (const char *)fuzz_take(&in, len), len) == 0);
	}
	store_s3_read_meta(&a, &m);
	FUZZ_CHECK(memchr(m.etag, 0, sizeof m.etag));
	FUZZ_CHECK(strlen(http_header_text(&a, "retry-after", text, sizeof text)) < sizeof text);
	http_answer_done(&a);
	return 0;
}
