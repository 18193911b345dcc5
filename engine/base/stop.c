/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/stop.h"

#include "engine/base/clock.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

int
stop_init(struct stop *s, struct ls_err *err)
{
	atomic_init(&s->fired, false);
	atomic_init(&s->signal, 0);
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->fd < 0 ? ls_err_sys(err, errno, "eventfd") : 0;
}

void
stop_done(struct stop *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void
stop_fire(struct stop *s)
{
	static const uint64_t one = 1;
	ssize_t n;

	atomic_store(&s->fired, true);
	n = write(s->fd, &one, sizeof one);
	(void)n; /* a full counter is readable, which is all that is wanted */
}

void
stop_fire_signal(struct stop *s, int signal)
{
	atomic_store(&s->signal, signal);
	stop_fire(s);
}

const char *
stop_signal_name(const struct stop *s)
{
	switch (atomic_load(&s->signal)) {
	case SIGINT:
		return "interrupt";
	case SIGTERM:
		return "terminated";
	case SIGHUP:
		return "hangup";
	default:
		return "";
	}
}

bool
stop_fired(const struct stop *s)
{
	return s && atomic_load_explicit(&s->fired, memory_order_relaxed);
}

int
stop_fd(const struct stop *s)
{
	return s ? s->fd : -1;
}

int
stop_sleep(const struct stop *s, uint64_t ms)
{
	uint64_t end = clock_mono_ms() + ms;

	for (;;) {
		struct pollfd p = {.fd = stop_fd(s), .events = POLLIN};
		uint64_t now = clock_mono_ms();

		if (stop_fired(s))
			return -ECANCELED;
		if (now >= end)
			return 0;
		poll(&p, 1, (int)(end - now > 1000000 ? 1000000 : end - now));
	}
}
