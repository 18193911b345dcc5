/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/print.h"

#include "engine/base/buf.h"

#include <stdio.h>
#include <string.h>

enum { STRING_MAX = 1 << 20 };

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
print_rows_begin(struct print_rows *t, const char *const *head, size_t ncols, size_t nrows,
		 struct ls_err *err)
{
	*t = (struct print_rows){.ncols = ncols, .nrows = nrows};
	t->cells = ls_alloc_array((nrows + 1) * ncols, sizeof *t->cells);
	t->text = ls_alloc_array(nrows * ncols, PRINT_CELL);
	if (!t->cells || !t->text)
		return ls_err_set(err, -ENOMEM, "table: out of memory");
	memcpy(t->cells, head, ncols * sizeof *head);
	return 0;
}

char *
print_rows_cell(struct print_rows *t)
{
	char *cell = t->text + t->at * PRINT_CELL;

	t->cells[t->ncols + t->at++] = cell;
	return cell;
}

int
print_rows_show(const struct print_rows *t, struct ls_err *err)
{
	return print_table(t->ncols, t->nrows, t->cells, err);
}

void
print_rows_done(struct print_rows *t)
{
	free(t->cells);
	free(t->text);
}

int
print_json(json_t *value, struct ls_err *err)
{
	char *text = value ? json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY) : NULL;

	json_decref(value);
	if (!text)
		return ls_err_set(err, -ENOMEM, "JSON: out of memory");
	for (const char *p = text; *p; p++)
		if (*p == '<' || *p == '>' || *p == '&')
			printf("\\u%04x", (unsigned)*p);
		else
			putchar(*p);
	putchar('\n');
	free(text);
	return 0;
}

json_t *
print_string(const char *s)
{
	LS_AUTO(ls_buf_done) struct ls_buf b = {.max = STRING_MAX};
	json_t *whole = json_string(s);
	int rc = 0;

	if (whole)
		return whole;
	/* One sequence of up to four bytes after the other; jansson knows which ones are UTF-8. */
	while (rc == 0 && *s) {
		json_t *one = NULL;
		size_t n = 0;

		for (size_t k = 1; !one && k <= 4 && k <= strlen(s); k++)
			one = json_stringn(s, n = k);
		if (!one)
			n = 1;
		rc = ls_buf_append(&b, one ? s : "\xef\xbf\xbd", one ? n : 3);
		json_decref(one);
		s += n;
	}
	return rc == 0 ? json_stringn((const char *)b.p, b.len) : NULL;
}

int
print_append(json_t *list, json_t *item, struct ls_err *err)
{
	if (!list || !item || json_array_append_new(list, item) < 0)
		return ls_err_set(err, -ENOMEM, "JSON: out of memory");
	return 0;
}
