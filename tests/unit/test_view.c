/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/view.h"

#include "engine/base/io.h"
#include "engine/store/store_count.h"
#include "engine/store/store_fault.h"
#include "engine/view/restore.h"
#include "tests/lib/tap.h"
#include "tests/unit/test_view_model.h"

#include <pthread.h>

static struct history *
open_history(const struct model *m)
{
	struct history *h = NULL;
	struct ls_err err = {0};

	if (history_open(model_open(m), NULL, NULL, &h, &err) < 0)
		printf("# %s\n", err.msg);
	return h;
}

/* Reads [off, off + n) and compares with the model; prints what is wrong. */
static bool
read_equals(struct view *v, const struct model *m, unsigned txid, uint64_t off, size_t n)
{
	size_t size = model_size(m, txid), want = off < size ? size - off : 0, got = 0;
	ls_autofree uint8_t *buf = malloc(n + 1);
	struct ls_err err = {0};
	int rc = view_read(v, NULL, off, buf, n, n > 65536, &got, &err);

	if (want > n)
		want = n;
	if (rc == 0 && got == want && memcmp(buf, m->image[txid] + off, got) == 0)
		return true;
	printf("# txid %u, %zu bytes at %llu: rc %d, %zu of %zu: %s\n", txid, n,
	       (unsigned long long)off, rc, got, want, err.msg);
	return false;
}

static bool
view_equals(struct view *v, struct model *m, unsigned txid)
{
	static const size_t chunks[] = {100, 4096, 70000, 131072, 1 << 20};
	size_t size = model_size(m, txid), chunk = chunks[model_rand(m) % 5];
	bool good = view_info(v)->size == size;

	if (size / chunk > 5000)
		chunk = 65536;
	for (int i = 0; good && i < 30; i++)
		good = read_equals(v, m, txid, model_rand(m) % (size + 10),
				   model_rand(m) % (3 * m->o.page_size) + 1);
	for (uint64_t off = 0; good && off < size; off += chunk)
		good = read_equals(v, m, txid, off, chunk);
	return good;
}

static bool
restore_equals(const struct model *m, unsigned txid)
{
	char out[96];
	struct restore_opts o = {.output = out, .target.txid = txid, .force = true};
	struct restore_result res = {0};
	struct store *st = model_open(m);
	ls_autofree char *got = NULL;
	struct ls_err err = {0};
	size_t n = 0;
	bool good;

	snprintf(out, sizeof out, "%s/out.db", m->dir);
	good = restore_run(st, NULL, &o, &res, &err) == 0 &&
	       io_read_file(out, 1 << 30, &got, &n, &err) == 0 && n == model_size(m, txid) &&
	       memcmp(got, m->image[txid], n) == 0;
	if (!good)
		printf("# restore of %u: %s\n", txid, err.msg);
	store_close(st);
	return good;
}

/* Every point of the model, by view and by restore. */
static void
check_model(struct model *m, const char *what)
{
	struct history *h = open_history(m);
	ls_autofree struct catalog_point *points = NULL;
	struct ls_err err = {0};
	bool good = h && history_points(h, &points, &(size_t){0}, &err) == 0;
	size_t n = 0;

	free(ls_steal_ptr(&points));
	good = good && history_points(h, &points, &n, &err) == 0 && n > 0 &&
	       points[n - 1].txid == m->o.txids;
	for (size_t i = 0; good && i < n; i++) {
		unsigned txid = (unsigned)points[i].txid;
		struct view_info st = {0};
		struct view *v = NULL;

		good = view_stat(h, NULL, txid, &st, &err) == 0 && st.size == model_size(m, txid) &&
		       view_open(h, NULL, txid, &v, &err) == 0 && view_info(v)->wal_mode &&
		       view_info(v)->time_ms == 1700000000000 + (int64_t)txid * 1000 &&
		       view_equals(v, m, txid) && restore_equals(m, txid);
		if (!good)
			printf("# seed %" PRIu64 ", txid %u: %s\n", m->o.seed, txid, err.msg);
		view_unref(v);
	}
	history_close(h);
	ok(good, "%s, %zu points", what, n);
}

