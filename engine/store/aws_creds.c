/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/aws_creds.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/store/aws_files.h"
#include "engine/store/aws_remote.h"

#include <stdio.h>
#include <string.h>

enum { EARLY_MS = 5 * 60 * 1000, AGAIN_MS = 30 * 1000, ROLES_MAX = 4 };

struct aws_creds {
	pthread_mutex_t lock; /* held while they are fetched: the others wait for the result */
	char *profile, *region;
	struct aws_key key; /* access NULL: none yet */
	bool expired;	    /* the server refused it */
	int64_t retry_ms;   /* after a failure: not before this time (wall clock) */
	/* Those that are fetched are shared by all stores that would get the same. */
	struct aws_creds *next;
	unsigned refs;
};

static struct {
	pthread_mutex_t lock;
	struct aws_creds *list;
} shared = {PTHREAD_MUTEX_INITIALIZER, NULL};

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "credentials: out of memory");
}

static bool
given(const char *s)
{
	return s && *s;
}

/* ---- one set of credentials ---- */

void
aws_creds_key_done(struct aws_key *k)
{
	free(k->access);
	secret_done(&k->secret);
	secret_done(&k->token);
	*k = (struct aws_key){0};
}

int
aws_creds_key_set(struct aws_key *k, const char *access, const char *secret, const char *token,
		  struct ls_err *err)
{
	struct aws_key n = {.access = strdup(access)};
	int rc = n.access ? secret_set(&n.secret, secret, strlen(secret), err) : no_memory(err);

	if (rc == 0 && given(token))
		rc = secret_set(&n.token, token, strlen(token), err);
	if (rc < 0) {
		aws_creds_key_done(&n);
		return rc;
	}
	aws_creds_key_done(k);
	*k = n;
	return 0;
}

/* ---- the sources, in their order; -ENOENT: this one has none ---- */

static int
from_environment(struct aws_key *ret, struct ls_err *err)
{
	const char *access = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
	const char *access2 = getenv("LITESTREAM_ACCESS_KEY_ID");
	const char *secret2 = getenv("LITESTREAM_SECRET_ACCESS_KEY");
	static atomic_bool warned;

	if (given(access) && given(access2) && strcmp(access, access2) != 0 &&
	    !atomic_exchange(&warned, true))
		log_write(LOG_WARN, "AWS_ACCESS_KEY_ID and LITESTREAM_ACCESS_KEY_ID differ, the "
				    "first is used");
	access = given(access) ? access : access2;
	secret = given(secret) ? secret : secret2;
	if (!given(access) || !given(secret))
		return -ENOENT;
	return aws_creds_key_set(ret, access, secret, getenv("AWS_SESSION_TOKEN"), err);
}

static int
from_web_identity(const char *region, const struct store_call *call, struct aws_key *ret,
		  struct ls_err *err)
{
	const char *file = getenv("AWS_WEB_IDENTITY_TOKEN_FILE");
	struct aws_role role = {.arn = getenv("AWS_ROLE_ARN"),
				.session_name = getenv("AWS_ROLE_SESSION_NAME")};

	if (!given(file) || !given(role.arn))
		return -ENOENT;
	return aws_remote_web_identity(&role, file, region, call, ret, err);
}

static int
from_profile(const struct aws_files *f, const char *profile, const char *region,
	     const struct store_call *call, int depth, struct aws_key *ret, struct ls_err *err);

