/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/watch.h"

#include <limits.h>
#include <sys/inotify.h>

int
watch_init(struct watch *w, struct ls_err *err)
{
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return w->fd < 0 ? ls_err_sys(err, errno, "inotify") : 0;
}

void
watch_done(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

int
watch_writes(struct watch *w, const char *path)
{
	return w->fd < 0 ? -1 : inotify_add_watch(w->fd, path, IN_MODIFY | IN_ONESHOT);
}

int
watch_dir(struct watch *w, const char *dir, bool fresh)
{
	uint32_t mask = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;

	if (w->fd < 0)
		return -1;
	return inotify_add_watch(w->fd, dir, mask | IN_MASK_ADD | (fresh ? IN_CLOSE_WRITE : 0U));
}

void
watch_read(struct watch *w, watch_fn *fn, void *arg)
{
	_Alignas(struct inotify_event) char buf[8192];
	ssize_t n, longest = sizeof(struct inotify_event) + NAME_MAX + 1;

	do {
		n = read(w->fd, buf, sizeof buf);
		for (char *p = buf; n > 0 && p < buf + n;) {
			const struct inotify_event *e = (const void *)p;

			if (e->mask & IN_Q_OVERFLOW)
				fn(arg, -1, "", false);
			else if (!(e->mask & IN_IGNORED))
				fn(arg, e->wd, e->len ? e->name : "", e->mask & IN_CLOSE_WRITE);
			p += sizeof *e + e->len;
		}
		/* With room for one more that was not there, there was none. */
	} while (n > (ssize_t)sizeof buf - longest);
}
