/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf_scalar.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* As it is, Capitalised, or UPPER CASE. */
static bool
is_word(const char *s, const char *lower)
{
	size_t n = strlen(lower), upper = 0;

	if (strcasecmp(s, lower) != 0)
		return false;
	for (size_t i = 1; i < n; i++)
		upper += isupper((unsigned char)s[i]) != 0;
	return upper == 0 || (upper == n - 1 && isupper((unsigned char)s[0]));
}

bool
conf_scalar_bool(const char *s, bool *ret)
{
	static const char *const yes[] = {"true", "yes", "on", "y"};
	static const char *const no[] = {"false", "no", "off", "n"};

	for (int i = 0; i < 4; i++) {
		if (is_word(s, yes[i]))
			return *ret = true, true;
		if (is_word(s, no[i]))
			return *ret = false, true;
	}
	return false;
}

static int
digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* Digits and '_' up to the end or, if it is not NULL, to a '.'. */
static bool
parse_digits(const char **p, int base, bool negative, int64_t *ret)
{
	int64_t v = 0;
	bool any = false;

	for (; **p && **p != '.'; ++*p) {
		int d = digit(**p);

		if (**p == '_' && any)
			continue;
		if (d >= base || __builtin_mul_overflow(v, base, &v) ||
		    __builtin_sub_overflow(v, d, &v))
			return false;
		any = true;
	}
	if (!any || (!negative && v == INT64_MIN))
		return false;
	*ret = negative ? v : -v;
	return true;
}

static bool
parse_number(const char *s, bool fraction, int64_t *ret)
{
	bool negative = *s == '-', octal;
	const char *p = s + (*s == '-' || *s == '+');
	int base = 10;
	int64_t v;

	octal = p[0] == '0' && isdigit((unsigned char)p[1]);
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'o' || p[1] == 'b')) {
		base = p[1] == 'x' ? 16 : p[1] == 'o' ? 8 : 2;
		p += 2;
	} else if (octal && !strchr(p, '.')) {
		base = 8;
	}
	if (!parse_digits(&p, base, negative, &v) || (*p && base != 10))
		return false;
	if (*p == '.') {
		p++;
		p += strspn(p, fraction ? "0123456789" : "0");
	}
	if (*p)
		return false;
	*ret = v;
	return true;
}

bool
conf_scalar_int(const char *s, int64_t *ret)
{
	return parse_number(s, false, ret);
}

bool
conf_scalar_decimal(const char *s, int64_t *ret)
{
	return parse_number(s, true, ret);
}

bool
conf_scalar_size(const char *s, uint64_t *ret)
{
	static const char prefixes[] = "kmgt";
	double base = 1000, factor = 1;
	const char *prefix;
	char *end;
	double n;

	if (!isdigit((unsigned char)*s))
		return false;
	n = strtod(s, &end);
	end += *end == ' ';
	prefix = *end ? strchr(prefixes, tolower((unsigned char)*end)) : NULL;
	if (prefix) {
		end++;
		if (tolower((unsigned char)*end) == 'i') {
			base = 1024;
			end++;
		}
		for (const char *p = prefixes; p <= prefix; p++)
			factor *= base;
	}
	if (tolower((unsigned char)*end) == 'b')
		end++;
	if (*end || n * factor >= 1e18)
		return false;
	*ret = (uint64_t)(n * factor);
	return true;
}
