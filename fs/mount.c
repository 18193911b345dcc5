/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount.litestream: options, the replica, the FUSE session, the daemon.
 *
 * The child does everything; the parent waits for one status byte and a message, so that mount(8)
 * returns when the mount can be used. Exit codes are mount(8)'s: 0, 1 usage or permission, 2
 * system, 32 mount failure.
 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/conf/conf.h"
#include "engine/replica/rank.h"
#include "fs/mopts.h"
#include "fs/ops.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { EXIT_OK = 0, EXIT_USAGE = 1, EXIT_SYSTEM = 2, EXIT_MOUNT = 32, READ_AHEAD_KB = 2048 };

struct mount {
	struct mopts opts;
	struct fs fs;
	struct conf conf;
	struct conf_replica from_url;
	char *real_dir; /* of the mount, absolute */
	int status_fd;	/* to the parent; -1 in the foreground or once told */
};

static void
say(const char *text)
{
	fprintf(stderr, "mount.litestream: %s\n", text);
}

/* Ends the parent's wait. */
static void
tell(struct mount *m, int code, const char *text)
{
	unsigned char byte = (unsigned char)code;
	ssize_t n;

	if (m->status_fd < 0) {
		if (code)
			say(text);
		return;
	}
	n = write(m->status_fd, &byte, 1);
	if (n == 1 && code)
		n = write(m->status_fd, text, strlen(text));
	(void)n; /* a parent that is gone needs no news */
	close(m->status_fd);
	m->status_fd = -1;
}

/* ---- the replica ---- */

/* The one that is named, or the best one that answers. */
static int
choose_replica(struct mount *m, const struct conf_db *db, const struct conf_replica **ret,
	       struct ls_err *err)
{
	struct store_call call = {.deadline_ms = clock_mono_ms() + m->fs.timeout_ms};
	ls_autofree struct rank *ranks = ls_alloc_array(db->nreplicas, sizeof *ranks);

	if (!ranks)
		return ls_err_set(err, -ENOMEM, "out of memory");
	if (m->opts.replica) {
		*ret = conf_find_replica(db, m->opts.replica);
		return *ret ? 0
			    : ls_err_set(err, -EINVAL, "replica '%s' not found for database '%s'",
					 m->opts.replica, db->path);
	}
	for (size_t i = 0; i < db->nreplicas; i++) {
		struct rank *r = &ranks[i];

		r->conf = &db->replicas[i];
		r->err.code = conf_open_store(r->conf, &r->store, &r->err);
	}
	rank_replicas(ranks, db->nreplicas, &call);
	*ret = ranks[0].conf;
	for (size_t i = 0; i < db->nreplicas; i++)
		store_close(ranks[i].store);
	if (db->nreplicas > 1)
		log_write(LOG_INFO, "mounting replica", LOG_STR("replica", (*ret)->name),
			  LOG_STR("url", (*ret)->url));
	return 0;
}

static int
find_replica(struct mount *m, const struct conf_replica **ret, struct ls_err *err)
{
	const struct conf_db *db;
	int rc;

	if (!m->opts.config) {
		*ret = &m->from_url;
		return conf_replica_from_url(m->opts.spec, &m->from_url, err);
	}
	if ((rc = conf_load(m->opts.config, true, &m->conf, err)) < 0)
		return rc;
	if ((rc = conf_get(&m->conf, m->opts.spec, &db, err)) < 0)
		return rc;
	return choose_replica(m, db, ret, err);
}

static int
check_points(struct mount *m, const struct conf_replica *r, struct ls_err *err)
{
	struct points_list *l = points_get(&m->fs.points, NULL);
	size_t n = l->n;

	points_put(l);
	if (n == 0 && !m->fs.has_old)
		return ls_err_set(err, -ENOENT,
				  "'%s' holds no backup that can be restored: is it the place "
				  "that litestream replicates to?",
				  r->url);
	return 0;
}

