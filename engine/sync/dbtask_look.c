/* SPDX-License-Identifier: Apache-2.0 */
/* When a database is captured: what a look at it shows, and how often batches may be closed. */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/sync/dbtask.h"

#include <string.h>

enum {
	CHECK_FILES_MS = 100,
	CHECK_WATCHED_MS = 5000, /* events may get lost */
	LOOK_MIN_MS = 2,	 /* while a checkpoint is near and no token is free */
	LOOK_MAX_MS = 8,
	LOOK_LENT_MS = 1, /* while others checkpoint */
	ATTEMPT_MS = 100, /* after that it is asked whether a checkpoint is under way */
	DIED = 0,
};

#define MS_NS UINT64_C(1000000)
#define UNEVEN 0.7 /* of a token: the distances are 65 to 135 ms */

/* ---- tokens ---- */

/* Those of the replica that is to get the fewest. */
void
dbtask_init_tokens(struct dbtask *t)
{
	for (size_t i = 0; i < t->nreplicas; i++) {
		const struct conf_replica *c = t->replicas[i].conf;
		bool file = conf_replica_is_file(c), local = file && !c->sync_interval_set;
		double rate = local ? 10 : 1000.0 / (double)c->sync_interval_ms;

		t->far |= !file;
		if (i && rate >= t->rate)
			continue;
		t->rate = rate;
		t->burst = local ? 20 : c->sync_interval_set ? 1 : 5;
	}
	t->tokens = t->burst;
	t->tokens_at_ns = clock_mono_ns();
}

static void
refill(struct dbtask *t, uint64_t now_ns)
{
	t->tokens += (double)(now_ns - t->tokens_at_ns) / 1e9 * t->rate;
	if (t->tokens > t->burst)
		t->tokens = t->burst;
	t->tokens_at_ns = now_ns;
}

/* Captures that follow each other evenly, ten a second, would meet each try of a writer that waits:
 * SQLite's busy handler tries ten times a second, too, and no turns are given meanwhile. */
static double
uneven(void)
{
	uint32_t r = (uint32_t)(clock_mono_ns() * UINT64_C(0x9e3779b97f4a7c15) >> 32);

	return UNEVEN * (r / (double)UINT32_MAX - 0.5);
}

void
dbtask_spend(struct dbtask *t, unsigned batches)
{
	refill(t, clock_mono_ns());
	t->tokens -= batches;
	/* Of those that a full WAL forced, one is held against later ones where it is a request. */
	if (t->tokens < (t->far ? -1 : 0))
		t->tokens = t->far ? -1 : 0;
	if (batches && t->burst > 1 && !t->far && t->tokens < 1)
		t->tokens += uneven();
}

/* ---- looks ---- */

/* The header of a generation that begins comes before its first frame. None begins while frames are
 * not backfilled. */
static bool
begins_anew(struct dbtask *t, const struct walidx_header *hz)
{
	uint8_t raw[WAL_HEADER_SIZE];
	struct wal_header h;
	size_t n = 0;

	return hz->backfill >= hz->mx_frame &&
	       io_pread(t->db.wal_fd, raw, sizeof raw, 0, &n, NULL) == 0 &&
	       wal_header_decode(raw, n, &h, NULL) == 0 && !wal_salts_equal(h.salts, hz->salts);
}

static bool
frame_in_flight(struct dbtask *t, const struct walidx_header *hz)
{
	uint8_t raw[WAL_FRAME_HEADER_SIZE];
	struct wal_frame f;
	size_t n = 0;

	if (begins_anew(t, hz))
		return true;
	if (io_pread(t->db.wal_fd, raw, sizeof raw, wal_frame_offset(t->db.page_size, hz->mx_frame),
		     &n, NULL) < 0 ||
	    n < sizeof raw)
		return false;
	wal_frame_decode(raw, &f);
	return wal_salts_equal(f.salts, hz->salts);
}

/* Who has died of a checkpoint leaves what one under way shows, and the lock free. */
bool
dbtask_others_checkpoint(struct dbtask *t, uint64_t now_ns)
{
	const struct walidx_header *hz = &t->capture.seen;
	struct walidx_header now;

	if (hz->attempted <= hz->backfill || t->db.holds_checkpoints) {
		t->attempted = 0;
		return false;
	}
	if (hz->attempted != t->attempted) {
		t->attempted = hz->attempted;
		t->attempted_ns = now_ns;
	}
	if (t->attempted_ns == DIED)
		return false;
	if (now_ns - t->attempted_ns < ATTEMPT_MS * MS_NS ||
	    db_connect_again(&t->db, &t->db.locks, NULL) < 0 || !db_checkpoints_are_free(&t->db) ||
	    db_walidx(&t->db, &now, NULL) < 0 || !walidx_same(&now, hz))
		return true;
	t->attempted_ns = DIED;
	return false;
}

/* Everything is captured, and the pin is to move. */
static bool
pin_is_due(const struct dbtask *t)
{
	return !t->db.lent_checkpoints && capture_pending(&t->capture) == 0 &&
	       db_pin_is_behind(&t->db, &t->capture.seen);
}

/* The WAL was emptied, and the record does not say yet that everything was captured then. */
static bool
rest_is_due(const struct dbtask *t, uint64_t now_ns)
{
	const struct capture *c = &t->capture;

	return c->seen.mx_frame == 0 && c->pos.txid && !c->pos.complete && now_ns >= t->rest_ns;
}

