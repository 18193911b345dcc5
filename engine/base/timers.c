/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/timers.h"

#include "engine/base/buf.h"

int
timers_reserve(struct timers *t, size_t n, struct ls_err *err)
{
	size_t cap = t->cap ? t->cap : 16;
	struct timers_item **v;

	while (cap <= n)
		cap *= 2;
	if (cap == t->cap)
		return 0;
	if (!(v = ls_grow_array(t->heap, cap, sizeof *v)))
		return ls_err_set(err, -ENOMEM, "out of memory");
	t->heap = v;
	t->cap = cap;
	return 0;
}

void
timers_done(struct timers *t)
{
	free(t->heap);
	*t = (struct timers){0};
}

static void
place(struct timers *t, struct timers_item *item, size_t at)
{
	t->heap[at] = item;
	item->at = at;
}

/* Finds the place of an item for which the one at may be too far up or too far down. */
static void
settle(struct timers *t, struct timers_item *item, size_t at)
{
	while (at > 1 && t->heap[at / 2]->due_ns > item->due_ns) {
		place(t, t->heap[at / 2], at);
		at /= 2;
	}
	for (;;) {
		size_t child = 2 * at;

		if (child < t->n && t->heap[child + 1]->due_ns < t->heap[child]->due_ns)
			child++;
		if (child > t->n || t->heap[child]->due_ns >= item->due_ns)
			break;
		place(t, t->heap[child], at);
		at = child;
	}
	place(t, item, at);
}

void
timers_set(struct timers *t, struct timers_item *item, uint64_t due_ns)
{
	item->due_ns = due_ns;
	settle(t, item, item->at ? item->at : ++t->n);
}

void
timers_clear(struct timers *t, struct timers_item *item)
{
	size_t at = item->at;
	struct timers_item *last;

	if (!at)
		return;
	item->at = 0;
	last = t->heap[t->n--];
	if (last != item)
		settle(t, last, at);
}

struct timers_item *
timers_first(const struct timers *t)
{
	return t->n ? t->heap[1] : NULL;
}
