/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The levels of one replica: merges what levels.h says is due, object by object, and deletes what
 * has expired. A merge reads the objects of the replica, or what is still here of them, is written
 * to a local file, and only then put; nothing is deleted before what replaces it is durable and
 * recorded.
 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/format/ltx_merge.h"
#include "engine/sync/upload_impl.h"

#include <string.h>

enum { DELETE_BATCH = 500, REFUSED_MS = 24 * 3600 * 1000 };

/* ---- merging ---- */

/* An object as the source of a decoder. */
struct input {
	struct upload *u;
	const struct store_call *call;
	const struct catalog_file *f;
};

static int
read_object(void *arg, uint64_t off, void *p, size_t n, size_t *ret_n, struct ls_err *err)
{
	const struct input *in = arg;

	return upload_read(in->u, in->call, in->f, off, p, n, ret_n, err);
}

/* What is being made. */
struct merging {
	struct levels_work work;
	struct input in[LEVELS_INPUTS_MAX];
	struct ltx_dec *dec[LEVELS_INPUTS_MAX];
	struct upload_out out;
	struct catalog_file result;
};

static void
merging_done(struct merging *m)
{
	for (size_t i = 0; i < LEVELS_INPUTS_MAX; i++)
		ltx_dec_close(m->dec[i]);
	levels_work_done(&m->work);
	upload_out_close(&m->out);
	free(m);
}

static int
merge(struct upload *u, const struct store_call *call, struct merging *m, struct ls_err *err)
{
	struct ltx_merge_out out = {.flags = LTX_NO_CHECKSUM,
				    .encoding = u->conf->encoding,
				    .sink = upload_out_write,
				    .arg = &m->out};
	struct ltx_header h;
	int rc = upload_out_open(u, UPLOAD_LEVEL_TMP, &m->out, err);

	out.spill = m->out.index;
	for (size_t i = 0; rc == 0 && i < m->work.n; i++) {
		const struct catalog_file *f = &m->work.in[i];

		m->in[i] = (struct input){.u = u, .call = call, .f = f};
		rc = ltx_dec_open(read_object, &m->in[i], f->size, &m->dec[i], err);
		if (rc < 0) {
			char key[REPLICA_KEY_MAX];

			catalog_key(&u->replica, f, key);
			return ls_err_wrap(err, rc, "'%s'", key);
		}
	}
	if (rc == 0)
		rc = ltx_merge(m->dec, m->work.n, &out, &h, NULL, err);
	if (rc == 0)
		m->result = (struct catalog_file){.level = (uint8_t)m->work.level,
						  .min = h.min_txid,
						  .max = h.max_txid,
						  .time_ms = h.time_ms,
						  .time_exact = true};
	return rc;
}

static int
publish(struct upload *u, const struct store_call *call, struct merging *m, pthread_mutex_t *lock,
	struct ls_err *err)
{
	bool put = false;
	int rc = upload_out_publish(u, call, &m->out, &m->result, lock, &put, err);

	if (rc < 0 || !put)
		return rc;
	log_write(LOG_DEBUG,
		  m->work.level == REPLICA_PACKS ? "pack complete" : "compaction complete",
		  LOG_STR("path", u->conf->url), LOG_U64("level", m->result.level),
		  LOG_TXID("txid.min", m->result.min), LOG_TXID("txid.max", m->result.max),
		  LOG_U64("size", m->result.size), LOG_U64("files", m->work.n));
	return 0;
}

/* A batch is gone that level 1 holds, too: it is no point any more, and no reason to begin anew. */
static int
forget(struct upload *u, const struct catalog_file *lost, pthread_mutex_t *lock, struct ls_err *err)
{
	int rc = err->code;

	LS_AUTOLOCK(lock);
	if (!levels_holds(catalog_log_catalog(u->log), lost))
		return rc;
	log_write(LOG_WARN, "a transaction is lost that was to be kept",
		  LOG_STR("path", u->conf->url), LOG_TXID("txid.min", lost->min),
		  LOG_TXID("txid.max", lost->max), LOG_STR("error", err->msg));
	return catalog_log_del(u->log, lost, err);
}

