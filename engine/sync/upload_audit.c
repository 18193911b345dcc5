/* SPDX-License-Identifier: Apache-2.0 */
/* What a replica holds, against what is known of it. */
#include "config.h"

#include "engine/replica/plan.h"
#include "engine/replica/verify.h"
#include "engine/sync/upload_impl.h"

#include <inttypes.h>
#include <string.h>

/* A copy of the catalog, or of one level of it. */
static int
copy(struct upload *u, pthread_mutex_t *lock, int level, struct catalog *ret, struct ls_err *err)
{
	int rc = 0;

	LS_AUTOLOCK(lock);
	const struct catalog *c = catalog_log_catalog(u->log);

	for (size_t i = 0; rc == 0 && i < c->total; i++)
		if (level < 0 || c->files[i].level == level)
			rc = catalog_add(ret, &c->files[i], err);
	catalog_sort(ret);
	return rc;
}

static void
note(const struct upload *u, const struct catalog_file *f, struct upload_audit *a)
{
	if (!*a->first)
		catalog_key(&u->replica, f, a->first);
}

/* Of what was there before the listing and still is. */
static void
find_missing(const struct upload *u, const struct catalog *before, const struct catalog *listed,
	     struct upload_audit *a)
{
	const struct catalog *now = catalog_log_catalog(u->log);

	for (size_t i = 0; i < before->total; i++) {
		const struct catalog_file *f = &before->files[i], *there = catalog_find(listed, f);

		if ((there && there->size == f->size) || !catalog_find(now, f))
			continue;
		note(u, f, a);
		a->missing++;
	}
}

static int
adopt_foreign(struct upload *u, const struct catalog *before, const struct catalog *listed,
	      struct upload_audit *a, struct ls_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < listed->total; i++) {
		const struct catalog_file *f = &listed->files[i];

		if (catalog_find(before, f) || catalog_find(catalog_log_catalog(u->log), f))
			continue;
		note(u, f, a);
		a->foreign++;
		rc = catalog_log_put(u->log, f, err);
	}
	return rc;
}

static size_t
count_overlaps(const struct catalog *c)
{
	size_t n = 0;

	for (int level = 1; level < LTX_LEVEL_SNAPSHOT; level++)
		for (size_t i = c->first[level] + 1; i < c->first[level + 1]; i++)
			n += c->files[i].min <= c->files[i - 1].max;
	return n;
}

static int
check_history(const struct catalog *c, struct upload_audit *a, struct ls_err *err)
{
	ls_autofree struct catalog_point *points = NULL;
	ls_autofree struct catalog_gap *gaps = NULL;
	size_t n = 0;
	int rc = catalog_points(c, &points, &n, err);

	if (rc == 0)
		rc = catalog_gaps(c, points, n, &gaps, &a->gaps, err);
	a->overlaps = count_overlaps(c);
	a->whole = n && points[n - 1].txid == catalog_max_txid(c);
	return rc;
}

int
upload_audit(struct upload *u, pthread_mutex_t *lock, const struct store_call *call,
	     struct upload_audit *ret, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog before = {0}, listed = {0};
	int rc;

	*ret = (struct upload_audit){0};
	if ((rc = copy(u, lock, -1, &before, err)) < 0 ||
	    (rc = upload_same_root(u, call, err)) < 0 ||
	    (rc = catalog_load(&u->replica, call, &listed, err)) < 0)
		return rc;
	LS_AUTOLOCK(lock);
	find_missing(u, &before, &listed, ret);
	if ((rc = adopt_foreign(u, &before, &listed, ret, err)) < 0)
		return rc;
	return check_history(&listed, ret, err);
}

/* ---- what was merged ---- */

/* A level goes on where it ended, or, behind a snapshot, where that did. */
static int
check_contiguous(struct upload *u, pthread_mutex_t *lock, const struct catalog *level,
		 struct ls_err *err)
{
	const struct catalog_file *v = level->files, *f = &v[level->total - 1];
	int rc = 0;

	if (level->total < 2 || f->min == f[-1].max + 1)
		return 0;
	if (f->min <= f[-1].max)
		return ls_err_set(err, -EBADMSG,
				  "it overlaps the one before, which ends at %016" PRIx64,
				  f[-1].max);
	LS_AUTOLOCK(lock);
	if (!catalog_snapshot(catalog_log_catalog(u->log), f->min - 1) &&
	    !catalog_snapshot(catalog_log_catalog(u->log), f->min))
		rc = ls_err_set(err, -EBADMSG,
				"there is a gap after %016" PRIx64
				", and no snapshot that fills it",
				f[-1].max);
	return rc;
}

int
upload_verify_newest(struct upload *u, pthread_mutex_t *lock, int level,
		     const struct store_call *call, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog files = {0}, newest = {0};
	ls_autofree struct verify_result *found = calloc(1, sizeof *found);
	struct verify_opts opts = {.parallelism = 1};
	int rc;

	if (!found)
		return ls_err_set(err, -ENOMEM, "verify: out of memory");
	if ((rc = copy(u, lock, level, &files, err)) < 0 || files.total == 0)
		return rc;
	if (level != LTX_LEVEL_SNAPSHOT && (rc = check_contiguous(u, lock, &files, err)) < 0)
		return rc;
	rc = catalog_add(&newest, &files.files[files.total - 1], err);
	catalog_sort(&newest);
	if (rc < 0 || (rc = verify_objects(&u->replica, call, &newest, &opts, found, err)) < 0)
		return rc;
	if (found->ndamaged && err)
		*err = found->damage[0].why;
	return found->ndamaged ? -EBADMSG : 0;
}
