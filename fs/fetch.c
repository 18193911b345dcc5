/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "fs/fetch.h"

#include "engine/base/clock.h"
#include "fs/ops.h"

static void
on_interrupt(fuse_req_t req, void *data)
{
	(void)req;
	stop_fire(&((struct fetch *)data)->stop);
}

void
fetch_end(struct fetch *f)
{
	fuse_req_interrupt_func(f->req, NULL, NULL);
}

static void
run_job(struct job *job)
{
	struct fetch *f = (struct fetch *)job;

	f->run(f);
	stop_done(&f->stop);
	free(f);
}

void
fetch_start(struct fs *fs, fuse_req_t req, uint64_t ino, void (*run)(struct fetch *f),
	    const struct fetch *what)
{
	struct fetch *f = malloc(sizeof *f);
	struct ls_err err = {0};

	if (!f) {
		ops_reply_err(req, -ENOMEM, OPS_LOOKUP);
		return;
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
		return;
	}
	f->call = (struct store_call){.stop = &f->stop,
				      .deadline_ms = clock_mono_ms() + fs->timeout_ms,
				      .priority = STORE_PRIO_READ};
	fuse_req_interrupt_func(req, on_interrupt, f);
	job_submit(fs->fetch, &f->job);
}
