/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/model/states.h"

#include <stdlib.h>
#include <string.h>

enum { TABLE = 1 << 25 };

static uint8_t *states;
static size_t state_size;
static uint32_t *parents, *table, count, room;
static const char **steps; /* that led to each */

bool
states_open(size_t size, uint32_t most)
{
	state_size = size;
	room = most;
	states = calloc((size_t)most + 1, size);
	parents = calloc((size_t)most + 1, sizeof *parents);
	steps = calloc((size_t)most + 1, sizeof *steps);
	table = calloc(TABLE, sizeof *table);
	return most < TABLE && states && parents && steps && table;
}

void
states_clear(void)
{
	count = 0;
	memset(table, 0, (size_t)TABLE * sizeof *table);
}

static uint64_t
hash(const uint8_t *p)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < state_size; i++)
		h = (h ^ p[i]) * UINT64_C(1099511628211);
	return h ^ h >> 29;
}

bool
states_add(const void *state, uint32_t from, const char *step)
{
	uint64_t i = hash(state) % TABLE;

	for (; table[i]; i = (i + 1) % TABLE)
		if (memcmp(states_at(table[i]), state, state_size) == 0)
			return true;
	if (count == room)
		return false;
	table[i] = ++count;
	memcpy(states + count * state_size, state, state_size);
	parents[count] = from;
	steps[count] = step;
	return true;
}

uint32_t
states_count(void)
{
	return count;
}

const void *
states_at(uint32_t i)
{
	return states + i * state_size;
}

size_t
states_way(uint32_t i, uint32_t *way, size_t most)
{
	size_t n = 0;

	for (uint32_t at = i; at && n < most; at = parents[at])
		n++;
	for (size_t k = n; k-- > 0; i = parents[i])
		way[k] = i;
	return n;
}

const char *
states_step(uint32_t i)
{
	return steps[i];
}