static int
pack(struct upload *u, const struct store_call *call, struct merging *m, pthread_mutex_t *lock,
     bool *ret_again, struct ls_err *err)
{
	const struct levels_work *w = &m->work;
	size_t lost = 0;
	int rc = upload_pack(u, call, w, &m->out, &m->result, &lost, err);

	*ret_again = false;
	if (rc == -ENOENT) {
		rc = forget(u, &w->in[lost], lock, err);
		*ret_again = rc == 0;
	}
	return rc;
}

static void
read_back(struct upload *u, const struct store_call *call, const struct merging *m,
	  pthread_mutex_t *lock)
{
	struct ls_err why;

	if (upload_verify_newest(u, lock, m->work.level, call, &why) < 0)
		log_write(LOG_WARN, "post-compaction verification failed",
			  LOG_STR("path", u->conf->url), LOG_U64("level", (uint64_t)m->work.level),
			  LOG_TXID("txid.min", m->result.min), LOG_TXID("txid.max", m->result.max),
			  LOG_STR("error", why.msg));
}

/* Each file of a level is read once for the level above, and seldom for a snapshot. */
static void
keep(struct upload *u, const struct levels_conf *k, const struct merging *m)
{
	for (size_t i = 0; i < m->work.n; i++) {
		const struct catalog_file *f = &m->work.in[i];
		const struct kept_name name = {u, f->min, f->max, f->level};

		if (f->level + 1 == m->work.level)
			kept_drop(u->dir->kept, &name);
	}
	if (m->work.level >= 1 && m->work.level < (int)k->n)
		upload_out_keep(u, &m->out, &m->result);
}

/* One file. *ret_more: it was written, and another one may be due. */
static int
merge_next(struct upload *u, pthread_mutex_t *lock, const struct levels_conf *k,
	   const struct store_call *call, int64_t now_ms, bool *ret_more, struct ls_err *err)
{
	struct merging *m = calloc(1, sizeof *m);
	bool again = false;
	int rc;

	*ret_more = false;
	if (!m)
		return ls_err_set(err, -ENOMEM, "levels: out of memory");
	m->out.fd = m->out.spill_fd = -1;
	pthread_mutex_lock(lock);
	rc = u->info.image ? 0 : levels_next(catalog_log_catalog(u->log), k, now_ms, &m->work, err);
	pthread_mutex_unlock(lock);
	if (rc == 0 && m->work.n) {
		rc = m->work.level == REPLICA_PACKS ? pack(u, call, m, lock, &again, err)
						    : merge(u, call, m, err);
		if (rc == 0 && !again)
			rc = publish(u, call, m, lock, err);
		if (rc == 0 && !again && m->result.level == LTX_LEVEL_SNAPSHOT)
			upload_interior(u, call, UPLOAD_LEVEL_INTERIOR_TMP, &m->out, &m->result);
		if (rc == 0 && !again && k->verify)
			read_back(u, call, m, lock);
		if (rc == 0 && !again)
			keep(u, k, m);
		*ret_more = rc == 0;
	}
	merging_done(m);
	return rc;
}

/* ---- deleting ---- */

struct expired {
	struct catalog_file *v;
	size_t n;
	char root[STORE_ETAG_MAX]; /* where they are */
};

static void
expired_done(struct expired *x)
{
	free(x->v);
}