/* Whether others have checkpointed all of the WAL, and may wait to begin it anew. */
static bool
others_may_wait(const struct dbtask *t)
{
	const struct walidx_header *hz = &t->capture.seen;

	return !t->db.holds_checkpoints && !t->db.lent_checkpoints &&
	       hz->backfill == hz->mx_frame && db_pin_is_behind(&t->db, hz);
}

/* At rest, and what brought us here is the time and no event. */
static bool
rests(const struct dbtask *t)
{
	return t->db.wal_fd < 0 && t->quiet;
}

/* Whether the files are other ones, asked once a change of names is told, else ten times a second
 * at most, and seldom where such changes are told. That a directory above them is another one is
 * not told. */
bool
dbtask_replaced(struct dbtask *t)
{
	bool suspect = atomic_exchange(&t->suspect, false), told = t->watched && !t->db.remote_fs;
	uint64_t now = clock_mono_ns();
	uint64_t every = suspect ? 0 : told ? CHECK_WATCHED_MS : CHECK_FILES_MS;

	if (now - t->checked_ns < every * MS_NS)
		return false;
	t->checked_ns = now;
	if (!db_replaced(&t->db, told && !suspect && rests(t)))
		return false;
	t->checked_ns = 0;
	return true;
}

uint64_t
dbtask_next_look(const struct dbtask *t, uint64_t now_ns, uint64_t when_ns)
{
	uint64_t limit = checkpoint_frames(&t->capture), mx = t->capture.seen.mx_frame;
	uint64_t next = now_ns + (t->db.lent_checkpoints ? LOOK_LENT_MS
				  : 2 * mx >= limit	 ? LOOK_MIN_MS
							 : LOOK_MAX_MS) *
					 MS_NS;

	return next < when_ns ? next : when_ns;
}

enum dbtask_look
dbtask_look(struct dbtask *t)
{
	const struct position *pos = &t->capture.pos;
	struct walidx_header hz;
	uint64_t now_ns;

	if (t->state != DBTASK_OPEN || t->need_image || atomic_load(&t->fate) ||
	    dbtask_replaced(t) || dbtask_wants_base(t))
		return DBTASK_CHANGED;
	if (db_walidx(&t->db, &hz, NULL) < 0)
		return DBTASK_IN_FLIGHT;
	t->capture.seen = hz;
	now_ns = clock_mono_ns();
	turns_look(&t->turns, &t->db, &hz, now_ns);
	if (hz.mx_frame && (!wal_salts_equal(hz.salts, pos->salts) || hz.mx_frame != pos->frame))
		return DBTASK_CHANGED;
	if (checkpoint_wanted(&t->checkpoint, &t->capture, now_ns))
		return DBTASK_CHANGED;
	if (pin_is_due(t) || rest_is_due(t, now_ns))
		return DBTASK_CHANGED;
	if (rests(t))
		return DBTASK_QUIET; /* what is in flight is seen at the next such look */
	if (db_wake(&t->db, NULL) < 0)
		return DBTASK_CHANGED;
	if (frame_in_flight(t, &hz) || dbtask_others_checkpoint(t, now_ns))
		return DBTASK_IN_FLIGHT;
	return DBTASK_QUIET;
}

bool
dbtask_is_settled(const struct dbtask *t)
{
	const struct walidx_header *seen = &t->capture.seen;
	struct walidx_header hz;

	for (size_t i = 0; i < t->nreplicas; i++)
		if (atomic_load(&t->replicas[i].state) != DBREPLICA_READY)
			return false;
	return t->resting && t->watched && !t->db.remote_fs && seen->mx_frame <= seen->backfill &&
	       !db_replaced(&t->db, false) && db_is_named_directly(&t->db) &&
	       db_walidx(&t->db, &hz, NULL) == 0 && walidx_same(&hz, seen);
}

/* Batches come no faster than the fastest replica takes them, of those that do. */
static bool
all_are_busy(const struct dbtask *t)
{
	bool busy = false;

	for (size_t i = 0; i < t->nreplicas; i++) {
		const struct dbreplica *r = &t->replicas[i];

		if (atomic_load(&r->state) != DBREPLICA_READY || atomic_load(&r->failing))
			continue;
		if (!atomic_load(&r->upload_busy))
			return false;
		busy = true;
	}
	return busy;
}

bool
dbtask_may_capture(struct dbtask *t, uint64_t now_ns, uint64_t *ret_when_ns)
{
	uint64_t turn_ends_ns;
	double price;

	*ret_when_ns = 0;
	if (t->state != DBTASK_OPEN) {
		*ret_when_ns = t->retry_ns;
		return now_ns >= t->retry_ns;
	}
	if (t->errors && now_ns < t->retry_ns && !dbtask_wal_is_long(t)) {
		*ret_when_ns = t->retry_ns;
		return false;
	}
	turn_ends_ns = turns_capture_ns(&t->turns, &t->db);
	if (now_ns < turn_ends_ns) {
		*ret_when_ns = turn_ends_ns;
		return false;
	}
	if (checkpoint_full(&t->capture) &&
	    checkpoint_wanted(&t->checkpoint, &t->capture, now_ns) &&
	    !turns_await(&t->turns, &t->db, now_ns))
		return true;
	refill(t, now_ns);
	if (pin_is_due(t) || rest_is_due(t, now_ns))
		return true;
	price = others_may_wait(t) ? 0 : 1;
	if (price && all_are_busy(t)) { /* asked again once the end of an upload is told */
		atomic_store(&t->waits, true);
		if (all_are_busy(t))
			return false;
	}
	if (t->tokens >= price)
		return true;
	*ret_when_ns = now_ns + (uint64_t)((price - t->tokens) / t->rate * 1e9);
	return false;
}
