/* SPDX-License-Identifier: Apache-2.0 */
/* conf_check: what is wrong between the entries of a configuration. Reads file identities only. */
#ifndef ENGINE_CONF_CONF_CHECK_H
#define ENGINE_CONF_CONF_CHECK_H

#include "engine/conf/conf.h"

/* One database twice (by path or by device and inode), one destination twice. -EINVAL. */
LS_MUST_USE int conf_check_duplicates(const struct conf *c, struct ls_err *err);

/* "~/", "sqlite://" and relative paths become absolute. Caller frees *ret. */
LS_MUST_USE int conf_check_path(const char *path, char **ret, struct ls_err *err);

#endif
