/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packs: the format, and that unpack_plan(), which reads a few of them, plans what a catalog with
 * all of them plans: every TXID and every time of random replicas, the clock going back in some.
 */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/format/ltx.h"
#include "engine/format/pack.h"
#include "engine/replica/unpack.h"
#include "tests/lib/rnd.h"
#include "tests/lib/store_drivers.h"
#include "tests/lib/tap.h"

enum { TXIDS = 60, SIZE = LTX_SIZE_MIN };

static struct ls_err err;

/* ---- the format ---- */

static void
encode_three(uint8_t *raw)
{
	struct pack_file v[3] = {{.min = 7, .max = 7, .size = 1000, .time_ms = 1790000000001},
				 {.min = 8, .max = 10, .size = 500, .time_ms = 1790000000002},
				 {.min = 11, .max = 11, .size = 700, .time_ms = 1790000000003}};

	pack_encode(v, 3, raw);
}

static void
test_vector(void)
{
	/* As docs/format.md has it. */
	static const char hex[] = "4c54585041434b3100000001000000030000000000000007000000000000000b"
				  "0000000000000920000001a0c4506c03000000000000000032bbeeeff46cefb7"
				  "000000000000000700000000000003e8000001a0c4506c01000000000000000a"
				  "00000000000001f4000001a0c4506c02000000000000000b00000000000002bc"
				  "000001a0c4506c03";
	uint8_t raw[PACK_HEADER_SIZE + 3 * PACK_ENTRY_SIZE];
	char text[sizeof raw * 2 + 1];
	struct pack_header h;
	struct pack_file v[3];

	encode_three(raw);
	for (size_t i = 0; i < sizeof raw; i++)
		snprintf(text + 2 * i, 3, "%02x", raw[i]);
	is_str(text, hex, "bytes");
	ok(pack_header_decode(raw, &h, &err) == 0 && h.n == 3 && h.min == 7 && h.max == 11 &&
		   h.time_ms == 1790000000003,
	   "header back");
	ok(pack_decode(raw, h.size, v, &err) == 0, "entries back");
	ok(v[0].off == sizeof raw && v[1].off == v[0].off + 1000 && v[1].min == 8 &&
		   v[1].max == 10 && v[2].off == v[1].off + 500 && v[2].time_ms == 1790000000003,
	   "entries");
}

static void
test_every_byte_counts(void)
{
	uint8_t good[PACK_HEADER_SIZE + 3 * PACK_ENTRY_SIZE], raw[sizeof good];
	struct pack_file v[PACK_FILES_MAX];
	struct pack_header h;
	unsigned bad = 0;

	encode_three(good);
	for (size_t i = 0; i < sizeof good; i++) {
		memcpy(raw, good, sizeof raw);
		raw[i] ^= 0x10;
		/* A count that is larger than the buffer is for the caller to see. */
		if (pack_header_decode(raw, &h, NULL) < 0 || h.n != 3)
			continue;
		bad += pack_decode(raw, get_be64(good + 32), v, NULL) == 0;
	}
	is_int(bad, 0, "no changed byte is accepted");
	ok(pack_decode(good, get_be64(good + 32) + 1, v, NULL) == -EBADMSG, "nor another size");
}

/* ---- plans ---- */

struct world {
	struct store *store;
	struct replica r;
	int64_t time[TXIDS + 2];
	uint64_t tip;
};

static void
put_object(struct world *w, int level, uint64_t min, uint64_t max, int64_t time_ms, const void *p,
	   size_t n)
{
	struct store_source src = store_source_mem(p, n);
	char key[REPLICA_KEY_MAX];
	struct store_put put = {.key = key, .time_ms = time_ms};

	replica_key(&w->r, level, min, max, key);
	if (store_put(w->store, NULL, &put, &src, NULL, &err) < 0) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
}

static void
put_file(struct world *w, int level, uint64_t min, uint64_t max)
{
	static const uint8_t zeros[SIZE];

	put_object(w, level, min, max, w->time[max], zeros, sizeof zeros);
}

