/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf_levels.h"

#include <stddef.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

const struct conf_levels conf_levels_defaults = {.interval_ms = {30000, 300000, 3600000},
						 .n = 3,
						 .snapshot_interval_ms = 86400000,
						 .snapshot_retention_ms = 86400000,
						 .l0_retention_ms = 300000,
						 .fine_retention_ms = 86400000};

struct raw_level {
	struct conf_duration interval;
};

static const struct conf_key level_keys[] = {
	{"interval", CONF_DURATION, offsetof(struct raw_level, interval)},
};

struct raw_snapshot {
	struct conf_duration interval, retention;
};

static const struct conf_key snapshot_keys[] = {
	{"interval", CONF_DURATION, offsetof(struct raw_snapshot, interval)},
	{"retention", CONF_DURATION, offsetof(struct raw_snapshot, retention)},
};

struct raw_retention {
	bool enabled;
};

static const struct conf_key retention_keys[] = {
	{"enabled", CONF_BOOL, offsetof(struct raw_retention, enabled)},
};

static int
read_level(struct conf_yaml *y, yaml_node_t *item, void *arg, struct ls_err *err)
{
	struct conf_levels *k = arg;
	struct raw_level raw = {0};
	int rc = conf_yaml_map(y, item, level_keys, COUNT(level_keys), &raw, err);

	if (rc < 0)
		return rc;
	if (raw.interval.ms == 0)
		return conf_yaml_error(y, item, err,
				       "levels[%u].interval: compaction interval must be greater "
				       "than 0",
				       k->n);
	if (k->n == CONF_LEVELS_MAX)
		return conf_yaml_error(y, item, err, "levels: there are %d at most",
				       CONF_LEVELS_MAX);
	k->interval_ms[k->n++] = raw.interval.ms;
	return 0;
}

static int
positive(struct conf_yaml *y, const struct conf_duration *d, const char *what, uint64_t *ret,
	 struct ls_err *err)
{
	if (!d->node)
		return 0;
	if (d->ms == 0)
		return conf_yaml_error(y, d->node, err, "%s must be greater than 0", what);
	*ret = d->ms;
	return 0;
}

int
conf_levels_read_snapshot(struct conf_yaml *y, yaml_node_t *node, struct conf_levels *k,
			  struct ls_err *err)
{
	struct raw_snapshot raw = {0};
	int rc = node ? conf_yaml_map(y, node, snapshot_keys, COUNT(snapshot_keys), &raw, err) : 0;

	if (rc < 0 || (rc = positive(y, &raw.interval, "snapshot.interval: snapshot interval",
				     &k->snapshot_interval_ms, err)) < 0)
		return rc;
	return positive(y, &raw.retention, "snapshot.retention: snapshot retention",
			&k->snapshot_retention_ms, err);
}

struct raw_validation {
	struct conf_duration interval;
};

static const struct conf_key validation_keys[] = {
	{"interval", CONF_DURATION, offsetof(struct raw_validation, interval)},
};

static int
read_validation(struct conf_yaml *y, yaml_node_t *node, struct conf_levels *k, struct ls_err *err)
{
	struct raw_validation raw = {0};
	int rc = node ? conf_yaml_map(y, node, validation_keys, COUNT(validation_keys), &raw, err)
		      : 0;

	k->validation_ms = raw.interval.ms;
	return rc;
}

static int
read_retention(struct conf_yaml *y, yaml_node_t *node, struct conf_levels *k, struct ls_err *err)
{
	struct raw_retention raw = {.enabled = true};
	int rc =
		node ? conf_yaml_map(y, node, retention_keys, COUNT(retention_keys), &raw, err) : 0;

	k->keep = !raw.enabled;
	return rc;
}

int
conf_levels_read(struct conf_yaml *y, const struct conf_levels_raw *raw, struct conf_levels *ret,
		 struct ls_err *err)
{
	uint64_t unused; /* what is due is deleted then, and not at the next check */
	int rc;

	*ret = conf_levels_defaults;
	if (raw->levels) {
		ret->n = 0;
		if ((rc = conf_yaml_list(y, raw->levels, "levels", read_level, ret, err)) < 0)
			return rc;
	}
	if (raw->l0_retention.node)
		ret->l0_retention_ms = raw->l0_retention.ms;
	if (raw->fine_retention.node)
		ret->fine_retention_ms = raw->fine_retention.ms;
	if ((rc = positive(y, &raw->l0_check,
			   "l0-retention-check-interval: L0 retention check interval", &unused,
			   err)) < 0 ||
	    (rc = conf_levels_read_snapshot(y, raw->snapshot, ret, err)) < 0 ||
	    (rc = read_validation(y, raw->validation, ret, err)) < 0)
		return rc;
	ret->verify = raw->verify;
	return read_retention(y, raw->retention, ret, err);
}
