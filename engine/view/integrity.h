/* SPDX-License-Identifier: Apache-2.0 */
/*
 * integrity: SQLite's own check of a database file that nobody writes. Nothing is made beside the
 * file, also if its journal mode is WAL.
 * Memory: SQLite's page cache, 64 MiB at most. Cost: SQLite's; it reads every page once or more.
 */
#ifndef ENGINE_VIEW_INTEGRITY_H
#define ENGINE_VIEW_INTEGRITY_H

#include "engine/base/err.h"
#include "engine/base/stop.h"

enum integrity_mode { INTEGRITY_NONE, INTEGRITY_QUICK, INTEGRITY_FULL };

/* "none", "quick", "full". */
const char *integrity_name(enum integrity_mode mode);
bool integrity_parse(const char *name, enum integrity_mode *ret);

/* -EBADMSG: the check found something, the text is the first of it. -ECANCELED. */
LS_MUST_USE int integrity_check(const char *path, enum integrity_mode mode, const struct stop *stop,
				struct ls_err *err);

#endif
