/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "fs/names.h"

#include <search.h>
#include <string.h>

struct name {
	uint32_t id;
	char text[];
};

void
names_init(struct names *s)
{
	*s = (struct names){0};
	pthread_mutex_init(&s->lock, NULL);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

void
names_done(struct names *s)
{
	for (size_t i = 0; i < s->n; i++) {
		tdelete(s->v[i], &s->tree, compare);
		free(s->v[i]);
	}
	free(s->v);
	pthread_mutex_destroy(&s->lock);
}

/* Under the lock. Takes name, which is not there yet. */
static uint32_t
add(struct names *s, struct name *name)
{
	struct name **v = ls_grow_array(s->v, s->n + 1, sizeof *v);

	if (v)
		s->v = v;
	if (!v || !tsearch(name, &s->tree, compare)) {
		free(name);
		return 0;
	}
	v[s->n++] = name;
	name->id = (uint32_t)s->n;
	return name->id;
}

uint32_t
names_id(struct names *s, const char *text)
{
	size_t n = strlen(text) + 1;
	struct name *name = malloc(sizeof *name + n);
	struct name **known;

	if (!name)
		return 0;
	memcpy(name->text, text, n);
	LS_AUTOLOCK(&s->lock);
	known = tfind(name, &s->tree, compare);
	if (!known)
		return add(s, name);
	free(name);
	return (*known)->id;
}

const char *
names_text(struct names *s, uint64_t id)
{
	LS_AUTOLOCK(&s->lock);

	return id && id <= s->n ? s->v[id - 1]->text : NULL;
}
