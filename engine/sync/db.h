/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db: one watched database: SQLite connections, pins, the mapped wal-index, own descriptors.
 *
 * Two connections hold read transactions in turn ("leapfrog", engine.md 7.3): db_pin_next() begins
 * one on the idle connection, db_pin_swap() ends the older one. From db_open() to db_close() at
 * least one is held. Nothing is ever written into the database but the switch to WAL mode.
 *
 * The database and -shm files are never opened and closed outside SQLite while it has them open:
 * that would drop its POSIX locks. db_read() reads through SQLite's own descriptor.
 *
 * Descriptors: 3 at rest (database, -wal, -shm), after the first pin that moved 4 (SQLite keeps the
 * closed connection's, for the locks' sake); up to 8 in use.
 * Threads: single (the owner).
 */
#ifndef ENGINE_SYNC_DB_H
#define ENGINE_SYNC_DB_H

#include "engine/conf/conf.h"
#include "engine/format/walidx.h"

#include <sqlite3.h>
#include <sys/stat.h>

enum db_state {
	DB_READY,
	DB_MISSING,  /* no file: wait */
	DB_EMPTY,    /* no page yet: wait */
	DB_BUSY,     /* exclusive or busy: wait */
	DB_ROLLBACK, /* journal-mode: keep, and it is not in WAL mode: wait */
};

struct db {
	const struct conf_db *conf;
	char *wal_path, *shm_path;
	sqlite3 *conn[2];
	sqlite3_stmt *pin[2]; /* of each; while it is busy, its read transaction is open */
	sqlite3 *locks;	      /* opened when first needed; holds the two locks below */
	bool holds_write, holds_checkpoints;
	bool lent_checkpoints; /* held but for this moment */
	int current;	       /* conn that holds the pin; the other one is opened when needed */
	bool next;	       /* the other one holds one, too */
	bool pinned_known;
	struct walidx_header pinned; /* what it was just before the newest pin */
	int wal_fd;		     /* -1 at rest */
	struct stat st;		     /* identity at open */
	struct stat wal_st, shm_st;  /* of the files beside it */
	uint32_t page_size;
	bool switched;	       /* to WAL mode by us */
	const char *remote_fs; /* name of the network file system it is on, or NULL */
	volatile void *shm;    /* region 0 of the wal-index */
};

/* One process-wide SQLite set-up; before any connection. */
LS_MUST_USE int db_library_init(struct ls_err *err);

/*
 * Opens and pins. *ret_state other than DB_READY: nothing is open, the text in err says what is
 * waited for, and 0 is returned. -EBADMSG: not a SQLite database; -EACCES; others.
 */
LS_MUST_USE int
db_open(const struct conf_db *conf, struct db *ret, enum db_state *ret_state, struct ls_err *err);
void db_close(struct db *db);

/* At rest: closes what is opened again when it is needed, db_wake() before wal_fd is used. */
void db_rest(struct db *db);
LS_MUST_USE int db_wake(struct db *db, struct ls_err *err);

/* Does nothing if a new pin would be the one that is held. */
LS_MUST_USE int db_pin_next(struct db *db, struct ls_err *err);
void db_pin_swap(struct db *db);   /* ends the older pin */
void db_pin_cancel(struct db *db); /* ends the newer one */
/* Whether a new pin would be further on: at a newer horizon, or on slot 0, because the database
 * file has everything now. A checkpoint that waits for that holds the write lock (H27). */
bool db_pin_is_behind(const struct db *db, const struct walidx_header *hz);
/* Without a capture, moves the pin to the newest frame, so that a checkpoint can copy what the
 * application has committed. false: it would be on slot 0, or may be. before: a look at hand. */
bool db_pin_advance(struct db *db, const struct walidx_header *before);

/* A consistent copy of the wal-index header. -EAGAIN: none within a millisecond. */
LS_MUST_USE int db_walidx(const struct db *db, struct walidx_header *ret, struct ls_err *err);
/* The page number that the wal-index has for a frame (from 1). 0: not mapped. */
uint32_t db_frame_pgno(const struct db *db, uint32_t frame);

/* Bytes of the database file: *ret_n is less than n at its end only. */
LS_MUST_USE int
db_read(const struct db *db, void *buf, size_t n, uint64_t off, size_t *ret_n, struct ls_err *err);
LS_MUST_USE int db_size(const struct db *db, uint64_t *ret, struct ls_err *err);

/* Whether the three paths, or only that of the database, name other files than those that were
 * opened (H33, H88). */
bool db_replaced(const struct db *db, bool first_only);
/* Whether it is that of the database, and no symbolic link to it. */
bool db_is_named_directly(const struct db *db);

/* PASSIVE, or one try of TRUNCATE, on the connection that holds no pin. Busy is no error. */
LS_MUST_USE int db_checkpoint(struct db *db, bool truncate, struct ls_err *err);

/*
 * Two locks of the wal-index, taken through SQLite's own VFS as its writers and checkpointers do;
 * the kernel gives them back if we die.
 *
 * db_barrier: the write lock, with a short wait. -EBUSY: not now.
 * db_hold_checkpoints: the checkpoint lock, if it is free. While it is held the automatic
 * checkpoint of an application costs it one system call; db_checkpoint() lends it to itself.
 * db_lend_checkpoints: until it is taken back, held or given up. db_take_back_checkpoints: whether
 * it could be, within a fraction of a millisecond.
 */
LS_MUST_USE int db_barrier_begin(struct db *db, struct ls_err *err);
void db_barrier_end(struct db *db);
void db_hold_checkpoints(struct db *db, bool hold);
void db_lend_checkpoints(struct db *db);
bool db_take_back_checkpoints(struct db *db);
bool db_checkpoints_are_free(struct db *db);

/* Between the files of db and held. db_pin: begins a read transaction on conn[i]; db_step_pin: with
 * one of the two highest read marks, if one is free. */
LS_MUST_USE int db_pin(struct db *db, int i, struct ls_err *err);
int db_step_pin(struct db *db, int i);
LS_MUST_USE int db_connect(const struct db *db, sqlite3 **ret, struct ls_err *err);
/* Does nothing if *conn is there. -EAGAIN: the path means other files now. */
LS_MUST_USE int db_connect_again(struct db *db, sqlite3 **conn, struct ls_err *err);
LS_MUST_USE int db_idle_connection(struct db *db, sqlite3 **ret, struct ls_err *err);
int db_sqlite_error(sqlite3 *conn, int sql_rc, const char *what, struct ls_err *err);
void db_locks_close(struct db *db);

#endif
