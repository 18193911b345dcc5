/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "fs/fetch.h"

#include "engine/base/clock.h"
#include "fs/ops.h"

/* libfuse holds a reference to req meanwhile. The worker may free the fetch once it is marked. */
static void
on_interrupt(fuse_req_t req, void *data)
{
	struct fetch *f = data;

	stop_fire(&f->stop);
	if (!atomic_exchange(&f->answered, true))
		ops_reply_err(req, -ECANCELED, OPS_READ);
}

bool
fetch_end(struct fetch *f)
{
	if (atomic_exchange(&f->answered, true))
		return false;
	fuse_req_interrupt_func(f->req, NULL, NULL);
	return true;
}

static void
run_job(struct job *job)
{
	struct fetch *f = (struct fetch *)job;

	f->run(f);
	stop_done(&f->stop);
	free(f);
}

bool
fetch_start(struct fs *fs, fuse_req_t req, uint64_t ino, void (*run)(struct fetch *f),
	    const struct fetch *what)
{
	/* Setting the function of a request that is interrupted already would call it, without a
	 * reference to the request. */
	struct fetch *f = fuse_req_interrupted(req) ? NULL : malloc(sizeof *f);
	struct ls_err err = {0};

	if (!f) {
		ops_reply_err(req, fuse_req_interrupted(req) ? -ECANCELED : -ENOMEM, OPS_LOOKUP);
		return false;
	}
	if (what)
		*f = *what;
	else
		*f = (struct fetch){0};
	f->fs = fs;
	f->req = req;
	f->ino = ino;
	f->run = run;
	f->job.run = run_job;
	if (!tree_node(ino, &f->node) || stop_init(&f->stop, &err) < 0) {
		free(f);
		ops_reply_err(req, err.code ? err.code : -ESTALE, OPS_READ);
		return false;
	}
	atomic_init(&f->answered, false);
	f->call = (struct store_call){.stop = &f->stop,
				      .deadline_ms = clock_mono_ms() + fs->timeout_ms,
				      .priority = STORE_PRIO_READ};
	fuse_req_interrupt_func(req, on_interrupt, f);
	job_submit(fs->fetch, &f->job);
	return true;
}
