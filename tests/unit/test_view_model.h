/* SPDX-License-Identifier: Apache-2.0 */
/* A random history of a database, kept as whole images, and the replica directory that holds it. */
#ifndef TESTS_UNIT_TEST_VIEW_MODEL_H
#define TESTS_UNIT_TEST_VIEW_MODEL_H

#include "engine/format/ltx.h"
#include "engine/store/store.h"

enum { MODEL_TXIDS_MAX = 64 };

struct model_opts {
	uint64_t seed;
	uint32_t page_size;
	enum ltx_encoding encoding;
	uint32_t pages; /* about this many */
	unsigned txids;
	bool random_bytes; /* pages that LZ4 cannot make smaller */
	bool levels;	   /* merged files and snapshots, too, and some L0 files missing */
};

struct model {
	struct model_opts o;
	uint64_t rng;
	char dir[64]; /* of the replica */
	struct store *store;
	uint32_t commit[MODEL_TXIDS_MAX + 1];
	uint8_t *image[MODEL_TXIDS_MAX + 1];   /* as of each TXID */
	uint8_t *touched[MODEL_TXIDS_MAX + 1]; /* one byte a page */
	uint32_t npages_max;
};

void model_new(struct model *m, const struct model_opts *o);
void model_done(struct model *m);

uint64_t model_rand(struct model *m);
size_t model_size(const struct model *m, unsigned txid);
/* Writes one file: the pages that min..max touched, as of max. */
void model_write(struct model *m, int level, unsigned min, unsigned max);
/* Writes one file with these pages, ascending, each filled with the byte `fill`. */
struct model_file {
	int level;
	unsigned min, max;
	uint32_t commit;
	const uint32_t *pages;
	size_t n;
	uint8_t fill;
};
void model_put(struct model *m, const struct model_file *f);
/* The file of that range; its bytes may be changed through model_bytes(). */
void model_path(const struct model *m, int level, unsigned min, unsigned max, char out[160]);
/* The replica again, as another store. */
struct store *model_open(const struct model *m);

#endif
