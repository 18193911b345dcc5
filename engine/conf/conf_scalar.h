/* SPDX-License-Identifier: Apache-2.0 */
/* conf_scalar: YAML 1.1 scalars as the released program reads them (spec/contract.md 2.2). Pure. */
#ifndef ENGINE_CONF_CONF_SCALAR_H
#define ENGINE_CONF_CONF_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

/* y, yes, on, true, their negatives; lower case, Capitalised or UPPER CASE. */
bool conf_scalar_bool(const char *s, bool *ret);
/* 5, -5, 0x10, 0o17, 017 (octal), 0b11, 1_000, 5.0. */
bool conf_scalar_int(const char *s, int64_t *ret);
/* A number with a fraction, towards zero: 1.5 is 1. Only for bare durations, which are ns. */
bool conf_scalar_decimal(const char *s, int64_t *ret);
/* Bytes: 5, 1.5, with kB MB GB (of 1000) or KiB MiB GiB (of 1024), K M G being of 1000, in any
 * case, a blank before the unit is allowed. */
bool conf_scalar_size(const char *s, uint64_t *ret);

#endif
