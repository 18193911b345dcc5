/* SPDX-License-Identifier: Apache-2.0 */
/* Replica URLs (spec/contract.md 3.1). */
#include "config.h"

#include "engine/base/io.h"
#include "engine/base/timex.h"
#include "engine/base/url.h"
#include "engine/conf/conf.h"
#include "engine/conf/conf_check.h"
#include "engine/conf/conf_db.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LEASE_DEFAULT_MS = 30000 };

#define LEASE_MIN_NS INT64_C(1000000000)
#define LEASE_MAX_NS INT64_C(3600000000000)

bool
conf_is_url(const char *s)
{
	return url_has_scheme(s) && strncmp(s, "sqlite://", 9) != 0 &&
	       strncmp(s, "sqlite3://", 10) != 0;
}

/* Bytes that the released program's URL library leaves alone in a path: in one that is valid as
 * it is, and in one that has to be escaped anew. */
static bool
valid_in_path(unsigned char c)
{
	return c && c < 0x7f && (isalnum(c) || strchr("-_.~$&+,/:;=@!'()*[]%#", c));
}

static bool
kept_by_escape(unsigned char c)
{
	return c && c < 0x7f && (isalnum(c) || strchr("-_.~$&+,/:;=@", c));
}

/* The directory that the released program makes of a URL with this path; *ret is NULL if that is
 * no path at all. */
static int
peer_path(const char *path, char **ret, struct ls_err *err)
{
	ls_autofree char *plain = NULL;
	const char *p = path;
	char *q;
	int rc;

	*ret = NULL;
	while (valid_in_path((unsigned char)*p))
		p++;
	if (!*p)
		return 0;
	if ((rc = url_decode(path, &plain, err)) < 0)
		return rc == -EINVAL ? 0 : rc;
	if (!(q = malloc(strlen(plain) * 3 + 1)))
		return ls_err_set(err, -ENOMEM, "replica: out of memory");
	*ret = q;
	for (p = plain; *p; p++)
		if (kept_by_escape((unsigned char)*p))
			*q++ = *p;
		else
			q += snprintf(q, 4, "%%%02X", (unsigned char)*p);
	*q = '\0';
	return 0;
}

/* The literal name; the encoded one if only that exists (the released program wrote it). */
static int
choose_path(char **path, struct ls_err *err)
{
	ls_autofree char *other = NULL;
	struct stat s;
	int rc = peer_path(*path, &other, err);

	if (rc == 0 && other && io_stat(*path, &s, NULL) == -ENOENT &&
	    io_stat(other, &s, NULL) == 0) {
		free(*path);
		*path = ls_steal_ptr(&other);
	}
	return rc;
}