/* What expired is nobody else's work: batches go on while the storage deletes. */
static int
delete_files(struct upload *u, const struct store_call *call, const struct expired *x, size_t from,
	     size_t n, pthread_mutex_t *lock, struct ls_err *err)
{
	const struct catalog_file *v = x->v + from;
	ls_autofree char(*keys)[REPLICA_KEY_MAX] = ls_alloc_array(2 * n + 1, sizeof *keys);
	ls_autofree const char **list = ls_alloc_array(2 * n + 1, sizeof *list);
	size_t nkeys = 0;
	int rc;

	if (!keys || !list)
		return ls_err_set(err, -ENOMEM, "levels: out of memory");
	for (size_t i = 0; i < n; i++) {
		replica_key(&u->replica, v[i].level, v[i].min, v[i].max, keys[nkeys++]);
		if (v[i].level == LTX_LEVEL_SNAPSHOT)
			replica_interior_key(v[i].max, keys[nkeys++]);
	}
	for (size_t i = 0; i < nkeys; i++)
		list[i] = keys[i];
	if ((rc = store_del(u->store, call, list, nkeys, err)) < 0)
		return rc;
	LS_AUTOLOCK(lock);
	if ((rc = upload_is_at(u, x->root, err)) < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = catalog_log_del(u->log, &v[i], err);
	return rc;
}

static int
find_expired(struct upload *u, pthread_mutex_t *lock, const struct levels_conf *k,
	     const struct store_call *call, int64_t now_ms, struct expired *ret, struct ls_err *err)
{
	int rc;

	LS_AUTOLOCK(lock);
	rc = levels_expired(catalog_log_catalog(u->log), k, now_ms, &ret->v, &ret->n, err);
	memcpy(ret->root, u->root, STORE_ETAG_MAX);
	return rc < 0 || ret->n == 0 ? rc : upload_same_root(u, call, err);
}

static int
expire(struct upload *u, pthread_mutex_t *lock, const struct levels_conf *k,
       const struct store_call *call, int64_t now_ms, struct ls_err *err)
{
	LS_AUTO(expired_done) struct expired x = {0};
	int rc = find_expired(u, lock, k, call, now_ms, &x, err);

	for (size_t i = 0; rc == 0 && i < x.n; i += DELETE_BATCH)
		rc = delete_files(u, call, &x, i, x.n - i < DELETE_BATCH ? x.n - i : DELETE_BATCH,
				  lock, err);
	/* Locked objects, or no permission to delete: asking again at once would not help. */
	if (rc == -EACCES) {
		u->refused_ms = clock_mono_ms();
		log_write(LOG_WARN, "the storage refuses to delete, what has expired stays",
			  LOG_STR("path", u->conf->url), LOG_U64("objects", x.n),
			  LOG_STR("reason", err->msg), LOG_STR("hint", "asked again in a day"));
		return 0;
	}
	if (rc == 0 && x.n)
		log_write(LOG_DEBUG, "retention enforced", LOG_STR("path", u->conf->url),
			  LOG_U64("deleted_count", x.n));
	return rc;
}

int
upload_tell_absence(struct upload *u, const struct store_call *call, struct ls_err *err)
{
	struct ls_err why;
	int rc = upload_same_root(u, call, &why);

	if (rc == 0)
		return -ENOENT;
	if (err)
		*err = why;
	return rc == -ENOENT ? -EIO : rc;
}

static bool
is_refused(const struct upload *u)
{
	return u->refused_ms && clock_mono_ms() - u->refused_ms < REFUSED_MS;
}

int
upload_maintain(struct upload *u, pthread_mutex_t *lock, const struct levels_conf *conf,
		const struct store_call *call, int64_t *ret_due_ms, struct ls_err *err)
{
	struct levels_conf asked = *conf;
	const struct levels_conf *k = &asked;
	int64_t now_ms = 0;
	bool more = true;
	int rc = 0;

	asked.keep |= is_refused(u);
	while (rc == 0 && more && (rc = store_call_check(call, err)) == 0) {
		now_ms = clock_wall_ms();
		rc = merge_next(u, lock, k, call, now_ms, &more, err);
	}
	if (rc == 0)
		rc = expire(u, lock, k, call, now_ms, err);
	if (rc == -ENOENT)
		return upload_tell_absence(u, call, err);
	if (rc < 0)
		return rc;
	asked.keep |= is_refused(u);
	LS_AUTOLOCK(lock);
	upload_recent_forget(u, levels_merged(catalog_log_catalog(u->log), k) + 1);
	*ret_due_ms = u->info.image ? now_ms : levels_due(catalog_log_catalog(u->log), k, now_ms);
	return 0;
}
