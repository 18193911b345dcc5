/* SPDX-License-Identifier: Apache-2.0 */
/* store_file: a local directory as a store; the reference driver. */
#ifndef ENGINE_STORE_STORE_FILE_H
#define ENGINE_STORE_STORE_FILE_H

#include "engine/store/store.h"

LS_MUST_USE int
store_file_open(const struct store_config *cfg, struct store **ret, struct ls_err *err);

#endif
