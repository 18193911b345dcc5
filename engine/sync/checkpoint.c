/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/checkpoint.h"

#include "engine/base/clock.h"
#include "engine/base/io.h"

enum {
	TAIL_FRAMES = 256, /* more than that: captured before the lock is asked for */
	/* Captured, but not in the file: more than that is moved there before. */
	BEHIND_FRAMES = 1024,
	LOCKED_FRAMES = 768, /* as many as may be captured while writers wait: about 1.5 ms */
	ROUNDS = 6,	     /* of phase 1, before another try later */
	BUSY_MS = 5,	     /* until then, when a writer holds the lock */
	/* Unless the WAL is half of wal-max-size, barriers take at most 1/DUTY of the time; LONG
	 * ones, which wait for a disk, half of that, because SQLite's busy handler makes a writer
	 * that met one sleep longer than it lasts. */
	DUTY = 24,
	LONG_MS = 1,
	PAUSE_MAX_MS = 400, /* what is not in the file makes the next one longer */
	FAR_WAL = 64 << 20,
	/* As many, about 40 ms, when the WAL is longer than this part of wal-max-size; beyond its
	 * half, all. */
	PRESSED_FRAMES = 16384,
	PRESSED_BYTES = 64 << 20,
	PRESSING = 8,
};

#define MS_NS UINT64_C(1000000)

uint32_t
checkpoint_frames(const struct capture *c)
{
	uint32_t min = c->db->conf->min_checkpoint_page_count, far = 0;
	uint64_t max = c->db->conf->wal_max / 4;

	if (!c->db->holds_checkpoints && !c->db->lent_checkpoints)
		return min;
	if (c->far)
		far = (uint32_t)((max < FAR_WAL ? max : FAR_WAL) / c->db->page_size);
	/* An application that is busy is to find the WAL so short that it does not try itself. */
	return far > min ? far : min - min / 4;
}

bool
checkpoint_full(const struct capture *c)
{
	return c->seen.mx_frame > c->seen.backfill && c->seen.mx_frame >= checkpoint_frames(c);
}

static bool
is_beyond(const struct capture *c, unsigned part_of_max)
{
	return wal_frame_offset(c->db->page_size, c->seen.mx_frame) >
	       c->db->conf->wal_max / part_of_max;
}

/* How many frames may be captured while writers wait. */
static uint32_t
locked_frames(const struct capture *c)
{
	uint32_t pressed = PRESSED_BYTES / c->db->page_size;

	if (is_beyond(c, 2))
		return UINT32_MAX;
	if (is_beyond(c, PRESSING))
		return pressed < PRESSED_FRAMES ? pressed : PRESSED_FRAMES;
	return LOCKED_FRAMES;
}

bool
checkpoint_wanted(const struct checkpoint *k, const struct capture *c, uint64_t now_ns)
{
	const struct conf_db *conf = c->db->conf;
	const struct walidx_header *hz = &c->seen;
	bool pending = hz->mx_frame > hz->backfill;

	if (!pending)
		return false;
	if (is_beyond(c, 2))
		return k->failures == 0 || now_ns >= k->not_before_ns;
	if (now_ns < k->not_before_ns)
		return false;
	if (checkpoint_full(c))
		return true;
	return conf->checkpoint_interval_ms &&
	       now_ns - k->last_ns >= conf->checkpoint_interval_ms * MS_NS;
}

/* Frames after the captured position, in this generation or a new one. */
static int
tail_length(struct capture *c, uint32_t *ret, struct ls_err *err)
{
	struct walidx_header hz;
	int rc = db_walidx(c->db, &hz, err);

	if (rc < 0)
		return rc;
	c->seen = hz;
	*ret = capture_pending(c);
	return 0;
}

/* Under the write lock. *ret_done: false if too much has come meanwhile. */
static int
behind_barrier(struct capture *c, unsigned *batches, bool *ret_done, struct ls_err *err)
{
	uint32_t tail = 0;
	unsigned n = 0;
	int rc;

	*ret_done = false;
	if ((rc = tail_length(c, &tail, err)) < 0)
		return rc;
	if (tail > locked_frames(c))
		return 0;
	/* Of an application that checkpoints after each commit this is the moment to get the lock.
	 */
	if (tail)
		db_hold_checkpoints(c->db, true);
	if ((rc = capture_tail(c, UINT64_MAX, &n, err)) < 0)
		return rc;
	*batches += n;
	if ((rc = db_checkpoint(c->db, false, err)) < 0)
		return rc;
	/* Everything is captured and backfilled: this pin takes slot 0. */
	if ((rc = db_pin_next(c->db, err)) < 0)
		return rc;
	db_pin_swap(c->db);
	*ret_done = true;
	return 0;
}

