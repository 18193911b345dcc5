/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/base/job.h"
#include "engine/view/restore.h"
#include "tools/cmd_verify.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	HOLD_TRIES = 250, /* for a database that is being written */
	HOLD_WAIT_MS = 20,
	ARRIVE_TRIES = 10, /* for a batch that is on its way to the replica */
	ARRIVE_WAIT_MS = 1000,
};

static int
note_read(void *arg, const struct catalog_file *f, struct ls_err *err)
{
	struct cmd_verify_deep *d = arg;

	return catalog_add(&d->sound, f, err);
}

static int
restore(struct cmd_verify_deep *d, uint64_t txid, struct store *store)
{
	struct cmd_verify *v = d->v;
	struct restore_opts opts = {.output = d->path,
				    .target = {.txid = txid},
				    .force = true,
				    .parallelism = v->parallelism,
				    .read = note_read,
				    .read_arg = d};
	struct restore_result result;
	int rc;

	v->check = (struct ls_err){0};
	rc = restore_run(store, d->call, &opts, &result, &v->check);
	if (rc == 0) {
		v->txid = result.txid;
		v->check = (struct ls_err){0}; /* what was tried on the way */
	}
	return rc;
}

/* The live database in a state that is captured; it may be busy for long. */
static int
hold(const struct conf_db *db, const struct store_call *call, struct compare *c, struct ls_err *err)
{
	int rc = -EAGAIN;

	for (int i = 0; rc == -EAGAIN && i < HOLD_TRIES; i++) {
		if (i && (rc = stop_sleep(call->stop, HOLD_WAIT_MS)) < 0)
			return ls_err_set(err, rc, "interrupted");
		rc = compare_begin(db, c, err);
	}
	return rc;
}

/* What the live database holds may just be on its way. */
static int
restore_held(struct cmd_verify_deep *d, struct store *store)
{
	struct cmd_verify *v = d->v;
	uint64_t txid = d->live.held.txid;
	int rc = restore(d, txid, store);

	for (int i = 0; rc == -ENOENT && i < ARRIVE_TRIES; i++)
		if ((rc = stop_sleep(d->call->stop, ARRIVE_WAIT_MS)) == 0)
			rc = restore(d, txid, store);
	if (rc < 0) {
		v->live_why = v->check;
		v->live = CMD_VERIFY_UNKNOWN;
	}
	return rc;
}

/* SQLite's check, beside the comparison. */
struct checking {
	struct cmd_verify *v;
	const char *path;
	const struct stop *stop;
	int rc;
};

static void *
check(void *arg)
{
	struct checking *k = arg;

	k->rc = integrity_check(k->path, INTEGRITY_FULL, k->stop, &k->v->check);
	return NULL;
}

static int
compare_live(struct cmd_verify *v, struct compare *c, const char *path, const struct stop *stop)
{
	int rc = compare_with(c, path, stop, &v->compared, &v->live_why);

	if (rc == 0)
		v->live_why = (struct ls_err){0};
	v->live = rc < 0		   ? CMD_VERIFY_UNKNOWN
		  : v->compared.ndifferent ? CMD_VERIFY_DIFFERENT
					   : CMD_VERIFY_SAME;
	return rc;
}

/* c: the live database, or NULL. */
static int
check_restored(struct cmd_verify *v, const char *path, struct compare *c, const struct stop *stop,
	       struct ls_err *err)
{
	struct checking k = {.v = v, .path = path, .stop = stop};
	pthread_t thread;
	int rc = job_thread(&thread, "check", check, &k, err);

	if (rc < 0)
		return rc;
	if (c)
		rc = compare_live(v, c, path, stop);
	pthread_join(thread, NULL);
	return k.rc < 0 ? k.rc : rc;
}

static int
make_dir(char **ret, struct ls_err *err)
{
	const char *env = getenv("TMPDIR");

	*ret = ls_buf_format("%s/litestream-verify.XXXXXX", env && *env ? env : "/var/tmp");
	if (!*ret)
		return ls_err_set(err, -ENOMEM, "out of memory");
	return mkdtemp(*ret) ? 0 : ls_err_sys(err, errno, "make directory '%s'", *ret);
}

/* What went wrong is a finding, unless it was the looking. */
static int
conclude(const struct cmd_verify *v, int rc, struct ls_err *err)
{
	if (rc == -ECANCELED)
		return ls_err_set(err, rc, "interrupted");
	return rc < 0 && (v->check.code || v->live_why.code) ? 1 : rc;
}

int
cmd_verify_deep_begin(struct cmd_verify *v, const struct conf_db *db, struct store *store,
		      const struct store_call *call, struct cmd_verify_deep *ret,
		      struct ls_err *err)
{
	struct cmd_verify_deep *d = ret;
	int rc;

	*d = (struct cmd_verify_deep){
		.v = v, .call = call, .live = {.held = {.db = {.wal_fd = -1}}}};
	if ((rc = make_dir(&d->dir, err)) < 0)
		return rc;
	if (!(d->path = io_join(d->dir, "restored.db")))
		return ls_err_set(err, -ENOMEM, "out of memory");
	if (db && (rc = hold(db, call, &d->live, &v->live_why)) < 0)
		v->live = rc == -ENOENT ? CMD_VERIFY_ABSENT : CMD_VERIFY_UNKNOWN;
	d->held = db && rc == 0;
	rc = d->held ? restore_held(d, store) : restore(d, 0, store);
	if (rc < 0)
		catalog_done(&d->sound);
	catalog_sort(&d->sound);
	return conclude(v, rc, err);
}

int
cmd_verify_deep_check(struct cmd_verify_deep *d, struct ls_err *err)
{
	int rc = check_restored(d->v, d->path, d->held ? &d->live : NULL, d->call->stop, err);

	rc = conclude(d->v, rc, err);
	return rc < 0 ? rc : 0;
}

void
cmd_verify_deep_end(struct cmd_verify_deep *d)
{
	int ignored = 0;

	compare_end(&d->live);
	if (d->path)
		ignored = io_unlink(d->path, NULL);
	if (d->dir)
		ignored = io_rmdir(d->dir, NULL);
	(void)ignored;
	catalog_done(&d->sound);
	free(d->path);
	free(d->dir);
}
