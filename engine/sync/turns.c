/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/turns.h"

#include "engine/base/clock.h"

enum {
	FRAMES = 1000, /* to be backfilled: as many as SQLite lets gather by default */
	/* More than that: something keeps them out of the file, and who tries walks through all. */
	FRAMES_MAX = 64 * FRAMES,
	TURN_MS = 12, /* shorter ones cost throughput, longer ones starve writers */
	/* Where a barrier takes SLOW_MS: who checkpoints waits for the disk. */
	TURN_SLOW_MS = 40,
	SLOW_MS = 20,
	TURN_MAX_MS = 320,
	DOUBLINGS = 5,
	SHARED_MS = 2000, /* so long it is believed that several write */
	LENT_MS = 8,	  /* longer than that nobody is waited for */
	CAPTURE_MS = 50,  /* nor does a capture wait for the end */
	ASKED_MS = 30,	  /* nor a checkpoint, for the end or for the begin */
};

#define MS_NS UINT64_C(1000000)

static void
begin(struct turns *k, struct db *db, const struct walidx_header *hz, uint64_t now_ns)
{
	if (!db_pin_advance(db, hz))
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

static uint64_t
pause_ns(const struct turns *k)
{
	uint64_t ms = (k->barrier_ns < SLOW_MS * MS_NS ? TURN_MS : TURN_SLOW_MS) << k->in_vain;

	return (ms < TURN_MAX_MS ? ms : TURN_MAX_MS) * MS_NS;
}

/* done: somebody has checkpointed. */
static void
end(struct turns *k, bool done)
{
	uint64_t now_ns = clock_mono_ns();

	if ((done && k->shared) || !k->shared_ns)
		k->shared_ns = now_ns;
	if (done && now_ns - k->shared_ns < SHARED_MS * MS_NS)
		k->in_vain = 0;
	else if (k->in_vain < DOUBLINGS)
		k->in_vain++;
	k->next_ns = now_ns + pause_ns(k);
}

/* Whether there is something to do, and not too much. */
static bool
is_due(const struct turns *k, const struct db *db, const struct walidx_header *hz, uint64_t now_ns)
{
	uint32_t frames = hz->mx_frame - hz->backfill;

	return db->holds_checkpoints && now_ns >= k->next_ns && frames >= FRAMES &&
	       frames <= FRAMES_MAX;
}

void
turns_look(struct turns *k, struct db *db, const struct walidx_header *hz, uint64_t now_ns)
{
	bool done = hz->backfill != k->backfill;

	if (!db->lent_checkpoints) {
		if (is_due(k, db, hz, now_ns))
			begin(k, db, hz, now_ns);
		return;
	}
	if (!done && now_ns - k->lent_ns < LENT_MS * MS_NS) {
		if (!db_checkpoints_are_free(db))
			note_others(k, hz);
		return;
	}
	if (db_take_back_checkpoints(db))
		end(k, done);
}

uint64_t
turns_capture_ns(const struct turns *k, const struct db *db)
{
	return db->lent_checkpoints ? k->lent_ns + CAPTURE_MS * MS_NS : 0;
}

static bool
several_write(const struct turns *k, uint64_t now_ns)
{
	return k->shared_ns && !k->in_vain && now_ns - k->shared_ns < SHARED_MS * MS_NS;
}

bool
turns_await(const struct turns *k, const struct db *db, uint64_t now_ns)
{
	return k->asked_ns && now_ns - k->asked_ns < ASKED_MS * MS_NS &&
	       (db->lent_checkpoints || k->lent_ns <= k->asked_ns);
}

bool
turns_ask(struct turns *k, const struct db *db, uint64_t now_ns)
{
	if (turns_await(k, db, now_ns))
		return true;
	if (k->asked_ns || !db->holds_checkpoints || !several_write(k, now_ns)) {
		k->asked_ns = 0;
		return false;
	}
	k->asked_ns = now_ns;
	k->next_ns = 0;
	return true;
}
