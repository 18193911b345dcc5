/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/store.h"

#include "engine/base/clock.h"
#include "engine/store/store_count.h"
#include "engine/store/store_file.h"
#include "engine/store/store_limit.h"
#include "engine/store/store_retry.h"
#include "engine/store/store_s3.h"

#include <string.h>

static const struct {
	const char *type;
	int (*open)(const struct store_config *, struct store **, struct ls_err *);
	bool remote; /* what fails is tried again */
	bool counts; /* its requests itself */
} drivers[] = {
	{"file", store_file_open, false, false},
	{"s3", store_s3_open, true, true},
};

static int
open_with_wrappers(size_t i, const struct store_config *cfg, struct store **ret, struct ls_err *err)
{
	const struct store_limits *l = cfg->limits;
	struct store *st = NULL;
	int rc = drivers[i].open(cfg, &st, err);

	/* A wrapper that fails has closed what it was to wrap. */
	if (rc == 0 && cfg->counts && !drivers[i].counts)
		rc = store_count_open(st, cfg->counts, &st, err);
	/* What is tried again counts, too. */
	if (rc == 0 && l && (l->requests > 0 || l->bytes_up || l->bytes_down))
		rc = store_limit_open(st, l, &st, err);
	if (rc == 0 && drivers[i].remote)
		rc = store_retry_open(st, &st, err);
	if (rc == 0)
		*ret = st;
	return rc;
}

int
store_open(const struct store_config *cfg, struct store **ret, struct ls_err *err)
{
	for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++)
		if (cfg->type && strcmp(cfg->type, drivers[i].type) == 0)
			return open_with_wrappers(i, cfg, ret, err);
	return ls_err_set(err, -EINVAL, "storage of type '%s' is not supported by this build",
			  cfg->type ? cfg->type : "");
}

void
store_close(struct store *st)
{
	if (st)
		st->ops->close(st);
}

bool
store_is_far(const struct store *st)
{
	return st->ops->parallel > 1;
}

int
store_call_check(const struct store_call *call, struct ls_err *err)
{
	if (!call)
		return 0;
	if (stop_fired(call->stop))
		return ls_err_set(err, -ECANCELED, "stopped");
	if (call->deadline_ms && clock_mono_ms() >= call->deadline_ms)
		return ls_err_set(err, -ETIMEDOUT, "no answer in time");
	if (call->until_ms && clock_boot_ms() >= atomic_load(call->until_ms))
		return ls_err_set(err, -ETIMEDOUT, "the lease has run out and is not renewed yet");
	return 0;
}

/* Length of the well-formed UTF-8 character at s, 0 for a wrong one. s ends in NUL. */
static size_t
utf8_len(const char *s)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* UTF-8 without control characters. */
static bool
text_ok(const char *s)
{
	for (size_t n; *s; s += n)
		if ((uint8_t)*s < 0x20 || *s == 0x7f || (n = utf8_len(s)) == 0)
			return false;
	return true;
}

/* The first n bytes of key are parts between single slashes, none of them "." or "..". */
static bool
parts_ok(const char *key, size_t n)
{
	const char *part = key;

	for (size_t i = 0; i <= n; i++) {
		size_t len = (size_t)(key + i - part);

		if (i < n && key[i] != '/')
			continue;
		if (len == 0 || (len == 1 && part[0] == '.') ||
		    (len == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		part = key + i + 1;
	}
	return true;
}

bool
store_key_ok(const char *key)
{
	size_t n = strnlen(key, STORE_KEY_MAX + 1);

	return n <= STORE_KEY_MAX && text_ok(key) && parts_ok(key, n);
}

/* Whether it can be the beginning of a key. */
static bool
prefix_ok(const char *prefix)
{
	const char *slash = strrchr(prefix, '/');

	return strnlen(prefix, STORE_KEY_MAX + 1) <= STORE_KEY_MAX &&
	       (!slash || parts_ok(prefix, (size_t)(slash - prefix)));
}

static int
begin(const struct store_call *call, const char *key, struct ls_err *err)
{
	if (!store_key_ok(key))
		return ls_err_set(err, -EINVAL, "'%.80s' is no valid object key", key);
	return store_call_check(call, err);
}

int
store_get(struct store *st, const struct store_call *call, const struct store_get *g, void *buf,
	  size_t *ret_n, struct store_meta *ret_meta, struct ls_err *err)
{
	int rc = begin(call, g->key, err);

	return rc < 0 ? rc : st->ops->get(st, call, g, buf, ret_n, ret_meta, err);
}

int
store_put(struct store *st, const struct store_call *call, const struct store_put *p,
	  const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	int rc = begin(call, p->key, err);

	return rc < 0 ? rc : st->ops->put(st, call, p, src, ret_meta, err);
}

int
store_list(struct store *st, const struct store_call *call, const char *prefix, const char *after,
	   store_entry_fn *fn, void *arg, struct ls_err *err)
{
	int rc;

	if (!prefix_ok(prefix))
		return ls_err_set(err, -EINVAL, "'%.80s' cannot begin an object key", prefix);
	rc = store_call_check(call, err);
	return rc < 0 ? rc : st->ops->list(st, call, prefix, after, fn, arg, err);
}

int
store_head(struct store *st, const struct store_call *call, const char *key, struct store_meta *ret,
	   struct ls_err *err)
{
	int rc = begin(call, key, err);

	return rc < 0 ? rc : st->ops->head(st, call, key, ret, err);
}

int
store_del(struct store *st, const struct store_call *call, const char *const *keys, size_t n,
	  struct ls_err *err)
{
	int rc = store_call_check(call, err);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = begin(NULL, keys[i], err);
	return rc < 0 ? rc : st->ops->del(st, call, keys, n, err);
}

int
store_root(struct store *st, const struct store_call *call, bool create,
	   char identity[STORE_ETAG_MAX], bool *ret_parent_ok, struct ls_err *err)
{
	int rc = store_call_check(call, err);

	return rc < 0 ? rc : st->ops->root(st, call, create, identity, ret_parent_ok, err);
}

static int
read_mem(void *arg, uint64_t off, void *p, size_t n, struct ls_err *err)
{
	(void)err;
	memcpy(p, (const char *)arg + off, n);
	return 0;
}

struct store_source
store_source_mem(const void *p, size_t n)
{
	return (struct store_source){
		.size = n, .read = read_mem, .arg = (void *)(uintptr_t)p}; /* only read */
}
