/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/compare.h"

#include "engine/base/io.h"
#include "engine/format/dbhdr.h"
#include "engine/sync/position.h"

#include <string.h>

enum { CHUNK = 1 << 20 };

/* ---- which state it is ---- */

static int
read_position(const struct conf_db *conf, struct position *ret, struct ls_err *err)
{
	ls_autofree char *path = io_join(conf->meta_path, "position");
	struct position_file file = {.fd = -1};
	struct stat st;
	bool found = false;
	int rc;

	if (!path)
		return ls_err_set(err, -ENOMEM, "compare: out of memory");
	if ((rc = io_stat(path, &st, err)) < 0) /* opening would make it */
		return rc;
	rc = position_open(path, st.st_mode & 0777, &file, ret, &found, err);
	position_close(&file);
	if (rc == 0 && !found)
		return ls_err_set(err, -ENOENT, "'%s' holds no position", path);
	return rc;
}

static int64_t
mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* The held state is the one that was captured last. */
static bool
is_captured(const struct compare *c, const struct position *p)
{
	const struct walidx_header *held = &c->held.db.pinned;
	struct stat st;

	if (p->dev != c->held.db.st.st_dev || p->ino != c->held.db.st.st_ino ||
	    p->page_size != c->held.db.page_size)
		return false;
	if (held->mx_frame)
		return held->mx_frame == p->frame && wal_salts_equal(held->salts, p->salts);
	return p->complete && io_stat(c->held.db.conf->path, &st, NULL) == 0 &&
	       (uint64_t)st.st_size == p->db_size && mtime_ns(&st) == p->db_mtime_ns;
}

/* Nothing was committed between the look at the wal-index and the pin. */
static bool
is_still(const struct db *db)
{
	struct walidx_header now;

	return db->pinned_known && db_walidx(db, &now, NULL) == 0 &&
	       now.change == db->pinned.change && now.mx_frame == db->pinned.mx_frame &&
	       wal_salts_equal(now.salts, db->pinned.salts);
}

static int
map_frames(struct compare *c, struct ls_err *err)
{
	const struct walidx_header *at = &c->held.db.pinned;
	uint64_t size = 0;
	int rc = db_size(&c->held.db, &size, err);

	if (rc < 0)
		return rc;
	return held_fix(&c->held,
			at->mx_frame ? at->npages : (uint32_t)(size / c->held.db.page_size),
			at->backfill, at->mx_frame, err);
}

static int
hold(struct compare *c, struct conf_db *conf, struct ls_err *err)
{
	struct position p;
	enum db_state state;
	int rc;

	/* Without a record nothing is opened; the one that counts is read once the state is held.
	 */
	if ((rc = read_position(conf, &p, err)) < 0 ||
	    (rc = db_open(conf, &c->held.db, &state, err)) < 0)
		return rc;
	if (state != DB_READY)
		return state == DB_BUSY ? -EAGAIN : -ENOENT;
	if ((rc = read_position(conf, &p, err)) < 0)
		return rc;
	if (!is_still(&c->held.db) || !is_captured(c, &p))
		return ls_err_set(err, -EAGAIN, "it holds what is not captured yet");
	c->held.txid = p.txid;
	return map_frames(c, err);
}

int
compare_begin(const struct conf_db *conf, struct compare *ret, struct ls_err *err)
{
	struct conf_db still = *conf;
	int rc;

	still.journal_keep = true; /* looking changes nothing */
	*ret = (struct compare){.held = {.db = {.wal_fd = -1}}};
	if ((rc = hold(ret, &still, err)) < 0)
		compare_end(ret);
	ret->held.db.conf = conf;
	return rc;
}

void
compare_end(struct compare *c)
{
	held_end(&c->held);
}

/* ---- the pages ---- */

struct pages {
	uint8_t *live, *other;
	size_t nlive, nother; /* bytes */
};

static void
count_different(const struct compare *c, uint32_t first, uint32_t n, const struct pages *b,
		struct compare_result *ret)
{
	size_t size = c->held.db.page_size;
	uint32_t lock = dbhdr_lock_page(c->held.db.page_size);

	for (uint32_t i = 0; i < n; i++) {
		bool there = (i + 1) * size <= b->nother;

		if (first + i == lock ||
		    (there && memcmp(b->live + i * size, b->other + i * size, size) == 0))
			continue;
		if (ret->ndifferent++ == 0)
			ret->first = first + i;
	}
}

static int
compare_pages(struct compare *c, int fd, const struct stop *stop, struct pages *b,
	      struct compare_result *ret, struct ls_err *err)
{
	uint32_t size = c->held.db.page_size, step = CHUNK / size, n;
	int rc;

	for (uint32_t at = 1; at <= c->held.npages; at += n) {
		n = c->held.npages - at < step ? c->held.npages - at + 1 : step;
		if (stop_fired(stop))
			return ls_err_set(err, -ECANCELED, "interrupted");
		if ((rc = held_read(&c->held, at, n, b->live, &b->nlive, err)) < 0 ||
		    (rc = io_pread(fd, b->other, (size_t)n * size, (uint64_t)(at - 1) * size,
				   &b->nother, err)) < 0)
			return rc;
		count_different(c, at, n, b, ret);
	}
	return 0;
}

int
compare_with(struct compare *c, const char *path, const struct stop *stop,
	     struct compare_result *ret, struct ls_err *err)
{
	ls_autofree uint8_t *live = malloc(CHUNK), *other = malloc(CHUNK);
	struct pages b = {.live = live, .other = other};
	ls_autoclose int fd = io_open(path, O_RDONLY, 0, err);
	struct stat st;
	uint64_t npages;
	int rc;

	*ret = (struct compare_result){.npages = c->held.npages};
	if (fd < 0)
		return fd;
	if (!live || !other)
		return ls_err_set(err, -ENOMEM, "compare: out of memory");
	if ((rc = io_fstat(fd, &st, err)) < 0 ||
	    (rc = compare_pages(c, fd, stop, &b, ret, err)) < 0)
		return rc;
	npages = (uint64_t)st.st_size / c->held.db.page_size;
	if (npages > c->held.npages) {
		if (ret->ndifferent == 0)
			ret->first = c->held.npages + 1;
		ret->ndifferent += (uint32_t)(npages - c->held.npages);
		ret->npages = (uint32_t)npages;
	}
	return 0;
}
