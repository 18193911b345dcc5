/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main of a fuzz target in a build without libFuzzer: replays every file in
 * tests/fuzz/seeds/NAME, then simple damage of each (shorter, bits flipped), as a TAP test. Given
 * file names, it runs just those, for a debugger.
 */
#include "config.h"

#include "tests/fuzz/fuzz.h"
#include "tests/lib/tap.h"

#include <dirent.h>
#include <stdlib.h>

enum { INPUT_MAX = 1 << 20, CUTS = 64, FLIPS = 256 };

/* The copy is exactly n bytes, so that a sanitizer sees a read past its end. */
static void
run_bytes(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	FUZZ_CHECK(copy != NULL);
	memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void
run_damaged(uint8_t *p, size_t n)
{
	unsigned seed = (unsigned)n;

	for (size_t i = 0; i < CUTS && i < n; i++)
		run_bytes(p, n <= CUTS ? i : (size_t)rand_r(&seed) % n);
	for (size_t i = 0; i < FLIPS && n; i++) {
		size_t bit = (size_t)rand_r(&seed) % (n * 8);

		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		run_bytes(p, n);
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static bool
run_file(const char *path, bool damaged)
{
	uint8_t *p = malloc(INPUT_MAX);
	FILE *f = fopen(path, "rb");
	size_t n = p && f ? fread(p, 1, INPUT_MAX, f) : 0;
	bool good = p && f && !ferror(f);

	if (good) {
		run_bytes(p, n);
		if (damaged)
			run_damaged(p, n);
	}
	if (f)
		fclose(f);
	free(p);
	return good;
}

static void
run_seeds(const char *name)
{
	const char *top = getenv("TOP_SRCDIR");
	char dir[2048], path[4096];
	const struct dirent *e;
	int files = 0;
	DIR *d;

	snprintf(dir, sizeof dir, "%s/tests/fuzz/seeds/%s", top ? top : ".", name);
	for (d = opendir(dir); d && (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		files += ok(run_file(path, true), "%s", e->d_name);
	}
	if (d)
		closedir(d);
	ok(files > 0, "%s: %d seeds", name, files);
}

int
main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];

	for (int i = 1; i < argc; i++)
		ok(run_file(argv[i], false), "%s", argv[i]);
	if (argc == 1)
		run_seeds(strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name);
	return tap_done();
}
