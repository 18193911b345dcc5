/* SPDX-License-Identifier: Apache-2.0 */
/* Size and time of a point, for directory listings, from one header. */
#include "config.h"

#include "engine/view/view.h"

#include "engine/view/history_int.h"

static int
read_header(struct history *h, const struct store_call *call, const struct catalog_file *f,
	    struct ltx_header *ret, struct ls_err *err)
{
	uint8_t raw[LTX_HEADER_SIZE];
	char key[REPLICA_KEY_MAX];
	size_t n = 0;
	int rc = catalog_get(&h->replica, call, f, 0, raw, sizeof raw, &n, err);

	catalog_key(&h->replica, f, key);
	if (rc == -ENOENT)
		rc = -ESTALE;
	if (rc == 0 && n < sizeof raw)
		rc = ls_err_set(err, -EBADMSG, "too short");
	if (rc == 0)
		rc = ltx_header_decode(raw, ret, err);
	if (rc == 0 && (ret->min_txid != f->min || ret->max_txid != f->max))
		rc = ls_err_set(err, -EBADMSG, "it holds other TXIDs");
	if (rc < 0)
		return ls_err_wrap(err, rc, rc == -EBADMSG ? "'%s' is damaged" : "'%s'", key);
	return 0;
}

/* The file that ends there; if that one is no good, the newest that a restore would read. */
static int
read_note(struct history *h, const struct store_call *call, const struct listing *l, size_t i,
	  struct listing_note *note, struct ls_err *err)
{
	LS_AUTO(plan_done) struct plan plan = {0};
	struct ltx_header hdr;
	int rc = read_header(h, call, &l->cat.files[note->file], &hdr, err);

	if (rc == -EBADMSG) {
		if ((rc = listing_plan(l, l->points[i].txid, &plan, err)) < 0)
			return rc;
		rc = read_header(h, call, plan.files[plan.n - 1], &hdr, err);
	}
	if (rc < 0)
		return rc;
	note->page_size = hdr.page_size;
	note->commit = hdr.commit;
	note->time_ms = hdr.time_ms;
	return 0;
}

static int
stat_once(struct history *h, const struct store_call *call, uint64_t txid, struct view_info *ret,
	  struct ls_err *err)
{
	struct listing *l = history_listing(h);
	struct listing_note note = {0};
	size_t i = 0;
	int rc = listing_find(l, txid, &i, err);

	if (rc == 0) {
		pthread_mutex_lock(&l->lock);
		note = l->notes[i];
		pthread_mutex_unlock(&l->lock);
	}
	if (rc == 0 && !note.page_size && (rc = read_note(h, call, l, i, &note, err)) == 0) {
		pthread_mutex_lock(&l->lock);
		l->notes[i] = note;
		pthread_mutex_unlock(&l->lock);
	}
	listing_unref(l);
	if (rc == 0)
		*ret = (struct view_info){.txid = txid,
					  .size = (uint64_t)note.commit * note.page_size,
					  .page_size = note.page_size,
					  .commit = note.commit,
					  .time_ms = note.time_ms};
	return rc;
}

int
view_stat(struct history *h, const struct store_call *call, uint64_t txid, struct view_info *ret,
	  struct ls_err *err)
{
	bool changed;
	int rc = stat_once(h, call, txid, ret, err);

	if (rc != -ESTALE)
		return rc;
	if ((rc = history_refresh(h, call, &changed, err)) < 0)
		return rc;
	return stat_once(h, call, txid, ret, err);
}
