/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout, big-endian:
 *
 *   header, 32 bytes                      record, 48 bytes
 *     0  8  "LSCATLG1"                      0  1  'P' put, 'D' delete
 *     8  4  version, 1                      1  1  level
 *    12  4  zero                            2  6  zero
 *    16  8  CRC-64 of URL NUL root          8  8  min TXID    16  8  max TXID
 *    24  8  CRC-64 of [0,24)               24  8  size        32  8  time, ms
 *                                          40  8  CRC-64 of [0,40)
 *
 * Nothing is fsynced: a lost tail is found by the listing at the next start. The first record that
 * is cut or wrong ends the log.
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
	uint64_t off;  /* end of the valid log */
	size_t dead;   /* records that no longer count */
	struct catalog cat;
};

static uint64_t
bind_of(const char *url, const char *root)
{
	return crc64(crc64(0, url, strlen(url) + 1), root, strlen(root));
}

static void
encode(uint8_t out[RECORD], char op, const struct catalog_file *f)
{
	memset(out, 0, RECORD);
	out[0] = (uint8_t)op;
	out[1] = f->level;
	put_be64(out + 8, f->min);
	put_be64(out + 16, f->max);
	put_be64(out + 24, f->size);
	put_be64(out + 32, (uint64_t)f->time_ms);
	put_be64(out + 40, crc64(0, out, 40));
}

static bool
decode(const uint8_t in[RECORD], char *op, struct catalog_file *f)
{
	*op = (char)in[0];
	*f = (struct catalog_file){.level = in[1],
				   .min = get_be64(in + 8),
				   .max = get_be64(in + 16),
				   .size = get_be64(in + 24),
				   .time_ms = (int64_t)get_be64(in + 32),
				   .time_exact = true};
	return (*op == 'P' || *op == 'D') && f->level <= LTX_LEVEL_MAX && f->min >= 1 &&
	       f->min <= f->max && get_be64(in + 40) == crc64(0, in, 40);
}

static void
drop(struct catalog *c, const struct catalog_file *f)
{
	for (size_t i = c->n; i-- > 0;)
		if (c->files[i].level == f->level && c->files[i].min == f->min &&
		    c->files[i].max == f->max) {
			free(c->files[i].etag);
			c->files[i] = c->files[--c->n];
			return;
		}
}

static int
replay(struct catalog_log *l, const char *text, size_t n, struct ls_err *err)
{
	int rc = 0;

	l->off = HEADER;
	while (rc == 0 && n - l->off >= RECORD) {
		struct catalog_file f;
		char op;

		if (!decode((const uint8_t *)text + l->off, &op, &f))
			break;
		if (op == 'P')
			rc = catalog_add(&l->cat, &f, err);
		else
			drop(&l->cat, &f);
		l->dead += op == 'D' ? 2 : 0;
		l->off += RECORD;
	}
	catalog_sort(&l->cat);
	return rc;
}

static int
read_log(struct catalog_log *l, bool *ret_valid, struct ls_err *err)
{
	ls_autofree char *text = NULL;
	const uint8_t *h;
	size_t n = 0;
	int rc = io_read_file(l->path, LOG_MAX, &text, &n, err);

	*ret_valid = false;
	if (rc < 0)
		return rc == -EBADMSG ? 0 : rc;
	h = (const uint8_t *)text;
	if (n < HEADER || memcmp(h, "LSCATLG1", 8) != 0 || get_be64(h + 24) != crc64(0, h, 24))
		return 0;
	if (get_be32(h + 8) != LOG_VERSION)
		return ls_err_set(err, -EINVAL,
				  "'%s' was written by a newer litestream-c (catalog version %u)",
				  l->path, get_be32(h + 8));
	if (get_be64(h + 16) != l->bind)
		return 0;
	*ret_valid = true;
	return replay(l, text, n, err);
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
	l->bind = bind_of(url, root);
	l->fd = io_open(path, O_RDWR | O_CREAT, 0600, err);
	rc = l->fd < 0 ? l->fd : read_log(l, ret_valid, err);
	if (rc < 0) {
		catalog_log_close(l);
		return rc;
	}
	*ret = l;
	return 0;
}

const struct catalog *
catalog_log_catalog(const struct catalog_log *l)
{
	return &l->cat;
}

static int
append(struct catalog_log *l, char op, const struct catalog_file *f, struct ls_err *err)
{
	uint8_t raw[RECORD];
	int rc;

	encode(raw, op, f);
	if ((rc = io_pwrite(l->fd, raw, sizeof raw, l->off, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", l->path);
	l->off += RECORD;
	return 0;
}

int
catalog_log_put(struct catalog_log *l, const struct catalog_file *f, struct ls_err *err)
{
	int rc = append(l, 'P', f, err);

	if (rc < 0 || (rc = catalog_add(&l->cat, f, err)) < 0)
		return rc;
	catalog_sort(&l->cat);
	return 0;
}

int
catalog_log_del(struct catalog_log *l, const struct catalog_file *f, struct ls_err *err)
{
	struct catalog all;
	int rc = append(l, 'D', f, err);

	if (rc < 0)
		return rc;
	drop(&l->cat, f);
	catalog_sort(&l->cat);
	l->dead += 2;
	if (l->dead < DEAD_MIN || l->dead < l->cat.n)
		return 0;
	all = l->cat;
	l->cat = (struct catalog){0};
	rc = catalog_log_reset(l, &all, err);
	catalog_done(&all);
	return rc;
}

static int
write_all(struct catalog_log *l, int fd, const struct catalog *c, struct ls_err *err)
{
	LS_AUTO(ls_buf_done) struct ls_buf b;
	uint8_t raw[RECORD] = "LSCATLG1";
	int rc;

	ls_buf_init(&b, LOG_MAX);
	put_be32(raw + 8, LOG_VERSION);
	put_be64(raw + 16, l->bind);
	put_be64(raw + 24, crc64(0, raw, 24));
	rc = ls_buf_append(&b, raw, HEADER);
	for (size_t i = 0; rc == 0 && i < c->n; i++) {
		encode(raw, 'P', &c->files[i]);
		rc = ls_buf_append(&b, raw, RECORD);
	}
	if (rc < 0)
		return ls_err_set(err, -ENOMEM, "catalog: out of memory");
	l->off = b.len;
	return io_pwrite(fd, b.p, b.len, 0, err);
}

int
catalog_log_reset(struct catalog_log *l, const struct catalog *c, struct ls_err *err)
{
	ls_autofree char *tmp = NULL;
	ls_autoclose int fd = -1;
	int rc = 0;

	if (asprintf(&tmp, "%s.tmp", l->path) < 0) {
		tmp = NULL;
		return ls_err_set(err, -ENOMEM, "catalog: out of memory");
	}
	if ((fd = io_open(tmp, O_RDWR | O_CREAT | O_TRUNC, 0600, err)) < 0)
		return fd;
	if ((rc = write_all(l, fd, c, err)) < 0 || (rc = io_rename(tmp, l->path, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", l->path);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = ls_steal_fd(&fd);
	catalog_done(&l->cat);
	l->dead = 0;
	for (size_t i = 0; rc == 0 && i < c->n; i++)
		rc = catalog_add(&l->cat, &c->files[i], err);
	catalog_sort(&l->cat);
	return rc;
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