static int
fill(const char *path, struct conf_replica *ret, struct ls_err *err)
{
	struct conf_replica r = {.sync_interval_ms = 1000};
	int rc = conf_check_path(path, &r.path, err);

	if (rc < 0)
		return rc;
	if (strcmp(r.path, "/") == 0) {
		free(r.path);
		return ls_err_set(err, -EINVAL,
				  "file replica path required: write file:///DIRECTORY");
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

static int
other_type(const char *scheme, struct ls_err *err)
{
	static const char *const later[] = {"gs",      "abs",  "sftp", "webdav",
					    "webdavs", "nats", "oss"};

	for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
		if (strcmp(scheme, later[i]) == 0)
			return ls_err_set(err, -EINVAL,
					  "replica type \"%s\" is not supported yet by this build: "
					  "use s3://BUCKET/PATH or file:///DIRECTORY",
					  scheme);
	return ls_err_set(err, -EINVAL,
			  "unknown replica type in config: \"%.40s\": use s3://BUCKET/PATH or "
			  "file:///DIRECTORY",
			  scheme);
}

int
conf_replica_check_type(const char *type, struct ls_err *err)
{
	return strcmp(type, "file") == 0 || strcmp(type, "s3") == 0 ? 0 : other_type(type, err);
}

int
conf_replica_lease(const char *text, uint64_t *ret_ms, struct ls_err *err)
{
	static const char *const on[] = {"true", "on", "yes"}, *const off[] = {"false", "off",
									       "no"};
	int64_t ns = 0;

	for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) {
		if (strcasecmp(text, on[i]) == 0)
			return *ret_ms = LEASE_DEFAULT_MS, 0;
		if (strcasecmp(text, off[i]) == 0)
			return *ret_ms = 0, 0;
	}
	if (timex_duration(text, &ns, err) < 0 || ns < LEASE_MIN_NS || ns > LEASE_MAX_NS)
		return ls_err_set(err, -EINVAL,
				  "lease: '%.40s' is neither true, false nor a duration from 1s to "
				  "1h",
				  text);
	*ret_ms = (uint64_t)ns / 1000000;
	return 0;
}

static int
lease_param(const struct url *u, uint64_t *at, struct ls_err *err)
{
	ls_autofree char *v = NULL;
	int rc = url_param(u, "lease", &v, err);

	return rc < 0 || !v ? rc : conf_replica_lease(v, at, err);
}

bool
conf_stands_by(const struct conf_db *db)
{
	bool lease = false, wait = false, exits = false;

	for (size_t i = 0; i < db->nreplicas; i++) {
		lease |= db->replicas[i].lease_ms > 0;
		wait |= db->replicas[i].standby == CONF_STANDBY_WAIT;
		exits |= db->replicas[i].standby == CONF_STANDBY_EXIT;
	}
	return wait || (lease && !exits);
}

/* Takes the configuration of a bucket. */
static int
fill_s3(struct s3_config *c, struct conf_replica *ret, struct ls_err *err)
{
	struct conf_replica r = {
		.sync_interval_ms = 1000, .prices = store_count_prices, .s3 = malloc(sizeof *r.s3)};

	if (r.s3)
		*r.s3 = *c;
	else
		s3_config_done(c);
	r.type = strdup("s3");
	r.name = strdup("s3");
	r.url = r.s3 ? conf_s3_url(r.s3) : NULL;
	if (!r.type || !r.name || !r.url) {
		conf_replica_done(&r);
		return ls_err_set(err, -ENOMEM, "replica: out of memory");
	}
	*ret = r;
	return 0;
}

static int
build_s3(const struct url *u, const char *path, const struct conf_db_settings *settings,
	 const struct conf_db_settings *defaults, struct conf_replica *ret, struct ls_err *err)
{
	struct s3_config c;
	int rc = conf_s3_build(settings ? &settings->s3 : NULL, defaults ? &defaults->s3 : NULL, u,
			       path, &c, err);

	if (rc < 0 || (rc = fill_s3(&c, ret, err)) < 0)
		return rc;
	if (u && (rc = lease_param(u, &ret->lease_ms, err)) < 0)
		conf_replica_done(ret);
	return rc;
}

int
conf_replica_build_s3(const char *path, const struct conf_db_settings *settings,
		      const struct conf_db_settings *defaults, struct conf_replica *ret,
		      struct ls_err *err)
{
	return build_s3(NULL, path, settings, defaults, ret, err);
}

int
conf_replica_build(const char *url, const struct conf_db_settings *settings,
		   const struct conf_db_settings *defaults, struct conf_replica *ret,
		   struct ls_err *err)
{
	LS_AUTO(url_done) struct url u = {0};
	int rc = url_parse(url, &u, err);

	if (rc < 0)
		return rc;
	if ((rc = conf_replica_check_type(u.scheme, err)) < 0)
		return rc;
	if (strcmp(u.scheme, "s3") == 0)
		return build_s3(&u, NULL, settings, defaults, ret, err);
	/* "file://~/x" is below the home directory. */
	return fill(strncmp(u.path, "/~", 2) == 0 && url[strlen(u.scheme) + 3] == '~' ? u.path + 1
										      : u.path,
		    ret, err);
}

bool
conf_replica_is_file(const struct conf_replica *r)
{
	return strcmp(r->type, "file") == 0;
}

int
conf_replica_from_url(const char *url, struct conf_replica *ret, struct ls_err *err)
{
	return conf_replica_build(url, NULL, NULL, ret, err);
}

void
conf_replica_done(struct conf_replica *r)
{
	free(r->name);
	free(r->type);
	free(r->url);
	free(r->path);
	if (r->s3)
		s3_config_done(r->s3);
	free(r->s3);
	*r = (struct conf_replica){0};
}

int
conf_open_counted_store(const struct conf_replica *r, struct store_counts *counts,
			struct store **ret, struct ls_err *err)
{
	struct store_config cfg = {.type = r->type,
				   .path = r->path,
				   .s3 = r->s3,
				   .limits = &r->limits,
				   .counts = counts};

	return store_open(&cfg, ret, err);
}

int
conf_open_store(const struct conf_replica *r, struct store **ret, struct ls_err *err)
{
	return conf_open_counted_store(r, NULL, ret, err);
}