static int
barrier(struct checkpoint *k, struct capture *c, unsigned *batches, bool *ret_done,
	struct ls_err *err)
{
	uint64_t start;
	int rc = db_barrier_begin(c->db, err);

	if (rc < 0)
		return rc;
	start = clock_mono_ns();
	c->behind_barrier = true;
	rc = behind_barrier(c, batches, ret_done, err);
	c->behind_barrier = false;
	db_barrier_end(c->db);
	k->barrier_ns = clock_mono_ns() - start;
	k->usual_ns = k->usual_ns ? (7 * k->usual_ns + k->barrier_ns) / 8 : k->barrier_ns;
	if (k->barrier_ns > k->worst_ns)
		k->worst_ns = k->barrier_ns;
	return rc < 0 ? rc : position_sync(&c->record, err);
}

/* One try, no waiting, while nothing new was written (F4). */
static int
shrink(struct capture *c, struct ls_err *err)
{
	uint64_t limit = c->db->conf->truncate_page_n == UINT32_MAX
				 ? UINT64_MAX
				 : wal_frame_offset(c->db->page_size, c->db->conf->truncate_page_n);
	struct stat st;
	int rc = io_fstat(c->db->wal_fd, &st, err);

	if (rc < 0 || (uint64_t)st.st_size <= limit)
		return rc;
	return db_checkpoint(c->db, true, err);
}

static void
later(struct checkpoint *k, uint64_t ns)
{
	k->not_before_ns =
		clock_mono_ns() + (ns < PAUSE_MAX_MS * MS_NS ? ns : PAUSE_MAX_MS * MS_NS);
}

/* Of one try. Rounds capture alone from the third one on. */
struct rounds {
	int i;
	uint32_t tail, before; /* frames that came in this round, and in the one before */
	bool kept;	       /* a reader keeps frames out of the database file */
};

/* What a slow disk lets come is as short as it gets once it does not halve. */
static bool
is_short(const struct capture *c, const struct rounds *r)
{
	if (r->tail <= TAIL_FRAMES)
		return true;
	return r->i > 1 && !r->kept && r->tail > r->before / 2 && is_beyond(c, PRESSING) &&
	       r->tail <= locked_frames(c);
}

/* Whether more than a few of the frames that are captured are not in the database file. */
static bool
file_is_behind(const struct capture *c)
{
	return c->pos.frame > c->seen.backfill + BEHIND_FRAMES;
}

/* Phase 1. */
static int
one_round(struct capture *c, struct rounds *r, unsigned *batches, struct ls_err *err)
{
	unsigned n = 0;
	bool copies;
	int rc = capture_tail(c, UINT64_MAX, &n, err);

	if (rc < 0)
		return rc;
	*batches += n;
	copies = r->i == 0 || (r->i == 1 && file_is_behind(c));
	if (copies && (rc = db_checkpoint(c->db, false, err)) < 0)
		return rc;
	r->before = r->tail;
	rc = tail_length(c, &r->tail, err);
	if (copies)
		r->kept = file_is_behind(c);
	return rc;
}

/* Both phases, again and again until the second is done, or cannot be now. */
static int
try_rounds(struct checkpoint *k, struct capture *c, unsigned *batches, bool *ret_done,
	   struct ls_err *err)
{
	struct rounds r = {.tail = UINT32_MAX};
	int rc;

	*ret_done = false;
	for (; !*ret_done && r.i < ROUNDS; r.i++) {
		if ((rc = one_round(c, &r, batches, err)) < 0)
			return rc;
		if (is_short(c, &r)) {
			if ((rc = barrier(k, c, batches, ret_done, err)) < 0)
				return rc == -EBUSY ? 0 : rc;
		} else if (r.i > 2 && r.tail / 2 > r.before) {
			/* The application is faster than this: each round would be longer. The
			 * first ones wait for a disk, too, and tell nothing. */
			return 0;
		}
	}
	return 0;
}

int
checkpoint_run(struct checkpoint *k, struct capture *c, unsigned *ret_batches, struct ls_err *err)
{
	bool done = false;
	uint32_t tail = 0;
	int rc;

	*ret_batches = 0;
	if (c->db->lent_checkpoints)
		db_hold_checkpoints(c->db, true);
	if ((rc = try_rounds(k, c, ret_batches, &done, err)) < 0)
		return rc;
	if (done && (rc = tail_length(c, &tail, err)) < 0)
		return rc;
	/* A reader of long standing keeps frames out of the file: do not fight (H22). */
	if (!done || (tail == 0 && c->seen.backfill < c->seen.mx_frame)) {
		k->failures++;
		later(k, BUSY_MS * MS_NS * k->failures);
		return 0;
	}
	k->failures = 0;
	k->count++;
	k->last_ns = clock_mono_ns();
	later(k, k->usual_ns * (k->usual_ns > LONG_MS * MS_NS ? 2 * DUTY : DUTY));
	return shrink(c, err);
}
