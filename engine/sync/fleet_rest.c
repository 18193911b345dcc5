/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Databases at rest: captured, uploaded, checkpointed, with no descriptor more than they need.
 * Events tell of the next write and of names that change. The looks every 30 s behind them, for
 * events may be lost, are rounds: the time, size and identity of each -wal file are compared with
 * what they were. A commit writes to it, and it is another file if a directory above it is. Only a
 * database that differs is served, and each one after 30 to 60 minutes: for what no round sees, as
 * a file that is mounted over the database.
 *
 * Memory that nobody has touched for 30 s costs up to 80 us a page where a host takes it back, as
 * under most virtual machines. So a round touches one dense array and the kernel's inodes, of which
 * several share a page, and not the wal-index, which is a page of its own for each database.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/sync/fleet_impl.h"

#include <string.h>

enum { ROUNDS = 120 /* at most until one is served */ };

static bool
is_as_it_was(const struct fleet_resting *r)
{
	struct stat st;

	return io_stat(*r->path ? r->path : r->task->db.wal_path, &st, NULL) == 0 &&
	       st.st_dev == r->dev && st.st_ino == r->ino && st.st_size == r->size &&
	       st.st_mtim.tv_sec == r->mtime.tv_sec && st.st_mtim.tv_nsec == r->mtime.tv_nsec;
}

/* The files are watched before they are asked for, so that nothing comes in between. */
static bool
observe(struct fleet *f, struct dbtask *t, struct fleet_resting *ret)
{
	const char *path = t->db.wal_path;
	struct stat st;

	if (t->wal_watch.wd < 0 || fleet_dirs_watch(f, t, NULL) < 0 || io_stat(path, &st, NULL) < 0)
		return false;
	*ret = (struct fleet_resting){.task = t,
				      .until = f->round + ROUNDS -
					       (unsigned)(f->nresting % (ROUNDS / 2)),
				      .dev = st.st_dev,
				      .ino = st.st_ino,
				      .size = st.st_size,
				      .mtime = st.st_mtim};
	if (strlen(path) < sizeof ret->path)
		memcpy(ret->path, path, strlen(path) + 1);
	return dbtask_is_settled(t);
}

/* For one more; without it that one is looked at as before. */
static bool
have_room(struct fleet *f)
{
	size_t cap = f->resting_cap ? f->resting_cap * 2 : 16;
	struct fleet_resting *v;

	if (f->nresting < f->resting_cap)
		return true;
	if (!(v = ls_grow_array(f->resting, cap, sizeof *v)))
		return false;
	f->resting = v;
	f->resting_cap = cap;
	return true;
}

void
fleet_rest(struct fleet *f, struct dbtask *t)
{
	if (!have_room(f) || !observe(f, t, &f->resting[f->nresting]))
		return;
	if (f->nresting++ == 0)
		f->round_ns = fleet_fallback_ns(clock_mono_ns());
	t->resting_at = f->nresting;
	t->next_look_ns = UINT64_MAX;
}

void
fleet_rest_end(struct fleet *f, struct dbtask *t)
{
	struct fleet_resting *last;

	if (t->resting_at == 0)
		return;
	last = &f->resting[--f->nresting];
	last->task->resting_at = t->resting_at;
	f->resting[t->resting_at - 1] = *last;
	t->resting_at = 0;
}

uint64_t
fleet_round_ns(const struct fleet *f)
{
	return f->nresting ? f->round_ns : UINT64_MAX;
}

void
fleet_round(struct fleet *f, uint64_t now)
{
	f->round++;
	f->round_ns = fleet_fallback_ns(now);
	for (size_t i = 0; i < f->nresting; i++) {
		const struct fleet_resting *r = &f->resting[i];

		if (!is_as_it_was(r))
			r->task->quiet = 0;
		else if (r->until != f->round)
			continue;
		atomic_store(&r->task->suspect, true);
		timers_set(&f->timers, &r->task->timer, 0);
	}
}
