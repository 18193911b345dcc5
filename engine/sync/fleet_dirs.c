/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories of a fleet: watched for files that are replaced, and, where the configuration has
 * a "dir" with watch, for databases that come and go.
 *
 * Any event in such a directory that is not about a member leads to a scan of all of them, a
 * quarter of a second later, so that a burst is one scan. A scan opens files that are no members
 * only; one that is an open database under another name is left alone (closing it would drop
 * SQLite's locks).
 */
#include "config.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/conf/conf_db.h"
#include "engine/conf/conf_dir.h"
#include "engine/sync/fleet_impl.h"

#include <search.h>
#include <string.h>

#define MS_NS UINT64_C(1000000)

enum { SCAN_DELAY_MS = 250, SCAN_FALLBACK_MS = 30000 };

static int
compare_path(const void *a, const void *b)
{
	const struct fleet_dir *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int
compare_wd(const void *a, const void *b)
{
	const struct fleet_dir *x = a, *y = b;

	return x->wd < y->wd ? -1 : x->wd > y->wd;
}

static struct fleet_dir *
new_dir(const char *path)
{
	size_t n = strlen(path) + 1;
	struct fleet_dir *d = calloc(1, sizeof *d + n);

	if (!d)
		return NULL;
	memcpy(d->path, path, n);
	d->wd = -1;
	return d;
}

/* Of two names for one directory, what happens there is told of the first. */
static bool
is_first(struct fleet *f, struct fleet_dir *d)
{
	struct fleet_dir **node = tsearch(d, &f->dirs_by_wd, compare_wd);

	return node && *node == d;
}

/* Watches it, again if need be: it may be another directory of that name. *ret_told: whether what
 * happens there will be told. */
static int
watch_path(struct fleet *f, const char *path, bool scanned, bool *ret_told, struct ls_err *err)
{
	struct fleet_dir *d = new_dir(path), **node;
	int wd;

	if (!d || !(node = tsearch(d, &f->dirs_by_path, compare_path))) {
		free(d);
		return ls_err_set(err, -ENOMEM, "out of memory");
	}
	if (*node != d)
		free(d);
	d = *node;
	d->scanned |= scanned;
	wd = watch_dir(&f->watch, path, d->scanned);
	if (wd != d->wd) {
		if (d->wd >= 0)
			tdelete(d, &f->dirs_by_wd, compare_wd);
		d->wd = wd;
		if (wd >= 0 && !is_first(f, d))
			d->wd = -1;
	}
	*ret_told = d->wd >= 0;
	return 0;
}

int
fleet_dirs_watch(struct fleet *f, struct dbtask *t, struct ls_err *err)
{
	size_t n = (size_t)(t->name - t->conf->path);
	ls_autofree char *dir = strndup(t->conf->path, n > 1 ? n - 1 : 1);

	if (!dir)
		return ls_err_set(err, -ENOMEM, "out of memory");
	return watch_path(f, dir, false, &t->watched, err);
}

static void
forget(void *node)
{
	(void)node;
}

void
fleet_dirs_done(struct fleet *f)
{
	tdestroy(f->dirs_by_wd, forget);
	tdestroy(f->dirs_by_path, free);
}

/* ---- scans ---- */

struct scan {
	struct fleet *f;
	const struct conf_dir *d;
	size_t number;
};

/* Whether a member has this file open, under whatever name. */
static bool
is_open(struct fleet *f, const char *path)
{
	struct stat st;

	if (io_stat(path, &st, NULL) < 0 || !S_ISREG(st.st_mode))
		return true;
	for (size_t i = 0; i < f->n; i++)
		if (atomic_load(&f->tasks[i]->ino) == st.st_ino &&
		    atomic_load(&f->tasks[i]->dev) == st.st_dev)
			return true;
	return false;
}

static bool
share_replica(const struct conf_db *a, const struct conf_db *b)
{
	for (size_t i = 0; i < a->nreplicas; i++)
		for (size_t k = 0; k < b->nreplicas; k++)
			if (strcmp(a->replicas[i].url, b->replicas[k].url) == 0)
				return true;
	return false;
}

/* Whether a member has the state directory or a replica. */
static bool
collides(struct fleet *f, const struct conf_db *db)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct conf_db *other = f->tasks[i]->conf;

		if (strcmp(other->meta_path, db->meta_path) != 0 && !share_replica(other, db))
			continue;
		log_write(LOG_ERROR, "database is not replicated", LOG_STR("db", db->path),
			  LOG_STR("error", "its state directory or replica is that of another one"),
			  LOG_STR("other", other->path));
		return true;
	}
	return false;
}

