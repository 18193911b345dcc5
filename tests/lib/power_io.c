/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/lib/power_io.h"

#include "engine/base/auto.h"
#include "engine/base/io.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 4096, CHANGES = 16384, FDS = 1024, FILE_MAX = 1 << 22 };

/* A file or a directory; number 0 is none. */
struct node {
	bool dir;
	uint8_t *p; /* durable content of a file */
	size_t n;
};

/* What was done and is not durable yet, in order. */
struct change {
	enum { NONE, WRITE, CUT, NAME, UNNAME } what;
	int node; /* the file, or the directory of the name */
	uint64_t off;
	size_t n;
	uint8_t *p;
	char name[128];
	int target; /* NAME */
};

struct entry {
	int dir, target;
	char name[128];
	bool durable; /* else: of the real tree only */
};

static struct power_io_plan plan;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node nodes[NODES];
static struct entry entries[NODES]; /* of the real tree and of the durable one */
static struct change changes[CHANGES];
static int nnodes = 1, nentries, nchanges, of_fd[FDS];
static uint64_t count, rng;

static void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "power_io: %s\n", what);
	_exit(3);
}

static uint32_t
chance(uint32_t n)
{
	uint64_t z = rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) >> 32) % n;
}

/* ---- names ---- */

static struct entry *
find(int dir, const char *name, bool durable)
{
	for (int i = 0; i < nentries; i++)
		if (entries[i].target && entries[i].dir == dir && entries[i].durable == durable &&
		    strcmp(entries[i].name, name) == 0)
			return &entries[i];
	return NULL;
}

static void
set(int dir, const char *name, bool durable, int target)
{
	struct entry *e = find(dir, name, durable);

	if (!e) {
		must(nentries < NODES && strlen(name) < sizeof e->name, "too many names");
		e = &entries[nentries++];
		*e = (struct entry){.dir = dir, .durable = durable};
		strcpy(e->name, name);
	}
	e->target = target;
}

/* Splits a path below a root into the node of its directory and its name. False: not ours. */
static bool
resolve(const char *path, int *ret_dir, char name[128])
{
	for (int i = 0; i < 2; i++) {
		size_t n = strlen(plan.roots[i]);
		const char *p = path + n;
		int dir = -i - 1; /* the parent of a root: a directory that is durable itself */

		if (strncmp(path, plan.roots[i], n) != 0 || (*p && *p != '/'))
			continue;
		strcpy(name, "");
		while (*p) {
			size_t m;
			struct entry *e = find(dir, name, false);

			if (!e)
				return false;
			dir = e->target;
			p += strspn(p, "/");
			m = strcspn(p, "/");
			must(m < 128, "a long name");
			memcpy(name, p, m);
			name[m] = '\0';
			p += m;
		}
		*ret_dir = dir;
		return true;
	}
	return false;
}

static int
new_node(bool dir)
{
	must(nnodes < NODES, "too many files");
	nodes[nnodes] = (struct node){.dir = dir};
	return nnodes++;
}

static struct change *
note(int node)
{
	must(nchanges < CHANGES, "too many changes");
	changes[nchanges] = (struct change){.node = node};
	return &changes[nchanges++];
}

static void
note_name(int dir, const char *name, int target)
{
	struct change *c = note(dir);

	c->what = target ? NAME : UNNAME;
	c->target = target;
	strcpy(c->name, name);
	set(dir, name, false, target);
	/* The parents of the roots are somebody else's. */
	if (dir < 0) {
		set(dir, name, true, target);
		c->what = NONE;
	}
}

/* ---- the trees at the start ---- */

struct loading {
	const char *path;
	int dir;
};

static void load(int dir, const char *name, const char *path);

static int
load_name(void *arg, const char *name, struct ls_err *err)
{
	const struct loading *l = arg;
	ls_autofree char *path = io_join(l->path, name);

	(void)err;
	load(l->dir, name, path);
	return 0;
}

static void
load(int dir, const char *name, const char *path)
{
	struct stat st;
	int n;

	if (io_stat(path, &st, NULL) < 0)
		return;
	n = new_node(S_ISDIR(st.st_mode));
	set(dir, name, false, n);
	set(dir, name, true, n);
	if (S_ISDIR(st.st_mode)) {
		struct loading l = {path, n};

		must(io_list(path, load_name, &l, NULL) == 0, "list");
		return;
	}
	must(io_read_file(path, FILE_MAX, (char **)&nodes[n].p, &nodes[n].n, NULL) == 0, "read");
}

