/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout, big-endian:
 *
 *   header, 32 bytes                      record, 48 bytes
 *     0  8  "LSCATLG1"                      0  1  'P' put, 'D' delete
 *     8  4  version, 1                      1  1  level
 *    12  4  zero                            2  1  1: the time is the transaction's
 *    16  8  CRC-64 of URL NUL root          3  5  zero
 *    24  8  CRC-64 of [0,24)                8  8  min TXID    16  8  max TXID
 *                                          24  8  size        32  8  time, ms
 *                                          40  8  CRC-64 of [0,40), continuing the CRC before it
 *
 * Each CRC continues that of the record (or header) before, so a record counts only behind exactly
 * the records that it was written behind: what an older, longer log left in the file is never read.
 */
#include "config.h"

#include "engine/replica/catalog_log.h"

#include "engine/base/buf.h"
#include "engine/base/bytes.h"
#include "engine/base/io.h"
#include "engine/format/crc64.h"

#include <stdio.h>
#include <string.h>

enum { LOG_VERSION = 1, HEADER = 32, RECORD = 48, LOG_MAX = 1 << 30, DEAD_MIN = 1024 };

struct catalog_log {
	char *path;
	int fd;
	uint64_t bind; /* CRC of URL and root */
	struct catalog_log_text text;
	struct catalog cat;
};

/* ---- bytes ---- */

static uint64_t
encode_header(uint8_t out[HEADER], uint64_t bind)
{
	uint64_t crc;

	memset(out, 0, HEADER);
	memcpy(out, "LSCATLG1", 8);
	put_be32(out + 8, LOG_VERSION);
	put_be64(out + 16, bind);
	crc = crc64(0, out, 24);
	put_be64(out + 24, crc);
	return crc;
}

static uint64_t
encode(uint8_t out[RECORD], char op, const struct catalog_file *f, uint64_t crc)
{
	memset(out, 0, RECORD);
	out[0] = (uint8_t)op;
	out[1] = f->level;
	out[2] = f->time_exact;
	put_be64(out + 8, f->min);
	put_be64(out + 16, f->max);
	put_be64(out + 24, f->size);
	put_be64(out + 32, (uint64_t)f->time_ms);
	crc = crc64(crc, out, 40);
	put_be64(out + 40, crc);
	return crc;
}

/* One change of the log, in the order of the file. */
struct change {
	struct catalog_file f;
	size_t seq;
	bool put;
};

static bool
decode(const uint8_t in[RECORD], uint64_t *crc, struct change *ret)
{
	static const uint8_t zero[5];
	uint64_t next = crc64(*crc, in, 40);

	*ret = (struct change){.put = in[0] == 'P',
			       .f = {.level = in[1],
				     .time_exact = in[2] == 1,
				     .min = get_be64(in + 8),
				     .max = get_be64(in + 16),
				     .size = get_be64(in + 24),
				     .time_ms = (int64_t)get_be64(in + 32)}};
	if (get_be64(in + 40) != next || (in[0] != 'P' && in[0] != 'D') || in[2] > 1 ||
	    memcmp(in + 3, zero, sizeof zero) != 0 || ret->f.level > REPLICA_PACKS ||
	    ret->f.min < 1 || ret->f.min > ret->f.max)
		return false;
	*crc = next;
	return true;
}

static int
same_file(const struct catalog_file *a, const struct catalog_file *b)
{
	return a->level == b->level && a->min == b->min && a->max == b->max;
}

static int
by_file(const void *pa, const void *pb)
{
	const struct change *a = pa, *b = pb;

	if (a->f.level != b->f.level)
		return a->f.level < b->f.level ? -1 : 1;
	if (a->f.min != b->f.min)
		return a->f.min < b->f.min ? -1 : 1;
	if (a->f.max != b->f.max)
		return a->f.max < b->f.max ? -1 : 1;
	return a->seq < b->seq ? -1 : 1;
}

/* The last change of each file decides. */
static int
apply(struct change *v, size_t n, struct catalog *ret, struct ls_err *err)
{
	int rc = 0;

	if (n)
		qsort(v, n, sizeof *v, by_file);
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (v[i].put && (i + 1 == n || !same_file(&v[i].f, &v[i + 1].f)))
			rc = catalog_add(ret, &v[i].f, err);
	catalog_sort(ret);
	return rc;
}

