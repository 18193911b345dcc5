/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/http_silence.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PROBE_MS = 10000 };

struct server {
	struct server *next;
	uint64_t answered_ms; /* 0: never */
	uint64_t probe_ms;    /* while it is silent: when it may be asked */
	bool silent, told;
	char origin[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct server *servers;

/* NULL: memory is short. */
static struct server *
find(const char *origin)
{
	size_t n = strlen(origin) + 1;
	struct server *s = servers;

	while (s && strcmp(s->origin, origin) != 0)
		s = s->next;
	if (s || !(s = calloc(1, sizeof *s + n)))
		return s;
	memcpy(s->origin, origin, n);
	s->next = servers;
	servers = s;
	return s;
}

bool
http_silence_enter(const char *origin, bool patient)
{
	uint64_t now = clock_mono_ms();
	struct server *s;

	LS_AUTOLOCK(&lock);
	if (!(s = find(origin)) || !s->silent || (patient && s->answered_ms))
		return true;
	if (now < s->probe_ms)
		return false;
	s->probe_ms = now + PROBE_MS;
	return true;
}

bool
http_silence_wait(const char *origin, uint64_t since_ms, bool patient)
{
	struct server *s;

	LS_AUTOLOCK(&lock);
	if (!(s = find(origin)) || s->answered_ms >= since_ms)
		return true;
	if (!s->told)
		log_write(LOG_INFO, "waiting for the storage to answer",
			  LOG_STR("endpoint", s->origin));
	s->told = true;
	if (patient && s->answered_ms)
		return true;
	s->silent = true;
	/* One that has answered before is asked once more at once: it may have been the connection,
	 * or that request. */
	if (!s->answered_ms)
		s->probe_ms = clock_mono_ms() + PROBE_MS;
	return s->answered_ms;
}

void
http_silence_end(const char *origin)
{
	struct server *s;

	LS_AUTOLOCK(&lock);
	if (!(s = find(origin)))
		return;
	if (s->told)
		log_write(LOG_INFO, "the storage answers again", LOG_STR("endpoint", s->origin));
	s->silent = s->told = false;
	s->answered_ms = clock_mono_ms();
}
