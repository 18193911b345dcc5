/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/s3_place.h"

#include "engine/store/sigv4.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PART_MAX = 256, URL_TEXT_MAX = 2048, CONCURRENCY = 5 };

/*
 * Every provider that needs more than "an endpoint": how its hosts look ('*' in front: any words),
 * and how its buckets are written in a replica URL, where B is the bucket and R the region.
 */
static const struct provider {
	const char *name, *host;
	const char *url, *endpoint; /* NULL: no such form */
	unsigned flags, concurrency;
} providers[] = {
	{"Tigris", "fly.storage.tigris.dev", NULL, NULL, S3_SIGN_PAYLOAD | S3_NO_MD5 | S3_TIGRIS,
	 0},
	{"Tigris", "t3.storage.dev", NULL, NULL, S3_SIGN_PAYLOAD | S3_NO_MD5 | S3_TIGRIS, 0},
	{"Hetzner", "*.your-objectstorage.com", NULL, NULL, S3_SIGN_PAYLOAD, 0},
	{"DigitalOcean Spaces", "*.digitaloceanspaces.com", "B.R.digitaloceanspaces.com",
	 "https://R.digitaloceanspaces.com", S3_SIGN_PAYLOAD, 0},
	{"Backblaze B2", "*.backblazeb2.com", "B.s3.R.backblazeb2.com",
	 "https://s3.R.backblazeb2.com", S3_SIGN_PAYLOAD | S3_NO_CONDITION | S3_HIDES_DELETED, 0},
	{"Filebase", "s3.filebase.com", "B.s3.filebase.com", "https://s3.filebase.com",
	 S3_SIGN_PAYLOAD, 0},
	{"Scaleway", "*.scw.cloud", "B.s3.R.scw.cloud", "https://s3.R.scw.cloud", S3_SIGN_PAYLOAD,
	 0},
	{"Linode", "*.linodeobjects.com", "B.R.linodeobjects.com", "https://R.linodeobjects.com", 0,
	 0},
	{"Cloudflare R2", "*.r2.cloudflarestorage.com", NULL, NULL, S3_SIGN_PAYLOAD, 2},
	{"Supabase", "*.supabase.co", NULL, NULL, S3_SIGN_PAYLOAD, 0},
	{"Google Cloud Storage", "storage.googleapis.com", NULL, NULL,
	 S3_NO_CONDITION | S3_SINGLE_DELETE, 0},
	{"Google Cloud Storage", "*.storage.googleapis.com", NULL, NULL,
	 S3_NO_CONDITION | S3_SINGLE_DELETE, 0},
	{"Wasabi", "*.wasabisys.com", NULL, NULL, 0, 0},
	{"Amazon S3", "*.amazonaws.com", "B.s3.R.amazonaws.com", NULL, 0, 0},
	{"Amazon S3", "*.amazonaws.com.cn", "B.s3.R.amazonaws.com.cn", NULL, 0, 0},
	{"Amazon S3", "s3.amazonaws.com", "B.s3.amazonaws.com", NULL, 0, 0},
};

static const struct provider other = {"this endpoint", NULL, NULL, NULL, 0, 0};

static bool
given(const char *s)
{
	return s && *s;
}

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "s3: out of memory");
}

static bool
host_matches(const char *pattern, const char *host)
{
	size_t n = strlen(host), m;

	if (*pattern != '*')
		return strcasecmp(pattern, host) == 0;
	m = strlen(pattern + 1);
	return n > m && strcasecmp(host + n - m, pattern + 1) == 0;
}

/* ---- the host of a replica URL ---- */

/* host is of the form, in which B stands for one or more words and R for one. */
static bool
form_matches(const char *form, const char *host, char bucket[PART_MAX], char region[PART_MAX])
{
	const char *r = strchr(form + 1, 'R');
	const char *tail = r ? r + 1 : form + 1; /* behind R, or behind B */
	size_t n = strlen(host), ntail = strlen(tail), middle, nregion = 0;

	region[0] = '\0';
	if (n <= ntail || strcasecmp(host + n - ntail, tail) != 0)
		return false;
	n -= ntail;
	if (r) {
		while (nregion < n && host[n - nregion - 1] != '.')
			nregion++;
		middle = (size_t)(r - form - 1); /* between B and R */
		if (nregion == 0 || n <= nregion + middle ||
		    strncasecmp(host + n - nregion - middle, form + 1, middle) != 0)
			return false;
		snprintf(region, PART_MAX, "%.*s", (int)nregion, host + n - nregion);
		n -= nregion + middle;
	}
	snprintf(bucket, PART_MAX, "%.*s", (int)n, host);
	return n > 0 && n < PART_MAX;
}

static int
from_form(const struct provider *p, const char *bucket, const char *region, struct s3_config *c,
	  struct ls_err *err)
{
	char endpoint[URL_TEXT_MAX] = "";
	const char *r = p->endpoint ? strchr(p->endpoint, 'R') : NULL;
	int rc;

