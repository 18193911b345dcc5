/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "fs/raw.h"

#include "engine/base/clock.h"

#include <string.h>

enum { FRESH_MS = 1000 };

void
raw_init(struct raw *r, struct store *store)
{
	*r = (struct raw){.store = store};
	pthread_mutex_init(&r->lock, NULL);
}

void
raw_put(struct raw_list *l)
{
	if (!l || atomic_fetch_sub(&l->refs, 1) > 1)
		return;
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].key);
	free(l->v);
	free(l);
}

void
raw_done(struct raw *r)
{
	raw_put(r->list);
	pthread_mutex_destroy(&r->lock);
}

static int
add(void *arg, const struct store_entry *e, struct ls_err *err)
{
	struct raw_list *l = arg;
	size_t cap = l->n & (l->n - 1) ? 0 : l->n ? 2 * l->n : 1; /* grows at powers of two */
	struct raw_object *v = cap ? ls_grow_array(l->v, cap, sizeof *v) : l->v;

	if (!v)
		return ls_err_set(err, -ENOMEM, "list: out of memory");
	l->v = v;
	v[l->n] = (struct raw_object){
		.key = strdup(e->key), .size = e->meta.size, .time_ms = e->meta.time_ms};
	return v[l->n].key ? (l->n++, 0) : ls_err_set(err, -ENOMEM, "list: out of memory");
}

int
raw_get(struct raw *r, const struct store_call *call, struct raw_list **ret, struct ls_err *err)
{
	struct raw_list *l;
	int rc;

	LS_AUTOLOCK(&r->lock);
	if (!r->list || clock_mono_ms() - r->at_ms >= FRESH_MS) {
		if (!(l = calloc(1, sizeof *l)))
			return ls_err_set(err, -ENOMEM, "list: out of memory");
		atomic_init(&l->refs, 1);
		if ((rc = store_list(r->store, call, "", NULL, add, l, err)) < 0) {
			raw_put(l);
			return rc;
		}
		raw_put(r->list);
		r->list = l;
		r->at_ms = clock_mono_ms();
	}
	atomic_fetch_add(&r->list->refs, 1);
	*ret = r->list;
	return 0;
}

/* The first object whose key is not below key. */
static size_t
place(const struct raw_list *l, const char *key)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (strcmp(l->v[mid].key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Where in a key the name begins, if it is below dir; else NULL. */
static const char *
below(const char *key, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 0)
		return key;
	return strncmp(key, dir, n) == 0 && key[n] == '/' ? key + n + 1 : NULL;
}

bool
raw_next(const struct raw_list *l, const char *dir, size_t *at, struct raw_child *ret)
{
	char first[STORE_KEY_MAX + 2];
	const char *name, *slash;
	size_t n, i = *at;

	if (i == 0 && *dir) {
		if (strlen(dir) > STORE_KEY_MAX)
			return false;
		memcpy(first, dir, strlen(dir));
		memcpy(first + strlen(dir), "/", 2);
		i = place(l, first);
	}
	if (i >= l->n || !(name = below(l->v[i].key, dir)))
		return false;
	slash = strchr(name, '/');
	n = slash ? (size_t)(slash - name) : strlen(name);
	if (n > NAME_MAX)
		return false;
	memcpy(ret->name, name, n);
	ret->name[n] = '\0';
	ret->object = slash ? NULL : &l->v[i];
	/* All that is in the same directory is that one child. */
	for (i++; slash && i < l->n; i++) {
		const char *other = below(l->v[i].key, dir);

		if (!other || strncmp(other, name, n + 1) != 0)
			break;
	}
	*at = i;
	return true;
}

const struct raw_object *
raw_find(const struct raw_list *l, const char *key, bool *ret_dir)
{
	size_t i = place(l, key);

	*ret_dir = false;
	if (i < l->n && strcmp(l->v[i].key, key) == 0)
		return &l->v[i];
	for (; i < l->n && strncmp(l->v[i].key, key, strlen(key)) == 0; i++)
		if (below(l->v[i].key, key)) {
			*ret_dir = true;
			break;
		}
	return NULL;
}
