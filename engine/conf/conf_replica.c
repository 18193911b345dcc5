/* SPDX-License-Identifier: Apache-2.0 */
/* Replica URLs (spec/contract.md 3.1). This build knows "file". */
#include "config.h"

#include "engine/base/io.h"
#include "engine/conf/conf.h"
#include "engine/conf/conf_check.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool
conf_is_url(const char *s)
{
	const char *p = s;

	while (isalnum((unsigned char)*p) || *p == '_')
		p++;
	return p > s && strncmp(p, "://", 3) == 0;
}

/* Blanks and bytes beyond ASCII as the released program spells them in a directory name. */
static char *
percent_encoded(const char *path)
{
	char *out = malloc(strlen(path) * 3 + 1), *q = out;

	if (!out)
		return NULL;
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (c <= ' ' || c >= 0x7f)
			q += snprintf(q, 4, "%%%02X", c);
		else
			*q++ = (char)c;
	}
	*q = '\0';
	return out;
}

/* The literal name; the encoded one if only that exists (the released program wrote it). */
static int
choose_path(char **path, struct ls_err *err)
{
	ls_autofree char *encoded = percent_encoded(*path);
	struct stat s;

	if (!encoded)
		return ls_err_set(err, -ENOMEM, "replica: out of memory");
	if (strcmp(encoded, *path) != 0 && io_stat(*path, &s, NULL) < 0 &&
	    io_stat(encoded, &s, NULL) == 0) {
		free(*path);
		*path = ls_steal_ptr(&encoded);
	}
	return 0;
}

int
conf_replica_from_url(const char *url, struct conf_replica *ret, struct ls_err *err)
{
	struct conf_replica r = {.sync_interval_ms = 1000};
	const char *rest = strstr(url, "://");
	ls_autofree char *plain = NULL;
	int rc;

	if (!conf_is_url(url))
		return ls_err_set(err, -EINVAL,
				  "replica url scheme required: write file:///DIRECTORY");
	if (rest - url != 4 || strncasecmp(url, "file", 4) != 0)
		return ls_err_set(err, -EINVAL,
				  "storage of type '%.*s' is not supported by this build: use "
				  "file:///DIRECTORY",
				  (int)(rest - url < 20 ? rest - url : 20), url);
	if (asprintf(&plain, "/%.*s", (int)strcspn(rest + 3, "?"), rest + 3) < 0) {
		plain = NULL;
		return ls_err_set(err, -ENOMEM, "replica: out of memory");
	}
	if ((rc = conf_check_path(plain, &r.path, err)) < 0)
		return rc;
	if (strcmp(r.path, "/") == 0) {
		free(r.path);
		return ls_err_set(err, -EINVAL, "file replica path required");
	}
	rc = choose_path(&r.path, err);
	r.type = strdup("file");
	r.name = strdup("file");
	if (asprintf(&r.url, "file://%s", r.path) < 0)
		r.url = NULL;
	if (rc < 0 || !r.type || !r.name || !r.url) {
		conf_replica_done(&r);
		return rc < 0 ? rc : ls_err_set(err, -ENOMEM, "replica: out of memory");
	}
	*ret = r;
	return 0;
}

void
conf_replica_done(struct conf_replica *r)
{
	free(r->name);
	free(r->type);
	free(r->url);
	free(r->path);
	*r = (struct conf_replica){0};
}

int
conf_open_store(const struct conf_replica *r, struct store **ret, struct ls_err *err)
{
	struct store_config cfg = {.type = r->type, .path = r->path};

	return store_open(&cfg, ret, err);
}
