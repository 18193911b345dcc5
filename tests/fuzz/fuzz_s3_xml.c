/* SPDX-License-Identifier: Apache-2.0 */
/* What a server of object storage sends: pages of listings and errors. Keys that come through are
 * well formed. */
#include "config.h"

#include "engine/store/s3_error.h"
#include "engine/store/s3_list.h"
#include "engine/store/xml.h"
#include "tests/fuzz/fuzz.h"

static int
check_text(void *arg, const char *path, const char *text, struct ls_err *err)
{
	(void)arg;
	(void)err;
	FUZZ_CHECK(*path && strlen(path) < XML_PATH_MAX && strlen(text) <= XML_TEXT_MAX);
	return 0;
}

static int
check_entry(void *arg, const struct store_entry *e, struct ls_err *err)
{
	(void)arg;
	(void)err;
	FUZZ_CHECK(store_key_ok(e->key) && strlen(e->meta.etag) < STORE_ETAG_MAX);
	return 0;
}

static void
check_error(const uint8_t *data, size_t n)
{
	struct s3_request q = {.method = "GET", .key = "k"};
	char origin[] = "https://host";
	struct s3_place p = {.provider = "p", .origin = origin};
	struct s3_answer a = {.http = {.status = 400}};
	struct ls_err err = {0};
	char region[64];

	ls_buf_init(&a.http.text, n + 1);
	ls_buf_init(&a.http.headers, 1);
	FUZZ_CHECK(ls_buf_append(&a.http.text, data, n) == 0);
	s3_error_read(&a, region, sizeof region);
	FUZZ_CHECK(strlen(region) < sizeof region && strlen(a.code) < sizeof a.code);
	FUZZ_CHECK(s3_error_set(&a, &q, "s3://b/k", &p, &err) < 0);
	for (const char *c = err.msg; *c; c++)
		FUZZ_CHECK((unsigned char)*c >= ' ');
	s3_call_done(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	int ignored = xml_read(data, n, check_text, NULL, NULL);

	ignored = s3_list_read_page(data, n, "app", check_entry, NULL, NULL);
	ignored = s3_list_read_page(data, n, "", check_entry, NULL, NULL);
	(void)ignored;
	check_error(data, n);
	return 0;
}
