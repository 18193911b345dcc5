/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/replica/verify.h"

#include "engine/base/job.h"
#include "engine/format/dbhdr.h"
#include "engine/format/ltx_dec.h"
#include "engine/replica/unpack.h"

#include <inttypes.h>
#include <stdio.h>

enum { THREADS_MAX = 8 };

struct verifier {
	const struct replica *r;
	const struct store_call *call;
	const struct catalog *c;
	const struct verify_opts *opts;
	struct verify_result *result;
	pthread_mutex_t lock;
	size_t next;	    /* file to look at */
	uint64_t total;	    /* bytes */
	struct ls_err fail; /* the first failure that is no damage */
};

/* ---- one object ---- */

struct source {
	const struct verifier *v;
	const struct catalog_file *f;
	char key[REPLICA_KEY_MAX];
};

static int
read_source(void *arg, uint64_t off, void *p, size_t n, size_t *ret_n, struct ls_err *err)
{
	const struct source *s = arg;

	return catalog_get(s->v->r, s->v->call, s->f, off, p, n, ret_n, err);
}

static int
check_header(const struct ltx_header *h, const struct catalog_file *f, struct ls_err *err)
{
	if (h->min_txid == f->min && h->max_txid == f->max)
		return 0;
	return ls_err_set(err, -EBADMSG, "it holds TXIDs %016" PRIx64 " to %016" PRIx64,
			  h->min_txid, h->max_txid);
}

static int
check_count(const struct ltx_header *h, uint64_t npages, struct ls_err *err)
{
	uint64_t want = h->commit - (dbhdr_lock_page(h->page_size) <= h->commit);

	if (!ltx_is_snapshot(h) || npages == want)
		return 0;
	return ls_err_set(err, -EBADMSG, "%" PRIu64 " of %" PRIu64 " pages are in it", npages,
			  want);
}

static int
check_file(struct source *s, struct ls_err *err)
{
	const uint8_t *stored = NULL;
	struct ltx_dec *d = NULL;
	struct ltx_page page;
	uint64_t npages = 0;
	int rc = ltx_dec_open(read_source, s, s->f->size, &d, err);

	if (rc == 0)
		rc = check_header(ltx_dec_header(d), s->f, err);
	while (rc == 0 && (rc = ltx_dec_next(d, &page, &stored, err)) == 0) {
		npages++;
		rc = ltx_page_check(&page, stored, ltx_dec_header(d)->page_size, err);
	}
	if (rc == 1)
		rc = check_count(ltx_dec_header(d), npages, err);
	ltx_dec_close(d);
	return rc;
}

/* Whether files of the catalog come from its index, so that this was read and is sound. */
static bool
is_unpacked(const struct catalog *c, const struct catalog_file *pack)
{
	const struct catalog_file first = {.min = pack->min};

	for (size_t i = catalog_place(c, &first); i < c->first[1] && c->files[i].min <= pack->max;
	     i++)
		if (c->files[i].pack_min == pack->min && c->files[i].pack_max == pack->max)
			return true;
	return false;
}

static int
check_pack(struct source *s, struct ls_err *err)
{
	ls_autofree struct pack_file *files = NULL;
	size_t n;

	if (is_unpacked(s->v->c, s->f))
		return 0;
	return unpack_read(s->v->r, s->v->call, s->f, &files, &n, err);
}

/* ---- all ---- */

static void
note_damage(struct verifier *v, const struct source *s, const struct ls_err *why)
{
	struct verify_result *r = v->result;
	struct verify_damage *d = &r->damage[r->ndamaged];

	if (r->ndamaged++ >= VERIFY_DAMAGE_MAX)
		return;
	*d = (struct verify_damage){.min = s->f->min, .max = s->f->max, .why = *why};
	snprintf(d->key, sizeof d->key, "%s", s->key);
}

static void
note(struct verifier *v, const struct source *s, int rc, const struct ls_err *why)
{
	bool is_pack = s->f->level == REPLICA_PACKS;

	LS_AUTOLOCK(&v->lock);
	if (rc == -ENOENT || rc == -ESTALE)
		return;
	if (rc == -EBADMSG || rc == -EINVAL)
		note_damage(v, s, why);
	else if (rc < 0 && v->fail.code == 0)
		v->fail = *why;
	if (is_pack) {
		v->result->packs++;
		return;
	}
	v->result->files++;
	v->result->bytes += s->f->size;
	if (v->opts->progress)
		v->opts->progress(v->opts->arg, v->result->bytes, v->total);
}

static const struct catalog_file *
take(struct verifier *v)
{
	LS_AUTOLOCK(&v->lock);

	if (v->fail.code || v->next == v->c->total)
		return NULL;
	return &v->c->files[v->next++];
}

static bool
is_sound(const struct verifier *v, const struct catalog_file *f)
{
	const struct catalog_file *known = v->opts->sound ? catalog_find(v->opts->sound, f) : NULL;

	return known && known->size == f->size;
}

static int
check(struct source *s, struct ls_err *why)
{
	if (s->f->level == REPLICA_PACKS)
		return check_pack(s, why);
	return is_sound(s->v, s->f) ? 0 : check_file(s, why);
}

static void *
work(void *arg)
{
	struct verifier *v = arg;
	const struct catalog_file *f;

	while ((f = take(v))) {
		struct source s = {.v = v, .f = f};
		struct ls_err why = {0};
		int rc;

		catalog_key(v->r, f, s.key);
		rc = check(&s, &why);
		if (rc < 0 && rc != -EBADMSG)
			ls_err_wrap(&why, rc, "'%s'", s.key);
		note(v, &s, rc, &why);
	}
	return NULL;
}

int
verify_objects(const struct replica *r, const struct store_call *call, const struct catalog *c,
	       const struct verify_opts *opts, struct verify_result *ret, struct ls_err *err)
{
	struct verifier v = {.r = r, .call = call, .c = c, .opts = opts, .result = ret};
	unsigned n = job_threads(opts->parallelism, THREADS_MAX), started = 0;
	pthread_t threads[THREADS_MAX];
	int rc = 0;

	*ret = (struct verify_result){0};
	for (size_t i = 0; i < c->n; i++)
		v.total += c->files[i].size;
	pthread_mutex_init(&v.lock, NULL);
	while (rc == 0 && started < n)
		if ((rc = job_thread(&threads[started], "verify", work, &v, err)) == 0)
			started++;
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&v.lock);
	if (rc == 0 && v.fail.code) {
		rc = v.fail.code;
		if (err)
			*err = v.fail;
	}
	return rc;
}
