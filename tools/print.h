/* SPDX-License-Identifier: Apache-2.0 */
/* print: tables and JSON in the forms of spec/contract.md 1.0. Threads: single. */
#ifndef TOOLS_PRINT_H
#define TOOLS_PRINT_H

#include "engine/base/err.h"

#include <jansson.h>

/*
 * Prints rows of columns: each padded with blanks to its widest cell and two, the last one not;
 * widths count characters. cells: nrows * ncols strings after the ncols of the header.
 */
LS_MUST_USE int
print_table(size_t ncols, size_t nrows, const char *const *cells, struct ls_err *err);

/* A table that is filled in cell by cell. */
enum { PRINT_CELL = 48 };

struct print_rows {
	size_t ncols, nrows, at;
	const char **cells;
	char *text;
};

/* head: ncols strings that stay. Call print_rows_done() in any case. */
LS_MUST_USE int print_rows_begin(struct print_rows *t, const char *const *head, size_t ncols,
				 size_t nrows, struct ls_err *err);
/* The next cell, PRINT_CELL bytes; nrows * ncols of them before the table is shown. */
char *print_rows_cell(struct print_rows *t);
LS_MUST_USE int print_rows_show(const struct print_rows *t, struct ls_err *err);
void print_rows_done(struct print_rows *t);

/* Two-space indent, a newline at the end, '<' '>' '&' as \u003c...; takes the reference; NULL is
 * -ENOMEM. */
LS_MUST_USE int print_json(json_t *value, struct ls_err *err);

/* A JSON string of any bytes: what is not UTF-8 becomes U+FFFD. NULL: out of memory. */
json_t *print_string(const char *s);

/* Appends an object of json_pack("{...}"); -ENOMEM when list or item is NULL. Takes the item. */
LS_MUST_USE int print_append(json_t *list, json_t *item, struct ls_err *err);

#endif
