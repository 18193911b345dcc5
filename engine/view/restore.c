/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/restore.h"

#include "engine/replica/unpack.h"
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
write_output(struct replica *r, const struct store_call *call, const struct restore_opts *opts,
	     const struct plan *plan, struct restore_result *ret, struct ls_err *err)
{
	LS_AUTO(restore_out_done) struct restore_out out = {.fd = -1};
	struct restore_pages *pages = NULL;
	uint32_t commit = 0;
	int rc;

	if ((rc = restore_out_begin(opts->output, opts->force, &out, err)) < 0 ||
	    (rc = restore_pages_new(r, call, &out, opts, &pages, err)) < 0)
		return rc;
	restore_pages_expect(pages, total_bytes(plan));
	for (size_t i = plan->n; rc == 0 && i-- > 0;)
		rc = restore_pages_add(pages, plan->files[i], err);
	if (rc == 0)
		rc = restore_pages_end(pages, &ret->page_size, &commit, err);
	restore_pages_free(pages);
	if (rc < 0 || (rc = store_call_check(call, err)) < 0)
		return rc;
	ret->txid = plan->txid;
	ret->size = (uint64_t)commit * ret->page_size;
	ret->nfiles = plan->n;
	rc = restore_out_check(&out, ret->size, opts->check, call ? call->stop : NULL, err);
	if (rc < 0)
		return rc == -EBADMSG ? ls_err_wrap(err, rc, "TXID %016" PRIx64, ret->txid) : rc;
	return restore_out_commit(&out, ret->size, err);
}

static int
note_object(void *arg, const struct store_entry *e, struct ls_err *err)
{
	(void)e;
	(void)err;
	*(bool *)arg = true;
	return 0;
}

/* A replica without LTX files: tell the older format from nothing at all. */
static int
nothing_there(struct replica *r, const struct store_call *call, struct ls_err *err)
{
	bool old = false;
	int rc = store_list(r->store, call, "generations/", NULL, note_object, &old, NULL);

	if (rc == 0 && old)
		return ls_err_set(
			err, -EINVAL,
			"this replica was written by Litestream 0.3 (it has generations/): "
			"this build reads the 0.5 format only");
	return ls_err_set(err, -ENOENT, "no matching backup files available");
}

static int
try_once(struct replica *r, const struct store_call *call, const struct restore_opts *opts,
	 struct restore_result *ret, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog cat = {0};
	LS_AUTO(plan_done) struct plan plan = {0};
	int rc;

	rc = unpack_plan(r, call, &opts->target, &cat, &plan, err);
	if (rc == -ENOENT && cat.n == 0)
		return nothing_there(r, call, err);
	if (rc < 0)
		return rc;
	rc = write_output(r, call, opts, &plan, ret, err);
	/* A planned object that is gone was merged or has expired meanwhile. */
	return rc == -ENOENT ? -ESTALE : rc;
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
