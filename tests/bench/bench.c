/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench: the load and the clocks of tests/bench/run, so that no interpreter is in what is measured.
 * Every command prints one line of "name value" pairs.
 *
 *   make DB MB                      a database of about MB megabytes, of text and random bytes
 *   flood DB COUNT [AUTO]           COUNT small commits as fast as they go, with a checkpoint
 * beyond AUTO frames (0: never) paced DB RATE SECONDS           RATE small commits a second bulk DB
 * MB                      1,000 rows of 4,000 bytes a transaction, MB of WAL in all latency DB DIR
 * COUNT GAP_MS     commit -> a new name in DIR, each commit by itself read PATH WHAT COUNT [EXT]
 * WHAT: first, scan or points; twice: cold and warm; with EXT the VFS extension is loaded and PATH
 * is ignored watch DIR SECONDS               events of inotify below DIR
 */
#include "config.h"

#include "engine/base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

enum { SMALL = 100, ROW = 1000, BULK_ROW = 4000, WATCH_MASK = IN_CREATE | IN_MOVED_TO };

static sqlite3 *db;
static uint64_t frames, last_frames, peak_frames, seed = 88172645463325252u;
static int64_t autocheckpoint; /* frames; 0: off */

static void
die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, db ? sqlite3_errmsg(db) : strerrordesc_np(errno));
	exit(1);
}

static double
ms(uint64_t since_ns)
{
	return (double)(clock_mono_ns() - since_ns) / 1e6;
}

static uint64_t
next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

/* Half words, half noise: about as compressible as what applications store. */
static void
fill(char *p, size_t n)
{
	static const char *const words[] = {"order ",  "customer ", "paid ", "open ", "2026-11-25 ",
					    "street ", "city ",	    "item ", "null ", "price "};
	size_t at = 0;

	while (at < n) {
		const char *w = words[next_random() % 10];
		uint64_t noise = next_random();
		char text[40];
		int len = snprintf(text, sizeof text, "%s%08" PRIx64, w, noise & 0xffffffff);
		size_t k = (size_t)len < n - at ? (size_t)len : n - at;

		memcpy(p + at, text, k);
		at += k;
	}
}

static void
run_sql(const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sql);
}

static int
count_frames(void *arg, sqlite3 *conn, const char *name, int n)
{
	uint64_t now = (uint64_t)n;

	(void)arg;
	frames += now > last_frames ? now - last_frames : now;
	last_frames = now;
	peak_frames = now > peak_frames ? now : peak_frames;
	if (autocheckpoint && n >= autocheckpoint) /* as the hook that this one replaces */
		sqlite3_wal_checkpoint(conn, name);
	return SQLITE_OK;
}

static void
open_for_writing(const char *path)
{
	if (sqlite3_open(path, &db) != SQLITE_OK)
		die(path);
	sqlite3_busy_timeout(db, 20000);
	run_sql("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0;"
		"CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, k INT, v TEXT)");
	sqlite3_wal_hook(db, count_frames, NULL);
}

static sqlite3_stmt *
prepare(const char *sql)
{
	sqlite3_stmt *s = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		die(sql);
	return s;
}

static void
insert(sqlite3_stmt *s, size_t n)
{
	static char text[BULK_ROW];

	fill(text, n);
	sqlite3_bind_int64(s, 1, (int64_t)(next_random() % 100000));
	sqlite3_bind_text(s, 2, text, (int)n, SQLITE_STATIC);
	if (sqlite3_step(s) != SQLITE_DONE)
		die("insert");
	sqlite3_reset(s);
}

