/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/replica/catalog.h"

static int
by_end(const void *pa, const void *pb)
{
	const struct catalog_gap *a = pa, *b = pb;

	if (a->after != b->after)
		return a->after < b->after ? -1 : 1;
	return a->before < b->before ? -1 : a->before > b->before;
}

int
catalog_gaps(const struct catalog *c, const struct catalog_point *points, size_t npoints,
	     struct catalog_gap **ret, size_t *ret_n, struct ls_err *err)
{
	struct catalog_gap *v = ls_alloc_array(c->n, sizeof *v);
	size_t n = 0;

	*ret = v;
	*ret_n = 0;
	if (!v)
		return ls_err_set(err, -ENOMEM, "gaps: out of memory");
	for (size_t i = 0; i < c->n; i++) {
		size_t at = catalog_point_at(points, npoints, c->files[i].min);
		uint64_t below = at ? points[at - 1].txid : 0;

		if (c->files[i].min > below + 1)
			v[n++] = (struct catalog_gap){below, c->files[i].min};
	}
	qsort(v, n, sizeof *v, by_end);
	for (size_t i = 0; i < n; i++)
		if (*ret_n == 0 || v[*ret_n - 1].after != v[i].after)
			v[(*ret_n)++] = v[i];
	return 0;
}
