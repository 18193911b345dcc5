/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/dynlib.h"

#include <dlfcn.h>
#include <string.h>

bool
dynlib_load(const char *library, const struct dynlib_symbol *v, size_t n)
{
	void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; lib && i < n; i++) {
		void *symbol = dlsym(lib, v[i].name);

		if (!symbol)
			return false;
		memcpy(v[i].at, &symbol, sizeof symbol);
	}
	return lib != NULL;
}
