/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/log.h"

#include "engine/base/buf.h"
#include "engine/base/clock.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* A line has a dozen fields at most, so that it is never cut. */
enum { VALUE_MAX = 4096, LINE_MAX_BYTES = 512 << 10 };

static struct log_config config = {.level = LOG_INFO, .fd = 1};
static const char *const names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR"};

void
log_setup(const struct log_config *c)
{
	config = *c;
}

bool
log_enabled(enum log_level level)
{
	return level >= config.level;
}

enum log_level
log_level_parse(const char *s)
{
	for (int i = 0; i < 5; i++)
		if (strcasecmp(s, names[i]) == 0)
			return (enum log_level)i;
	return strcasecmp(s, "warning") == 0 ? LOG_WARN : LOG_INFO;
}

/* Failures here only shorten the line. */
#define PUT(...)                                                                                   \
	do                                                                                         \
		if (ls_buf_printf(__VA_ARGS__) < 0)                                                \
			return;                                                                    \
	while (0)

/* Bytes of one character that may be printed as they are, 0: escape the byte. */
static size_t
plain_bytes(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;

	if (*p < 0x80)
		return *p >= ' ' && *p != 0x7f && *p != '"' && *p != '\\';
	/* UTF-8, not C1 controls, surrogates, overlong or beyond the last code point. */
	if (*p < 0xc2 || *p > 0xf4 || (*p == 0xc2 && p[1] < 0xa0) || (*p == 0xe0 && p[1] < 0xa0) ||
	    (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
	    (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static void
put_escape(struct ls_buf *b, unsigned char c)
{
	if (c == '"' || c == '\\')
		PUT(b, "\\%c", c);
	else if (c == '\n')
		PUT(b, "\\n");
	else if (c == '\t')
		PUT(b, "\\t");
	else if (c == '\r')
		PUT(b, "\\r");
	else if (config.type != LOG_JSON)
		PUT(b, "\\x%02x", c);
	else if (c < 0x80)
		PUT(b, "\\u%04x", c);
	else
		PUT(b, "\\ufffd");
}

/* A value longer than VALUE_MAX ends in "...". */
static void
put_quoted(struct ls_buf *b, const char *s)
{
	const char *start = s;

	PUT(b, "\"");
	while (*s && s - start < VALUE_MAX) {
		size_t n = plain_bytes(s);

		if (n)
			PUT(b, "%.*s", (int)n, s);
		else
			put_escape(b, (unsigned char)*s);
		s += n ? n : 1;
	}
	PUT(b, "%s\"", *s ? "..." : "");
}

static bool
needs_quotes(const char *s)
{
	const char *start = s;
	size_t n;

	if (!*s)
		return true;
	for (; *s; s += n) {
		n = *s == '\\' ? 1 : plain_bytes(s);
		if (n == 0 || *s == ' ' || *s == '=' || s - start >= VALUE_MAX)
			return true;
	}
	return false;
}

static void
put_string(struct ls_buf *b, const char *s)
{
	s = s ? s : "";
	if (config.type == LOG_JSON || needs_quotes(s))
		put_quoted(b, s);
	else
		PUT(b, "%s", s);
}

/* A duration as Go prints it: "250ms", "1.5s", "1m0s", "1h0m0s". */
static void
put_duration(struct ls_buf *b, int64_t ms)
{
	int64_t s = ms / 1000;

	if (config.type == LOG_JSON)
		PUT(b, "%" PRId64, ms * 1000000);
	else if (ms == 0)
		PUT(b, "0s");
	else if (ms < 1000)
		PUT(b, "%" PRId64 "ms", ms);
	else if (s < 60)
		PUT(b, "%gs", (double)ms / 1000);
	else if (s < 3600)
		PUT(b, "%" PRId64 "m%gs", s / 60, (double)(ms % 60000) / 1000);
	else
		PUT(b, "%" PRId64 "h%" PRId64 "m%gs", s / 3600, s / 60 % 60,
		    (double)(ms % 60000) / 1000);
}

static void
put_value(struct ls_buf *b, const struct log_field *f)
{
	switch (f->kind) {
	case LOG_KIND_STR:
		put_string(b, f->s);
		break;
	case LOG_KIND_U64:
		PUT(b, "%" PRIu64, (uint64_t)f->i);
		break;
	case LOG_KIND_I64:
		PUT(b, "%" PRId64, f->i);
		break;
	case LOG_KIND_TXID:
		PUT(b, config.type == LOG_JSON ? "\"%016" PRIx64 "\"" : "%016" PRIx64,
		    (uint64_t)f->i);
		break;
	case LOG_KIND_MS:
		put_duration(b, f->i);
		break;
	case LOG_END:
		break;
	}
}

static void
put_time(struct ls_buf *b)
{
	int64_t ms = clock_wall_ms();
	time_t t = (time_t)(ms / 1000);
	char date[40], zone[8];
	struct tm tm;

	localtime_r(&t, &tm);
	if (config.type == LOG_PRETTY) {
		strftime(date, sizeof date, "%H:%M:%S", &tm);
		PUT(b, "%s", date);
		return;
	}
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof zone, "%z", &tm);
	if (tm.tm_gmtoff == 0)
		PUT(b, "%s.%03dZ", date, (int)(ms % 1000));
	else
		PUT(b, "%s.%03d%.3s:%s", date, (int)(ms % 1000), zone, zone + 3);
}

static void
put_head(struct ls_buf *b, enum log_level level, const char *msg)
{
	static const char *const colours[] = {"90", "90", "32", "33", "31"};
	static const char *const shorts[] = {"TRC", "DBG", "INF", "WRN", "ERR"};

	if (config.type == LOG_JSON) {
		PUT(b, "{\"time\":\"");
		put_time(b);
		PUT(b, "\",\"level\":\"%s\",\"msg\":", names[level]);
		put_quoted(b, msg);
	} else if (config.type == LOG_PRETTY) {
		bool tty = isatty(config.fd);

		put_time(b);
		if (tty)
			PUT(b, " \033[%sm%s\033[0m %s", colours[level], shorts[level], msg);
		else
			PUT(b, " %s %s", shorts[level], msg);
	} else {
		PUT(b, "time=");
		put_time(b);
		PUT(b, " level=%s msg=", names[level]);
		put_string(b, msg);
	}
}

void
log_record(enum log_level level, const char *msg, const struct log_field *fields)
{
	LS_AUTO(ls_buf_done) struct ls_buf b = {.max = LINE_MAX_BYTES};
	ssize_t n;

	if (!log_enabled(level))
		return;
	put_head(&b, level, msg);
	for (const struct log_field *f = fields; f->kind != LOG_END; f++) {
		PUT(&b, config.type == LOG_JSON ? ",\"%s\":" : " %s=", f->key);
		put_value(&b, f);
	}
	PUT(&b, config.type == LOG_JSON ? "}\n" : "\n");
	n = write(config.fd, b.p, b.len);
	(void)n; /* a log that nobody can read is no reason to stop */
}
