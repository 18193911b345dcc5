/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walmodel: SQLite's write-ahead log as a model that knows everything: the bytes of the WAL file,
 * the database file, the wal-index, what of the two files has been synced, and who holds a read
 * slot. Pages are 8 bytes, salts and checksums are real.
 *
 * Modelled after wal.c of SQLite 3.40: restart by a writer with salt1 + 1 or, on a connection that
 * never restarted a WAL, two random salts; spills that overwrite uncommitted frames in place and
 * rewrite checksums at commit, with the error of ROLLBACK TO that commits frames without salts
 * (H85); commits that fail behind their last frame (H10); checkpoints in four modes under readers;
 * journal_size_limit; last close; crash of one writer or of all, with recovery; power failure,
 * where each unsynced part may be there or not.
 */
#ifndef TESTS_MODEL_WALMODEL_H
#define TESTS_MODEL_WALMODEL_H

#include "engine/format/walidx.h"

#include <sys/stat.h>

enum {
	WM_PAGE_SIZE = 8,
	WM_FRAME = 32,
	WM_SLOTS = 120,
	WM_PAGES = 12,
	WM_CONNS = 3,
	WM_READERS = 2
};

struct wm_wal {
	bool has_header;
	struct wal_header header;
	uint32_t n; /* whole frames in the file */
	bool partial;
	uint8_t frame[WM_SLOTS][WM_FRAME];
};

struct wm_db {
	uint32_t n; /* pages in the file */
	uint64_t page[WM_PAGES + 1];
};

struct wm_conn {
	bool open, full, persist; /* full: synchronous=FULL, else NORMAL */
	uint32_t nckpt;
	int limit; /* journal_size_limit in bytes, -1: none */
};

/* The transaction under way; at most one. */
struct wm_tx {
	bool active, restarted;
	struct wm_conn *conn;
	uint32_t first, mx, recksum; /* as iFirst, mxFrame, iReCksum */
	struct wal_sum sum;
	uint32_t npages;
	bool has[WM_PAGES + 1];
	uint64_t page[WM_PAGES + 1];
	struct {
		bool set;
		uint32_t mx, npages;
		struct wal_sum sum;
		bool has[WM_PAGES + 1];
		uint64_t page[WM_PAGES + 1];
	} save;
};

struct wm {
	uint64_t rng;
	uint64_t content; /* how many contents pages were given */
	struct wm_wal wal, synced_wal;
	struct wm_db db, synced_db;
	bool shm; /* somebody has the wal-index open */
	struct walidx_header idx;
	uint32_t pgno[WM_SLOTS + 1]; /* the wal-index's, from frame 1 */
	struct wm_conn conn[WM_CONNS];
	int reader[WM_READERS +
		   1]; /* -1: none, 0: slot 0, else the mark; the last is the engine's */
	struct wm_tx tx;
	uint64_t now_ns, db_time_ns, boot;
	uint32_t backfilled;  /* most of the generation in the file that ever was in the database */
	bool savepoint_fixed; /* no H85 */
	bool damaged;	      /* recovery dropped frames that had been backfilled: SQLite's H85 */
};

enum { WM_ENGINE = WM_READERS };
enum wm_mode { WM_PASSIVE, WM_FULL, WM_RESTART, WM_TRUNCATE };
enum wm_end { WM_COMMIT, WM_ROLLBACK, WM_PHANTOM /* all frames written, then an error or death */ };

uint32_t wm_random(struct wm *m, uint32_t n); /* 0..n-1 */
void wm_init(struct wm *m, uint64_t seed);
void wm_pass_time(struct wm *m, uint64_t ns);

/* Opens the wal-index if nobody has it; recovery. */
void wm_attach(struct wm *m);
struct wm_conn *wm_open(struct wm *m); /* NULL: too many */
void wm_close(struct wm *m, struct wm_conn *c);
void wm_pin(struct wm *m, int reader);
void wm_unpin(struct wm *m, int reader);

/* False: the model's WAL is full. */
bool wm_begin(struct wm *m, struct wm_conn *c);
void wm_write(struct wm *m, uint32_t pgno, bool spill);
void wm_shrink(struct wm *m, uint32_t npages);
void wm_savepoint(struct wm *m);
void wm_rollback_to(struct wm *m);
void wm_end(struct wm *m, enum wm_end how);
/* The writer dies while it writes the next frame's header. */
void wm_kill_writer(struct wm *m, uint32_t pgno);

void wm_checkpoint(struct wm *m, struct wm_conn *c, enum wm_mode mode, bool die);
void wm_crash(struct wm *m);
void wm_power_failure(struct wm *m);
void wm_remove_wal(struct wm *m); /* with nobody there */
bool wm_anybody(const struct wm *m);

/* What a reader sees. */
uint32_t wm_size(const struct wm *m);
uint64_t wm_page(const struct wm *m, uint32_t pgno);
void wm_stat(const struct wm *m, struct stat *ret);

#endif
