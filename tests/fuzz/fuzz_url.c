/* SPDX-License-Identifier: Apache-2.0 */
/* Replica URLs: what is parsed is well formed, and nothing before '@' is ever shown. */
#include "config.h"

#include "engine/base/url.h"
#include "tests/fuzz/fuzz.h"

static void
check_shown(const char *s, const struct url *u)
{
	char shown[URL_SHOWN_MAX];
	const char *rest;

	url_redact(s, shown);
	for (const char *p = shown; *p; p++)
		FUZZ_CHECK((unsigned char)*p >= ' ' && *p != 0x7f);
	rest = strstr(shown, "://");
	if (u->user && rest && strlen(rest) > 7)
		FUZZ_CHECK(strncmp(rest, "://***@", 7) == 0);
}

static void
check_parts(const struct url *u)
{
	char *value = NULL;
	int rc;

	FUZZ_CHECK(*u->scheme && u->host && u->path);
	FUZZ_CHECK(!*u->path || *u->path == '/');
	FUZZ_CHECK(!strchr(u->path, '?'));
	FUZZ_CHECK(strcmp(u->scheme, "file") != 0 || (*u->path && !*u->host && !u->user));
	rc = url_param(u, "region", &value, NULL);
	FUZZ_CHECK(rc == 0 || !value);
	free(value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = malloc(n + 1);
	struct url u = {0};
	char *plain = NULL;

	FUZZ_CHECK(s != NULL);
	memcpy(s, data, n);
	s[n] = '\0';
	if (url_parse(s, &u, NULL) == 0)
		check_parts(&u);
	check_shown(s, &u);
	url_done(&u);
	if (url_decode(s, &plain, NULL) == 0)
		FUZZ_CHECK(strlen(plain) <= strlen(s));
	free(plain);
	free(s);
	return 0;
}