static void
make(const char *path, int64_t mb)
{
	sqlite3_stmt *s;

	open_for_writing(path);
	s = prepare("INSERT INTO t(k, v) VALUES(?, ?)");
	for (int64_t left = mb * 1000; left > 0; left -= 10000) {
		run_sql("BEGIN");
		for (int64_t i = 0; i < left && i < 10000; i++)
			insert(s, ROW);
		run_sql("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
	}
	sqlite3_finalize(s);
	sqlite3_close(db);
}

/* Commits that one after the other insert one row; rate 0: as fast as they go. */
static int
by_length(const void *pa, const void *pb)
{
	const uint32_t *a = pa, *b = pb;

	return *a < *b ? -1 : *a > *b;
}

static void
commits(const char *path, int64_t count, int64_t rate)
{
	uint32_t *us = calloc((size_t)count + 1, sizeof *us);
	uint64_t start;
	sqlite3_stmt *s;

	if (!us)
		die("commits");
	open_for_writing(path);
	s = prepare("INSERT INTO t(k, v) VALUES(?, ?)");
	start = clock_mono_ns();
	for (int64_t i = 0; i < count; i++) {
		uint64_t begin;

		if (rate) {
			uint64_t due = start + (uint64_t)i * UINT64_C(1000000000) / (uint64_t)rate;
			struct timespec ts = {.tv_sec = (time_t)(due / UINT64_C(1000000000)),
					      .tv_nsec = (long)(due % UINT64_C(1000000000))};

			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		}
		begin = clock_mono_ns();
		insert(s, SMALL);
		us[i] = (uint32_t)((clock_mono_ns() - begin) / 1000);
	}
	printf("wall_ms %.3f ", ms(start));
	qsort(us, (size_t)count, sizeof *us, by_length);
	printf("p999_ms %.3f worst_ms %.3f wal_bytes %" PRIu64 " peak_frames %" PRIu64 "\n",
	       us[count - count / 1000 - 1] / 1e3, us[count - 1] / 1e3, frames * (4096 + 24),
	       peak_frames);
	sqlite3_finalize(s);
	fflush(stdout);
	/* A last connection would checkpoint: leave that to nobody. */
	_exit(0);
}

static void
bulk(const char *path, int64_t mb)
{
	uint64_t start;
	sqlite3_stmt *s;

	open_for_writing(path);
	s = prepare("INSERT INTO t(k, v) VALUES(?, ?)");
	start = clock_mono_ns();
	while (frames * 4120 < (uint64_t)mb * 1000000) {
		run_sql("BEGIN");
		for (int i = 0; i < 1000; i++)
			insert(s, BULK_ROW - 100);
		run_sql("COMMIT");
	}
	printf("wall_ms %.3f wal_bytes %" PRIu64 "\n", ms(start), frames * 4120);
	fflush(stdout);
	_exit(0);
}

/* Waits for a new name that ends in ".ltx"; false: not within ten seconds. */
static bool
wait_for_object(int fd)
{
	_Alignas(struct inotify_event) char buf[8192];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (;;) {
		ssize_t n;

		if (poll(&p, 1, 10000) <= 0 || (n = read(fd, buf, sizeof buf)) <= 0)
			return false;
		for (char *q = buf; q < buf + n;) {
			const struct inotify_event *e = (const void *)q;
			size_t len = e->len ? strlen(e->name) : 0;

			if (len > 4 && strcmp(e->name + len - 4, ".ltx") == 0)
				return true;
			q += sizeof *e + e->len;
		}
	}
}

static void
latency(const char *path, const char *dir, int64_t count, int64_t gap_ms)
{
	int fd = inotify_init1(IN_CLOEXEC);
	sqlite3_stmt *s;

	open_for_writing(path);
	s = prepare("INSERT INTO t(k, v) VALUES(?, ?)");
	if (fd < 0 || inotify_add_watch(fd, dir, WATCH_MASK) < 0)
		die(dir);
	for (int64_t i = 0; i < count; i++) {
		uint64_t start;

		insert(s, SMALL);
		start = clock_mono_ns();
		if (!wait_for_object(fd))
			die("no object after ten seconds");
		printf("%.3f%s", ms(start), i + 1 < count ? " " : "\n");
		usleep((useconds_t)(gap_ms * 1000 + (int64_t)(next_random() % 50000)));
	}
	fflush(stdout);
	_exit(0);
}

static void
one_row(sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		die("read");
	sqlite3_reset(s);
}

static void
open_for_reading(const char *path, const char *extension)
{
	char uri[4096], *text = NULL;

	if (extension) {
		if (sqlite3_open(":memory:", &db) != SQLITE_OK)
			die("open");
		sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
		if (sqlite3_load_extension(db, extension, "sqlite3_litestreamvfs_init", &text))
			die(text ? text : extension);
		sqlite3_close(db);
	}
	snprintf(uri, sizeof uri, "file:%s?mode=ro", extension ? "bench.db" : path);
	if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
			    extension ? "litestream" : NULL) != SQLITE_OK)
		die(uri);
}

