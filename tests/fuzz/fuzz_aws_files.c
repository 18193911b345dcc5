/* SPDX-License-Identifier: Apache-2.0 */
/* Files of credentials and the answers of those that hand them out. */
#include "config.h"

#include "engine/store/aws_files.h"
#include "engine/store/aws_remote.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct aws_files f = {0};
	struct aws_key key = {0};

	if (aws_files_parse(&f, "credentials", (const char *)data, n, NULL) == 0)
		for (size_t i = 0; i < f.n; i++)
			FUZZ_CHECK(f.lines[i].section && f.lines[i].key && f.lines[i].value &&
				   !strchr(f.lines[i].value, '\n'));
	FUZZ_CHECK(!aws_files_get(&f, "no such profile at all", "region") || n > 20);
	aws_files_done(&f);
	if (aws_remote_parse((const char *)data, n, "Token", &key, NULL) == 0)
		FUZZ_CHECK(key.access && key.secret.text);
	aws_creds_key_done(&key);
	return 0;
}
