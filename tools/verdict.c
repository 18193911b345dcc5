/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/verdict.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"

#include <string.h>

enum { SIZE_MAX_READ = 64 << 10 };

static char *
path_of(const struct conf_db *db, const struct conf_replica *r, const char *name)
{
	return ls_buf_format("%s/replicas/%s/%s", db->meta_path, r->name, name);
}

static int
write_file(const char *path, const char *text, struct ls_err *err)
{
	ls_autoclose int fd = io_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600, err);
	int rc;

	if (fd < 0)
		return fd;
	rc = io_pwrite(fd, text, strlen(text), 0, err);
	return rc < 0 ? rc : io_fsync(fd, path, err);
}

int
verdict_keep(const struct conf_db *db, const struct conf_replica *r, json_t *value,
	     struct ls_err *err)
{
	ls_autofree char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
	ls_autofree char *path = path_of(db, r, "verdict");
	ls_autofree char *fresh = path_of(db, r, "verdict.new");
	int rc;

	json_decref(value);
	if (!text || !path || !fresh)
		return ls_err_set(err, -ENOMEM, "verdict: out of memory");
	if ((rc = write_file(fresh, text, err)) < 0)
		return rc == -ENOENT ? 0 : rc;
	return io_rename(fresh, path, err);
}

static json_t *
load(const char *path)
{
	ls_autofree char *text = NULL;
	json_t *v;

	if (!path || io_read_file(path, SIZE_MAX_READ, &text, NULL, NULL) < 0)
		return NULL;
	v = json_loads(text, 0, NULL);
	if (json_is_object(v) && json_is_string(json_object_get(v, "verdict")) &&
	    json_is_string(json_object_get(v, "time")))
		return v;
	json_decref(v);
	return NULL;
}

static const char *
text_of(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}

static bool
comes_before(const json_t *a, const json_t *b)
{
	bool a_sound = strcmp(text_of(a, "verdict"), "sound") == 0;
	bool b_sound = strcmp(text_of(b, "verdict"), "sound") == 0;

	return a_sound != b_sound ? b_sound : strcmp(text_of(a, "time"), text_of(b, "time")) > 0;
}

json_t *
verdict_load(const struct conf_db *db)
{
	json_t *first = NULL;

	for (size_t i = 0; i < db->nreplicas; i++) {
		ls_autofree char *path = path_of(db, &db->replicas[i], "verdict");
		json_t *v = load(path);

		if (v && (!first || comes_before(v, first))) {
			json_decref(first);
			first = v;
		} else {
			json_decref(v);
		}
	}
	return first;
}
