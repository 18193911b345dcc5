/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/restore.h"

#include "engine/replica/unpack.h"
#include "engine/view/follow_apply.h"
#include "engine/view/restore_generation.h"
#include "engine/view/restore_out.h"
#include "engine/view/restore_pages.h"

#include <inttypes.h>
#include <string.h>

enum { PLANS_MAX = 3 };

static uint64_t
total_bytes(const struct plan *plan)
{
	uint64_t n = 0;

	for (size_t i = 0; i < plan->n; i++)
		n += plan->files[i]->size;
	return n;
}

static int
write_ltx(struct replica *r, const struct store_call *call, const struct restore_opts *opts,
	  const struct plan *plan, struct restore_out *out, struct restore_result *ret,
	  struct ls_err *err)
{
	ls_autofree const struct catalog_file **order = ls_alloc_array(plan->n, sizeof(*order));
	struct restore_pages *pages = NULL;
	uint32_t commit = 0;
	int rc;

	if (!order)
		return ls_err_set(err, -ENOMEM, "restore: out of memory");
	for (size_t i = 0; i < plan->n; i++)
		order[i] = plan->files[plan->n - 1 - i];
	if ((rc = restore_pages_new(r, call, out, opts, &pages, err)) < 0)
		return rc;
	restore_pages_expect(pages, total_bytes(plan));
	rc = restore_pages_ahead(pages, order, plan->n, err);
	for (size_t i = 0; rc == 0 && i < plan->n; i++)
		rc = restore_pages_add(pages, order[i], err);
	if (rc == 0)
		rc = restore_pages_end(pages, false, &ret->page_size, &commit, err);
	restore_pages_free(pages);
	for (size_t i = 0; rc == 0 && opts->read && i < plan->n; i++)
		rc = opts->read(opts->read_arg, plan->files[i], err);
	ret->txid = plan->txid;
	ret->size = (uint64_t)commit * ret->page_size;
	ret->nfiles = plan->n;
	/* A planned object that is gone was merged or has expired meanwhile. */
	return rc == -ENOENT ? -ESTALE : rc;
}

/* What the replica offers for a target; the members of one format are empty if it has nothing. */
struct offer {
	struct catalog cat;
	struct plan ltx;
	struct generations generations;
	struct generations_plan old;
};

static void
offer_done(struct offer *o)
{
	plan_done(&o->ltx);
	catalog_done(&o->cat);
	generations_done(&o->generations);
}

static int
write_output(struct replica *r, const struct store_call *call, const struct restore_opts *opts,
	     const struct offer *o, struct restore_result *ret, struct ls_err *err)
{
	LS_AUTO(restore_out_done) struct restore_out out = {.fd = -1};
	int rc;

	if ((rc = restore_out_begin(opts->output, opts->force, &out, err)) < 0)
		return rc;
	*ret = (struct restore_result){.nfiles = o->old.n + 1};
	if (o->old.snapshot)
		rc = restore_generation(r->store, call, opts, &o->old, &out, &ret->size,
					&ret->page_size, err);
	else
		rc = write_ltx(r, call, opts, &o->ltx, &out, ret, err);
	if (rc < 0 || (rc = store_call_check(call, err)) < 0)
		return rc;
	rc = restore_out_check(&out, ret->size, opts->check, call ? call->stop : NULL, err);
	if (rc < 0)
		return rc == -EBADMSG ? ls_err_wrap(err, rc, "TXID %016" PRIx64, ret->txid) : rc;
	if (opts->follow && (rc = follow_prepare(out.fd, err)) < 0)
		return rc;
	return restore_out_commit(&out, ret->size, err);
}

/* Both formats are there: the newer state wins. rc: of the LTX plan. */
static int
choose(struct offer *o, int rc, struct ls_err *err)
{
	bool ltx = rc == 0 && o->ltx.n;

	if (ltx && o->old.snapshot && o->ltx.files[o->ltx.n - 1]->time_ms < o->old.time_ms)
		ltx = false;
	if (ltx)
		o->old = (struct generations_plan){0};
	else if (!o->old.snapshot && rc == 0)
		return ls_err_set(err, -ENOENT, "no matching backup files available");
	return ltx || !o->old.snapshot ? rc : 0;
}

static int
make_offer(struct replica *r, const struct store_call *call, const struct restore_opts *opts,
	   struct offer *ret, struct ls_err *err)
{
	const struct plan_target *t = &opts->target;
	struct generations_target old = {.generation = opts->generation,
					 .by_index = opts->by_index,
					 .index = opts->index,
					 .by_time = t->by_time,
					 .time_ms = t->time_ms};
	bool only_old = opts->generation || opts->by_index;
	struct ls_err why = {0};
	int rc = 0, rc_old;

	if (!only_old && (rc = unpack_plan(r, call, t, &ret->cat, &ret->ltx, err)) < 0 &&
	    rc != -ENOENT)
		return rc;
	if (t->txid)
		return rc;
	if ((rc_old = generations_load(r->store, call, &ret->generations, &why)) == 0 &&
	    (ret->generations.n || only_old))
		rc_old = generations_plan(&ret->generations, &old, &ret->old, &why);
	/* Without a generation, or with none that is old enough, the LTX files decide. */
	if (rc_old < 0 && (rc_old != -ENOENT || only_old || ret->cat.n == 0)) {
		if (err)
			*err = why;
		return rc_old;
	}
	return choose(ret, rc, err);
}

static int
try_once(struct replica *r, const struct store_call *call, const struct restore_opts *opts,
	 struct restore_result *ret, struct ls_err *err)
{
	LS_AUTO(offer_done) struct offer o = {0};
	int rc = make_offer(r, call, opts, &o, err);

	return rc < 0 ? rc : write_output(r, call, opts, &o, ret, err);
}

int
restore_run(struct store *store, const struct store_call *call, const struct restore_opts *opts,
	    struct restore_result *ret, struct ls_err *err)
{
	struct restore_result result = {0};
	bool parent_ok = false;
	char identity[STORE_ETAG_MAX];
	struct replica r;
	int rc;

	if ((rc = restore_check_output(opts->output, opts->force, err)) < 0)
		return rc;
	replica_init(&r, store);
	rc = store_root(store, call, false, identity, &parent_ok, err);
	if (rc == -ENOENT && parent_ok)
		return ls_err_wrap(err, rc, "no matching backup files available");
	if (rc < 0)
		return rc == -ENOENT ? -EIO : rc;
	for (int i = 0; i < PLANS_MAX; i++) {
		rc = try_once(&r, call, opts, &result, err);
		if (rc != -ESTALE)
			break;
	}
	if (rc == 0)
		*ret = result;
	return rc;
}
