/* SPDX-License-Identifier: Apache-2.0 */
/* Names and inode numbers that the kernel hands to the mount. Input: a number (8 bytes), a name. */
#include "config.h"

#include "fs/tree.h"
#include "tests/fuzz/fuzz.h"

static void
check_number(uint64_t ino)
{
	struct tree_node node;

	if (!tree_node(ino, &node))
		return;
	FUZZ_CHECK(tree_ino(&node) == ino);
	FUZZ_CHECK(node.value <= TREE_VALUE_MAX);
	FUZZ_CHECK(!tree_is_dir(node.kind) || !tree_is_link(node.kind));
}

static void
check_txid(const char *name)
{
	char back[TREE_NAME_MAX];
	enum tree_kind kind = TREE_ROOT, again = TREE_ROOT;
	uint64_t txid = 0, same = 0;

	if (!tree_parse_txid(name, &txid, &kind))
		return;
	FUZZ_CHECK(txid >= 1 && txid <= TREE_VALUE_MAX);
	FUZZ_CHECK(kind == TREE_DB || kind == TREE_WAL || kind == TREE_SHM);
	tree_txid_name(txid, back);
	FUZZ_CHECK(tree_parse_txid(back, &same, &again) && same == txid && again == TREE_DB);
}

static void
check_old(const char *name)
{
	enum tree_which which = TREE_ITS_SHM, again = TREE_ITS_SHM;
	char back[TREE_NAME_MAX];
	uint32_t index = 0, same = 0;
	uint64_t end = 0, end2 = 1;

	if (!tree_parse_old(name, &index, &end, &which))
		return;
	FUZZ_CHECK(which <= TREE_ITS_SHM);
	tree_old_name(index, end, back);
	FUZZ_CHECK(tree_parse_old(back, &same, &end2, &again) && same == index && end2 == end &&
		   again == TREE_THE_DB);
}

/* Down from /time, and from the day of the number taken as a time. */
static void
check_date(uint64_t date, const char *name)
{
	int depth = tree_date_depth(date);
	char back[TREE_NAME_MAX];
	uint64_t child = tree_date_child(date, name);

	if (child == 0)
		return;
	FUZZ_CHECK(depth < 3 && tree_date_depth(child) == depth + 1);
	FUZZ_CHECK(child <= TREE_VALUE_MAX);
	FUZZ_CHECK(tree_date_parent(child, depth) == date);
	tree_date_name(child, back);
	FUZZ_CHECK(strcmp(back, name) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = {data, n};
	uint64_t number = (uint64_t)fuzz_u32(&in) << 32 | fuzz_u32(&in), day;
	char *name = malloc(in.n + 1);

	FUZZ_CHECK(name != NULL);
	memcpy(name, in.p, in.n);
	name[in.n] = '\0';
	check_number(number);
	check_txid(name);
	check_old(name);
	day = tree_date((int64_t)number);
	FUZZ_CHECK(tree_date_depth(day) == 3);
	for (int depth = 0; depth <= 3; depth++)
		check_date(tree_date_parent(day, depth), name);
	free(name);
	return 0;
}
