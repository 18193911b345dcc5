/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pin protocol of engine/sync by a search of all states: a writer, a reader, a checkpointer and
 * the engine, each in the lock steps that it takes, in every order; any of them may die at any
 * moment, and the engine may be down.
 *
 * The WAL, as wal.c of SQLite has it: a generation holds the commits base+1 .. base+mx, of which
 * the first `backfill` are in the database file. A read transaction takes slot 0 if everything is
 * backfilled, else a slot with the mark mx. A checkpoint copies up to the lowest mark that is held,
 * and only while nobody holds slot 0. A writer that holds slot 0 itself begins a new generation if
 * something is backfilled and no mark is held; a TRUNCATE does so whenever all is backfilled.
 *
 * What must hold: the engine never goes on with a generation while a commit before it is not
 * captured; and an image that it takes is one state.
 *
 *   test_pins [VARIANT]    searches one variant and prints the way to the first violation
 */
#include "config.h"

#include "tests/lib/tap.h"
#include "tests/model/states.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { COMMITS = 5, GENS = 4, FREE = 0, SLOT0 = 1, MARK = 2 /* MARK + m: mark m */ };
enum { STATES = 24000000, WAY = 4096 };

/* Who has one of the two locks. */
enum holder { NOBODY, WRITER, ENGINE, CHECKPOINTER };

struct horizon {
	uint8_t gen, base, mx, backfill;
};

enum engine_at {
	DOWN,
	IDLE,
	PINNED,	  /* the next pin is held, or none is needed */
	SEEN,	  /* the horizon is read */
	CAPTURED, /* durable; the pins are to be swapped */
	/* A turn of the writers (engine/sync/turns.h): the pin moves without a capture. */
	TURN_SEEN,
	TURN_PINNED,
};
enum round { ROUND_CAPTURE, ROUND_IMAGE, ROUND_BARRIER, ROUND_SLOT0 };

struct state {
	struct horizon wal;
	uint8_t in_file; /* commits that are in the database file, wholly */
	uint8_t write_lock, ckpt_lock;
	uint8_t writer, reader;	      /* slots */
	uint8_t writer_restarted;     /* has tried to */
	uint8_t ckpt_safe;	      /* of a checkpoint under way, + 1 */
	uint8_t ckpt_truncates;	      /* and holds the write lock */
	uint8_t at, round, old, next; /* engine; its two pins */
	uint8_t known;		      /* pinned is what was there before the pin */
	struct horizon pinned, seen;
	uint8_t pos_gen, pos_frame, cap;     /* captured: through frame, commits 1..cap */
	uint8_t has_pos, unsure, judged_gen; /* after a start: commits were missed, in judged_gen */
};

enum variant {
	SOUND,
	GAP,	       /* the old pin is given back before the new one is taken */
	SWAP_FIRST,    /* the old pin is given back before the capture is durable */
	NO_JUDGEMENT,  /* after a start it is not checked that the generation is the judged one */
	UNPINNED_CKPT, /* our own checkpoint runs without a pin */
	TURN_ON_SLOT0, /* a turn moves the pin to whatever slot there is */
	VARIANTS,
};
static const char *const variant_names[VARIANTS] = {
	"as it is",	"old pin before new one", "swap before capture",
	"no judgement", "checkpoint without pin", "turn on slot 0",
};

static enum variant variant;
static const char *violation;
static uint32_t from; /* the state whose steps are taken */
static size_t images, captures;

static void
reach(const struct state *s, const char *step)
{
	if (!states_add(s, from, step))
		violation = "more states than there is room for";
}

static void
wrong(const char *what)
{
	if (!violation)
		violation = what;
}

/* ---- SQLite ---- */

static uint8_t
pin(const struct state *s)
{
	return s->wal.backfill == s->wal.mx ? SLOT0 : (uint8_t)(MARK + s->wal.mx);
}

static bool
holds(const struct state *s, bool marks)
{
	const uint8_t slots[] = {s->writer, s->reader, s->old, s->next};

	for (int i = 0; i < 4; i++)
		if (marks ? slots[i] >= MARK : slots[i] == SLOT0)
			return true;
	return false;
}