/* ---- what becomes durable ---- */

static void
put(uint8_t **p, size_t *n, const struct change *c, size_t part)
{
	size_t end = c->off + part;

	if (c->what == CUT)
		end = c->off;
	if (end > *n || c->what == CUT) {
		*p = realloc(*p, end + 1);
		must(*p, "memory");
		if (end > *n)
			memset(*p + *n, 0, end - *n);
		*n = end;
	}
	if (c->what == WRITE)
		memcpy(*p + c->off, c->p, part);
}

static void
sync_node(int node)
{
	for (int i = 0; i < nchanges; i++) {
		struct change *c = &changes[i];

		if (c->node != node || c->what == NONE)
			continue;
		if (c->what == WRITE || c->what == CUT)
			put(&nodes[node].p, &nodes[node].n, c, c->n);
		else
			set(node, c->name, true, c->target);
		c->what = NONE;
		free(c->p);
		c->p = NULL;
	}
}

/* ---- what is left ---- */

static void
build_file(int node, const char *path)
{
	uint8_t *p = malloc(nodes[node].n + 1);
	size_t n = nodes[node].n;
	FILE *f = fopen(path, "wb");

	must(p && f, path);
	memcpy(p, nodes[node].p ? nodes[node].p : p, nodes[node].p ? n : 0);
	for (int i = 0; i < nchanges; i++) {
		const struct change *c = &changes[i];

		if (c->node != node || (c->what != WRITE && c->what != CUT))
			continue;
		switch (chance(3)) {
		case 0:
			put(&p, &n, c, c->n);
			break;
		case 1:
			put(&p, &n, c, c->n / 2);
			break;
		default:
			break;
		}
	}
	must(fwrite(p, 1, n, f) == n && fclose(f) == 0, path);
	free(p);
}

static void build_dir(int dir, const char *path);

static void
build(int node, const char *path)
{
	if (nodes[node].dir)
		build_dir(node, path);
	else
		build_file(node, path);
}

/* The first few of its changes. */
static void
settle_names(int dir)
{
	int n = 0, keep;

	for (int i = 0; i < nchanges; i++)
		n += changes[i].node == dir && changes[i].what >= NAME;
	keep = (int)chance((uint32_t)n + 1);
	for (int i = 0; i < nchanges && keep > 0; i++)
		if (changes[i].node == dir && changes[i].what >= NAME) {
			set(dir, changes[i].name, true, changes[i].target);
			/* A rename is one change. */
			keep -= changes[i].off == 0;
		}
}

static void
build_dir(int dir, const char *path)
{
	int n;

	must(io_system.mkdir(path, 0755) == 0, path);
	settle_names(dir);
	n = nentries;
	for (int i = 0; i < n; i++) {
		ls_autofree char *below = io_join(path, entries[i].name);

		if (entries[i].dir == dir && entries[i].durable && entries[i].target)
			build(entries[i].target, below);
	}
}

static void
power_failure(void)
{
	rng = plan.seed + plan.nth * UINT64_C(1000003);
	for (int i = 0; i < 2; i++) {
		const struct entry *e = find(-i - 1, "", true);

		if (e)
			build(e->target, plan.left[i]);
	}
	raise(SIGKILL);
}

/* Before each change and sync. */
static void
step(void)
{
	if (++count == plan.nth)
		power_failure();
}

/* ---- calls ---- */

static int
do_open(const char *path, int flags, mode_t mode)
{
	char name[128];
	struct entry *e;
	int dir, fd, node = 0;

	LS_AUTOLOCK(&lock);
	if (!resolve(path, &dir, name)) {
		fd = io_system.open(path, flags, mode);
		if (fd >= 0 && fd < FDS)
			of_fd[fd] = 0; /* closed and opened again */
		return fd;
	}
	e = find(dir, name, false);
	if ((!e && flags & O_CREAT) || flags & O_TRUNC)
		step();
	if ((fd = io_system.open(path, flags, mode)) < 0)
		return fd;
	must(fd < FDS, "descriptors");
	node = e ? e->target : 0;
	if (!node && flags & O_CREAT) {
		node = new_node(false);
		note_name(dir, name, node);
	}
	if (flags & O_TRUNC)
		note(node)->what = CUT;
	of_fd[fd] = node;
	return fd;
}

