/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/child.h"

#include "engine/base/log.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

static struct child *running;
static struct sigaction before[NSIG];

/* ---- words ---- */

struct words {
	const char *in;
	char *word; /* room for the rest of the input */
	size_t len;
	char **v;
	size_t n, cap;
};

static int
end_word(struct words *w, struct ls_err *err)
{
	if (w->n + 1 >= w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 8;
		char **v = ls_grow_array(w->v, cap, sizeof *v);

		if (!v)
			return ls_err_set(err, -ENOMEM, "exec command: out of memory");
		w->v = v;
		w->cap = cap;
	}
	if (!(w->v[w->n] = strndup(w->word, w->len)))
		return ls_err_set(err, -ENOMEM, "exec command: out of memory");
	w->v[++w->n] = NULL;
	w->len = 0;
	return 0;
}

static int
invalid(struct ls_err *err)
{
	return ls_err_set(err, -EINVAL, "cannot parse exec command: invalid command line string");
}

/* A quoted part, up to behind its end. */
static int
take_quoted(struct words *w, struct ls_err *err)
{
	char quote = *w->in++;

	for (; *w->in && *w->in != quote; w->in++) {
		if (*w->in == '\\' && quote == '"' && !*++w->in)
			break;
		w->word[w->len++] = *w->in;
	}
	if (!*w->in)
		return invalid(err);
	w->in++;
	return 0;
}

static int
take_word(struct words *w, struct ls_err *err)
{
	while (*w->in && !strchr(" \t\n\r;&|<>", *w->in)) {
		if (*w->in == '(' || *w->in == ')')
			return invalid(err);
		if (*w->in == '"' || *w->in == '\'') {
			int rc = take_quoted(w, err);

			if (rc < 0)
				return rc;
			continue;
		}
		if (*w->in == '\\' && !*++w->in)
			return invalid(err);
		w->word[w->len++] = *w->in++;
	}
	return end_word(w, err);
}

static void
free_words(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

int
child_words(const char *command, char ***ret, const char **ret_rest, struct ls_err *err)
{
	ls_autofree char *room = malloc(strlen(command) + 1);
	struct words w = {.in = command, .word = room};
	int rc = room ? 0 : ls_err_set(err, -ENOMEM, "exec command: out of memory");

	*ret_rest = NULL;
	while (rc == 0) {
		w.in += strspn(w.in, " \t\n\r");
		if (!*w.in)
			break;
		if (strchr(";&|<>", *w.in)) {
			*ret_rest = w.in;
			break;
		}
		rc = take_word(&w, err);
	}
	if (rc == 0 && w.n == 0)
		rc = ls_err_set(err, -EINVAL, "cannot parse exec command: it names no program");
	if (rc < 0) {
		free_words(w.v);
		return rc;
	}
	*ret = w.v;
	return 0;
}

/* ---- life ---- */

static void
pass_on(int sig, siginfo_t *info, void *context)
{
	int pid = running ? atomic_load(&running->pid) : 0;

	(void)context;
	if (pid == 0) {
		before[sig].sa_handler(sig);
		return;
	}
	atomic_store(&running->signalled, true);
	if (info->si_code != SI_KERNEL)
		kill(pid, sig);
}

static void
take_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
	struct sigaction sa = {.sa_sigaction = pass_on, .sa_flags = SA_RESTART | SA_SIGINFO};

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		int sig = signals[i];

		sigaction(sig, NULL, &before[sig]);
		/* Nothing of ours to call: the default is to be kept while no child runs. */
		if (before[sig].sa_handler != SIG_IGN && before[sig].sa_handler != SIG_DFL)
			sigaction(sig, &sa, NULL);
	}
}

int
child_prepare(const char *command, struct stop *stop, struct child *ret, struct ls_err *err)
{
	const char *rest = NULL;
	int rc;

	*ret = (struct child){.stop = stop};
	if ((rc = child_words(command, &ret->argv, &rest, err)) < 0)
		return rc;
	if (rest)
		log_write(LOG_WARN, "exec runs no shell: the rest of the command is left out",
			  LOG_STR("left-out", rest), LOG_STR("hint", "use: sh -c '...'"));
	running = ret;
	take_signals();
	return 0;
}

static void *
wait_for_child(void *arg)
{
	struct child *c = arg;
	siginfo_t info;
	pid_t pid = atomic_load(&c->pid);

	/* First that it ended, then forget its number, and only then free the number. */
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	atomic_store(&c->pid, 0);
	while (waitpid(pid, &c->status, 0) < 0 && errno == EINTR)
		;
	log_write(LOG_INFO, "subprocess exited, litestream shutting down");
	stop_fire(c->stop);
	return NULL;
}

static int
spawn(struct child *c, pid_t *ret)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	if (rc == 0)
		rc = posix_spawnp(ret, c->argv[0], &files, &attr, c->argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

int
child_start(struct child *c, struct ls_err *err)
{
	sigset_t all, old;
	pid_t pid = 0;
	int rc;

	/* A signal that comes now waits until the number is known. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	rc = spawn(c, &pid);
	if (rc != 0) {
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		return ls_err_sys(err, rc, "cannot start exec command: '%s'", c->argv[0]);
	}
	atomic_store(&c->pid, pid);
	rc = pthread_create(&c->waiter, NULL, wait_for_child, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0) {
		kill(pid, SIGTERM);
		return ls_err_sys(err, rc, "cannot watch exec command");
	}
	c->started = true;
	return 0;
}

int
child_wait(struct child *c, struct ls_err *err)
{
	if (!c->started)
		return 0;
	pthread_join(c->waiter, NULL);
	c->started = false;
	if (WIFSIGNALED(c->status))
		return atomic_load(&c->signalled) ? 0
						  : ls_err_set(err, -EIO, "signal: %s",
							       sigdescr_np(WTERMSIG(c->status)));
	if (WEXITSTATUS(c->status) == 0)
		return 0;
	return ls_err_set(err, -EIO, "%sexit status %d",
			  atomic_load(&c->signalled) ? "cannot wait for exec process: " : "",
			  WEXITSTATUS(c->status));
}

void
child_done(struct child *c)
{
	running = NULL;
	free_words(c->argv);
	c->argv = NULL;
}