static uint8_t
safe(const struct state *s)
{
	const uint8_t slots[] = {s->writer, s->reader, s->old, s->next};
	uint8_t m = s->wal.mx;

	for (int i = 0; i < 4; i++)
		if (slots[i] >= MARK && slots[i] - MARK < m)
			m = (uint8_t)(slots[i] - MARK);
	return m;
}

static void
begin_generation(struct state *s)
{
	s->wal = (struct horizon){.gen = (uint8_t)(s->wal.gen + 1),
				  .base = (uint8_t)(s->wal.base + s->wal.mx)};
}

static void
backfill(struct state *s, uint8_t to)
{
	if (to <= s->wal.backfill || holds(s, false))
		return;
	s->wal.backfill = to;
	s->in_file = (uint8_t)(s->wal.base + to);
}

static void
writer_steps(const struct state *s)
{
	struct state n = *s;

	if (!s->writer) {
		if (s->write_lock || s->wal.base + s->wal.mx >= COMMITS)
			return;
		n.writer = pin(s);
		n.write_lock = WRITER;
		reach(&n, "writer begins");
		return;
	}
	if (!s->writer_restarted) {
		n.writer_restarted = true;
		if (s->writer == SLOT0 && s->wal.backfill > 0 && s->wal.gen < GENS) {
			n.writer = FREE;
			if (!holds(&n, true))
				begin_generation(&n);
			n.writer = pin(&n);
		}
		reach(&n, "writer tries to restart the WAL");
		return;
	}
	n.write_lock = n.writer = n.writer_restarted = 0;
	reach(&n, "writer ends without a commit, or dies");
	n.wal.mx++;
	reach(&n, "writer commits");
}

static void
reader_steps(const struct state *s)
{
	struct state n = *s;

	n.reader = s->reader ? FREE : pin(s);
	reach(&n, s->reader ? "reader ends" : "reader begins");
}

static void
checkpointer_steps(const struct state *s)
{
	struct state n = *s;

	if (!s->ckpt_safe) {
		if (s->ckpt_lock)
			return;
		n.ckpt_lock = CHECKPOINTER;
		/* Nothing to copy now is nothing to copy later: the WAL may be another one then. */
		n.ckpt_safe = safe(s) > s->wal.backfill ? (uint8_t)(safe(s) + 1) : 1;
		reach(&n, "checkpointer begins, passive");
		if (s->write_lock)
			return;
		n.write_lock = CHECKPOINTER;
		n.ckpt_truncates = true;
		reach(&n, "checkpointer begins, truncate");
		return;
	}
	n.ckpt_lock = n.ckpt_safe = n.ckpt_truncates = 0;
	if (s->ckpt_truncates)
		n.write_lock = 0;
	reach(&n, "checkpointer dies");
	backfill(&n, (uint8_t)(s->ckpt_safe - 1));
	if (s->ckpt_truncates && n.wal.backfill == n.wal.mx && !holds(&n, true) &&
	    n.wal.gen < GENS) {
		begin_generation(&n);
		reach(&n, "checkpointer copies and truncates");
		return;
	}
	reach(&n, "checkpointer copies");
}

/* ---- the engine ---- */

static bool
pinned_here(const struct state *s)
{
	return s->known && memcmp(&s->pinned, &s->wal, sizeof s->wal) == 0;
}

static void
give_back(struct state *s)
{
	s->old = s->next;
	s->next = FREE;
}

static void
down(struct state *n)
{
	n->at = DOWN;
	n->old = n->next = FREE;
	n->known = n->unsure = n->judged_gen = 0;
	n->round = 0;
	n->pinned = n->seen = (struct horizon){0};
	if (n->write_lock == ENGINE)
		n->write_lock = 0;
	if (n->ckpt_lock == ENGINE)
		n->ckpt_lock = 0;
}

/* The position is where continuity.h says APPEND, SAME or not. */
static void
start(const struct state *s)
{
	struct state n = *s;

	n.at = IDLE;
	n.old = pin(s);
	n.pinned = s->wal;
	n.known = true;
	n.round = ROUND_CAPTURE;
	if (!s->has_pos || s->pos_gen != s->wal.gen || s->wal.mx < s->pos_frame) {
		n.round = ROUND_IMAGE;
	} else if (s->wal.mx > s->pos_frame) {
		n.unsure = true;
		n.judged_gen = s->wal.gen;
	}
	reach(&n, "engine starts");
}

