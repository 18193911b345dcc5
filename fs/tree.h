/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree: the names of a mount and their inode numbers. Pure.
 *
 *   /latest.db                      link to the newest transaction
 *   /txid/<16 hex>.db               with hidden -wal (32 zero bytes) and -shm (empty) siblings
 *   /at/<expression>.db             link, by lookup only
 *   /time/YYYY/MM/DD/<time>.db      links
 *   /snapshots/<16 hex>.db          links
 *   /generations/<id>/<index>-<end>.db
 *                                   of Litestream 0.3 (view/old.h), with siblings, too
 *   /raw/...                        the objects by key (raw.h)
 *
 * An inode number is kind (4 bits) | stamp (16) | TXID or date (42), top bits clear: the same for
 * every mount of the same replica, and another one when the objects behind a TXID have changed.
 */
#ifndef FS_TREE_H
#define FS_TREE_H

#include <stdbool.h>
#include <stdint.h>

enum tree_kind {
	TREE_ROOT, /* inode 1 */
	TREE_TXID_DIR,
	TREE_AT_DIR,
	TREE_SNAPSHOT_DIR,
	TREE_TIME_DIR, /* value: date, 0 is /time itself */
	TREE_OLD_DIR,  /* value: number of a generation's name, 0 is /generations itself */
	TREE_RAW_DIR,  /* value: number of a key's beginning, 0 is /raw itself */
	TREE_OLD_FILE, /* value: number of the state << 2 | enum tree_which */
	TREE_RAW_FILE, /* value: number of a key */
	TREE_LATEST,
	TREE_DB, /* value: TXID, from here on */
	TREE_WAL,
	TREE_SHM,
	TREE_AT_LINK,
	TREE_SNAPSHOT_LINK,
	TREE_TIME_LINK,
};

enum tree_which { TREE_THE_DB, TREE_ITS_WAL, TREE_ITS_SHM };

struct tree_node {
	enum tree_kind kind;
	uint64_t value;
	uint16_t stamp;
};

enum { TREE_NAME_MAX = 40 };

/* TXIDs beyond this cannot be shown. */
#define TREE_VALUE_MAX ((UINT64_C(1) << 42) - 1)

uint64_t tree_ino(const struct tree_node *n);
bool tree_node(uint64_t ino, struct tree_node *ret);

bool tree_is_dir(enum tree_kind kind);
bool tree_is_link(enum tree_kind kind);

/* "<hex>.db", "<hex>.db-wal", "<hex>.db-shm": any case, leading zeros may be missing. */
bool tree_parse_txid(const char *name, uint64_t *ret_txid, enum tree_kind *ret_kind);
void tree_txid_name(uint64_t txid, char out[TREE_NAME_MAX]);

/* "<8 hex>-<8 hex>.db", and its siblings; more digits for a longer WAL. */
bool tree_parse_old(const char *name, uint32_t *ret_index, uint64_t *ret_end,
		    enum tree_which *ret_which);
void tree_old_name(uint32_t index, uint64_t end, char out[TREE_NAME_MAX]);

/* Dates of /time: year << 9 | month << 5 | day; month and day may be 0 for the levels above. */
uint64_t tree_date(int64_t time_ms);
uint64_t tree_date_parent(uint64_t date, int depth); /* 1 year, 2 month, 3 day */
int tree_date_depth(uint64_t date);		     /* 0 for /time */
/* Last part of the path of a date: "2026", "11", "25". */
void tree_date_name(uint64_t date, char out[TREE_NAME_MAX]);
/* The child of a date by name; 0: no such form. */
uint64_t tree_date_child(uint64_t date, const char *name);

#endif
