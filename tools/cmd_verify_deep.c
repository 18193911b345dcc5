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
restore(struct cmd_verify *v, const char *path, uint64_t txid, struct store *store,
	const struct store_call *call)
{
	struct restore_opts opts = {.output = path,
				    .target = {.txid = txid},
				    .force = true,
				    .parallelism = v->parallelism};
	struct restore_result result;
	int rc;

	v->check = (struct ls_err){0};
	rc = restore_run(store, call, &opts, &result, &v->check);
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
restore_held(struct cmd_verify *v, const char *path, uint64_t txid, struct store *store,
	     const struct store_call *call)
{
	int rc = restore(v, path, txid, store, call);

	for (int i = 0; rc == -ENOENT && i < ARRIVE_TRIES; i++)
		if ((rc = stop_sleep(call->stop, ARRIVE_WAIT_MS)) == 0)
			rc = restore(v, path, txid, store, call);
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

int
cmd_verify_deep(struct cmd_verify *v, const struct conf_db *db, struct store *store,
		const struct store_call *call, struct ls_err *err)
{
	ls_autofree char *dir = NULL, *path = NULL;
	struct compare c = {.held = {.db = {.wal_fd = -1}}};
	int rc, ignored;
	bool held;

	if ((rc = make_dir(&dir, err)) < 0)
		return rc;
	if (!(path = io_join(dir, "restored.db")))
		return ls_err_set(err, -ENOMEM, "out of memory");
	if (db && (rc = hold(db, call, &c, &v->live_why)) < 0)
		v->live = rc == -ENOENT ? CMD_VERIFY_ABSENT : CMD_VERIFY_UNKNOWN;
	held = db && rc == 0;
	rc = held ? restore_held(v, path, c.held.txid, store, call)
		  : restore(v, path, 0, store, call);
	if (rc == 0)
		rc = check_restored(v, path, held ? &c : NULL, call->stop, err);
	compare_end(&c);
	ignored = io_unlink(path, NULL);
	ignored = io_rmdir(dir, NULL);
	(void)ignored;
	if (rc == -ECANCELED)
		return ls_err_set(err, rc, "interrupted");
	/* What went wrong is a finding, unless it was the looking. */
	return rc < 0 && !v->check.code && !v->live_why.code ? rc : 0;
}
