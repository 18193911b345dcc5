/* SPDX-License-Identifier: Apache-2.0 */
/*
 * states: those that a search has reached, each once, in the order in which they were found, and
 * the step that led there. A state is a struct of fixed size without padding that differs, compared
 * byte for byte. One search at a time. Memory: size + 20 bytes for each state there is room for.
 */
#ifndef TESTS_MODEL_STATES_H
#define TESTS_MODEL_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for so many; false: out of memory. */
bool states_open(size_t size, uint32_t most);
void states_clear(void);

/* Numbers begin at 1; 0 is no state. step is kept. false: there is no more room. */
bool states_add(const void *state, uint32_t from, const char *step);
uint32_t states_count(void);
const void *states_at(uint32_t i);

/* The way from the first state to i, itself included: the last `most` of it. Returns its length. */
size_t states_way(uint32_t i, uint32_t *way, size_t most);
/* NULL: it is the first. */
const char *states_step(uint32_t i);

#endif