	if (r)
		snprintf(endpoint, sizeof endpoint, "%.*s%s%s", (int)(r - p->endpoint), p->endpoint,
			 region, r + 1);
	else if (p->endpoint)
		snprintf(endpoint, sizeof endpoint, "%s", p->endpoint);
	if ((rc = s3_config_fill(&c->bucket, bucket, err)) < 0 ||
	    (rc = s3_config_fill(&c->region, region, err)) < 0)
		return rc;
	return s3_config_fill(&c->endpoint, endpoint, err);
}

int
s3_place_from_host(const char *host, unsigned port, struct s3_config *c, struct ls_err *err)
{
	char bucket[PART_MAX], region[PART_MAX], endpoint[URL_TEXT_MAX];
	const char *dot = strchr(host, '.');
	int rc;

	if (strlen(host) >= PART_MAX)
		return ls_err_set(err, -EINVAL, "s3: '%.40s...' is too long for a bucket", host);
	for (size_t i = 0; !port && i < sizeof providers / sizeof *providers; i++)
		if (providers[i].url && form_matches(providers[i].url, host, bucket, region))
			return from_form(&providers[i], bucket, region, c, err);
	if (!port)
		return s3_config_fill(&c->bucket, host, err);
	if (!dot)
		return ls_err_set(
			err, -EINVAL,
			"bucket required for s3 replica: write s3://BUCKET.%.80s:%u/PATH, "
			"or s3://BUCKET/PATH?endpoint=http://%.80s:%u",
			host, port, host, port);
	snprintf(bucket, sizeof bucket, "%.*s", (int)(dot - host), host);
	snprintf(endpoint, sizeof endpoint, "http://%s:%u", dot + 1, port);
	if ((rc = s3_config_fill(&c->bucket, bucket, err)) < 0 ||
	    (rc = s3_config_fill(&c->region, "us-east-1", err)) < 0)
		return rc;
	if (c->path_style == S3_AUTO)
		c->path_style = S3_YES;
	return s3_config_fill(&c->endpoint, endpoint, err);
}

static bool
is_local(const char *host)
{
	static const char *const prefix[] = {"localhost", "127.0.0.1", "10.",	  "192.168.",
					     "172.16.",	  "172.17.",   "172.18.", "172.19.",
					     "172.2",	  "172.30.",   "172.31.", "[::1]"};
	size_t n = strcspn(host, ":/");

	for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++)
		if (strncasecmp(host, prefix[i], strlen(prefix[i])) == 0)
			return true;
	return (n > 6 && strncasecmp(host + n - 6, ".local", 6) == 0) ||
	       (n > 10 && strncasecmp(host + n - 10, ".localhost", 10) == 0);
}

int
s3_place_endpoint(const char *text, bool local_http, char **ret, struct ls_err *err)
{
	if (strstr(text, "://"))
		*ret = ls_buf_format("%s", text);
	else
		*ret = ls_buf_format("%s://%s", local_http && is_local(text) ? "http" : "https",
				     text);
	return *ret ? 0 : no_memory(err);
}

/* ---- where requests go ---- */

static int
set_texts(struct s3_place *p, const char *scheme, const char *host, const char *base,
	  const char *bucket, struct ls_err *err)
{
	LS_AUTO(ls_buf_done) struct ls_buf path;
	int rc = 0;

	ls_buf_init(&path, URL_TEXT_MAX);
	p->tls = strcmp(scheme, "https") == 0;
	p->origin = ls_buf_format("%s://%s", scheme, host);
	p->host = strdup(host);
	if (!p->origin || !p->host || ls_buf_append(&path, base, strlen(base)) < 0)
		return no_memory(err);
	if (bucket && (rc = ls_buf_append(&path, "/", 1)) == 0)
		rc = sigv4_encode(&path, bucket, false, err);
	if (rc < 0 || !ls_buf_cstr(&path))
		return no_memory(err);
	p->base = strdup(ls_buf_cstr(&path));
	return p->base ? 0 : no_memory(err);
}

static bool
env_true(const char *name)
{
	const char *v = getenv(name);

	return v && strcasecmp(v, "true") == 0;
}

/* arn:PARTITION:s3:REGION:ACCOUNT:accesspoint/NAME (or accesspoint:NAME) */
static int
amazon_access_point(const struct s3_config *c, struct s3_place *p, struct ls_err *err)
{
	char part[7][PART_MAX] = {{0}}, host[URL_TEXT_MAX];
	const char *s = c->bucket;
	size_t n = 0;

	for (; n < 7 && *s; n++) {
		size_t len = strcspn(s, n < 5 ? ":" : ":/");

		snprintf(part[n], PART_MAX, "%.*s", (int)len, s);
		s += len + (s[len] != '\0');
	}
	if (n != 7 || strcmp(part[2], "s3") != 0 || strcmp(part[5], "accesspoint") != 0 ||
	    !part[3][0] || !part[4][0] || !part[6][0])
		return ls_err_set(err, -EINVAL,
				  "s3: '%.100s' is no access point of this kind: "
				  "arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME is (Outposts and "
				  "multi-region access points are not supported)",
				  c->bucket);
	snprintf(host, sizeof host, "%s-%s.s3-accesspoint.%s.amazonaws.com%s", part[6], part[4],
		 part[3], strcmp(part[1], "aws-cn") == 0 ? ".cn" : "");
	free(p->region);
	p->region = strdup(part[3]);
	return p->region ? set_texts(p, "https", host, "", NULL, err) : no_memory(err);
}

