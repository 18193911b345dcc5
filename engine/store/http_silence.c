/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/http_silence.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PROBE_MS = 5000 };

struct server {
	struct server *next;
	uint64_t answered_ms, probe_ms; /* the last answer; when it may be asked again */
	bool silent, probing;
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

static void
set_silent(struct server *s)
{
	if (!s->silent)
		log_write(LOG_INFO, "waiting for the storage to answer",
			  LOG_STR("endpoint", s->origin));
	s->silent = true;
}

enum http_silence
http_silence_enter(const char *origin, bool patient)
{
	struct server *s;
	bool early;

	LS_AUTOLOCK(&lock);
	if (!(s = find(origin)) || !s->silent)
		return HTTP_SILENCE_GO;
	early = clock_mono_ms() < s->probe_ms;
	if (patient)
		return early && !s->answered_ms ? HTTP_SILENCE_REFUSED : HTTP_SILENCE_GO;
	if (early || s->probing)
		return HTTP_SILENCE_REFUSED;
	s->probing = true;
	return HTTP_SILENCE_PROBE;
}

void
http_silence_wait(const char *origin, uint64_t since_ms)
{
	struct server *s;

	LS_AUTOLOCK(&lock);
	if ((s = find(origin)) && s->answered_ms < since_ms)
		set_silent(s);
}

bool
http_silence_leave(const char *origin, enum http_silence how, bool answered, bool gave_up)
{
	struct server *s;

	LS_AUTOLOCK(&lock);
	if (!(s = find(origin)))
		return true;
	if (how == HTTP_SILENCE_PROBE)
		s->probing = false;
	if (gave_up) {
		set_silent(s);
		s->probe_ms = clock_mono_ms() + PROBE_MS;
	}
	if (!answered)
		return !gave_up || s->answered_ms;
	if (s->silent)
		log_write(LOG_INFO, "the storage answers again", LOG_STR("endpoint", s->origin));
	s->silent = false;
	s->answered_ms = clock_mono_ms();
	return true;
}
