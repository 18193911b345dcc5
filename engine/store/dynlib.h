/* SPDX-License-Identifier: Apache-2.0 */
/* dynlib: functions of a shared library that is loaded when it is first needed, and never unloaded.
 * Threads: any. */
#ifndef ENGINE_STORE_DYNLIB_H
#define ENGINE_STORE_DYNLIB_H

#include <stdbool.h>
#include <stddef.h>

struct dynlib_symbol {
	const char *name;
	void *at; /* the pointer to a function that is set */
};

/* All n symbols, or false; dlerror() tells why. */
bool dynlib_load(const char *library, const struct dynlib_symbol *v, size_t n);

#endif
