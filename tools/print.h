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

/* Two-space indent, a newline at the end, '<' '>' '&' as \u003c...; takes the reference; NULL is
 * -ENOMEM. */
LS_MUST_USE int print_json(json_t *value, struct ls_err *err);

/* A JSON string of any bytes: what is not UTF-8 becomes U+FFFD. NULL: out of memory. */
json_t *print_string(const char *s);

/* Appends an object of json_pack("{...}"); -ENOMEM when list or item is NULL. Takes the item. */
LS_MUST_USE int print_append(json_t *list, json_t *item, struct ls_err *err);

#endif
