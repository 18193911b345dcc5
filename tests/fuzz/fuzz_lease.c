/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody has put where a lease is: it is never taken for ours, and never held unless it was
 * written. */
#include "config.h"

#include "engine/replica/lease.h"
#include "tests/fuzz/fuzz.h"

struct fake {
	struct store base;
	const uint8_t *data;
	size_t n;
	bool written;
};

static int
fake_get(struct store *st, const struct store_call *call, const struct store_get *g, void *buf,
	 size_t *ret_n, struct store_meta *ret_meta, struct ls_err *err)
{
	const struct fake *f = (struct fake *)st;

	(void)call;
	(void)err;
	*ret_n = f->n < g->len ? f->n : g->len;
	memcpy(buf, f->data, *ret_n);
	if (ret_meta)
		*ret_meta = (struct store_meta){.etag = "theirs"};
	return 0;
}

static int
fake_put(struct store *st, const struct store_call *call, const struct store_put *p,
	 const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	struct fake *f = (struct fake *)st;

	(void)call;
	FUZZ_CHECK(p->if_match && src->size < 4096);
	if (!*p->if_match)
		return ls_err_set(err, -EEXIST, "it is there");
	if (strcmp(p->if_match, f->written ? "ours" : "theirs") != 0)
		return ls_err_set(err, -ESTALE, "another one");
	f->written = true;
	*ret_meta = (struct store_meta){.etag = "ours"};
	return 0;
}

static void
fake_close(struct store *st)
{
	(void)st;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct store_ops ops = {
		.scheme = "fake", .get = fake_get, .put = fake_put, .close = fake_close};
	struct fake f = {.base.ops = &ops, .data = data, .n = n};
	struct lease *l = NULL;
	struct ls_err err;
	uint64_t wait_ms = 0;
	int rc;

	FUZZ_CHECK(lease_new(&f.base, 30000, "", &l, &err) == 0);
	rc = lease_step(l, NULL, &wait_ms, &err);
	FUZZ_CHECK((lease_state(l) == LEASE_HELD) == f.written);
	FUZZ_CHECK(rc == 0 || lease_state(l) == LEASE_UNKNOWN);
	FUZZ_CHECK(wait_ms > 0 && wait_ms <= 30000);
	if (lease_check(l, NULL, &err) == -EBUSY)
		for (const char *c = err.msg; *c; c++)
			FUZZ_CHECK((unsigned char)*c >= ' ' && (unsigned char)*c < 0x7f);
	lease_free(l);
	return 0;
}
