/* SPDX-License-Identifier: Apache-2.0 */
/* print: tables and JSON in the forms of spec/contract.md 1.0. */
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

/* Two-space indent, a newline at the end, '<' '>' '&' as \u003c...; takes the reference. */
LS_MUST_USE int print_json(json_t *value, struct ls_err *err);

#endif
