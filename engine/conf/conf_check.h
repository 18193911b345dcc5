/* SPDX-License-Identifier: Apache-2.0 */
/* conf_check: paths, and what is wrong between the entries of a configuration. Reads file
 * identities only. */
#ifndef ENGINE_CONF_CONF_CHECK_H
#define ENGINE_CONF_CONF_CHECK_H

#include "engine/conf/conf.h"

/* One database twice (by path, by device and inode), one state directory or one destination twice:
 * -EINVAL. Cost: O(n log n), one or two stat calls for each path. */
LS_MUST_USE int conf_check_duplicates(const struct conf *c, struct ls_err *err);

/* "~/", "sqlite://" and relative paths become absolute and clean. Caller frees *ret. */
LS_MUST_USE int conf_check_path(const char *path, char **ret, struct ls_err *err);

#endif
