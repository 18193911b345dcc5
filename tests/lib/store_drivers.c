/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/lib/store_drivers.h"

#include "engine/store/s3_config.h"
#include "engine/store/store_count.h"
#include "engine/store/store_fault.h"
#include "engine/store/store_limit.h"
#include "engine/store/store_retry.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char dir[64] = "/tmp/test_store.XXXXXX";
static char root[128];
static struct store_counts counts;
static unsigned tmp_names;

static void
must(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s\n", what);
	exit(1);
}

void
store_drivers_in_memory(void)
{
	if (access("/dev/shm", W_OK) == 0)
		snprintf(dir, sizeof dir, "/dev/shm/test_store.XXXXXX");
}

const char *
store_drivers_dir(void)
{
	static bool made;

	if (!made)
		must(mkdtemp(dir) != NULL, "mkdtemp");
	made = true;
	return dir;
}

const char *
store_drivers_root(void)
{
	return root;
}

static struct store *
open_file(const struct store_driver *d)
{
	static unsigned serial;
	struct store_config cfg = {.type = "file", .path = root};
	struct store *st = NULL;

	(void)d;
	snprintf(root, sizeof root, "%s/root%u", store_drivers_dir(), serial++);
	must(store_open(&cfg, &st, NULL) == 0, "open a directory");
	return st;
}

static struct store *
open_count(const struct store_driver *d)
{
	struct store *st = NULL;

	must(store_count_open(open_file(d), &counts, &st, NULL) == 0, "open store_count");
	return st;
}

static struct store *
open_fault(const struct store_driver *d)
{
	struct store *st = NULL;

	must(store_fault_open(open_file(d), &st, NULL) == 0, "open store_fault");
	return st;
}

static struct store *
open_limit(const struct store_driver *d)
{
	const struct store_limits limits = {
		.requests = 1e6, .bytes_up = UINT64_C(1) << 40, .bytes_down = UINT64_C(1) << 40};
	struct store *st = NULL;

	must(store_limit_open(open_file(d), &limits, &st, NULL) == 0, "open store_limit");
	return st;
}

static struct store *
open_retry(const struct store_driver *d)
{
	struct store *st = NULL;

	must(store_retry_open(open_file(d), &st, NULL) == 0, "open store_retry");
	return st;
}

static const char *
or_env(const char *name, const char *value)
{
	return getenv(name) ? getenv(name) : value;
}

/* Each in a path of its own, in one bucket. */
static struct store *
open_s3(const struct store_driver *d, enum s3_choice path_style, enum s3_choice sign)
{
	static unsigned serial;
	const char *secret;
	char *path = NULL;
	struct s3_config s3 = {.bucket = strdup("contract"),
			       .region = strdup("us-east-1"),
			       .endpoint = strdup(getenv("LS_TEST_S3")),
			       .access_key = strdup(or_env("AWS_ACCESS_KEY_ID", "TESTKEY")),
			       .path_style = path_style,
			       .sign_payload = sign};
	struct store_config cfg = {.type = "s3", .s3 = &s3};
	struct store *st = NULL;
	struct ls_err err = {0};

	must(asprintf(&path, "%s-%d-%u/it's (a) \xc3\xa9+%%&=~", d->name, (int)getpid(), serial++) >
		     0,
	     "a path");
	s3.path = path;
	secret = or_env("AWS_SECRET_ACCESS_KEY", "TESTSECRET");
	must(secret_set(&s3.secret_key, secret, strlen(secret), &err) == 0, "a secret");
	must(store_open(&cfg, &st, &err) == 0, err.msg);
	s3_config_done(&s3);
	return st;
}

static struct store *
open_s3_path(const struct store_driver *d)
{
	return open_s3(d, S3_AUTO, S3_AUTO);
}

/* "http://contract.localhost:PORT/..." */
static struct store *
open_s3_host(const struct store_driver *d)
{
	return open_s3(d, S3_NO, S3_NO);
}

static const struct store_driver local[] = {
	{.name = "file", .open = open_file, .time_step_ms = 1},
	{.name = "count(file)", .open = open_count, .time_step_ms = 1},
	{.name = "fault(file)", .open = open_fault, .time_step_ms = 1},
	{.name = "limit(file)", .open = open_limit, .time_step_ms = 1},
	{.name = "retry(file)", .open = open_retry, .time_step_ms = 1},
};
static const struct store_driver remote[] = {
	{.name = "s3", .open = open_s3_path, .time_step_ms = 1, .bucket = true},
	{.name = "s3-host", .open = open_s3_host, .time_step_ms = 1, .bucket = true},
};
const struct store_driver *store_drivers = local;
size_t store_drivers_n = sizeof local / sizeof *local;

void
store_drivers_choose(void)
{
	if (!getenv("LS_TEST_S3"))
		return;
	store_drivers = remote;
	store_drivers_n = sizeof remote / sizeof *remote;
}

static int
count_tmp(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	tmp_names += strstr(path + ftw->base, ".tmp") != NULL;
	return 0;
}

unsigned
store_drivers_leftovers(void)
{
	tmp_names = 0;
	nftw(root, count_tmp, 16, FTW_PHYS);
	return tmp_names;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
store_drivers_done(void)
{
	nftw(store_drivers_dir(), remove_one, 16, FTW_PHYS | FTW_DEPTH);
}
