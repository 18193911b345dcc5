/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "fs/mopts.h"

#include "engine/base/timex.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { KERNEL_MAX = 4096, OPTION_MAX = 1024, TIMEOUT_MS = 30000, THREADS = 16 };

const char mopts_usage[] =
	"usage: mount.litestream REPLICA_URL DIR [-fFvn] [-o OPTIONS]\n"
	"       mount -t litestream REPLICA_URL DIR [-o OPTIONS]\n\n"
	"Shows a replica as read-only database files: latest.db, txid/, at/, time/, snapshots/.\n\n"
	"  -F, -o foreground   stay in the foreground\n"
	"  -f                  check everything, mount nothing\n"
	"  -v                  say what is done\n"
	"  -o allow_other      let other users read\n"
	"  -o uid=N,gid=N,umask=M   owner and mode of the files\n"
	"  -o timeout=30s      longest wait for the storage\n"
	"  -o cache_size=16M   memory for stored blocks\n"
	"  -o threads=16       parallel fetches\n"
	"  -o config=FILE      REPLICA_URL is the path of a database in this configuration\n"
	"  -o replica=NAME     of several replicas of that database, this one\n\n"
	"umount DIR ends it. See mount.litestream(8).\n";

/* Options that mount(8) or fstab pass on and that mean nothing here. */
static bool
is_ignored(const char *o)
{
	static const char *const words[] = {
		"rw",	      "ro",	  "defaults",	 "user",    "users",  "owner",
		"group",      "nouser",	  "noauto",	 "auto",    "nofail", "_netdev",
		"dev",	      "suid",	  "exec",	 "nodev",   "nosuid", "noexec",
		"async",      "sync",	  "relatime",	 "noatime", "atime",  "norelatime",
		"nodiratime", "diratime", "strictatime",
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(o, words[i]) == 0)
			return true;
	return strncmp(o, "x-", 2) == 0 || strncmp(o, "X-", 2) == 0 ||
	       strncmp(o, "comment=", 8) == 0 || strncmp(o, "user=", 5) == 0;
}

