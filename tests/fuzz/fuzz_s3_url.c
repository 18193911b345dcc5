/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of buckets: what is accepted has a place, is shown without secrets, and means the same when
 * it is read again. */
#include "config.h"

#include "engine/conf/conf.h"
#include "engine/store/s3_place.h"
#include "tests/fuzz/fuzz.h"

/* Once: the user has not written it somewhere else, too. */
static bool
is_once(const char *s, const char *word)
{
	const char *p = strstr(s, word);

	return p && !strstr(p + 1, word);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct conf_replica r = {0};
	struct s3_place p = {0};
	char *s = malloc(n + 6);

	FUZZ_CHECK(s != NULL);
	memcpy(s, "s3://", 5);
	memcpy(s + 5, data, n);
	s[n + 5] = '\0';
	if (conf_replica_from_url(s, &r, NULL) == 0) {
		FUZZ_CHECK(r.s3 && r.s3->bucket && *r.s3->bucket && r.url);
		FUZZ_CHECK(s3_place_find(r.s3, &p, NULL) == 0);
		FUZZ_CHECK(strncmp(p.origin, "http", 4) == 0 && *p.region);
		if (r.s3->sse_customer_key.text && is_once(s, r.s3->sse_customer_key.text))
			FUZZ_CHECK(!strstr(r.url, r.s3->sse_customer_key.text));
		s3_place_done(&p);
		conf_replica_done(&r);
	}
	free(s);
	return 0;
}
