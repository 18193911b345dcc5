/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/restore_pages.h"

#include "engine/format/dbhdr.h"
#include "engine/view/restore_part.h"

enum { PARTS_PER_THREAD = 2, THREADS_MAX = 8, REMOTE_THREADS = 16, REMOTE_THREADS_MAX = 32 };

int
restore_pages_add(struct restore_pages *p, const struct catalog_file *f, struct ls_err *err)
{
	struct restore_object *o = calloc(1, sizeof *o);
	struct ls_err own = {0};
	struct restore_part *part;
	int rc;

	if (!err)
		err = &own;
	if (!o)
		return ls_err_set(err, -ENOMEM, "restore: out of memory");
	o->owner = p;
	o->pending = 1;
	o->base = f->off;
	o->size = f->size;
	catalog_key(p->replica, f, o->key);
	part = restore_part_get(p);
	rc = p->ahead ? restore_ahead_take(p->ahead, &o->ahead, err) : 0;
	if (rc < 0)
		ls_err_wrap(err, rc, "'%s'", o->key);
	else
		rc = restore_walk_object(o, f, &part, err);
	if (rc < 0)
		restore_part_fail(p, err);
	if (part)
		restore_part_unget(p, part);
	restore_part_object_put(o);
	pthread_mutex_lock(&p->lock);
	if (p->err.code) {
		rc = p->err.code;
		*err = p->err;
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static void
wait_idle(struct restore_pages *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->nfree < p->nparts)
		pthread_cond_wait(&p->freed, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

bool
restore_pages_has(const struct restore_pages *p, uint32_t pgno)
{
	return p->seen[pgno >> 6] >> (pgno & 63) & 1;
}

static int
check_complete(struct restore_pages *p, struct ls_err *err)
{
	uint32_t lock = dbhdr_lock_page(p->page_size);
	uint64_t want = p->commit - (lock <= p->commit);

	if (p->nseen == want)
		return 0;
	for (uint32_t pgno = 1; pgno <= p->commit; pgno++)
		if (pgno != lock && !restore_pages_has(p, pgno))
			return ls_err_set(
				err, -ENODATA,
				"page %u of %u is in no file of the backup: it is damaged", pgno,
				p->commit);
	return 0;
}

int
restore_pages_end(struct restore_pages *p, bool some, uint32_t *ret_page_size, uint32_t *ret_commit,
		  struct ls_err *err)
{
	wait_idle(p);
	if (p->err.code) {
		if (err)
			*err = p->err;
		return p->err.code;
	}
	*ret_page_size = p->page_size;
	*ret_commit = p->commit;
	return some ? 0 : check_complete(p, err);
}

void
restore_pages_expect(struct restore_pages *p, uint64_t bytes)
{
	p->progress.total = bytes;
}

static int
make_parts(struct restore_pages *p, struct ls_err *err)
{
	p->parts = ls_alloc_array(p->nparts, sizeof *p->parts);
	p->index = malloc(RESTORE_INDEX_CHUNK);
	if (!p->parts || !p->index)
		return ls_err_set(err, -ENOMEM, "restore: out of memory");
	for (size_t i = 0; i < p->nparts; i++) {
		struct restore_part *part = &p->parts[i];

		part->stored = malloc(RESTORE_PART_BYTES + LTX_FRAME_MAX);
		part->out = malloc(RESTORE_OUT_BYTES + PAGE_SIZE_MAX);
		if (!part->stored || !part->out)
			return ls_err_set(err, -ENOMEM, "restore: out of memory");
		restore_part_unget(p, part);
	}
	return 0;
}

int
restore_pages_ahead(struct restore_pages *p, const struct catalog_file *const *files, size_t n,
		    struct ls_err *err)
{
	return restore_ahead_new(p->replica, p->call, files, n, &p->ahead, err);
}

/* Over a network threads mostly wait. */
static unsigned
choose_threads(const struct replica *r, unsigned wanted)
{
	if (!store_is_far(r->store))
		return job_threads(wanted, THREADS_MAX);
	return job_threads(wanted ? wanted : REMOTE_THREADS, REMOTE_THREADS_MAX);
}

int
restore_pages_new(struct replica *r, const struct store_call *call, struct restore_out *out,
		  const struct restore_opts *opts, struct restore_pages **ret, struct ls_err *err)
{
	unsigned n = choose_threads(r, opts->parallelism);
	struct restore_pages *p = calloc(1, sizeof *p);
	int rc;

	if (!p)
		return ls_err_set(err, -ENOMEM, "restore: out of memory");
	*p = (struct restore_pages){.replica = r, .call = call, .out = out, .opts = opts};
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->freed, NULL);
	p->nparts = (size_t)n * PARTS_PER_THREAD + 1;
	if ((rc = make_parts(p, err)) < 0 || (rc = job_pool_new("restore", n, &p->pool, err)) < 0) {
		restore_pages_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

void
restore_pages_free(struct restore_pages *p)
{
	if (!p)
		return;
	restore_ahead_free(p->ahead);
	job_pool_free(p->pool);
	for (size_t i = 0; p->parts && i < p->nparts; i++) {
		free(p->parts[i].entries);
		free(p->parts[i].stored);
		free(p->parts[i].out);
	}
	free(p->parts);
	free(p->index);
	free(p->seen);
	pthread_cond_destroy(&p->freed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