/* What there is of Litestream 0.3. */
static int
open_old(struct mount *m, struct store *store, const struct store_call *call, struct ls_err *err)
{
	ls_autofree char(*v)[NAME03_GENERATION_LEN + 1] = NULL;
	size_t n = 0;
	int rc;

	names_init(&m->fs.names);
	raw_init(&m->fs.raw, store);
	if ((rc = old_new(store, &m->fs.old, err)) < 0 ||
	    (rc = old_generations(m->fs.old, call, &v, &n, err)) < 0)
		return rc;
	m->fs.has_old = n > 0;
	return 0;
}

static int
open_replica(struct mount *m, struct ls_err *err)
{
	struct store_call call = {.deadline_ms = clock_mono_ms() + m->fs.timeout_ms};
	struct history_opts opts = {.cache_bytes = m->opts.cache_bytes};
	const struct conf_replica *r = NULL;
	char identity[STORE_ETAG_MAX];
	struct store *store = NULL;
	bool parent_ok = false;
	int rc;

	if ((rc = find_replica(m, &r, err)) < 0 || (rc = conf_open_store(r, &store, err)) < 0)
		return rc;
	if ((rc = store_root(store, &call, false, identity, &parent_ok, err)) < 0) {
		store_close(store);
		return rc;
	}
	if ((rc = history_open(store, &call, &opts, &m->fs.history, err)) < 0)
		return rc;
	if ((rc = points_init(&m->fs.points, m->fs.history, err)) < 0 ||
	    (rc = open_old(m, store, &call, err)) < 0)
		return rc;
	return check_points(m, r, err);
}

/* ---- the session ---- */

static struct fuse_session *
new_session(struct mount *m, struct ls_err *err)
{
	LS_AUTO(ls_buf_done) struct ls_buf o = {.max = 16384};
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *se = NULL;
	const char *kernel = ls_buf_cstr(&m->opts.kernel), *text = NULL;

	if (ls_buf_printf(&o,
			  "ro,nosuid,nodev,noexec,default_permissions,subtype=litestream%s,"
			  "fsname=",
			  kernel ? kernel : "") == 0 &&
	    mopts_fsname(m->opts.spec, &o) == 0)
		text = ls_buf_cstr(&o);
	if (text && fuse_opt_add_arg(&args, "mount.litestream") == 0 &&
	    fuse_opt_add_arg(&args, "-o") == 0 && fuse_opt_add_arg(&args, text) == 0)
		se = fuse_session_new(&args, &ops_table, sizeof ops_table, &m->fs);
	fuse_opt_free_args(&args);
	if (!se)
		ls_err_set(err, -EINVAL, "FUSE does not take these options");
	return se;
}

/* Larger reads from the page cache: only root may ask for them, and nothing depends on it. */
static void
raise_read_ahead(const char *dir)
{
	ls_autofree char *table = NULL;
	char path[64], value[16];
	unsigned major, minor;
	int fd, n;

	if (!dir || io_read_file("/proc/self/mountinfo", 16 << 20, &table, NULL, NULL) < 0)
		return;
	for (char *line = table; line && *line; line = strchr(line, '\n'), line += !!line) {
		char point[512];

		if (sscanf(line, "%*d %*d %u:%u %*s %511s", &major, &minor, point) != 3 ||
		    strcmp(point, dir) != 0)
			continue;
		snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major, minor);
		n = snprintf(value, sizeof value, "%d", READ_AHEAD_KB);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd >= 0 && write(fd, value, (size_t)n) < 0)
			say("the read-ahead of the mount could not be raised");
		if (fd >= 0)
			close(fd);
	}
}

static void
on_ready(void *arg)
{
	tell(arg, EXIT_OK, "");
}

/* The kernel sets its own read-ahead while it starts the session: ours comes after that. */
static void
first_open(void *arg)
{
	raise_read_ahead(((struct mount *)arg)->real_dir);
}

static int
start_pools(struct mount *m, struct ls_err *err)
{
	int rc = job_pool_new("fetch", m->opts.threads, &m->fs.fetch, err);

	return rc < 0 ? rc : job_pool_new("push", 1, &m->fs.push, err);
}

static void
detach(struct mount *m)
{
	int fd;

	if (m->opts.foreground)
		return;
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (chdir("/") < 0 || fd < 0)
		return;
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	close(fd);
}

