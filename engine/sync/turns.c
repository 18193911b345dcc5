/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/turns.h"

#include "engine/base/clock.h"

enum {
	FRAMES = 1000, /* to be backfilled: as many as SQLite lets gather by default */
	TURN_MS = 6,
	PAUSE_MAX_MS = 250,
	SHARED_MS = 2000, /* so long it is believed that several write */
	LENT_MS = 8,	  /* longer than that nobody is waited for */
};

#define MS_NS UINT64_C(1000000)

/* Moves the pin to the newest frame. false: it would be on slot 0, or may be. It is not if what was
 * committed before it was not all backfilled after it. */
static bool
advance_pin(struct db *db, const struct walidx_header *before)
{
	struct walidx_header after;

	if (db->next || db_pin_next(db, NULL) < 0 || !db->next)
		return false;
	if (db_walidx(db, &after, NULL) < 0 || !wal_salts_equal(after.salts, before->salts) ||
	    after.backfill >= before->mx_frame) {
		db_pin_cancel(db);
		return false;
	}
	db_pin_swap(db);
	return true;
}

static void
begin(struct turns *k, struct db *db, const struct walidx_header *hz, uint64_t now_ns)
{
	if (!advance_pin(db, hz))
		return;
	db_lend_checkpoints(db);
	k->lent_ns = now_ns;
	k->backfill = hz->backfill;
	k->checkpointing = k->shared = false;
	k->count++;
}

/* Nobody but another writer adds frames while somebody checkpoints. */
static void
note_others(struct turns *k, const struct walidx_header *hz)
{
	k->shared |= k->checkpointing && hz->mx_frame > k->mx_frame;
	k->checkpointing = true;
	k->mx_frame = hz->mx_frame;
}

static void
end(struct turns *k, bool shared)
{
	uint64_t now_ns = clock_mono_ns();

	if (shared || !k->shared_ns)
		k->shared_ns = now_ns;
	if (now_ns - k->shared_ns < SHARED_MS * MS_NS)
		k->pause_ns = TURN_MS * MS_NS;
	else if (k->pause_ns < PAUSE_MAX_MS * MS_NS)
		k->pause_ns *= 2;
	k->next_ns = now_ns + k->pause_ns;
}

void
turns_look(struct turns *k, struct db *db, const struct walidx_header *hz, uint64_t now_ns)
{
	bool done = hz->backfill != k->backfill;

	if (!db->lent_checkpoints) {
		if (db->holds_checkpoints && now_ns >= k->next_ns &&
		    hz->mx_frame >= hz->backfill + FRAMES)
			begin(k, db, hz, now_ns);
		return;
	}
	if (!done && now_ns - k->lent_ns < LENT_MS * MS_NS) {
		if (db_checkpoints_are_free(db))
			return;
		note_others(k, hz);
		return;
	}
	if (db_take_back_checkpoints(db))
		end(k, done && k->shared);
}
