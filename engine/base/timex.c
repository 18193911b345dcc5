/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms are tried in turn: RFC 3339 (with ':' or '-' between the figures of the time), a date with
 * or without a time of the local zone, Unix seconds, words. Figures have at most 4 or 12 digits;
 * the sum of an "ago", which has as many terms as the text has room for, is checked.
 */
#include "config.h"

#include "engine/base/timex.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TEXT_MAX = 80 };

/* Reads exactly n digits. */
static bool
digits(const char **p, int n, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (!isdigit((unsigned char)(*p)[i]))
			return false;
		v = v * 10 + (*p)[i] - '0';
	}
	*p += n;
	*ret = v;
	return true;
}

static bool
skip(const char **p, const char *any)
{
	if (!**p || !strchr(any, **p))
		return false;
	++*p;
	return true;
}

static int
month_days(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static bool
parse_date(const char **p, struct tm *tm)
{
	int year, month, day;

	if (!digits(p, 4, &year) || !skip(p, "-") || !digits(p, 2, &month) || !skip(p, "-") ||
	    !digits(p, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > month_days(year, month))
		return false;
	*tm = (struct tm){.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
	return true;
}

/* HH:MM[:SS[.fraction]], or with '-' for ':'. *ret_full: seconds were there. */
static bool
parse_clock(const char **p, struct tm *tm, int *ret_ms, bool *ret_full)
{
	char sep[2] = ":";
	int scale = 100;

	*ret_ms = 0;
	*ret_full = false;
	if (!digits(p, 2, &tm->tm_hour))
		return false;
	sep[0] = **p == '-' ? '-' : ':';
	if (!skip(p, sep) || !digits(p, 2, &tm->tm_min))
		return false;
	if (**p == sep[0]) {
		++*p;
		if (!digits(p, 2, &tm->tm_sec))
			return false;
		*ret_full = true;
		if (skip(p, ".,")) {
			if (!isdigit((unsigned char)**p))
				return false;
			for (; isdigit((unsigned char)**p); ++*p, scale /= 10)
				*ret_ms += (**p - '0') * scale;
		}
	}
	return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 61;
}

/* Z, or +hh:mm. */
static bool
parse_zone(const char **p, int *ret_offset_s)
{
	int sign, h, m;

	*ret_offset_s = 0;
	if (skip(p, "Zz"))
		return true;
	sign = **p == '-' ? -1 : 1;
	if (!skip(p, "+-") || !digits(p, 2, &h) || (skip(p, ":"), !digits(p, 2, &m)) || h > 23 ||
	    m > 59)
		return false;
	*ret_offset_s = sign * (h * 3600 + m * 60);
	return true;
}

static int64_t
local_ms(struct tm tm)
{
	tm.tm_isdst = -1;
	return (int64_t)mktime(&tm) * 1000;
}

/* A date, perhaps with a time, perhaps with a zone. */
static bool
parse_absolute(const char *s, int64_t *ret)
{
	const char *p = s;
	int ms = 0, offset = 0;
	bool full = false;
	struct tm tm;

	if (!parse_date(&p, &tm))
		return false;
	if (!*p) {
		*ret = local_ms(tm);
		return true;
	}
	if (!skip(&p, "Tt _") || !parse_clock(&p, &tm, &ms, &full))
		return false;
	if (!*p) {
		*ret = local_ms(tm) + ms;
		return true;
	}
	if (!parse_zone(&p, &offset) || *p)
		return false;
	*ret = ((int64_t)timegm(&tm) - offset) * 1000 + ms;
	return true;
}

static bool
parse_unix(const char *s, int64_t *ret)
{
	int64_t v = 0;
	int n = 0, scale = 100;

	for (; isdigit((unsigned char)*s) && n < 12; s++, n++)
		v = v * 10 + *s - '0';
	if (n < 9)
		return false;
	v *= 1000;
	if (*s == '.')
		for (s++; isdigit((unsigned char)*s); s++, scale /= 10)
			v += (*s - '0') * scale;
	*ret = v;
	return !*s;
}

struct unit {
	const char *name;
	int64_t ms;
};

/* Longest first where one begins another. */
static const struct unit units[] = {
	{"milliseconds", 1},   {"millisecond", 1},     {"ms", 1},
	{"minutes", 60000},    {"minute", 60000},      {"mins", 60000},
	{"min", 60000},	       {"months", 2592000000}, {"month", 2592000000},
	{"m", 60000},	       {"seconds", 1000},      {"second", 1000},
	{"secs", 1000},	       {"sec", 1000},	       {"s", 1000},
	{"hours", 3600000},    {"hour", 3600000},      {"hrs", 3600000},
	{"hr", 3600000},       {"h", 3600000},	       {"days", 86400000},
	{"day", 86400000},     {"d", 86400000},	       {"weeks", 604800000},
	{"week", 604800000},   {"w", 604800000},       {"years", 31536000000},
	{"year", 31536000000}, {"y", 31536000000},
};

static const struct unit *
find_unit(const char *p)
{
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		size_t n = strlen(units[i].name);

		if (strncmp(p, units[i].name, n) == 0 && !isalpha((unsigned char)p[n]))
			return &units[i];
	}
	return NULL;
}

static void
blanks(const char **p)
{
	while (**p == ' ')
		++*p;
}

/* A number, or the "an" of "an hour ago". */
static bool
parse_count(const char **p, int64_t *ret)
{
	int64_t n = 0;
	int len = 0;

	if (strncmp(*p, "a ", 2) == 0 || strncmp(*p, "an ", 3) == 0) {
		*p += (*p)[1] == 'n' ? 3 : 2;
		*ret = 1;
		return true;
	}
	for (; isdigit((unsigned char)**p) && len < 12; ++*p, len++)
		n = n * 10 + **p - '0';
	*ret = n;
	return len > 0;
}

/* "2h ago", "1d12h ago", "3 weeks ago", "an hour ago". */
static bool
parse_ago(const char *p, int64_t now_ms, int64_t *ret)
{
	int64_t total = 0, n = 0;
	bool any = false;

	for (blanks(&p); parse_count(&p, &n); blanks(&p)) {
		const struct unit *u;
		int64_t ms;

		blanks(&p);
		if (!(u = find_unit(p)))
			return false;
		p += strlen(u->name);
		if (__builtin_mul_overflow(n, u->ms, &ms) ||
		    __builtin_add_overflow(total, ms, &total))
			return false;
		any = true;
	}
	return any && strcmp(p, "ago") == 0 && !__builtin_sub_overflow(now_ms, total, ret);
}

/* "today", "yesterday", each perhaps with a time of day. */
static bool
parse_day(const char *p, int64_t now_ms, int64_t *ret)
{
	bool yesterday = strncmp(p, "yesterday", 9) == 0, full;
	time_t now = (time_t)(now_ms / 1000);
	struct tm tm;
	int ms = 0;

	if (!yesterday && strncmp(p, "today", 5) != 0)
		return false;
	p += yesterday ? 9 : 5;
	localtime_r(&now, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday -= yesterday;
	if (*p) {
		if (!skip(&p, " ") || !parse_clock(&p, &tm, &ms, &full) || *p)
			return false;
	}
	*ret = local_ms(tm) + ms;
	return true;
}

/* Lower case, '-' and '_' as blanks, runs of blanks as one. */
static bool
normalise(const char *s, char out[TEXT_MAX])
{
	size_t n = 0;

	for (; *s; s++) {
		char c = *s == '-' || *s == '_' ? ' ' : (char)tolower((unsigned char)*s);

		if (c == ' ' && (n == 0 || out[n - 1] == ' '))
			continue;
		if (n == TEXT_MAX - 1)
			return false;
		out[n++] = c;
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return true;
}

static bool
parse_words(const char *s, int64_t now_ms, int64_t *ret)
{
	char text[TEXT_MAX];

	if (!normalise(s, text))
		return false;
	if (strcmp(text, "now") == 0) {
		*ret = now_ms;
		return true;
	}
	if (parse_ago(text, now_ms, ret) || parse_day(text, now_ms, ret))
		return true;
	/* "yesterday 14-00": a blank between figures was the colon of a file name. */
	for (char *p = text; *p; p++)
		if (*p == ' ' && p > text && isdigit((unsigned char)p[-1]) &&
		    isdigit((unsigned char)p[1]))
			*p = ':';
	return parse_day(text, now_ms, ret);
}

int
timex_parse(const char *s, int64_t now_ms, int64_t *ret_ms, struct ls_err *err)
{
	int64_t ms;

	if (parse_absolute(s, &ms) || parse_unix(s, &ms) || parse_words(s, now_ms, &ms)) {
		*ret_ms = ms;
		return 0;
	}
	return ls_err_set(err, -EINVAL,
			  "'%.60s' is no time: write 2000-01-01T00:00:00Z, a date, '2h ago' or "
			  "'yesterday 14:00'",
			  s);
}

bool
timex_is_rfc3339(const char *s)
{
	const char *p = s;
	int ms, offset;
	struct tm tm;
	bool full;

	/* Colons, no '-', in the time and in the zone; capitals; no leap second. */
	if (!parse_date(&p, &tm) || *p++ != 'T' || !strchr(p, ':') ||
	    !parse_clock(&p, &tm, &ms, &full) || !full || s[13] != ':' || tm.tm_sec > 59)
		return false;
	if (strcmp(p, "Z") == 0)
		return true;
	return (*p == '+' || *p == '-') && strlen(p) == 6 && p[3] == ':' &&
	       parse_zone(&p, &offset) && !*p;
}

/* UTC with sep between the figures of the time; with milliseconds or not. */
static void
format(int64_t ms, char sep, bool fraction, char out[TIMEX_LEN])
{
	int rest = (int)((ms % 1000 + 1000) % 1000);
	time_t t = (time_t)(ms / 1000 - (ms % 1000 < 0));
	struct tm tm = {0};
	int n;

	gmtime_r(&t, &tm);
	n = snprintf(out, TIMEX_LEN, "%04d-%02d-%02dT%02d%c%02d%c%02d", tm.tm_year + 1900,
		     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, sep, tm.tm_min, sep, tm.tm_sec);
	if (n < 0 || n >= TIMEX_LEN - 6)
		return;
	if (fraction)
		n += snprintf(out + n, TIMEX_LEN - (size_t)n, ".%03d", rest);
	snprintf(out + n, TIMEX_LEN - (size_t)n, "Z");
}

void
timex_format(int64_t ms, char out[TIMEX_LEN])
{
	format(ms, ':', false, out);
}

void
timex_format_ms(int64_t ms, char out[TIMEX_LEN])
{
	format(ms, ':', true, out);
}

void
timex_format_name(int64_t ms, char out[TIMEX_LEN])
{
	format(ms, '-', true, out);
}

struct go_unit {
	const char *name;
	double ns;
};

static const struct go_unit go_units[] = {
	{"ns", 1},   {"us", 1e3}, {"\u00b5s", 1e3}, {"\u03bcs", 1e3},
	{"ms", 1e6}, {"s", 1e9},  {"m", 60e9},	    {"h", 3600e9},
};

static const struct go_unit *
find_go_unit(const char *p, size_t n)
{
	for (size_t i = 0; i < sizeof go_units / sizeof go_units[0]; i++)
		if (strlen(go_units[i].name) == n && strncmp(go_units[i].name, p, n) == 0)
			return &go_units[i];
	return NULL;
}

int
timex_duration(const char *s, int64_t *ret_ns, struct ls_err *err)
{
	bool negative = *s == '-', bad = false;
	const char *p = s + (*s == '-' || *s == '+');
	double total = 0;

	if (strcmp(p, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	bad = !*p;
	while (*p && !bad) {
		double v = 0, scale = 1;
		bool any = false;
		const struct go_unit *u;
		size_t n;

		for (; isdigit((unsigned char)*p); p++, any = true)
			v = v * 10 + *p - '0';
		if (*p == '.')
			for (p++; isdigit((unsigned char)*p); p++, any = true)
				v += (*p - '0') * (scale /= 10);
		n = strcspn(p, ".0123456789");
		u = find_go_unit(p, n);
		bad = !any || !u;
		p += n;
		total += u ? v * u->ns : 0;
	}
	if (bad || total > 9.2e18)
		return ls_err_set(err, -EINVAL, "invalid duration \"%.60s\"", s);
	*ret_ns = (int64_t)(negative ? -total : total);
	return 0;
}