static void
query(const char *what, int64_t count, int64_t rows)
{
	sqlite3_stmt *s;

	if (strcmp(what, "scan") == 0) {
		s = prepare("SELECT sum(length(v)) FROM t");
		one_row(s);
	} else {
		s = prepare("SELECT v FROM t WHERE id = ?");
		seed = 88172645463325252u;
		for (int64_t i = 0; i < count; i++) {
			sqlite3_bind_int64(s, 1, 1 + (int64_t)(next_random() % (uint64_t)rows));
			one_row(s);
		}
	}
	sqlite3_finalize(s);
}

static void
read_db(const char *path, const char *what, int64_t count, const char *extension)
{
	uint64_t start = clock_mono_ns(), load;
	sqlite3_stmt *s;
	int64_t rows;

	open_for_reading(path, extension);
	load = clock_mono_ns();
	s = prepare("SELECT max(id) FROM t");
	if (sqlite3_step(s) != SQLITE_ROW)
		die("first row");
	rows = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	printf("open_ms %.3f first_ms %.3f", (double)(load - start) / 1e6, ms(start));
	if (strcmp(what, "first") != 0) {
		for (int i = 0; i < 2; i++) {
			start = clock_mono_ns();
			query(what, count, rows);
			printf(" %s_ms %.3f", i ? "warm" : "cold", ms(start));
		}
	}
	putchar('\n');
	fflush(stdout);
	_exit(0); /* the extension does not like to be unloaded */
}

static void
watch_below(int fd, const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	char path[4096];

	if (!d)
		die(dir);
	while ((e = readdir(d)) != NULL) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		watch_below(fd, path);
	}
	closedir(d);
	if (inotify_add_watch(fd, dir, IN_ALL_EVENTS) < 0)
		die(dir);
}

static void
watch(const char *dir, int64_t seconds)
{
	uint64_t end = clock_mono_ms() + (uint64_t)seconds * 1000, now, events = 0;
	_Alignas(struct inotify_event) char buf[65536];
	int fd = inotify_init1(IN_CLOEXEC);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (fd < 0)
		die("inotify");
	watch_below(fd, dir);
	while ((now = clock_mono_ms()) < end)
		if (poll(&p, 1, (int)(end - now)) > 0) {
			ssize_t n = read(fd, buf, sizeof buf);

			for (char *q = buf; q < buf + n; events++)
				q += sizeof(struct inotify_event) +
				     ((const struct inotify_event *)(const void *)q)->len;
		}
	printf("events %" PRIu64 "\n", events);
}

int
main(int argc, char **argv)
{
	const char *cmd = argc > 2 ? argv[1] : "";
	int64_t a3 = argc > 3 ? strtoll(argv[3], NULL, 10) : 0;
	int64_t a4 = argc > 4 ? strtoll(argv[4], NULL, 10) : 0;

	if (strcmp(cmd, "make") == 0 && argc == 4)
		make(argv[2], a3);
	else if (strcmp(cmd, "flood") == 0 && (argc == 4 || argc == 5))
		autocheckpoint = a4, commits(argv[2], a3, 0);
	else if (strcmp(cmd, "paced") == 0 && argc == 5)
		commits(argv[2], a3 * a4, a3);
	else if (strcmp(cmd, "bulk") == 0 && argc == 4)
		bulk(argv[2], a3);
	else if (strcmp(cmd, "latency") == 0 && argc == 6)
		latency(argv[2], argv[3], a4, strtoll(argv[5], NULL, 10));
	else if (strcmp(cmd, "read") == 0 && argc >= 5)
		read_db(argv[2], argv[3], a4, argc > 5 ? argv[5] : NULL);
	else if (strcmp(cmd, "watch") == 0 && argc == 4)
		watch(argv[2], a3);
	else
		return fputs("see the head of tests/bench/bench.c\n", stderr), 2;
	return 0;
}