static int
from_role(const struct aws_files *f, const char *profile, const char *region,
	  const struct store_call *call, int depth, struct aws_key *ret, struct ls_err *err)
{
	const char *source = aws_files_get(f, profile, "source_profile");
	const char *token_file = aws_files_get(f, profile, "web_identity_token_file");
	const char *kind = aws_files_get(f, profile, "credential_source");
	struct aws_role role = {.arn = aws_files_get(f, profile, "role_arn"),
				.session_name = aws_files_get(f, profile, "role_session_name"),
				.external_id = aws_files_get(f, profile, "external_id")};
	struct aws_key base = {0};
	int rc;

	if (token_file)
		return aws_remote_web_identity(&role, token_file, region, call, ret, err);
	if (kind && strcmp(kind, "Environment") == 0)
		rc = from_environment(&base, err);
	else if (kind && strcmp(kind, "EcsContainer") == 0)
		rc = aws_remote_container(call, &base, err);
	else if (kind)
		rc = aws_remote_instance(call, &base, err);
	else if (source && depth < ROLES_MAX)
		rc = from_profile(f, source, region, call, depth + 1, &base, err);
	else
		rc = ls_err_set(err, -EINVAL,
				"profile '%.60s': role_arn without source_profile or "
				"credential_source",
				profile);
	if (rc == 0)
		rc = aws_remote_assume_role(&role, &base, region, call, ret, err);
	aws_creds_key_done(&base);
	return rc;
}

static int
from_profile(const struct aws_files *f, const char *profile, const char *region,
	     const struct store_call *call, int depth, struct aws_key *ret, struct ls_err *err)
{
	const char *access = aws_files_get(f, profile, "aws_access_key_id");
	const char *secret = aws_files_get(f, profile, "aws_secret_access_key");
	const char *command = aws_files_get(f, profile, "credential_process");
	const char *role = aws_files_get(f, profile, "role_arn");

	/* A role that names its own profile as the source means the keys beside it. */
	if (role && (depth == 0 || !access))
		return from_role(f, profile, region, call, depth, ret, err);
	if (access && secret)
		return aws_creds_key_set(ret, access, secret,
					 aws_files_get(f, profile, "aws_session_token"), err);
	if (command)
		return aws_remote_process(command, ret, err);
	if (aws_files_get(f, profile, "sso_session") || aws_files_get(f, profile, "sso_start_url"))
		return ls_err_set(err, -EACCES,
				  "profile '%.60s' uses single sign-on, which is not supported: "
				  "add 'credential_process = aws configure export-credentials "
				  "--profile %.60s' to another profile and use that",
				  profile, profile);
	return -ENOENT;
}

static int
from_files(const char *named, const char *region, const struct store_call *call,
	   struct aws_key *ret, struct ls_err *err)
{
	LS_AUTO(aws_files_done) struct aws_files f = {0};
	const char *env = getenv("AWS_PROFILE");
	const char *profile = given(named) ? named : given(env) ? env : "default";
	int rc = aws_files_read(&f, err);

	if (rc < 0)
		return rc;
	if ((given(named) || given(env)) && !aws_files_has(&f, profile))
		return ls_err_set(err, -EINVAL,
				  "there is no profile '%.60s' in ~/.aws/config or "
				  "~/.aws/credentials",
				  profile);
	return from_profile(&f, profile, region, call, 0, ret, err);
}

static int
fetch(const struct aws_creds *c, const struct store_call *call, struct aws_key *ret,
      struct ls_err *err)
{
	int rc = given(c->profile) ? -ENOENT : from_environment(ret, err);

	if (rc == -ENOENT)
		rc = from_web_identity(c->region, call, ret, err);
	if (rc == -ENOENT)
		rc = from_files(c->profile, c->region, call, ret, err);
	if (rc == -ENOENT)
		rc = aws_remote_container(call, ret, err);
	if (rc == -ENOENT)
		rc = aws_remote_instance(call, ret, err);
	if (rc == -ENOENT)
		return ls_err_set(err, -EACCES,
				  "no credentials: set AWS_ACCESS_KEY_ID and "
				  "AWS_SECRET_ACCESS_KEY, or access-key-id and secret-access-key "
				  "in the configuration, or a profile (looked at: environment, web "
				  "identity, ~/.aws, container, instance)");
	return rc;
}

/* ---- those in force ---- */

