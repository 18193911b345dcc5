/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/progress.h"

#include "engine/base/auto.h"
#include "engine/base/clock.h"

#include <stdio.h>

enum { FIRST_MS = 1000, EVERY_MS = 200 };

void
progress_init(struct progress *p)
{
	pthread_mutex_init(&p->lock, NULL);
	p->enabled = isatty(2);
	p->shown = false;
	p->start_ms = p->last_ms = clock_mono_ms();
}

void
progress_bytes(double n, char out[32])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	int i = 0;

	for (; n >= 999.5 && i < 4; i++)
		n /= 1000;
	snprintf(out, 32, i && n < 9.95 ? "%.1f %s" : "%.0f %s", n, units[i]);
}

void
progress_show(struct progress *p, uint64_t done, uint64_t total)
{
	char a[32], b[32], rate[32];
	uint64_t now = clock_mono_ms();
	double seconds, left;

	if (!p->enabled)
		return;
	LS_AUTOLOCK(&p->lock);
	if (now - p->start_ms < FIRST_MS || now - p->last_ms < EVERY_MS || !done)
		return;
	p->last_ms = now;
	p->shown = true;
	seconds = (double)(now - p->start_ms) / 1000;
	left = total > done ? seconds * (double)(total - done) / (double)done : 0;
	progress_bytes((double)done, a);
	progress_bytes((double)total, b);
	progress_bytes((double)done / seconds, rate);
	fprintf(stderr, "\r\033[K%s of %s, %s/s, %.0f s left", a, b, rate, left);
	fflush(stderr);
}

void
progress_hide(struct progress *p)
{
	if (p->shown)
		fprintf(stderr, "\r\033[K");
	p->shown = false;
}

void
progress_done(struct progress *p)
{
	progress_hide(p);
	pthread_mutex_destroy(&p->lock);
}
