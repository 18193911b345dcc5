/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/unit/test_view_model.h"

#include "engine/base/buf.h"
#include "engine/format/dbhdr.h"
#include "engine/format/ltx_enc.h"
#include "engine/replica/replica.h"

#include <stdio.h>
#include <string.h>

static void
must(int rc, const struct ls_err *err, const char *what)
{
	if (rc >= 0)
		return;
	printf("Bail out! model: %s: %s\n", what, err->msg);
	exit(1);
}

uint64_t
model_rand(struct model *m)
{
	m->rng ^= m->rng << 13;
	m->rng ^= m->rng >> 7;
	m->rng ^= m->rng << 17;
	return m->rng;
}

static void
fill_page(struct model *m, uint32_t pgno, uint8_t *p)
{
	uint32_t ps = m->o.page_size;
	uint64_t v = model_rand(m);

	for (uint32_t i = 0; i < ps; i += 8) {
		if (m->o.random_bytes)
			v = model_rand(m);
		memcpy(p + i, &v, 8);
	}
	if (!m->o.random_bytes)
		for (int i = 0; i < 4; i++)
			p[model_rand(m) % ps] = (uint8_t)model_rand(m);
	if (pgno != 1)
		return;
	memcpy(p, "SQLite format 3", 16);
	p[18] = p[19] = 2;
}

static void
touch(struct model *m, unsigned txid, uint32_t pgno)
{
	fill_page(m, pgno, m->image[txid] + (size_t)(pgno - 1) * m->o.page_size);
	m->touched[txid][pgno] = 1;
}

/* The next state: a few pages change; it grows, shrinks or stays. */
static void
step(struct model *m, unsigned txid)
{
	uint32_t before = m->commit[txid - 1], now = before;
	size_t ps = m->o.page_size;

	switch (txid == 1 ? 9 : model_rand(m) % 5) {
	case 9:
		now = m->o.pages;
		break;
	case 0:
		now = before + (uint32_t)(model_rand(m) % (m->o.pages / 4 + 1));
		break;
	case 1:
		now = before - (uint32_t)(model_rand(m) % (before / 2 + 1));
		break;
	}
	if (now > m->npages_max)
		now = m->npages_max;
	m->commit[txid] = now;
	m->image[txid] = calloc(now, ps);
	m->touched[txid] = calloc(m->npages_max + 1, 1);
	memcpy(m->image[txid], txid > 1 ? m->image[txid - 1] : m->image[txid],
	       (before < now ? before : now) * ps);
	for (uint32_t pgno = before + 1; pgno <= now; pgno++)
		touch(m, txid, pgno);
	touch(m, txid, 1);
	for (uint64_t n = model_rand(m) % (now / 8 + 2); n; n--)
		touch(m, txid, (uint32_t)(model_rand(m) % now) + 1);
}

size_t
model_size(const struct model *m, unsigned txid)
{
	return (size_t)m->commit[txid] * m->o.page_size;
}

static int
sink(void *arg, const void *p, size_t n, struct ls_err *err)
{
	(void)err;
	return ls_buf_append(arg, p, n);
}

static bool
any_touched(const struct model *m, unsigned min, unsigned max, uint32_t pgno)
{
	for (unsigned t = min; t <= max; t++)
		if (m->touched[t][pgno])
			return true;
	return false;
}

struct writer {
	struct ltx_enc e;
	struct ls_buf b;
};

static void
begin(struct model *m, struct writer *w, unsigned min, unsigned max, uint32_t commit)
{
	struct ltx_header h = {.flags = LTX_NO_CHECKSUM,
			       .page_size = m->o.page_size,
			       .commit = commit,
			       .min_txid = min,
			       .max_txid = max,
			       .time_ms = 1700000000000 + max * 1000};
	struct ls_err err = {0};

	ls_buf_init(&w->b, 1 << 30);
	must(ltx_enc_begin(&w->e, &h, m->o.encoding, sink, &w->b, &err), &err, "begin");
}