static bool
is_later(const char *o)
{
	static const char *const words[] = {"cache=",  "min_free=", "max_memory=", "offline_ok",
					    "hydrate", "journal=",  "showmeta"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strncmp(o, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

/* Unsigned number in this base, at most max. */
static int
number(const char *o, const char *value, int base, uint64_t max, uint64_t *ret, struct ls_err *err)
{
	char *end;

	errno = 0;
	*ret = strtoull(value, &end, base);
	if (!isxdigit((unsigned char)*value) || *end || errno || *ret > max)
		return ls_err_set(err, -EINVAL, "option '%.80s': '%.40s' is not a valid number", o,
				  value);
	return 0;
}

/* 16M, 1G, 65536. */
static int
size(const char *o, const char *value, uint64_t *ret, struct ls_err *err)
{
	static const char units[] = "kmgt";
	char digits[32];
	size_t n = strspn(value, "0123456789");
	const char *unit = value[n] ? strchr(units, tolower((unsigned char)value[n])) : NULL;
	int rc;

	if (n == 0 || n >= sizeof digits || (value[n] && (!unit || value[n + 1])))
		return ls_err_set(err, -EINVAL, "option '%.80s': write a size as 65536, 16M or 1G",
				  o);
	memcpy(digits, value, n);
	digits[n] = '\0';
	if ((rc = number(o, digits, 10, UINT64_C(1) << 20, ret, err)) < 0)
		return rc;
	if (unit)
		*ret <<= 10 * (unit - units + 1);
	return 0;
}

static int
timeout(struct mopts *m, const char *o, const char *value, struct ls_err *err)
{
	int64_t ns = 0;
	uint64_t s = 0;

	if (timex_duration(value, &ns, NULL) == 0 && ns > 0)
		m->timeout_ms = (uint64_t)ns / 1000000;
	else if (number(o, value, 10, 86400, &s, NULL) == 0 && s)
		m->timeout_ms = s * 1000;
	else
		return ls_err_set(err, -EINVAL, "option '%.80s': write a duration as 30s or 2m", o);
	return 0;
}

static int
keep(struct mopts *m, const char *o, struct ls_err *err)
{
	if (ls_buf_printf(&m->kernel, ",%s", o) < 0)
		return ls_err_set(err, -EINVAL, "too many options");
	return 0;
}

static int
keep_name(char **at, const char *value, struct ls_err *err)
{
	free(*at);
	*at = strdup(value);
	return *at ? 0 : ls_err_set(err, -ENOMEM, "out of memory");
}

static int
valued(struct mopts *m, const char *o, const char *value, struct ls_err *err)
{
	uint64_t n = 0;
	int rc;

	if (strncmp(o, "uid=", 4) == 0) {
		rc = number(o, value, 10, UINT32_MAX - 1, &n, err);
		m->uid = (uid_t)n;
	} else if (strncmp(o, "gid=", 4) == 0) {
		rc = number(o, value, 10, UINT32_MAX - 1, &n, err);
		m->gid = (gid_t)n;
	} else if (strncmp(o, "umask=", 6) == 0) {
		rc = number(o, value, 8, 0777, &n, err);
		m->umask = (mode_t)n;
		m->umask_set = true;
	} else if (strncmp(o, "timeout=", 8) == 0) {
		rc = timeout(m, o, value, err);
	} else if (strncmp(o, "cache_size=", 11) == 0) {
		rc = size(o, value, &m->cache_bytes, err);
	} else if (strncmp(o, "threads=", 8) == 0) {
		rc = number(o, value, 10, 256, &n, err);
		m->threads = n ? (unsigned)n : 1;
	} else if (strncmp(o, "config=", 7) == 0) {
		rc = keep_name(&m->config, value, err);
	} else if (strncmp(o, "replica=", 8) == 0) {
		rc = keep_name(&m->replica, value, err);
	} else {
		rc = ls_err_set(err, -EINVAL, "unknown option '%.80s'", o);
	}
	return rc;
}

static int
option(struct mopts *m, const char *o, struct ls_err *err)
{
	const char *eq = strchr(o, '=');

	if (!*o || is_ignored(o))
		return 0;
	if (strcmp(o, "remount") == 0)
		return ls_err_set(err, -EINVAL, "remount is not supported: umount and mount again");
	if (strcmp(o, "foreground") == 0) {
		m->foreground = true;
		return 0;
	}
	if (strcmp(o, "allow_other") == 0 || strcmp(o, "allow_root") == 0) {
		m->allow_other = true;
		return keep(m, o, err);
	}
	if (strcmp(o, "auto_unmount") == 0 || strncmp(o, "context=", 8) == 0)
		return keep(m, o, err);
	if (strcmp(o, "default_permissions") == 0)
		return 0;
	if (is_later(o))
		return ls_err_set(err, -EINVAL, "option '%.80s' is not supported by this build", o);
	if (eq)
		return valued(m, o, eq + 1, err);
	return ls_err_set(err, -EINVAL, "unknown option '%.80s'", o);
}

static int
option_list(struct mopts *m, const char *list, struct ls_err *err)
{
	while (*list) {
		char one[OPTION_MAX];
		size_t n = strcspn(list, ",");
		int rc;

		if (n >= sizeof one)
			return ls_err_set(err, -EINVAL, "an option is too long");
		memcpy(one, list, n);
		one[n] = '\0';
		if ((rc = option(m, one, err)) < 0)
			return rc;
		list += n + (list[n] == ',');
	}
	return 0;
}

static int
flag(struct mopts *m, char c, struct ls_err *err)
{
	switch (c) {
	case 'f':
		m->fake = true;
		return 0;
	case 'F':
		m->foreground = true;
		return 0;
	case 'v':
		m->verbose = true;
		return 0;
	case 'h':
		m->help = true;
		return 0;
	case 'V':
		m->version = true;
		return 0;
	case 'n': /* no mtab, sloppy, read-only, read-write: nothing to do */
	case 's':
	case 'r':
	case 'w':
		return 0;
	default:
		return ls_err_set(err, -EINVAL, "unknown flag -%c", c);
	}
}

/* One word that begins with '-'; may take the next one. */
static int
word(struct mopts *m, const char *p, const char *next, bool *ret_took, struct ls_err *err)
{
	int rc = 0;

	if (strcmp(p, "--help") == 0 || strcmp(p, "--version") == 0)
		return flag(m, p[2] == 'h' ? 'h' : 'V', err);
	for (p++; rc == 0 && *p; p++) {
		const char *value = p[1] ? p + 1 : next;

		if (!strchr("oNt", *p)) {
			rc = flag(m, *p, err);
			continue;
		}
		if (!value)
			return ls_err_set(err, -EINVAL, "flag -%c needs an argument", *p);
		*ret_took = !p[1];
		return *p == 'o' ? option_list(m, value, err) : 0;
	}
	return rc;
}

int
mopts_parse(int argc, char **argv, struct mopts *ret, struct ls_err *err)
{
	struct mopts *m = ret;

	*m = (struct mopts){
		.uid = getuid(), .gid = getgid(), .timeout_ms = TIMEOUT_MS, .threads = THREADS};
	ls_buf_init(&m->kernel, KERNEL_MAX);
	for (int i = 1; i < argc; i++) {
		bool took = false;
		int rc = 0;

		if (argv[i][0] == '-' && argv[i][1])
			rc = word(m, argv[i], argv[i + 1], &took, err);
		else if (!m->spec)
			m->spec = argv[i];
		else if (!m->dir)
			m->dir = argv[i];
		else
			rc = ls_err_set(err, -EINVAL, "too many arguments");
		if (rc < 0)
			return rc;
		i += took;
	}
	if (!m->umask_set)
		m->umask = m->allow_other ? 022 : 077;
	if (!m->help && !m->version && (!m->spec || !m->dir))
		return ls_err_set(err, -EINVAL, "a replica and a directory are wanted");
	return 0;
}

void
mopts_done(struct mopts *m)
{
	free(m->config);
	free(m->replica);
	ls_buf_done(&m->kernel);
}

int
mopts_fsname(const char *spec, struct ls_buf *out)
{
	int rc = 0;

	for (; rc == 0 && *spec && *spec != '?'; spec++) {
		if (*spec == ',' || *spec == '\\')
			rc = ls_buf_append(out, "\\", 1);
		if (rc == 0)
			rc = ls_buf_append(out, spec, 1);
	}
	return rc;
}