/* To the next round, with the pins swapped. */
static void
round_done(struct state *n)
{
	n->at = IDLE;
	n->seen = (struct horizon){0};
	if (n->round == ROUND_IMAGE)
		n->round = ROUND_CAPTURE;
	if (n->round == ROUND_SLOT0) {
		n->round = ROUND_CAPTURE;
		n->write_lock = 0;
	}
}

static void
take_next_pin(const struct state *s)
{
	struct state n = *s;

	n.at = PINNED;
	if (pinned_here(s)) {
		reach(&n, "engine keeps its pin");
		return;
	}
	if (variant == GAP && s->old) {
		n.old = FREE;
		n.known = false;
		n.at = IDLE;
		reach(&n, "engine gives its pin back");
		return;
	}
	n.next = pin(s);
	n.pinned = s->wal;
	n.known = true;
	reach(&n, "engine takes the next pin");
	/* A commit between the look at the wal-index and the pin: then it is not known. */
	n.known = false;
	n.pinned = (struct horizon){0};
	reach(&n, "engine takes the next pin, a moment later");
}

static void
cancel(struct state *n)
{
	n->next = FREE;
	n->known = false;
	n->pinned = n->seen = (struct horizon){0};
	n->at = IDLE;
	if (n->round == ROUND_BARRIER) {
		n->round = ROUND_CAPTURE;
		n->write_lock = 0;
	}
}

static void
capture(const struct state *s)
{
	const struct horizon *hz = &s->seen;
	struct state n = *s;

	/* Salts and checksums do not fit: another look. */
	if (hz->mx && s->wal.gen != hz->gen) {
		cancel(&n);
		reach(&n, "engine finds another generation");
		return;
	}
	if (s->unsure && variant != NO_JUDGEMENT && hz->gen != s->judged_gen) {
		cancel(&n);
		n.unsure = n.judged_gen = 0;
		n.round = ROUND_IMAGE;
		reach(&n, "engine finds that a tail is lost, and says so");
		return;
	}
	if (hz->mx && hz->gen != s->pos_gen && s->cap != hz->base)
		wrong("a commit was lost");
	captures++;
	if (hz->mx) {
		n.pos_gen = hz->gen;
		n.pos_frame = hz->mx;
		n.cap = (uint8_t)(hz->base + hz->mx);
	}
	n.unsure = n.judged_gen = 0;
	n.at = CAPTURED;
	reach(&n, "engine has captured");
}

static void
take_image(const struct state *s)
{
	const struct horizon *hz = &s->seen;
	uint8_t want = (uint8_t)(hz->base + hz->mx);
	struct state n = *s;

	images++;
	if (hz->backfill == hz->mx ? s->in_file != want
				   : s->wal.gen != hz->gen || s->wal.backfill > hz->mx)
		wrong("an image is of no state");
	n.has_pos = true;
	n.pos_gen = hz->gen;
	n.pos_frame = hz->mx;
	n.cap = want;
	n.unsure = n.judged_gen = 0;
	n.at = CAPTURED;
	reach(&n, "engine has an image");
}

/* Behind the barrier, everything is captured: copies, then the pin of slot 0. */
static void
own_checkpoint(const struct state *s)
{
	struct state n = *s;

	give_back(&n);
	if (!s->next)
		n.old = s->old;
	if (s->ckpt_lock) {
		round_done(&n);
		n.round = ROUND_CAPTURE;
		n.write_lock = 0;
		reach(&n, "engine cannot checkpoint now");
		return;
	}
	if (variant == UNPINNED_CKPT)
		n.old = FREE;
	backfill(&n, safe(&n));
	n.at = IDLE;
	n.round = ROUND_SLOT0;
	n.seen = (struct horizon){0};
	reach(&n, "engine checkpoints");
}

static void
swap(const struct state *s)
{
	struct state n = *s;

	if (s->round == ROUND_BARRIER) {
		own_checkpoint(s);
		return;
	}
	if (s->next)
		give_back(&n);
	round_done(&n);
	reach(&n, "engine swaps its pins");
}