static void
test_models(void)
{
	for (uint32_t ps = 512; ps <= 65536; ps *= 2)
		for (int enc = LTX_FRAME; enc <= LTX_BLOCK; enc++) {
			struct model_opts o = {.seed = ps + (uint32_t)enc,
					       .page_size = ps,
					       .encoding = enc,
					       .pages = ps > 8192 ? 20 : 90,
					       .txids = 24,
					       .levels = true};
			struct model m;
			char what[64];

			model_new(&m, &o);
			snprintf(what, sizeof what, "page size %u, %s", ps,
				 enc ? "blocks" : "frames");
			check_model(&m, what);
			model_done(&m);
		}
}

/* Objects over 1 MiB, and page indexes that are read in pieces. */
static void
test_large(void)
{
	static const struct model_opts rows[] = {
		{.seed = 7, .page_size = 4096, .pages = 800, .txids = 6, .random_bytes = true},
		{.seed = 8, .page_size = 512, .pages = 60000, .txids = 5},
		{.seed = 9, .page_size = 512, .pages = 60000, .txids = 5, .encoding = LTX_BLOCK},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct model m;

		model_new(&m, &rows[i]);
		check_model(&m, i ? "an index in pieces" : "large objects");
		model_done(&m);
	}
}

struct reader {
	pthread_t thread;
	struct view *v;
	struct model m; /* a copy, for its own random numbers */
	bool good;
};

static void *
read_some(void *arg)
{
	struct reader *r = arg;

	r->good = true;
	for (int i = 0; r->good && i < 200; i++)
		r->good = read_equals(r->v, &r->m, r->m.o.txids,
				      model_rand(&r->m) % model_size(&r->m, r->m.o.txids),
				      model_rand(&r->m) % 300000 + 1);
	return NULL;
}

static void
test_threads(void)
{
	struct model_opts o = {.seed = 3, .page_size = 512, .pages = 60000, .txids = 4};
	struct history_opts small = {.cache_bytes = 256 << 10};
	struct reader readers[4];
	struct history *h = NULL;
	struct view *v = NULL;
	struct ls_err err = {0};
	struct model m;

	model_new(&m, &o);
	is_int(history_open(model_open(&m), NULL, &small, &h, &err), 0, "open with a small cache");
	is_int(view_open(h, NULL, o.txids, &v, &err), 0, "open the view");
	for (int i = 0; i < 4; i++) {
		readers[i] = (struct reader){.v = v, .m = m};
		readers[i].m.rng += (uint64_t)i;
		pthread_create(&readers[i].thread, NULL, read_some, &readers[i]);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(readers[i].thread, NULL);
		ok(readers[i].good, "reader %d saw the right bytes", i);
	}
	view_unref(v);
	history_close(h);
	model_done(&m);
}

static void
test_cost(void)
{
	struct model_opts o = {.seed = 5, .page_size = 512, .pages = 200000, .txids = 1};
	struct store_counts counts = {0};
	struct store *st = NULL;
	struct history *h = NULL;
	struct view *v = NULL;
	struct ls_err err = {0};
	struct model m;

	model_new(&m, &o);
	is_int(store_count_open(model_open(&m), &counts, &st, &err), 0, "counting store");
	is_int(history_open(st, NULL, NULL, &h, &err), 0, "history");
	is_int(view_open(h, NULL, 1, &v, &err), 0, "view");
	for (int i = 0; i < 4; i++)
		ok(read_equals(v, &m, 1, (uint64_t)(i * 49999 + 11) * 512, 512), "a page");
	ok(counts.bytes_read <= 1 << 20,
	   "opening and five pages read %" PRIu64 " bytes in %" PRIu64 " calls", counts.bytes_read,
	   counts.gets);
	ok(view_cached(v, 11 * 512, 512), "what was read is in memory");
	ok(!view_cached(v, 130000 * 512, 512), "what was not read is not");
	view_unref(v);
	history_close(h);
	model_done(&m);
}

int
main(void)
{
	RUN(test_models);
	RUN(test_large);
	RUN(test_threads);
	RUN(test_cost);
	return tap_done();
}
