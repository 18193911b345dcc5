/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_env: $NAME and ${NAME} in the raw bytes of the configuration, before YAML, exactly as the
 * released program does it (spec/contract.md 2.3). There is no escape.
 */
#ifndef ENGINE_CONF_CONF_ENV_H
#define ENGINE_CONF_CONF_ENV_H

#include "engine/base/buf.h"

/* Appends the expanded text to out. *ret_unset counts names that were not set. */
LS_MUST_USE int conf_env_expand(const char *text, size_t n, struct ls_buf *out, unsigned *ret_unset,
				struct ls_err *err);

#endif
