/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories that grow and shrink: merging in any grouping is applying in turn. */
#include "config.h"

#include "tests/unit/test_merge_set.h"

/* A random history: file i changes state[i - 1] into state[i]. */
struct history {
	size_t n;
	uint32_t page_size;
	struct ls_buf files[FILES_MAX];
	struct set state[FILES_MAX];
};

static void
make_history(struct history *h, unsigned *seed)
{
	struct set now, change;

	h->n = 2 + (size_t)rand_r(seed) % (FILES_MAX - 2);
	h->page_size = 512u << rand_r(seed) % 8;
	set_init(&now, 1, 1, 0);
	for (size_t i = 0; i < h->n; i++) {
		uint32_t old = now.hdr.commit;
		uint32_t commit = 1 + (uint32_t)rand_r(seed) % PAGES_MAX;

		set_init(&change, i + 1, i + 1, commit);
		change.hdr.page_size = h->page_size;
		for (uint32_t pgno = 1; pgno <= PAGES_MAX; pgno++) {
			if (pgno <= commit && (pgno > old || rand_r(seed) % 4 == 0))
				change.content[pgno] = now.content[pgno] = rand_r(seed) % 256;
			else if (pgno > commit)
				now.content[pgno] = -1;
		}
		now.hdr = change.hdr;
		h->state[i] = now;
		encode(&change, (enum ltx_encoding)(rand_r(seed) % 2), &h->files[i]);
	}
}

/* Applies a merged file that begins at TXID min to the state before it. */
static bool
gives_state(const struct history *h, struct ls_buf *file)
{
	struct ls_err err = {0};
	struct set got, now;

	if (decode(file, &got, &err) < 0) {
		printf("# %s\n", err.msg);
		return false;
	}
	if (got.hdr.min_txid > 1)
		now = h->state[got.hdr.min_txid - 2];
	else
		set_init(&now, 1, 1, 0);
	for (uint32_t pgno = 1; pgno <= PAGES_MAX; pgno++) {
		if (got.content[pgno] >= 0)
			now.content[pgno] = got.content[pgno];
		if (pgno > got.hdr.commit)
			now.content[pgno] = -1;
	}
	return same_pages(&now, &h->state[got.hdr.max_txid - 1]);
}

/* Merges neighbours in random order until one file is left; checks each on the way. */
static bool
merge_in_steps(struct history *h, struct ls_buf *files, size_t n, unsigned *seed)
{
	while (n > 1) {
		size_t first = (size_t)rand_r(seed) % (n - 1);
		size_t count = 2 + (size_t)rand_r(seed) % (n - first - 1);
		struct ls_err err = {0};
		struct ls_buf out;

		if (merge(files + first, count, LTX_NO_CHECKSUM,
			  (enum ltx_encoding)(rand_r(seed) % 2), &out, &err) < 0 ||
		    !gives_state(h, &out)) {
			printf("# %s\n", err.msg);
			ls_buf_done(&out);
			break;
		}
		free_files(files + first, count);
		files[first] = out;
		memmove(files + first + 1, files + first + count,
			(n - first - count) * sizeof *files);
		n -= count - 1;
	}
	/* What is left beyond the first was not freed above. */
	for (size_t i = 1; i < n; i++)
		ls_buf_done(&files[i]);
	return n == 1;
}

static bool
check_history(unsigned seed)
{
	struct history h;
	struct ls_buf steps[FILES_MAX], once;
	struct set a, b;
	struct ls_err err = {0};
	size_t from;
	bool good;

	make_history(&h, &seed);
	from = (size_t)rand_r(&seed) % (h.n - 1);
	good = merge(h.files + from, h.n - from, LTX_NO_CHECKSUM, LTX_FRAME, &once, &err) == 0 &&
	       gives_state(&h, &once);
	for (size_t i = from; i < h.n; i++) {
		ls_buf_init(&steps[i], 16 << 20);
		good = good && ls_buf_append(&steps[i], h.files[i].p, h.files[i].len) == 0;
	}
	good = merge_in_steps(&h, steps + from, h.n - from, &seed) && good;
	good = good && decode(&once, &a, &err) == 0 && decode(&steps[from], &b, &err) == 0 &&
	       same_pages(&a, &b) && a.hdr.commit == b.hdr.commit && a.hdr.min_txid == from + 1;
	ls_buf_done(&steps[from]);
	ls_buf_done(&once);
	free_files(h.files, h.n);
	return good;
}

static void
test_algebra(void)
{
	unsigned bad = 0, first = 0;

	for (unsigned seed = 1; seed <= 500; seed++)
		if (!check_history(seed) && !bad++)
			first = seed;
	if (!is_int(bad, 0, "500 histories: merged in steps, at once, applied in turn"))
		printf("# first bad seed %u\n", first);
}

int
main(void)
{
	RUN(test_algebra);
	return tap_done();
}
