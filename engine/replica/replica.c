/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/replica/replica.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Storage kinds that write four hex digits for the level and no "ltx/" before it. */
static bool
hex_levels(const struct replica *r)
{
	return strcmp(r->scheme, "s3") == 0 || strcmp(r->scheme, "oss") == 0;
}

void
replica_init(struct replica *r, struct store *store)
{
	r->store = store;
	r->scheme = store->ops->scheme;
}

const char *
replica_levels_prefix(const struct replica *r)
{
	return hex_levels(r) ? "000" : "ltx/";
}

void
replica_level_prefix(const struct replica *r, int level, char out[REPLICA_KEY_MAX])
{
	if (level == REPLICA_PACKS)
		snprintf(out, REPLICA_KEY_MAX, "fine/");
	else if (hex_levels(r))
		snprintf(out, REPLICA_KEY_MAX, "%04x/", (unsigned)level);
	else
		snprintf(out, REPLICA_KEY_MAX, "ltx/%d/", level);
}

void
replica_key(const struct replica *r, int level, uint64_t min, uint64_t max,
	    char out[REPLICA_KEY_MAX])
{
	char name[LTX_PACK_NAME_LEN + 1], prefix[REPLICA_KEY_MAX];

	replica_level_prefix(r, level, prefix);
	if (level == REPLICA_PACKS)
		ltx_pack_name_format(min, max, name);
	else
		ltx_name_format(min, max, name);
	snprintf(out, REPLICA_KEY_MAX, "%.16s%s", prefix, name);
}

void
replica_interior_key(uint64_t max, char out[REPLICA_KEY_MAX])
{
	snprintf(out, REPLICA_KEY_MAX, "fine/%016" PRIx64 ".interior", max);
}

bool
replica_interior_parse(const char *key, uint64_t *ret_max)
{
	char again[REPLICA_KEY_MAX];

	if (strncmp(key, "fine/", 5) != 0)
		return false;
	*ret_max = strtoull(key + 5, NULL, 16);
	replica_interior_key(*ret_max, again);
	return strcmp(key, again) == 0;
}

bool
replica_key_parse(const struct replica *r, const char *key, int *ret_level, uint64_t *ret_min,
		  uint64_t *ret_max)
{
	char prefix[REPLICA_KEY_MAX];

	for (int level = 0; level <= REPLICA_PACKS; level++) {
		size_t n;

		replica_level_prefix(r, level, prefix);
		n = strlen(prefix);
		if (strncmp(key, prefix, n) != 0)
			continue;
		*ret_level = level;
		return level == REPLICA_PACKS ? ltx_pack_name_parse(key + n, ret_min, ret_max)
					      : ltx_name_parse(key + n, ret_min, ret_max);
	}
	return false;
}