static int
decode_records(const uint8_t *p, size_t n, struct catalog *ret, struct catalog_log_text *t,
	       struct ls_err *err)
{
	size_t max = (n - HEADER) / RECORD, k = 0;
	ls_autofree struct change *v = ls_alloc_array(max, sizeof *v);
	int rc;

	if (!v)
		return ls_err_set(err, -ENOMEM, "catalog: out of memory");
	while (k < max && decode(p + HEADER + k * RECORD, &t->crc, &v[k])) {
		v[k].seq = k;
		k++;
	}
	t->off = HEADER + (uint64_t)k * RECORD;
	rc = apply(v, k, ret, err);
	t->dead = k - ret->total;
	return rc;
}

int
catalog_log_decode(const void *p, size_t n, uint64_t bind, struct catalog *ret,
		   struct catalog_log_text *ret_text, struct ls_err *err)
{
	const uint8_t *h = p;

	*ret_text = (struct catalog_log_text){.valid = false};
	if (n < HEADER || memcmp(h, "LSCATLG1", 8) != 0 || get_be64(h + 24) != crc64(0, h, 24))
		return 0;
	if (get_be32(h + 8) != LOG_VERSION)
		return ls_err_set(err, -EINVAL,
				  "written by a newer litestream-c (catalog version %u)",
				  get_be32(h + 8));
	if (get_be64(h + 16) != bind || get_be32(h + 12) != 0)
		return 0;
	ret_text->valid = true;
	ret_text->crc = get_be64(h + 24);
	return decode_records(h, n, ret, ret_text, err);
}

/* ---- file ---- */

static int
read_log(struct catalog_log *l, struct ls_err *err)
{
	ls_autofree char *text = NULL;
	size_t n = 0;
	int rc = io_read_file(l->path, LOG_MAX, &text, &n, err);

	if (rc < 0)
		return rc == -EBADMSG ? 0 : rc;
	rc = catalog_log_decode(text, n, l->bind, &l->cat, &l->text, err);
	return rc < 0 ? ls_err_wrap(err, rc, "'%s'", l->path) : 0;
}

int
catalog_log_open(const char *path, const char *url, const char *root, struct catalog_log **ret,
		 bool *ret_valid, struct ls_err *err)
{
	struct catalog_log *l = calloc(1, sizeof *l);
	int rc;

	if (!l || !(l->path = strdup(path))) {
		free(l);
		return ls_err_set(err, -ENOMEM, "catalog: out of memory");
	}
	l->bind = crc64(crc64(0, url, strlen(url) + 1), root, strlen(root));
	l->fd = io_open(path, O_RDWR | O_CREAT, 0600, err);
	rc = l->fd < 0 ? l->fd : read_log(l, err);
	if (rc < 0) {
		catalog_log_close(l);
		return rc;
	}
	*ret_valid = l->text.valid;
	*ret = l;
	return 0;
}

const struct catalog *
catalog_log_catalog(const struct catalog_log *l)
{
	return &l->cat;
}

