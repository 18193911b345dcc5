/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/gaps.h"

#include "tools/print.h"

#include <inttypes.h>
#include <stdio.h>

void
gaps_print(const struct catalog_gap *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf("gap: nothing between %016" PRIx64 " and %016" PRIx64 " can be restored\n",
		       v[i].after, v[i].before);
}

json_t *
gaps_as_json(const struct catalog_gap *v, size_t n)
{
	char after[LTX_TXID_LEN + 1], before[LTX_TXID_LEN + 1];
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		ltx_txid_format(v[i].after, after);
		ltx_txid_format(v[i].before, before);
		if (print_append(list, json_pack("{s:s, s:s}", "after", after, "before", before),
				 NULL) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
