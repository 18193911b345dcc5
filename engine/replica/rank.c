/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/replica/rank.h"

#include "engine/replica/catalog.h"

#include <stdlib.h>

static int
ask(struct store *store, const struct store_call *call, uint64_t *ret_txid, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog cat = {0};
	char identity[STORE_ETAG_MAX];
	bool parent_ok = false;
	struct replica r;
	int rc;

	replica_init(&r, store);
	if ((rc = store_root(store, call, false, identity, &parent_ok, err)) < 0 ||
	    (rc = catalog_load(&r, call, &cat, err)) < 0)
		return rc;
	*ret_txid = catalog_max_txid(&cat);
	return 0;
}

static int
by_rank(const void *pa, const void *pb)
{
	const struct rank *a = pa, *b = pb;

	if ((a->err.code == 0) != (b->err.code == 0))
		return a->err.code == 0 ? -1 : 1;
	if (a->txid != b->txid)
		return a->txid > b->txid ? -1 : 1;
	return a->conf < b->conf ? -1 : a->conf > b->conf;
}

void
rank_replicas(struct rank *v, size_t n, const struct store_call *call)
{
	for (size_t i = 0; n > 1 && i < n; i++)
		if (v[i].store)
			v[i].err.code = ask(v[i].store, call, &v[i].txid, &v[i].err);
	qsort(v, n, sizeof *v, by_rank);
}