static int
find_amazon(const struct s3_config *c, struct s3_place *p, struct ls_err *err)
{
	char host[URL_TEXT_MAX];
	const char *fips = env_true("AWS_USE_FIPS_ENDPOINT") ? "-fips" : "";
	const char *dual = env_true("AWS_USE_DUALSTACK_ENDPOINT") ? ".dualstack" : "";
	const char *cn = strncmp(p->region, "cn-", 3) == 0 ? ".cn" : "";
	bool path = c->path_style == S3_YES || (strchr(c->bucket, '.') && c->path_style != S3_NO);

	p->provider = "Amazon S3";
	if (ls_buf_ends_with(c->bucket, "--x-s3"))
		return ls_err_set(err, -EINVAL,
				  "s3: '%.80s' is a directory bucket (S3 Express), which is not "
				  "supported: use a general purpose bucket",
				  c->bucket);
	if (strncmp(c->bucket, "arn:", 4) == 0)
		return amazon_access_point(c, p, err);
	snprintf(host, sizeof host, "%s%ss3%s%s.%s.amazonaws.com%s", path ? "" : c->bucket,
		 path ? "" : ".", fips, dual, p->region, cn);
	return set_texts(p, "https", host, "", path ? c->bucket : NULL, err);
}

static const struct provider *
find_provider(const char *host)
{
	for (size_t i = 0; i < sizeof providers / sizeof *providers; i++)
		if (host_matches(providers[i].host, host))
			return &providers[i];
	return &other;
}

static int
find_endpoint(const struct s3_config *c, struct s3_place *p, struct ls_err *err)
{
	const char *at = strstr(c->endpoint, "://") + 3;
	size_t nhost = strcspn(at, "/"), nbase = strlen(at + nhost), nname;
	char scheme[8], host[URL_TEXT_MAX], name[PART_MAX], base[PART_MAX],
		where[URL_TEXT_MAX + PART_MAX];
	const struct provider *pr;
	bool path;

	snprintf(scheme, sizeof scheme, "%.*s", (int)(at - 3 - c->endpoint), c->endpoint);
	if (nhost == 0 || nhost >= PART_MAX || nbase >= PART_MAX || memchr(at, '@', nhost) ||
	    strpbrk(at, "?# ") || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return ls_err_set(err, -EINVAL,
				  "s3: the endpoint must be http[s]://HOST[:PORT][/PATH], without "
				  "user and query");
	while (nbase && at[nhost + nbase - 1] == '/')
		nbase--;
	snprintf(host, sizeof host, "%.*s", (int)nhost, at);
	nname = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	snprintf(name, sizeof name, "%.*s", (int)nname, host);
	snprintf(base, sizeof base, "%.*s", (int)nbase, at + nhost);
	pr = find_provider(name);
	path = c->path_style == S3_AUTO || c->path_style == S3_YES;
	p->provider = pr->name;
	p->flags = pr->flags;
	p->concurrency = pr->concurrency;
	snprintf(where, sizeof where, "%s%s%s", path ? "" : c->bucket, path ? "" : ".", host);
	return set_texts(p, scheme, where, base, path ? c->bucket : NULL, err);
}

static int
find(const struct s3_config *c, const char *region, struct s3_place *ret, struct ls_err *err)
{
	struct s3_place p = {.region = strdup(given(region) ? region : "us-east-1")};
	int rc = p.region ? 0 : no_memory(err);

	if (rc == 0)
		rc = given(c->endpoint) ? find_endpoint(c, &p, err) : find_amazon(c, &p, err);
	if (rc < 0) {
		s3_place_done(&p);
		return rc;
	}
	if (c->sign_payload != S3_NO || !p.tls)
		p.flags |= S3_SIGN_PAYLOAD;
	if (c->content_md5 == S3_NO)
		p.flags |= S3_NO_MD5;
	if (c->content_md5 == S3_YES)
		p.flags &= ~(unsigned)S3_NO_MD5;
	p.concurrency = c->concurrency	? c->concurrency
			: p.concurrency ? p.concurrency
					: CONCURRENCY;
	*ret = p;
	return 0;
}

int
s3_place_find(const struct s3_config *c, struct s3_place *ret, struct ls_err *err)
{
	return find(c, c->region, ret, err);
}

int
s3_place_move(const struct s3_config *c, const char *region, struct s3_place *p, struct ls_err *err)
{
	struct s3_place n;
	int rc = find(c, region, &n, err);

	if (rc < 0)
		return rc;
	s3_place_done(p);
	*p = n;
	return 0;
}

void
s3_place_done(struct s3_place *p)
{
	free(p->origin);
	free(p->host);
	free(p->base);
	free(p->region);
	*p = (struct s3_place){0};
}
