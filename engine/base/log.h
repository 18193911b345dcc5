/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: records for the operator, in the forms of spec/contract.md 4.7 (text, json, pretty).
 *
 *   log_write(LOG_INFO, "snapshot complete", LOG_STR("db", name), LOG_TXID("txid", txid));
 *
 * Functions in engine/ log at DEBUG at most; the supervisor loop, fs/ops.c and tools/ log the rest,
 * once for each failure. No credential has a formatter. Threads: any; one write(2) a record.
 */
#ifndef ENGINE_BASE_LOG_H
#define ENGINE_BASE_LOG_H

#include "engine/base/err.h"

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_type { LOG_TEXT, LOG_JSON, LOG_PRETTY };
enum log_kind { LOG_END, LOG_KIND_STR, LOG_KIND_U64, LOG_KIND_I64, LOG_KIND_TXID, LOG_KIND_MS };

struct log_field {
	const char *key;
	enum log_kind kind;
	const char *s;
	int64_t i;
};

#define LOG_STR(k, v) ((struct log_field){.key = (k), .kind = LOG_KIND_STR, .s = (v)})
#define LOG_U64(k, v) ((struct log_field){.key = (k), .kind = LOG_KIND_U64, .i = (int64_t)(v)})
#define LOG_I64(k, v) ((struct log_field){.key = (k), .kind = LOG_KIND_I64, .i = (v)})
#define LOG_TXID(k, v) ((struct log_field){.key = (k), .kind = LOG_KIND_TXID, .i = (int64_t)(v)})
/* A duration in milliseconds: "1.5s" in text, integer nanoseconds in JSON, as the original. */
#define LOG_MS(k, v) ((struct log_field){.key = (k), .kind = LOG_KIND_MS, .i = (int64_t)(v)})

struct log_config {
	enum log_level level;
	enum log_type type;
	int fd; /* 1 or 2 */
};

void log_setup(const struct log_config *c);
bool log_enabled(enum log_level level);
void log_record(enum log_level level, const char *msg, const struct log_field *fields);

#define log_write(level, ...) log_write_(level, __VA_ARGS__, (struct log_field){.kind = LOG_END})
#define log_write_(level, msg, ...)                                                                \
	log_record((level), (msg), (const struct log_field[]){__VA_ARGS__})

/* trace, debug, info, warn, warning, error in any case; anything else: info. */
enum log_level log_level_parse(const char *s);

#endif
