/* SPDX-License-Identifier: Apache-2.0 */
/* Transaction times that the listing does not tell: they are in the headers of the files. */
#include "config.h"

#include "engine/replica/catalog.h"

#include "engine/base/job.h"
#include "engine/format/ltx.h"
#include "engine/format/pack.h"

#include <string.h>

enum { PROBES_MAX = 32 };

static int
read_time(struct catalog_file *f, const struct replica *r, const struct store_call *call,
	  struct ls_err *err)
{
	uint8_t raw[LTX_HEADER_SIZE];
	struct pack_header pack;
	struct ltx_header h;
	size_t n = 0;
	int rc = catalog_get(r, call, f, 0, raw, sizeof raw, &n, err);

	if (rc == -ENOENT || rc == -ESTALE)
		return 0; /* merged meanwhile */
	if (rc < 0 || n < sizeof raw)
		return rc;
	/* A damaged file keeps the time of its object: the restore that needs it will say so. */
	if (f->level == REPLICA_PACKS && pack_header_decode(raw, &pack, NULL) == 0) {
		f->time_ms = pack.time_ms;
		f->time_exact = true;
	} else if (f->level != REPLICA_PACKS && ltx_header_decode(raw, &h, NULL) == 0) {
		f->time_ms = h.time_ms;
		f->time_exact = true;
	}
	return 0;
}

/* Files whose headers are to be read. */
struct reading {
	const struct replica *r;
	const struct store_call *call;
	struct catalog_file **files;
};

static int
read_one_time(void *arg, size_t i, struct ls_err *err)
{
	const struct reading *rd = arg;

	return read_time(rd->files[i], rd->r, rd->call, err);
}

static int
read_times(struct catalog_file **files, size_t n, const struct replica *r,
	   const struct store_call *call, struct ls_err *err)
{
	struct reading rd = {r, call, files};
	int rc = job_each(n, r->store->ops->parallel, read_one_time, &rd, err);

	return rc < 0 ? ls_err_wrap(err, rc, "read transaction times") : 0;
}

int
catalog_fill_times(struct catalog *c, const struct replica *r, const struct store_call *call,
		   struct ls_err *err)
{
	ls_autofree struct catalog_file **v = ls_alloc_array(c->total, sizeof(*v));
	size_t n = 0;

	if (!v)
		return ls_err_set(err, -ENOMEM, "catalog: out of memory");
	for (size_t i = 0; i < c->total; i++)
		if (!c->files[i].time_exact)
			v[n++] = &c->files[i];
	return read_times(v, n, r, call, err);
}

/* ---- those around one moment ---- */

static int
by_max(const void *pa, const void *pb)
{
	const struct catalog_file *a = *(struct catalog_file *const *)pa;
	const struct catalog_file *b = *(struct catalog_file *const *)pb;

	return (a->max > b->max) - (a->max < b->max);
}

/* Reads some of v[lo + 1 .. hi - 1], evenly spread, and moves both ends to where the time is. */
static int
narrow(struct catalog_file **v, size_t *lo, size_t *hi, int64_t time_ms, const struct replica *r,
       const struct store_call *call, struct ls_err *err)
{
	size_t n = *hi - *lo - 1, at_once = r->store->ops->parallel, i;
	struct catalog_file *probes[PROBES_MAX];
	size_t places[PROBES_MAX];
	int rc;

	at_once = at_once < PROBES_MAX ? at_once : PROBES_MAX;
	n = n < at_once ? n : at_once;
	for (i = 0; i < n; i++) {
		places[i] = *lo + (*hi - *lo) * (i + 1) / (n + 1);
		probes[i] = v[places[i] - 1];
	}
	if ((rc = read_times(probes, n, r, call, err)) < 0)
		return rc;
	for (i = 0; i < n && probes[i]->time_ms < time_ms; i++)
		*lo = places[i];
	if (i < n)
		*hi = places[i];
	return 0;
}

/* n files, of which those that end later are not older. What is not read is then on the right side
 * of the moment, at some time. */
static int
fill_near(struct catalog_file **v, size_t n, int64_t time_ms, const struct replica *r,
	  const struct store_call *call, struct ls_err *err)
{
	size_t lo = 0, hi = n + 1; /* v[lo - 1] is before the moment, v[hi - 1] is not */
	int rc = 0;

	qsort(v, n, sizeof(*v), by_max);
	while (rc == 0 && hi - lo > 1)
		rc = narrow(v, &lo, &hi, time_ms, r, call, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		int64_t *t = &v[i]->time_ms;

		if (v[i]->time_exact)
			continue;
		if (i < lo && *t >= time_ms)
			*t = time_ms - 1;
		if (i + 1 >= hi && *t < time_ms)
			*t = time_ms;
	}
	return rc;
}

/* The files of some levels whose times are not exact. */
static size_t
collect(struct catalog *c, int first, int last, struct catalog_file **v)
{
	size_t n = 0;

	for (size_t i = 0; i < c->total; i++)
		if (c->files[i].level >= first && c->files[i].level <= last &&
		    !c->files[i].time_exact)
			v[n++] = &c->files[i];
	return n;
}

int
catalog_fill_times_near(struct catalog *c, int64_t time_ms, const struct replica *r,
			const struct store_call *call, struct ls_err *err)
{
	ls_autofree struct catalog_file **v = ls_alloc_array(c->total, sizeof(*v));
	size_t n;
	int rc;

	if (!v)
		return ls_err_set(err, -ENOMEM, "catalog: out of memory");
	n = collect(c, 0, LTX_LEVEL_SNAPSHOT - 1, v);
	if ((rc = fill_near(v, n, time_ms, r, call, err)) < 0)
		return rc;
	n = collect(c, REPLICA_PACKS, REPLICA_PACKS, v);
	if ((rc = fill_near(v, n, time_ms, r, call, err)) < 0)
		return rc;
	n = collect(c, LTX_LEVEL_SNAPSHOT, LTX_LEVEL_SNAPSHOT, v);
	return read_times(v, n, r, call, err);
}
