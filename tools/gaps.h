/* SPDX-License-Identifier: Apache-2.0 */
/* gaps: what of a replica cannot be restored, as points and verify tell it. Threads: single. */
#ifndef TOOLS_GAPS_H
#define TOOLS_GAPS_H

#include "engine/replica/catalog.h"

#include <jansson.h>

void gaps_print(const struct catalog_gap *v, size_t n);
/* A list of "after" and "before". NULL: out of memory. */
json_t *gaps_as_json(const struct catalog_gap *v, size_t n);

#endif
