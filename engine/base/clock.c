/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/clock.h"

#include <stdbool.h>
#include <time.h>

static bool faked;
static int64_t fake_wall_ms;
static uint64_t fake_mono_ns;

static uint64_t
now_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int64_t
clock_wall_ms(void)
{
	return faked ? fake_wall_ms : (int64_t)(now_ns(CLOCK_REALTIME) / 1000000u);
}

uint64_t
clock_mono_ns(void)
{
	return faked ? fake_mono_ns : now_ns(CLOCK_MONOTONIC);
}

uint64_t
clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000u;
}

uint64_t
clock_boot_ms(void)
{
	return (faked ? fake_mono_ns : now_ns(CLOCK_BOOTTIME)) / 1000000u;
}

struct timespec
clock_mono_after(uint64_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(ms / 1000);
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

void
clock_fake(int64_t wall_ms, uint64_t mono_ns)
{
	faked = true;
	fake_wall_ms = wall_ms;
	fake_mono_ns = mono_ns;
}

void
clock_real(void)
{
	faked = false;
}

uint64_t
backoff_next_ms(struct backoff *b, uint64_t base_ms, uint64_t max_ms)
{
	uint64_t delay = base_ms;

	for (uint32_t i = 0; i < b->attempt && delay < max_ms; i++)
		delay *= 2;
	if (delay > max_ms)
		delay = max_ms;
	b->attempt++;
	return delay - (delay / 4) * (clock_mono_ns() / 1000u % 101u) / 100u;
}

void
backoff_reset(struct backoff *b)
{
	b->attempt = 0;
}