static void
put_pack(struct world *w, uint64_t min, uint64_t max)
{
	static uint8_t raw[PACK_HEADER_SIZE + TXIDS * (PACK_ENTRY_SIZE + SIZE)];
	struct pack_file v[TXIDS];
	size_t n = 0;

	for (uint64_t t = min; t <= max; t++)
		v[n++] =
			(struct pack_file){.min = t, .max = t, .size = SIZE, .time_ms = w->time[t]};
	pack_encode(v, n, raw);
	put_object(w, REPLICA_PACKS, min, max, (int64_t)get_be64(raw + 40), raw,
		   pack_head_size(n) + n * SIZE);
}

/* A level 1 of pieces, packs of other pieces, and some batches that are still there. */
static void
generate(struct world *w)
{
	bool back = rnd(3) == 0;
	uint64_t packed = rnd(TXIDS), fine = 1 + rnd(TXIDS);

	w->tip = 20 + rnd(TXIDS - 20);
	for (uint64_t t = 1; t <= w->tip; t++) {
		w->time[t] = w->time[t - 1] + 1 + (int64_t)rnd(5);
		if (back && rnd(12) == 0)
			w->time[t] -= 30;
		w->time[t] = w->time[t] < 1 ? 1 : w->time[t];
	}
	put_file(w, LTX_LEVEL_SNAPSHOT, 1, 1);
	put_file(w, 0, 1, 1);
	for (uint64_t t = 2, n; t <= w->tip - 5; t += n) {
		n = 1 + rnd(12);
		n = t + n > w->tip - 4 ? w->tip - 4 - t : n;
		put_file(w, 1, t, t + n - 1);
	}
	for (uint64_t t = fine, n; t <= packed && t <= w->tip; t += n) {
		n = 1 + rnd(15);
		n = t + n - 1 > w->tip ? w->tip - t + 1 : n;
		put_pack(w, t, t + n - 1);
	}
	for (uint64_t t = w->tip - rnd(15); t <= w->tip; t++)
		put_file(w, 0, t, t);
	for (uint64_t t = w->tip - 4; t <= w->tip; t++)
		put_file(w, 0, t, t);
}

/* 0: none. */
static uint64_t
all_at_once(const struct catalog *c, const struct plan_target *t)
{
	struct plan p = {0};
	uint64_t txid = plan_build(c, t, &p, NULL) == 0 ? p.txid : 0;

	plan_done(&p);
	return txid;
}

static uint64_t
some(const struct world *w, const struct plan_target *t)
{
	LS_AUTO(catalog_done) struct catalog c = {0};
	LS_AUTO(plan_done) struct plan p = {0};

	return unpack_plan(&w->r, NULL, t, &c, &p, NULL) == 0 ? p.txid : 0;
}

static void
compare(const struct world *w, unsigned *ret_plans, unsigned *ret_bad)
{
	LS_AUTO(catalog_done) struct catalog c = {0};
	struct plan_target latest = {0};

	if (catalog_load(&w->r, NULL, &c, &err) < 0 || unpack_all(&c, &w->r, NULL, NULL, &err) < 0)
		exit(1);
	*ret_bad += some(w, &latest) != w->tip;
	for (uint64_t t = 1; t <= w->tip; t++, ++*ret_plans) {
		struct plan_target by_txid = {.txid = t};
		struct plan_target by_time = {.by_time = true, .time_ms = w->time[t] + rnd(3)};

		*ret_bad += some(w, &by_txid) != all_at_once(&c, &by_txid);
		*ret_bad += some(w, &by_time) != all_at_once(&c, &by_time);
	}
}

static void
test_plans(void)
{
	unsigned plans = 0, bad = 0;

	for (unsigned seed = 1; seed <= 40; seed++) {
		struct world w = {.store = store_drivers[0].open(&store_drivers[0])};
		char identity[STORE_ETAG_MAX];
		bool parent_ok;

		rng = seed;
		if (store_root(w.store, NULL, true, identity, &parent_ok, &err) < 0)
			exit(1);
		replica_init(&w.r, w.store);
		generate(&w);
		compare(&w, &plans, &bad);
		store_close(w.store);
	}
	ok(bad == 0 && plans > 1000, "%u TXIDs and as many times: %u differ", plans, bad);
}

int
main(void)
{
	store_drivers_in_memory();
	RUN(test_vector);
	RUN(test_every_byte_counts);
	RUN(test_plans);
	store_drivers_done();
	return tap_done();
}
