/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/held.h"

#include "engine/base/io.h"
#include "engine/format/wal.h"

#include <string.h>

int
held_begin(const struct db *db, struct held *ret, struct ls_err *err)
{
	struct held *h = ret;
	int rc;

	*h = (struct held){.db = {.conf = db->conf,
				  .wal_fd = -1,
				  .st = db->st,
				  .wal_st = db->wal_st,
				  .page_size = db->page_size,
				  .shm = db->shm}};
	if (!(h->db.wal_path = strdup(db->wal_path)))
		return ls_err_set(err, -ENOMEM, "hold: out of memory");
	if ((rc = db_connect_again(&h->db, &h->db.conn[0], err)) == 0 &&
	    (rc = db_pin(&h->db, 0, err)) == 0)
		rc = db_wake(&h->db, err);
	if (rc < 0)
		held_end(h);
	return rc;
}

int
held_fix(struct held *h, uint32_t npages, uint32_t done, uint32_t last, struct ls_err *err)
{
	h->npages = npages;
	h->frames = ls_alloc_array((size_t)npages + 1, sizeof *h->frames);
	if (!h->frames)
		return ls_err_set(err, -ENOMEM, "hold: out of memory");
	for (uint32_t f = done + 1; f <= last; f++) {
		uint32_t pgno = db_frame_pgno(&h->db, f);

		if (pgno == 0)
			return ls_err_set(err, -EAGAIN, "its wal-index cannot be read");
		if (pgno <= npages)
			h->frames[pgno] = f;
	}
	return 0;
}

int
held_read(struct held *h, uint32_t first, uint32_t n, uint8_t *out, size_t *ret_n,
	  struct ls_err *err)
{
	size_t size = h->db.page_size;
	int rc;

	memset(out, 0, n * size);
	rc = db_read(&h->db, out, n * size, (uint64_t)(first - 1) * size, ret_n, err);
	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		uint32_t f = h->frames[first + i];

		if (f)
			rc = io_pread_exact(h->db.wal_fd, out + i * size, size,
					    wal_frame_offset((uint32_t)size, f - 1) +
						    WAL_FRAME_HEADER_SIZE,
					    err);
	}
	return rc;
}

void
held_end(struct held *h)
{
	if (h->db.wal_path)
		db_close(&h->db);
	free(h->frames);
	*h = (struct held){.db = {.wal_fd = -1}};
}
