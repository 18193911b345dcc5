/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/follow.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/replica/unpack.h"
#include "engine/view/follow_apply.h"
#include "engine/view/restore_pages.h"

#include <inttypes.h>
#include <string.h>

/* ---- OUT-txid ---- */

static int
read_sidecar(struct follow *f, bool *ret_found, struct ls_err *err)
{
	ls_autofree char *text = NULL;
	int rc = io_read_file(f->sidecar, 4096, &text, NULL, err);

	*ret_found = rc == 0;
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	text[strcspn(text, "\n")] = '\0';
	if (!ltx_txid_parse(text, &f->txid))
		return ls_err_set(err, -EBADMSG, "cannot resume follow mode: '%s' holds no TXID",
				  f->sidecar);
	return 0;
}

/* Durable, and never half. */
static int
write_sidecar(struct follow *f, uint64_t txid, struct ls_err *err)
{
	ls_autofree char *tmp = ls_buf_format("%s.tmp", f->sidecar);
	char text[LTX_TXID_LEN + 2];
	ls_autoclose int fd = -1;
	int rc;

	if (!tmp)
		return ls_err_set(err, -ENOMEM, "follow: out of memory");
	ltx_txid_format(txid, text);
	memcpy(text + LTX_TXID_LEN, "\n", 2);
	if ((fd = io_open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0666, err)) < 0)
		return fd;
	if ((rc = io_pwrite(fd, text, LTX_TXID_LEN + 1, 0, err)) < 0 ||
	    (rc = io_fsync(fd, tmp, err)) < 0 || (rc = io_rename(tmp, f->sidecar, err)) < 0)
		return rc;
	f->txid = txid;
	return 0;
}

/* ---- the begin ---- */

int
follow_open(const char *path, bool force, struct follow *ret, bool *ret_resume, struct ls_err *err)
{
	struct follow *f = ret;
	bool found = false;
	struct stat st;
	int rc;

	*f = (struct follow){.path = strdup(path),
			     .sidecar = ls_buf_format("%s-txid", path),
			     .change_counter = -1};
	*ret_resume = false;
	if (!f->path || !f->sidecar)
		return ls_err_set(err, -ENOMEM, "follow: out of memory");
	if (force)
		return 0;
	if ((rc = io_stat(path, &st, err)) < 0 && rc != -ENOENT)
		return rc;
	if (rc == -ENOENT || st.st_size == 0)
		return 0;
	if ((rc = read_sidecar(f, &found, err)) < 0)
		return rc;
	if (!found)
		return ls_err_set(err, -EEXIST,
				  "cannot resume follow mode: '%s' exists, but not '%s', which "
				  "says what it is at: use another output, or -force to replace it",
				  path, f->sidecar);
	*ret_resume = true;
	return 0;
}

int
follow_begin(struct follow *f, struct store *store, const struct store_call *call,
	     const struct restore_opts *opts, struct restore_result *ret, struct ls_err *err)
{
	struct restore_opts o = *opts;
	int rc;

	o.output = f->path;
	o.follow = true;
	if ((rc = restore_check_output(f->path, o.force, err)) < 0)
		return rc;
	/* From here on the output is ours, whatever happens to us. */
	if ((rc = write_sidecar(f, 0, err)) < 0 ||
	    (rc = restore_run(store, call, &o, ret, err)) < 0)
		return rc;
	if (ret->txid == 0)
		return ls_err_set(
			err, -EINVAL,
			"a replica of Litestream 0.3 cannot be followed; it was restored");
	return write_sidecar(f, ret->txid, err);
}

void
follow_done(struct follow *f)
{
	free(f->path);
	free(f->sidecar);
	*f = (struct follow){0};
}

/* ---- one step ---- */

struct step {
	struct follow *f;
	struct replica *replica;
	const struct store_call *call;
	struct restore_pages *pages;
	struct restore_out out; /* OUT.tmp: the new pages at their places, holes elsewhere */
};

