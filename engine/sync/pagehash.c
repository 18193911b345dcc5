/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file, big-endian: "LSPAGEH1", u32 version 1, u32 page size, u64 TXID, u32 1 if closed clean,
 * u32 zero, u64 CRC-64 of the 32 bytes before; zeros up to 64; then 8 bytes for each page from 1.
 */
#include "config.h"

#include "engine/sync/pagehash.h"

#include "engine/base/bytes.h"
#include "engine/base/io.h"
#include "engine/format/crc64.h"

enum { HEADER = 64, SUM_AT = 32, PAGEHASH_VERSION = 1 };

static void
give_up(struct pagehash *h)
{
	h->usable = h->open_batch = h->changed = false;
	h->n = 0;
	h->npending = 0;
}

static int
write_header(struct pagehash *h, bool clean)
{
	uint8_t raw[HEADER] = "LSPAGEH1";
	int rc;

	put_be32(raw + 8, PAGEHASH_VERSION);
	put_be32(raw + 12, h->page_size);
	put_be64(raw + 16, h->txid);
	put_be32(raw + 24, clean);
	put_be64(raw + SUM_AT, crc64(0, raw, SUM_AT));
	rc = io_pwrite(h->fd, raw, sizeof raw, 0, NULL);
	return rc < 0 ? rc : io_fdatasync(h->fd, "pagehash", NULL);
}

void
pagehash_open(const char *path, mode_t mode, uint32_t page_size, uint64_t txid,
	      struct pagehash *ret)
{
	struct pagehash *h = ret;
	uint8_t raw[HEADER];
	size_t n = 0;

	*h = (struct pagehash){.page_size = page_size, .txid = txid};
	h->fd = io_open(path, O_RDWR | O_CREAT, mode, NULL);
	if (h->fd < 0 || io_pread(h->fd, raw, sizeof raw, 0, &n, NULL) < 0 || n < sizeof raw)
		return;
	h->usable = memcmp(raw, "LSPAGEH1", 8) == 0 &&
		    get_be64(raw + SUM_AT) == crc64(0, raw, SUM_AT) &&
		    get_be32(raw + 8) == PAGEHASH_VERSION && get_be32(raw + 12) == page_size &&
		    get_be64(raw + 16) == txid && get_be32(raw + 24) == 1;
}

/* ---- the window ---- */

static void
flush(struct pagehash *h)
{
	if (h->changed && io_pwrite(h->fd, h->window, (size_t)h->n * 8,
				    HEADER + (uint64_t)(h->first - 1) * 8, NULL) < 0)
		give_up(h);
	h->changed = false;
	h->n = 0;
}

static bool
is_inside(const struct pagehash *h, uint32_t pgno)
{
	return h->n && pgno >= h->first && pgno - h->first < h->n;
}

/* Reads the entries around a page, so that it is inside. */
static void
load(struct pagehash *h, uint32_t pgno)
{
	size_t n = 0;

	if (is_inside(h, pgno))
		return;
	flush(h);
	h->first = (pgno - 1) / PAGEHASH_WINDOW * PAGEHASH_WINDOW + 1;
	h->n = PAGEHASH_WINDOW;
	memset(h->window, 0, sizeof h->window);
	if (h->open_batch && io_pread(h->fd, h->window, sizeof h->window,
				      HEADER + (uint64_t)(h->first - 1) * 8, &n, NULL) < 0)
		give_up(h);
}

/* Makes room for a page, without a look at what is there: pages that come one after the other are
 * written as one. */
static void
extend(struct pagehash *h, uint32_t pgno)
{
	if (is_inside(h, pgno))
		return;
	if (h->n == 0 || h->n == PAGEHASH_WINDOW || pgno != h->first + h->n) {
		flush(h);
		h->first = pgno;
	}
	h->n++;
}

static uint8_t *
entry(struct pagehash *h, uint32_t pgno)
{
	return h->window + (size_t)(pgno - h->first) * 8;
}

static void
put(struct pagehash *h, uint32_t pgno, uint64_t hash)
{
	extend(h, pgno);
	put_be64(entry(h, pgno), hash);
	h->changed = true;
}

/* ---- what increments leave ---- */

static int
by_page(const void *pa, const void *pb)
{
	const struct pagehash_entry *a = pa, *b = pb;

	if (a->pgno != b->pgno)
		return a->pgno < b->pgno ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Into the file, the last one of each page. */
static void
settle(struct pagehash *h)
{
	size_t n = h->npending;

	if (n == 0)
		return;
	qsort(h->pending, n, sizeof *h->pending, by_page);
	for (size_t i = 0; i < n && h->npending; i++)
		if (i + 1 == n || h->pending[i + 1].pgno != h->pending[i].pgno)
			put(h, h->pending[i].pgno, h->pending[i].hash);
	flush(h);
	h->npending = 0;
}

static bool
gather(struct pagehash *h, uint32_t pgno, uint64_t hash)
{
	if (!h->pending && !(h->pending = ls_alloc_array(PAGEHASH_PENDING, sizeof *h->pending)))
		return false;
	if (h->npending == PAGEHASH_PENDING)
		settle(h);
	h->pending[h->npending] = (struct pagehash_entry){pgno, (uint32_t)h->npending, hash};
	h->npending++;
	return true;
}

/* ---- batches ---- */

void
pagehash_begin(struct pagehash *h, bool image)
{
	if (h->fd < 0)
		return;
	if (h->open_batch)
		give_up(h); /* the one before was not committed */
	if (!h->usable && !image)
		return;
	if (!h->marked && write_header(h, false) < 0) {
		give_up(h);
		return;
	}
	h->marked = true;
	h->open_batch = true;
	h->gathers = !image;
	if (image)
		settle(h);
}

bool
pagehash_same(struct pagehash *h, uint32_t pgno, const void *page)
{
	if (!h->open_batch || !h->usable)
		return false;
	if (h->gathers)
		settle(h);
	h->gathers = false; /* what is read must be what was written */
	load(h, pgno);
	return h->open_batch && get_be64(entry(h, pgno)) == crc64(0, page, h->page_size);
}

void
pagehash_put(struct pagehash *h, uint32_t pgno, const void *page)
{
	uint64_t hash;

	if (!h->open_batch)
		return;
	hash = crc64(0, page, h->page_size);
	if (!h->gathers || !gather(h, pgno, hash))
		put(h, pgno, hash);
}

void
pagehash_commit(struct pagehash *h, uint64_t txid)
{
	if (!h->open_batch)
		return;
	flush(h); /* what was gathered waits */
	if (!h->open_batch)
		return;
	h->usable = true;
	h->open_batch = false;
	h->txid = txid;
}

void
pagehash_close(struct pagehash *h)
{
	int ignored = 0;

	if (h->fd < 0)
		return;
	if (h->usable && !h->open_batch)
		settle(h);
	free(h->pending);
	h->pending = NULL;
	h->npending = 0;
	if (h->marked && h->usable && !h->open_batch && io_fdatasync(h->fd, "pagehash", NULL) == 0)
		ignored = write_header(h, true);
	(void)ignored;
	close(h->fd);
	h->fd = -1;
}