static int
serve(struct mount *m, struct ls_err *err)
{
	struct fuse_session *se = new_session(m, err);
	int rc;

	if (!se)
		return EXIT_USAGE;
	m->fs.session = se;
	m->fs.ready = on_ready;
	m->fs.opened = first_open;
	m->real_dir = realpath(m->opts.dir, NULL);
	m->fs.ready_arg = m;
	if (fuse_set_signal_handlers(se) != 0 || fuse_session_mount(se, m->opts.dir) != 0) {
		ls_err_set(err, -EIO,
			   "cannot mount on '%s' (is it a directory, and /dev/fuse there?)",
			   m->opts.dir);
		fuse_session_destroy(se);
		return EXIT_MOUNT;
	}
	if (start_pools(m, err) < 0) {
		rc = EXIT_SYSTEM;
	} else {
		detach(m);
		rc = fuse_session_loop(se) < 0 ? EXIT_SYSTEM : EXIT_OK;
	}
	fuse_remove_signal_handlers(se);
	fuse_session_unmount(se);
	job_pool_free(m->fs.fetch);
	job_pool_free(m->fs.push);
	fuse_session_destroy(se);
	return rc;
}

static void
close_replica(struct mount *m)
{
	if (m->fs.points.history)
		points_done(&m->fs.points);
	old_free(m->fs.old);
	raw_done(&m->fs.raw);
	names_done(&m->fs.names);
	history_close(m->fs.history);
	conf_replica_done(&m->from_url);
	conf_done(&m->conf);
	mopts_done(&m->opts);
	free(m->real_dir);
}

static int
run(struct mount *m)
{
	struct ls_err err = {0};
	int rc = open_replica(m, &err);

	if (rc < 0) {
		tell(m, rc == -EINVAL ? EXIT_USAGE : EXIT_MOUNT, err.msg);
		return rc == -EINVAL ? EXIT_USAGE : EXIT_MOUNT;
	}
	if (m->opts.fake) {
		tell(m, EXIT_OK, "");
		return EXIT_OK;
	}
	rc = serve(m, &err);
	if (rc)
		tell(m, rc, err.msg);
	return rc;
}

/* ---- the parent ---- */

static int
wait_for_child(int fd, pid_t pid)
{
	unsigned char code;
	char text[1024];
	ssize_t n = read(fd, &code, 1);

	if (n != 1) {
		waitpid(pid, NULL, 0);
		say("it ended before the mount was ready");
		return EXIT_MOUNT;
	}
	n = read(fd, text, sizeof text - 1);
	if (code && n > 0) {
		text[n] = '\0';
		say(text);
	}
	return code;
}

static int
daemonise(struct mount *m)
{
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0) {
		say("cannot make a pipe");
		return EXIT_SYSTEM;
	}
	pid = fork();
	if (pid < 0) {
		say("cannot fork");
		return EXIT_SYSTEM;
	}
	if (pid > 0) {
		close(p[1]);
		_exit(wait_for_child(p[0], pid));
	}
	close(p[0]);
	setsid();
	m->status_fd = p[1];
	return run(m);
}

int
main(int argc, char **argv)
{
	struct mount m = {.status_fd = -1};
	struct ls_err err = {0};
	int rc;

	/* Blocks come and go in many threads: without this glibc keeps twice the memory. */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	if (mopts_parse(argc, argv, &m.opts, &err) < 0) {
		say(err.msg);
		fputs("Try: mount.litestream --help\n", stderr);
		return EXIT_USAGE;
	}
	if (m.opts.help || m.opts.version) {
		fputs(m.opts.help ? mopts_usage : PACKAGE_VERSION "\n", stdout);
		return EXIT_OK;
	}
	m.fs.uid = m.opts.uid;
	m.fs.gid = m.opts.gid;
	m.fs.umask = m.opts.umask;
	m.fs.timeout_ms = m.opts.timeout_ms;
	m.fs.start_s = clock_wall_ms() / 1000;
	rc = m.opts.foreground || m.opts.fake ? run(&m) : daemonise(&m);
	close_replica(&m);
	return rc;
}
