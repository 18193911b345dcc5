/* SPDX-License-Identifier: Apache-2.0 */
/* Page hashes against what was captured: a page that has changed is never taken for the same. */
#include "config.h"

#include "engine/sync/pagehash.h"

#include "tests/lib/rnd.h"
#include "tests/lib/tap.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAGES = 3000, PAGE = 512, ROUNDS = 400, VERSIONS = 3 };

static char path[64];
static unsigned version[PAGES + 1]; /* of each page, as it was captured last */
static uint64_t txid;

/* Few versions, so that a page often is what it was some time ago. */
static const uint8_t *
page_of(uint32_t pgno, unsigned v)
{
	static uint8_t page[PAGE];

	memset(page, (int)(pgno * 7 + v), sizeof page);
	memcpy(page, &pgno, sizeof pgno);
	return page;
}

static void
increment(struct pagehash *h)
{
	uint32_t pgno = 0, step = 1 + rnd(300);

	pagehash_begin(h, false);
	while ((pgno += 1 + rnd(step)) <= PAGES) {
		version[pgno] = rnd(VERSIONS);
		pagehash_put(h, pgno, page_of(pgno, version[pgno]));
	}
	pagehash_commit(h, ++txid);
}

/* What a re-base does: some pages have changed, and those that have are put. Returns errors. */
static unsigned
difference(struct pagehash *h)
{
	unsigned bad = 0;

	pagehash_begin(h, false);
	for (uint32_t pgno = 1; pgno <= PAGES; pgno++) {
		unsigned now = rnd(4) ? version[pgno] : rnd(VERSIONS);
		bool same = pagehash_same(h, pgno, page_of(pgno, now));

		bad += same != (now == version[pgno]);
		if (!same)
			pagehash_put(h, pgno, page_of(pgno, now));
		version[pgno] = now;
	}
	pagehash_commit(h, ++txid);
	return bad;
}

static void
image(struct pagehash *h)
{
	pagehash_begin(h, true);
	for (uint32_t pgno = 1; pgno <= PAGES; pgno++) {
		version[pgno] = rnd(VERSIONS);
		pagehash_put(h, pgno, page_of(pgno, version[pgno]));
	}
	pagehash_commit(h, ++txid);
}

int
main(void)
{
	unsigned bad = 0, lost = 0;
	struct pagehash h;

	rng = 7;
	snprintf(path, sizeof path, "/tmp/test_pagehash.%d", (int)getpid());
	pagehash_open(path, 0600, PAGE, txid, &h);
	ok(!h.usable, "a new table holds nothing");
	image(&h);
	for (int i = 0; i < ROUNDS; i++) {
		switch (rnd(20)) {
		case 0:
			image(&h);
			break;
		case 1:
		case 2:
			bad += difference(&h);
			break;
		case 3:
			pagehash_close(&h);
			pagehash_open(path, 0600, PAGE, txid, &h);
			lost += !h.usable;
			break;
		default:
			increment(&h);
			break;
		}
	}
	is_u64(bad, 0, "what is the same is known, and what is not");
	is_u64(lost, 0, "a table that was closed is found again");
	/* A crash: nothing was closed. */
	increment(&h);
	close(h.fd);
	free(h.pending);
	pagehash_open(path, 0600, PAGE, txid, &h);
	ok(!h.usable, "one that was not closed is not believed");
	pagehash_close(&h);
	unlink(path);
	return tap_done();
}