static void
creds_free(struct aws_creds *c)
{
	aws_creds_key_done(&c->key);
	free(c->profile);
	free(c->region);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static int
creds_new(const struct s3_config *cfg, const char *region, struct aws_creds **ret,
	  struct ls_err *err)
{
	struct aws_creds *c = calloc(1, sizeof *c);
	int rc = 0;

	if (!c)
		return no_memory(err);
	c->refs = 1;
	pthread_mutex_init(&c->lock, NULL);
	c->profile = strdup(cfg->profile ? cfg->profile : "");
	c->region = strdup(region);
	if (!c->region || !c->profile)
		rc = no_memory(err);
	if (rc == 0 && given(cfg->access_key))
		rc = aws_creds_key_set(&c->key, cfg->access_key, cfg->secret_key.text,
				       cfg->session_token.text, err);
	if (rc < 0)
		creds_free(c);
	else
		*ret = c;
	return rc;
}

int
aws_creds_open(const struct s3_config *cfg, const char *region, struct aws_creds **ret,
	       struct ls_err *err)
{
	const char *profile = cfg->profile ? cfg->profile : "";
	struct aws_creds *c;
	int rc;

	if (given(cfg->access_key))
		return creds_new(cfg, region, ret, err);
	LS_AUTOLOCK(&shared.lock);
	for (c = shared.list; c; c = c->next)
		if (strcmp(c->profile, profile) == 0 && strcmp(c->region, region) == 0) {
			c->refs++;
			*ret = c;
			return 0;
		}
	if ((rc = creds_new(cfg, region, &c, err)) < 0)
		return rc;
	c->next = shared.list;
	shared.list = c;
	*ret = c;
	return 0;
}

/* Whether nobody has it any more; then it is in no list either. */
static bool
let_go(struct aws_creds *c)
{
	LS_AUTOLOCK(&shared.lock);
	struct aws_creds **at = &shared.list;

	if (--c->refs)
		return false;
	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	return true;
}

void
aws_creds_close(struct aws_creds *c)
{
	if (c && let_go(c))
		creds_free(c);
}

static bool
is_due(const struct aws_creds *c, int64_t now)
{
	if (!c->key.access)
		return true;
	return (c->expired || (c->key.expires_ms && c->key.expires_ms - EARLY_MS <= now)) &&
	       now >= c->retry_ms;
}

/* While they cannot be fetched anew, the old ones do. */
static int
renew(struct aws_creds *c, const struct store_call *call, int64_t now, struct ls_err *err)
{
	struct aws_key key = {0};
	struct ls_err local = {0};
	int rc = fetch(c, call, &key, &local);

	if (rc == 0) {
		aws_creds_key_done(&c->key);
		c->key = key;
		c->expired = false;
		c->retry_ms = now + AGAIN_MS;
		return 0;
	}
	c->retry_ms = now + AGAIN_MS;
	if (c->key.access && rc != -ECANCELED) {
		log_write(LOG_WARN, "credentials cannot be renewed, the old ones are used",
			  LOG_STR("error", local.msg));
		return 0;
	}
	if (err)
		*err = local;
	return rc;
}

int
aws_creds_get(struct aws_creds *c, const struct store_call *call, struct aws_key *ret,
	      struct ls_err *err)
{
	LS_AUTOLOCK(&c->lock);
	int64_t now = clock_wall_ms();
	int rc = is_due(c, now) ? renew(c, call, now, err) : 0;

	if (rc == 0)
		rc = aws_creds_key_set(ret, c->key.access, c->key.secret.text, c->key.token.text,
				       err);
	return rc;
}

bool
aws_creds_expired(struct aws_creds *c, const struct aws_key *used)
{
	LS_AUTOLOCK(&c->lock);

	/* Somebody else has renewed them meanwhile. */
	if (strcmp(c->key.access, used->access) != 0)
		return true;
	if (!c->key.expires_ms || c->expired)
		return false;
	c->expired = true;
	c->retry_ms = 0;
	return true;
}
