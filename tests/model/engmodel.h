/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engmodel: capture, as engine/sync/capture.c does it, over a walmodel: a replica that holds a
 * number for each page, and a position record. What it does after an interval without a pin is
 * decided by the real continuity_decide().
 */
#ifndef TESTS_MODEL_ENGMODEL_H
#define TESTS_MODEL_ENGMODEL_H

#include "engine/sync/continuity.h"
#include "tests/model/walmodel.h"

struct em {
	bool up;
	struct position pos; /* txid 0: none yet */
	uint32_t npages;
	uint64_t page[WM_PAGES + 1];
	uint64_t unreadable; /* full images that found a WAL which does not verify: a real one fails
			      */
};

/* Rules that are broken on purpose, to see that the model would notice. */
enum em_fault {
	EM_SOUND,
	EM_END_PROVES,	   /* the end of the file counts as an older frame */
	EM_ANY_BOOT,	   /* a power failure is overlooked */
	EM_ALWAYS_CHAINED, /* H85 before the position is overlooked */
	EM_ZERO_PROVES,	   /* zero salts count as an older frame (H12) */
	EM_ONLY_SALTS,	   /* R1 without the recorded frame's checksum */
	EM_FAULTS,
};
const char *em_fault_name(enum em_fault fault);

struct em_verdict {
	enum continuity what;
	bool fell_back; /* the frames did not verify: a full image after all */
	bool wrong;	/* the replica is not the database */
	const char *why;
};

/* While up: captures to the horizon and moves the pin. */
void em_capture(struct em *e, struct wm *m);
/* Ends; clean: with everything captured, as a final sync does. */
void em_stop(struct em *e, struct wm *m, bool clean);
/* Starts, decides, captures and compares. */
struct em_verdict em_start(struct em *e, struct wm *m, enum em_fault fault);

#endif
