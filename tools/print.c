/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/print.h"

#include <stdio.h>
#include <string.h>

static size_t
width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

int
print_table(size_t ncols, size_t nrows, const char *const *cells, struct ls_err *err)
{
	ls_autofree size_t *widest = ls_alloc_array(ncols, sizeof *widest);

	if (!widest)
		return ls_err_set(err, -ENOMEM, "table: out of memory");
	for (size_t i = 0; i < (nrows + 1) * ncols; i++)
		if (width(cells[i]) > widest[i % ncols])
			widest[i % ncols] = width(cells[i]);
	for (size_t i = 0; i < (nrows + 1) * ncols; i++) {
		size_t col = i % ncols;
		bool last = col == ncols - 1;

		printf("%s%*s", cells[i], last ? 0 : (int)(widest[col] + 2 - width(cells[i])), "");
		if (last)
			putchar('\n');
	}
	return 0;
}

int
print_json(json_t *value, struct ls_err *err)
{
	char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);

	json_decref(value);
	if (!text)
		return ls_err_set(err, -ENOMEM, "JSON: out of memory");
	for (const char *p = text; *p; p++)
		if (*p == '<' || *p == '>' || *p == '&')
			printf("\\u%04x", *p);
		else
			putchar(*p);
	putchar('\n');
	free(text);
	return 0;
}