static bool
has(const void *arg, uint32_t pgno)
{
	return restore_pages_has(arg, pgno);
}

static int
fetch(struct step *s, const struct plan *plan, bool some, struct follow_pages *ret,
      struct ls_err *err)
{
	struct restore_opts opts = {.output = s->f->path, .parallelism = s->f->parallelism};
	uint64_t bytes = 0;
	int rc;

	if ((rc = restore_out_begin(s->f->path, true, &s->out, err)) < 0 ||
	    (rc = restore_pages_new(s->replica, s->call, &s->out, &opts, &s->pages, err)) < 0)
		return rc;
	for (size_t i = 0; i < plan->n; i++)
		bytes += plan->files[i]->size;
	restore_pages_expect(s->pages, bytes);
	for (size_t i = plan->n; rc == 0 && i-- > 0;)
		rc = restore_pages_add(s->pages, plan->files[i], err);
	if (rc == 0)
		rc = restore_pages_end(s->pages, some, &ret->page_size, &ret->commit, err);
	ret->fd = s->out.fd;
	ret->has = has;
	ret->arg = s->pages;
	return rc;
}

static int
apply(struct step *s, const struct plan *plan, bool some, uint32_t *ret_pages, struct ls_err *err)
{
	struct follow *f = s->f;
	struct follow_pages pages;
	int rc = fetch(s, plan, some, &pages, err);

	if (rc == 0)
		rc = follow_apply(f->path, &pages, &f->change_counter,
				  s->call ? s->call->stop : NULL, ret_pages, err);
	if (rc == 0)
		rc = write_sidecar(f, plan->txid, err);
	restore_pages_free(s->pages);
	restore_out_done(&s->out);
	s->pages = NULL;
	return rc;
}

/* All of the newest state, of which only what differs is written. */
static int
catch_up(struct step *s, uint32_t *ret_pages, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog cat = {0};
	LS_AUTO(plan_done) struct plan plan = {0};
	struct plan_target latest = {0};
	int rc = unpack_plan(s->replica, s->call, &latest, &cat, &plan, err);

	if (rc < 0)
		return rc;
	s->f->change_counter = -1;
	return apply(s, &plan, false, ret_pages, err);
}

static int
go_on(struct step *s, uint32_t *ret_pages, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog cat = {0};
	LS_AUTO(plan_done) struct plan plan = {0};
	uint64_t newest, at = s->f->txid;
	int rc = catalog_load(s->replica, s->call, &cat, err);

	if (rc < 0)
		return rc;
	newest = catalog_max_txid(&cat);
	if (newest == at)
		return 0;
	if (newest < at)
		return ls_err_set(err, -ESTALE,
				  "the replica ends at TXID %016" PRIx64
				  ", the database is at %016" PRIx64 ": is it another replica?",
				  newest, at);
	if (at == 0)
		return catch_up(s, ret_pages, err);
	if ((rc = plan_onward(&cat, at, &plan, err)) < 0)
		return rc;
	if (plan.txid != newest)
		return catch_up(s, ret_pages, err);
	rc = apply(s, &plan, true, ret_pages, err);
	/* Merged away meanwhile, or the file was written by somebody. */
	return rc == -ENOENT || rc == -ESTALE ? catch_up(s, ret_pages, err) : rc;
}

int
follow_step(struct follow *f, struct store *store, const struct store_call *call,
	    uint32_t *ret_pages, struct ls_err *err)
{
	struct step s = {.f = f, .call = call, .out = {.fd = -1}};
	char identity[STORE_ETAG_MAX];
	bool parent_ok = false;
	struct replica r;
	int rc = store_root(store, call, false, identity, &parent_ok, err);

	*ret_pages = 0;
	if (rc < 0)
		return rc;
	replica_init(&r, store);
	s.replica = &r;
	return go_on(&s, ret_pages, err);
}