void
catalog_log_rest(struct catalog_log *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* If it is not the file any more that was closed, it is written anew. */
static int
reopen(struct catalog_log *l, struct ls_err *err)
{
	struct stat st;
	int fd, rc;

	if (l->fd >= 0)
		return 0;
	fd = io_open(l->path, O_RDWR, 0, err);
	if (fd == -ENOENT)
		return catalog_log_reset(l, &l->cat, err);
	if (fd < 0)
		return fd;
	rc = io_fstat(fd, &st, err);
	if (rc == 0 && (uint64_t)st.st_size >= l->text.off) {
		l->fd = fd;
		return 0;
	}
	close(fd);
	return rc < 0 ? rc : catalog_log_reset(l, &l->cat, err);
}

static int
append(struct catalog_log *l, char op, const struct catalog_file *f, struct ls_err *err)
{
	uint8_t raw[RECORD];
	uint64_t crc;
	int rc;

	if ((rc = reopen(l, err)) < 0)
		return rc;
	/* A log without its header, or of which is not known what it holds: it is written whole. */
	if (!l->text.valid && (rc = catalog_log_reset(l, &l->cat, err)) < 0)
		return rc;
	crc = encode(raw, op, f, l->text.crc);
	if ((rc = io_pwrite(l->fd, raw, sizeof raw, l->text.off, err)) < 0) {
		l->text.valid = false;
		return ls_err_wrap(err, rc, "'%s'", l->path);
	}
	l->text.off += RECORD;
	l->text.crc = crc;
	return 0;
}

/* Rewrites the log when half of it is dead. That may fail: the old one is as good. */
static void
tidy(struct catalog_log *l)
{
	uint64_t records = (l->text.off - HEADER) / RECORD;
	int ignored;

	if (l->text.dead < DEAD_MIN || l->text.dead * 2 < records)
		return;
	ignored = catalog_log_reset(l, &l->cat, NULL);
	(void)ignored;
}

int
catalog_log_put(struct catalog_log *l, const struct catalog_file *f, struct ls_err *err)
{
	struct catalog_file bare = *f;
	bool is_new = false;
	int rc;

	bare.etag = NULL;
	if ((rc = catalog_reserve(&l->cat, err)) < 0 || (rc = append(l, 'P', f, err)) < 0 ||
	    (rc = catalog_insert(&l->cat, &bare, &is_new, err)) < 0)
		return rc;
	l->text.dead += !is_new;
	tidy(l);
	return 0;
}

int
catalog_log_del(struct catalog_log *l, const struct catalog_file *f, struct ls_err *err)
{
	int rc = catalog_find(&l->cat, f) ? append(l, 'D', f, err) : 0;

	if (rc < 0)
		return rc;
	if (catalog_remove(&l->cat, f)) {
		l->text.dead += 2;
		tidy(l);
	}
	return 0;
}

static int
write_all(int fd, uint64_t bind, const struct catalog *c, struct catalog_log_text *ret,
	  struct ls_err *err)
{
	LS_AUTO(ls_buf_done) struct ls_buf b;
	uint8_t raw[RECORD];
	uint64_t crc;
	int rc;

	ls_buf_init(&b, LOG_MAX);
	crc = encode_header(raw, bind);
	rc = ls_buf_append(&b, raw, HEADER);
	for (size_t i = 0; rc == 0 && i < c->total; i++) {
		crc = encode(raw, 'P', &c->files[i], crc);
		rc = ls_buf_append(&b, raw, RECORD);
	}
	if (rc < 0)
		return ls_err_set(err, -ENOMEM, "catalog: out of memory");
	*ret = (struct catalog_log_text){.valid = true, .off = b.len, .crc = crc};
	return io_pwrite(fd, b.p, b.len, 0, err);
}

/* A new log under the temporary name takes the place of the old one. */
static int
replace(const struct catalog_log *l, const struct catalog *c, struct catalog_log_text *ret_text,
	int *ret_fd, struct ls_err *err)
{
	ls_autofree char *tmp = NULL;
	ls_autoclose int fd = -1;
	int rc;

	if (asprintf(&tmp, "%s.tmp", l->path) < 0) {
		tmp = NULL;
		return ls_err_set(err, -ENOMEM, "catalog: out of memory");
	}
	if ((fd = io_open(tmp, O_RDWR | O_CREAT | O_TRUNC, 0600, err)) < 0)
		return fd;
	if ((rc = write_all(fd, l->bind, c, ret_text, err)) < 0 ||
	    (rc = io_fdatasync(fd, tmp, err)) < 0 || (rc = io_rename(tmp, l->path, err)) < 0) {
		int ignored = io_unlink(tmp, NULL);

		(void)ignored;
		return ls_err_wrap(err, rc, "'%s'", l->path);
	}
	*ret_fd = ls_steal_fd(&fd);
	return 0;
}

static int
copy(const struct catalog *c, struct catalog *ret, struct ls_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->total; i++) {
		struct catalog_file f = c->files[i];

		f.etag = NULL;
		rc = catalog_add(ret, &f, err);
	}
	catalog_sort(ret);
	return rc;
}

int
catalog_log_reset(struct catalog_log *l, const struct catalog *c, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog old = {0};
	struct catalog_log_text text;
	struct catalog next = {0};
	int fd = -1, rc = copy(c, &next, err);

	if (rc < 0 || (rc = replace(l, &next, &text, &fd, err)) < 0) {
		/* A rename that failed may have been done. */
		l->text.valid = false;
		catalog_done(&next);
		return rc;
	}
	if (l->fd >= 0)
		close(l->fd);
	old = l->cat;
	l->fd = fd;
	l->cat = next;
	l->text = text;
	return 0;
}

void
catalog_log_close(struct catalog_log *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	catalog_done(&l->cat);
	free(l->path);
	free(l);
}
