/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/sync/position.h"
#include "engine/sync/stage.h"
#include "engine/sync/statedir.h"
#include "tests/lib/tap.h"

#include <sys/stat.h>

static char dir[] = "/tmp/test_position.XXXXXX";

static struct position
sample(uint64_t txid)
{
	return (struct position){.txid = txid,
				 .time_ms = 1700000000123,
				 .dev = 7,
				 .ino = 8,
				 .page_size = 4096,
				 .commit = 9,
				 .salts = {1, 2},
				 .frame = 3,
				 .sum = {4, 5},
				 .chained = true,
				 .boot = 10,
				 .nhistory = 1,
				 .history = {{6, 7}}};
}

static void
test_codec(void)
{
	uint8_t raw[POSITION_SLOT_SIZE];
	struct position p = sample(42), q;
	struct ls_err err = {0};
	uint64_t seq = 0;
	int wrong = 0;

	position_encode(&p, 5, raw);
	is_int(position_decode(raw, &q, &seq, &err), 0, "decode");
	ok(seq == 5 && memcmp(&p, &q, sizeof p) == 0, "every field comes back");
	for (size_t i = 0; i < sizeof raw * 8; i++) {
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
		wrong += position_decode(raw, &q, &seq, NULL) == 0;
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	is_int(wrong, 0, "no flipped bit is taken");
}

static void
test_newest_slot_wins(void)
{
	ls_autofree char *path = io_join(dir, "position");
	struct position_file f;
	struct position p;
	struct ls_err err = {0};
	bool found = true;
	int fd;

	is_int(position_open(path, 0600, &f, &p, &found, &err), 0, "create");
	ok(!found, "nothing there");
	for (uint64_t txid = 1; txid <= 5; txid++) {
		p = sample(txid);
		if (position_store(&f, &p, &err) < 0 || position_sync(&f, &err) < 0)
			ok(false, "write: %s", err.msg);
	}
	position_close(&f);
	is_int(position_open(path, 0600, &f, &p, &found, &err), 0, "open again");
	ok(found && p.txid == 5, "the newest record");
	position_close(&f);
	/* A write that was torn by a crash leaves the record before it. */
	fd = open(path, O_RDWR | O_CLOEXEC);
	ok(pwrite(fd, "torn", 4, POSITION_SLOT_SIZE + 100) == 4, "damage the slot of record 5");
	close(fd);
	is_int(position_open(path, 0600, &f, &p, &found, &err), 0, "open again");
	ok(found && p.txid == 4, "the record before it");
	position_close(&f);
}

static void
open_state(struct statedir *s, int want, const char *what)
{
	struct stat st = {.st_mode = S_IFREG | 0640, .st_uid = getuid(), .st_gid = getgid()};
	struct stat parent = {.st_mode = S_IFDIR | 0750};
	ls_autofree char *path = io_join(dir, "state");
	struct ls_err err = {0};

	if (!is_int(statedir_open(path, &st, &parent, s, &err), want, what))
		printf("# %s\n", err.msg);
}

static void
test_statedir_and_stage(void)
{
	LS_AUTO(stage_abort) struct stage_file f = {.fd = -1};
	ls_autofree char *path = NULL, *tmp = NULL;
	struct stage_entry *v = NULL;
	struct statedir s, second;
	struct ls_err err = {0};
	struct stat st;
	size_t n = 0;

	open_state(&s, 0, "open");
	open_state(&second, -EBUSY, "a second daemon is refused");
	is_int(stage_begin(&s, 7, &f, &err), 0, "begin");
	is_int(stage_write(&f, "hello", 5, &err), 0, "write");
	is_int(stage_list(&s, &v, &n, &err), 0, "list");
	is_u64(n, 0, "nothing has a name before the commit");
	free(v);
	is_int(stage_commit(&f, 1700000000123, &err), 0, "commit");
	path = stage_path(&s, 7);
	ok(stat(path, &st) == 0 && st.st_size == 5 && st.st_mtim.tv_nsec == 123000000,
	   "named, complete, with the transaction's time");
	stage_abort(&f);
	ok(stat(path, &st) == 0, "an abort after the commit removes nothing");
	is_int(stage_begin(&s, 7, &f, &err), 0, "again");
	is_int(stage_commit(&f, 1700000000123, &err), -EEXIST, "a TXID is never written twice");
	stage_abort(&f);
	ok(stat(path, &st) == 0 && st.st_size == 5, "and what was there stays");
	stage_abort(&f);
	is_int(stage_begin(&s, 8, &f, &err), 0, "begin another");
	stage_abort(&f);
	is_int(stage_list(&s, &v, &n, &err), 0, "list");
	ok(n == 1 && v[0].txid == 7, "an aborted file leaves nothing");
	free(v);
	is_int(stage_prune(&s, 7, &err), 0, "prune");
	ok(stat(path, &st) == 0, "the newest stays");
	tmp = io_join(s.ltx0, "left.tmp");
	close(open(tmp, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	statedir_close(&s);
	open_state(&s, 0, "open again");
	ok(stat(tmp, &st) < 0, "what a crash left is removed");
	statedir_close(&s);
}

int
main(void)
{
	char cmd[64];

	if (!mkdtemp(dir))
		return 1;
	RUN(test_codec);
	RUN(test_newest_slot_wins);
	RUN(test_statedir_and_stage);
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	if (system(cmd))
		return 1;
	return tap_done();
}
