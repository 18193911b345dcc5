/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timex: a moment in words or figures -> milliseconds since the Unix epoch. One parser for
 * "restore -timestamp" and the mount's at/ (decisions.md 8).
 *
 *   2026-11-25T10:00:00Z, ...:00.123+02:00     RFC 3339, as written
 *   2026-11-25T10-00-00Z                       the same without colons, for file names
 *   2026-11-25, 2026-11-25 10:00[:30]          local zone; a date alone is its start
 *   1700000000, 1700000000.5                   Unix seconds
 *   now, today, yesterday [14:00], 10min ago, 2h-ago, 1d12h_ago, 3 weeks ago, an hour ago
 *
 * Blank, '-' and '_' are equal between words; letters in any case.
 */
#ifndef ENGINE_BASE_TIMEX_H
#define ENGINE_BASE_TIMEX_H

#include "engine/base/err.h"

/* -EINVAL, naming what was not understood. now_ms: what "ago" counts from. */
LS_MUST_USE int timex_parse(const char *s, int64_t now_ms, int64_t *ret_ms, struct ls_err *err);

/* The strict form of "restore -timestamp" in the released program. */
bool timex_is_rfc3339(const char *s);

enum { TIMEX_LEN = 32 };
void timex_format(int64_t ms, char out[TIMEX_LEN]);	 /* 2026-11-25T10:00:00Z, UTC */
void timex_format_ms(int64_t ms, char out[TIMEX_LEN]);	 /* 2026-11-25T10:00:00.123Z */
void timex_format_name(int64_t ms, char out[TIMEX_LEN]); /* 2026-11-25T10-00-00.123Z */

/* Durations in Go's form ("1h30m", "300ms"), in nanoseconds. */
LS_MUST_USE int timex_duration(const char *s, int64_t *ret_ns, struct ls_err *err);

#endif