static void
end(struct model *m, struct writer *w, int level)
{
	const struct ltx_header *h = &w->e.hdr;
	char key[REPLICA_KEY_MAX];
	struct store_put put = {.key = key, .time_ms = h->time_ms};
	struct ltx_trailer trailer;
	struct store_source src;
	struct ls_err err = {0};
	struct replica r;

	must(ltx_enc_end(&w->e, 0, &trailer, &err), &err, "end");
	replica_init(&r, m->store);
	replica_key(&r, level, h->min_txid, h->max_txid, key);
	src = store_source_mem(w->b.p, w->b.len);
	must(store_put(m->store, NULL, &put, &src, NULL, &err), &err, "put");
	ltx_enc_done(&w->e);
	ls_buf_done(&w->b);
}

void
model_write(struct model *m, int level, unsigned min, unsigned max)
{
	size_t ps = m->o.page_size;
	struct ls_err err = {0};
	struct writer w;

	begin(m, &w, min, max, m->commit[max]);
	for (uint32_t pgno = 1; pgno <= m->commit[max]; pgno++)
		if (min == 1 || any_touched(m, min, max, pgno))
			must(ltx_enc_page(&w.e, pgno, m->image[max] + (pgno - 1) * ps, &err), &err,
			     "page");
	end(m, &w, level);
}

void
model_put(struct model *m, const struct model_file *f)
{
	ls_autofree uint8_t *page = malloc(m->o.page_size);
	struct ls_err err = {0};
	struct writer w;

	memset(page, f->fill, m->o.page_size);
	begin(m, &w, f->min, f->max, f->commit);
	for (size_t i = 0; i < f->n; i++)
		must(ltx_enc_page(&w.e, f->pages[i], page, &err), &err, "page");
	end(m, &w, f->level);
}

void
model_path(const struct model *m, int level, unsigned min, unsigned max, char out[160])
{
	char key[REPLICA_KEY_MAX];
	struct replica r;

	replica_init(&r, m->store);
	replica_key(&r, level, min, max, key);
	snprintf(out, 160, "%s/%s", m->dir, key);
}

struct store *
model_open(const struct model *m)
{
	struct store_config cfg = {.type = "file", .path = m->dir};
	struct store *st = NULL;
	struct ls_err err = {0};

	must(store_open(&cfg, &st, &err), &err, "open");
	return st;
}

/* Merged files, snapshots, and L0 files that only those cover. */
static void
add_levels(struct model *m)
{
	unsigned at = 2;

	while (at + 3 < m->o.txids) {
		unsigned n = 2 + (unsigned)(model_rand(m) % 3);
		char path[160];

		if (model_rand(m) % 3 == 0)
			model_write(m, 9, 1, at);
		model_write(m, 1 + (int)(model_rand(m) % 2), at, at + n - 1);
		for (unsigned t = at; t < at + n; t++) {
			model_path(m, 0, t, t, path);
			if (model_rand(m) % 3 == 0)
				unlink(path);
		}
		at += n;
	}
}

void
model_new(struct model *m, const struct model_opts *o)
{
	*m = (struct model){.o = *o, .rng = o->seed * 2 + 1, .npages_max = o->pages * 2};
	snprintf(m->dir, sizeof m->dir, "/tmp/test_view.XXXXXX");
	if (!mkdtemp(m->dir))
		exit(1);
	m->store = model_open(m);
	for (unsigned t = 1; t <= o->txids; t++) {
		step(m, t);
		model_write(m, 0, t, t);
	}
	if (o->levels)
		add_levels(m);
}

void
model_done(struct model *m)
{
	char cmd[96];

	store_close(m->store);
	for (unsigned t = 1; t <= m->o.txids; t++) {
		free(m->image[t]);
		free(m->touched[t]);
	}
	snprintf(cmd, sizeof cmd, "rm -rf %s", m->dir);
	if (system(cmd))
		printf("# left %s\n", m->dir);
}
