/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_dir: an item of "dbs:" that names a directory stands for every SQLite database in it.
 *
 * A member is named by its path below the directory, REL. It matches if the base name does, by a
 * shell pattern in which a star also matches a leading dot; "-wal", "-shm" and "-journal" never do,
 * and a name with a slash only with recursive. It is a database once its file begins with a whole
 * SQLite header and is as long as that says: a copy that is under way is none.
 * Its replica is REL below the replica of the directory; its state directory .NAME-litestream
 * beside it, or META-DIR/REL-litestream, or META-PATH/DIR-OF-REL/.NAME-litestream.
 * Source: spec/contract.md 2.6. Threads: any; what is returned is the caller's.
 */
#ifndef ENGINE_CONF_CONF_DIR_H
#define ENGINE_CONF_CONF_DIR_H

#include "engine/conf/conf.h"

/* Added to c, with all defaults; NULL: out of memory. */
struct conf_dir *conf_dir_new(struct conf *c);
void conf_dir_done(struct conf_dir *d);

/* The length of the name of the database to which SQLite's file of this name belongs. */
size_t conf_dir_stem(const char *name);
/* Whether the name of a member fits; no file is looked at. */
bool conf_dir_matches(const struct conf_dir *d, const char *rel);

/* number: d is conf.dirs[number - 1]. The caller frees *ret with conf_db_done(). */
LS_MUST_USE int conf_dir_member(const struct conf_dir *d, size_t number, const char *rel,
				struct conf_db *ret, struct ls_err *err);

struct conf_dir_walk {
	/* A file that matches; not opened yet. A negative result ends the walk. */
	int (*found)(void *arg, const char *rel, struct ls_err *err);
	/* A directory that is read, with d->recursive also those below. May be NULL. */
	int (*entered)(void *arg, const char *path, struct ls_err *err);
	void *arg;
};

/* Symbolic links to directories are not followed. Names that are not UTF-8 are names, too. Cost:
 * one readdir of each directory. */
LS_MUST_USE int
conf_dir_walk(const struct conf_dir *d, const struct conf_dir_walk *w, struct ls_err *err);
bool conf_dir_is_database(const char *path);

/*
 * Adds the members that exist to c->dbs, but for those that have an item of their own, and checks
 * that no two share files, state or replica. Logs what was found.
 * demand: none in a directory that is not watched is an error, as is a directory that is not there.
 */
LS_MUST_USE int conf_dir_expand(struct conf *c, bool demand, struct ls_err *err);

#endif
