/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_env: $NAME and ${NAME} in the raw bytes of the configuration, before YAML, exactly as the
 * released program does it (spec/contract.md 2.3). There is no escape. Reads the environment.
 */
#ifndef ENGINE_CONF_CONF_ENV_H
#define ENGINE_CONF_CONF_ENV_H

#include "engine/base/buf.h"

/* Called for each name that is not set and became empty, except in lines that are comments. A
 * negative result ends the expansion and is returned. */
typedef int conf_env_unset_fn(void *arg, const char *name, size_t line);

/* Appends the expanded text to out. -EINVAL: larger than out->max; -ENOMEM from fn. */
LS_MUST_USE int conf_env_expand(const char *text, size_t n, struct ls_buf *out,
				conf_env_unset_fn *unset, void *arg, struct ls_err *err);

#endif
