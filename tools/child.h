/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child: the application that replicate -exec runs under replication.
 *
 * Signals that this process gets while the child lives are passed on to it, but for those of the
 * terminal, which it got itself. When it ends, however it ends, the stop token of child_prepare()
 * fires, and signals mean ours again. Source: spec/contract.md 4.3.
 * Threads: one child in a process; one thread waits for it.
 */
#ifndef TOOLS_CHILD_H
#define TOOLS_CHILD_H

#include "engine/base/stop.h"

#include <pthread.h>

struct child {
	char **argv; /* NULL: none; ends with NULL */
	struct stop *stop;
	bool started;
	int status; /* of waitpid(), once stop has fired */
	_Atomic int pid;
	atomic_bool signalled; /* something was passed on */
	pthread_t waiter;
};

/*
 * Splits a command as a POSIX shell does, without expansions. An unquoted ; & | < or > ends it, as
 * in the released program: *ret_rest is what was left out, inside command, or NULL. -EINVAL.
 */
LS_MUST_USE int
child_words(const char *command, char ***ret, const char **ret_rest, struct ls_err *err);

/* Takes the words of command and the signals. stop has to be caught already (source.h). */
LS_MUST_USE int
child_prepare(const char *command, struct stop *stop, struct child *ret, struct ls_err *err);
LS_MUST_USE int child_start(struct child *c, struct ls_err *err);
/* After stop: waits, and says how it ended. An error unless it was clean: status 0, or a death by
 * a signal that was passed on. */
LS_MUST_USE int child_wait(struct child *c, struct ls_err *err);
void child_done(struct child *c);

#endif
