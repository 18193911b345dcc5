/* SPDX-License-Identifier: Apache-2.0 */
/* test_ltx_mem: LTX files in memory, for tests. The callers' ls_buf holds the file. */
#ifndef TESTS_UNIT_TEST_LTX_MEM_H
#define TESTS_UNIT_TEST_LTX_MEM_H

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/format/ltx_dec.h"
#include "engine/format/ltx_enc.h"
#include "tests/lib/tap.h"

__attribute__((unused)) static int
mem_source(void *arg, uint64_t off, void *p, size_t n, size_t *ret_n, struct ls_err *err)
{
	const struct ls_buf *b = arg;
	size_t left = off < b->len ? b->len - (size_t)off : 0;

	(void)err;
	*ret_n = n < left ? n : left;
	if (*ret_n)
		memcpy(p, b->p + off, *ret_n);
	return 0;
}

__attribute__((unused)) static int
mem_sink(void *arg, const void *p, size_t n, struct ls_err *err)
{
	if (ls_buf_append(arg, p, n) < 0)
		return ls_err_set(err, -ENOMEM, "test buffer is full");
	return 0;
}

/* Reads tests/data/NAME into b (initialised here). */
__attribute__((unused)) static bool
mem_read_vector(const char *name, struct ls_buf *b)
{
	const char *top = getenv("TOP_SRCDIR");
	ls_autofree char *text = NULL;
	char path[4096];
	struct ls_err err = {0};
	size_t n = 0;

	ls_buf_init(b, 1 << 20);
	snprintf(path, sizeof path, "%s/tests/data/%s", top ? top : ".", name);
	if (io_read_file(path, 1 << 20, &text, &n, &err) < 0)
		return ok(false, "%s: %s", name, err.msg);
	return ls_buf_append(b, text, n) == 0;
}

__attribute__((unused)) static size_t
mem_from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; sscanf(hex, "%2x", &v) == 1; hex += 2)
		out[n++] = (uint8_t)v;
	return n;
}

#endif