static ssize_t
do_pwrite(int fd, const void *p, size_t n, off_t off)
{
	ssize_t done;

	LS_AUTOLOCK(&lock);
	if (fd < FDS && of_fd[fd])
		step();
	done = io_system.pwrite(fd, p, n, off);
	if (done > 0 && fd < FDS && of_fd[fd]) {
		struct change *c = note(of_fd[fd]);

		c->what = WRITE;
		c->off = (uint64_t)off;
		c->n = (size_t)done;
		c->p = malloc((size_t)done);
		must(c->p, "memory");
		memcpy(c->p, p, (size_t)done);
	}
	return done;
}

static int
do_ftruncate(int fd, off_t size)
{
	LS_AUTOLOCK(&lock);
	if (fd < FDS && of_fd[fd]) {
		struct change *c;

		step();
		c = note(of_fd[fd]);
		c->what = CUT;
		c->off = (uint64_t)size;
	}
	return io_system.ftruncate(fd, size);
}

static int
do_fsync(int fd)
{
	LS_AUTOLOCK(&lock);
	if (fd < FDS && of_fd[fd]) {
		step();
		sync_node(of_fd[fd]);
	}
	return 0;
}

/* The two names of a rename or a link. */
struct pair {
	char from[128], to[128];
	int from_dir, to_dir;
};

/* Whether both are ours. Under the lock. */
static bool
begin_pair(const char *from, const char *to, struct pair *ret)
{
	if (!resolve(from, &ret->from_dir, ret->from) || !resolve(to, &ret->to_dir, ret->to))
		return false;
	step();
	return true;
}

static int
do_rename(const char *from, const char *to)
{
	struct pair p;
	bool ours;
	int rc;

	LS_AUTOLOCK(&lock);
	ours = begin_pair(from, to, &p);
	if ((rc = io_system.rename(from, to)) == 0 && ours) {
		struct entry *e = find(p.from_dir, p.from, false);

		must(e && p.from_dir == p.to_dir, "a rename within one directory");
		note_name(p.to_dir, p.to, e->target);
		changes[nchanges - 1].off = 1; /* goes on */
		note_name(p.from_dir, p.from, 0);
	}
	return rc;
}

static int
do_renamex(const char *from, const char *to, unsigned flags)
{
	(void)from, (void)to, (void)flags;
	errno = EINVAL; /* link and unlink will do */
	return -1;
}

static int
do_link(const char *from, const char *to)
{
	struct pair p;
	bool ours;
	int rc;

	LS_AUTOLOCK(&lock);
	ours = begin_pair(from, to, &p);
	if ((rc = io_system.link(from, to)) == 0 && ours)
		note_name(p.to_dir, p.to, find(p.from_dir, p.from, false)->target);
	return rc;
}

static int
do_unlink(const char *path)
{
	char name[128];
	int dir, rc;
	bool ours;

	LS_AUTOLOCK(&lock);
	if ((ours = resolve(path, &dir, name)))
		step();
	if ((rc = io_system.unlink(path)) == 0 && ours)
		note_name(dir, name, 0);
	return rc;
}

static int
do_mkdir(const char *path, mode_t mode)
{
	char name[128];
	int dir, rc;
	bool ours;

	LS_AUTOLOCK(&lock);
	if ((ours = resolve(path, &dir, name)))
		step();
	if ((rc = io_system.mkdir(path, mode)) == 0 && ours)
		note_name(dir, name, new_node(true));
	return rc;
}

void
power_io_arm(const struct power_io_plan *p)
{
	static struct io_ops ops;

	plan = *p;
	ops = io_system;
	ops.open = do_open;
	ops.pwrite = do_pwrite;
	ops.ftruncate = do_ftruncate;
	ops.fsync = do_fsync;
	ops.fdatasync = do_fsync;
	ops.rename = do_rename;
	ops.renamex = do_renamex;
	ops.link = do_link;
	ops.unlink = do_unlink;
	ops.mkdir = do_mkdir;
	for (int i = 0; i < 2; i++)
		load(-i - 1, "", plan.roots[i]);
	io_set_ops(&ops);
}