static int
add(struct scan *s, const char *rel, struct ls_err *err)
{
	struct fleet *f = s->f;
	struct conf_db *db = calloc(1, sizeof *db);
	int rc = db ? conf_dir_member(s->d, s->number, rel, db, err) : -ENOMEM;

	if (rc < 0) {
		free(db);
		return ls_err_set(err, rc, "out of memory");
	}
	if (is_open(f, db->path) || !conf_dir_is_database(db->path) || collides(f, db)) {
		conf_db_done(db);
		free(db);
		return 0;
	}
	log_write(LOG_INFO, "database added", LOG_STR("db", db->path));
	if ((rc = fleet_add(f, db, db, err)) < 0)
		return rc;
	f->tasks[f->n - 1]->scan = f->scan;
	f->tasks[f->n - 1]->next_look_ns = 0;
	timers_set(&f->timers, &f->tasks[f->n - 1]->timer, 0);
	f->alive++;
	return fleet_dirs_watch(f, f->tasks[f->n - 1], err);
}

static int
found(void *arg, const char *rel, struct ls_err *err)
{
	struct scan *s = arg;
	ls_autofree char *path = ls_buf_format("%s/%s", s->d->model.path, rel);
	struct dbtask *t = path ? fleet_find(s->f, path) : NULL;

	if (!path)
		return ls_err_set(err, -ENOMEM, "out of memory");
	if (!t)
		return add(s, rel, err);
	t->scan = s->f->scan;
	return 0;
}

static int
entered(void *arg, const char *path, struct ls_err *err)
{
	struct scan *s = arg;
	bool told;

	return watch_path(s->f, path, true, &told, err);
}

static void
drop_missing(struct fleet *f, size_t number)
{
	for (size_t i = 0; i < f->n; i++) {
		struct dbtask *t = f->tasks[i];

		if (t->conf->dir != number || t->scan == f->scan || t->leaving)
			continue;
		pthread_mutex_lock(&f->lock);
		t->leaving = true;
		pthread_mutex_unlock(&f->lock);
		t->leave_ns = clock_mono_ns();
		timers_set(&f->timers, &t->timer, 0);
	}
}

void
fleet_dirs_scan(struct fleet *f)
{
	struct ls_err err;

	f->scan++;
	f->scan_ns = f->watch.fd < 0 ? clock_mono_ns() + SCAN_FALLBACK_MS * MS_NS : UINT64_MAX;
	for (size_t i = 0; i < f->conf->ndirs; i++) {
		struct scan s = {f, &f->conf->dirs[i], i + 1};
		const struct conf_dir_walk w = {found, entered, &s};

		if (!s.d->watch)
			continue;
		if (conf_dir_walk(s.d, &w, &err) == 0) {
			drop_missing(f, i + 1);
			continue;
		}
		log_write(LOG_WARN, "directory cannot be scanned", LOG_STR("dir", s.d->model.path),
			  LOG_STR("error", err.msg));
		f->scan_ns = clock_mono_ns() + SCAN_FALLBACK_MS * MS_NS;
	}
}

int
fleet_dirs_open(struct fleet *f, struct ls_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < f->n; i++)
		rc = fleet_dirs_watch(f, f->tasks[i], err);
	if (f->watching)
		f->scan_ns = 0; /* what has come since the configuration was read */
	return rc;
}

/* ---- events ---- */

struct dbtask *
fleet_dirs_event(struct fleet *f, int wd, const char *name, bool closed)
{
	const struct fleet_dir key = {.wd = wd}, *const * node, *d;
	ls_autofree char *path = NULL;
	size_t n = conf_dir_stem(name);
	struct dbtask *t;

	if (wd == -1 && f->watching)
		f->scan_ns = 0;
	if (wd < 0 || !(node = tfind(&key, &f->dirs_by_wd, compare_wd)))
		return NULL;
	d = *node;
	path = ls_buf_format("%s%s%.*s", d->path, strcmp(d->path, "/") == 0 ? "" : "/", (int)n,
			     name);
	t = path ? fleet_find(f, path) : NULL;
	if (t && !closed)
		atomic_store(&t->suspect, true);
	/* Of a member, only its file itself matters: it may have gone. */
	if (d->scanned && (!t || (!closed && !name[n])) && f->scan_ns == UINT64_MAX)
		f->scan_ns = clock_mono_ns() + SCAN_DELAY_MS * MS_NS;
	return t && !closed && !name[n] ? t : NULL;
}