static void
turn_pin(const struct state *s)
{
	struct state n = *s;

	if (pinned_here(s)) {
		cancel(&n);
		n.known = s->known;
		n.pinned = s->pinned;
		reach(&n, "engine's pin is as new");
		return;
	}
	n.at = TURN_PINNED;
	n.next = pin(s);
	n.pinned = s->wal;
	n.known = true;
	reach(&n, "engine takes a pin for a turn");
	n.known = false;
	n.pinned = (struct horizon){0};
	reach(&n, "engine takes a pin for a turn, a moment later");
}

static void
turn_swap(const struct state *s)
{
	struct state n = *s;

	if (variant != TURN_ON_SLOT0 &&
	    (s->wal.gen != s->seen.gen || s->wal.backfill >= s->seen.mx)) {
		cancel(&n);
		reach(&n, "engine gives up a turn");
		return;
	}
	give_back(&n);
	n.at = IDLE;
	n.seen = (struct horizon){0};
	reach(&n, "engine begins a turn");
}

static void
idle(const struct state *s)
{
	struct state n = *s;

	take_next_pin(s);
	if (s->round == ROUND_CAPTURE) {
		n.at = TURN_SEEN;
		n.seen = s->wal;
		reach(&n, "engine looks whether a turn is due");
		n = *s;
	}
	if (s->round != ROUND_CAPTURE || s->unsure || s->write_lock)
		return;
	n.round = ROUND_BARRIER;
	n.write_lock = ENGINE;
	reach(&n, "engine has the barrier");
}

static void
engine_steps(const struct state *s)
{
	struct state n = *s;

	if (s->at == DOWN) {
		start(s);
		return;
	}
	down(&n);
	reach(&n, "engine ends or dies");
	n = *s;
	switch (s->at) {
	case IDLE:
		idle(s);
		break;
	case PINNED:
		if (variant == SWAP_FIRST && s->next)
			give_back(&n);
		n.seen = s->wal;
		n.at = s->round == ROUND_SLOT0 ? CAPTURED : SEEN;
		reach(&n, "engine reads the horizon");
		break;
	case SEEN:
		cancel(&n);
		reach(&n, "engine's capture fails");
		if (s->round == ROUND_IMAGE)
			take_image(s);
		else
			capture(s);
		break;
	case TURN_SEEN:
		turn_pin(s);
		break;
	case TURN_PINNED:
		turn_swap(s);
		break;
	default:
		swap(s);
		break;
	}
}

/* ---- the search ---- */

static void
print_way(uint32_t to)
{
	uint32_t way[WAY];
	size_t n = states_way(to, way, WAY);

	for (size_t i = 0; i < n; i++) {
		const struct state *s = states_at(way[i]);
		const char *step = states_step(way[i]);

		printf("#   %-42s gen %d: %d+%d, %d copied; pins %d %d; captured %d\n",
		       step ? step : "begin", s->wal.gen, s->wal.base, s->wal.mx, s->wal.backfill,
		       s->old, s->next, s->cap);
	}
}

static void
search(enum variant v, bool print)
{
	static const struct state first = {.wal = {.gen = 1}};

	variant = v;
	states_clear();
	violation = NULL;
	images = captures = 0;
	from = 0;
	reach(&first, NULL);
	for (from = 1; from <= states_count() && !violation; from++) {
		struct state s;

		memcpy(&s, states_at(from), sizeof s);
		writer_steps(&s);
		reader_steps(&s);
		checkpointer_steps(&s);
		engine_steps(&s);
		if (violation && print) {
			printf("# %s: %s\n", variant_names[v], violation);
			print_way(from);
		}
	}
	printf("# %s: %" PRIu32 " states, %zu captures, %zu images: %s\n", variant_names[v],
	       states_count(), captures, images, violation ? violation : "no violation");
}

int
main(int argc, char **argv)
{
	if (!states_open(sizeof(struct state), STATES))
		return 1;
	if (argc > 1) {
		search((enum variant)(atoi(argv[1]) % VARIANTS), true);
		return 0;
	}
	search(SOUND, true);
	ok(!violation, "no commit is lost in any of %" PRIu32 " states", states_count());
	ok(images && captures, "captures and images were among them");
	for (enum variant v = SOUND + 1; v < VARIANTS; v++) {
		search(v, false);
		ok(violation, "broken on purpose, %s: found", variant_names[v]);
	}
	return tap_done();
}
