/* SPDX-License-Identifier: Apache-2.0 */
/* restore -f: a database that goes on with its replica. */
#include "config.h"

#include "engine/base/log.h"
#include "engine/view/follow.h"
#include "tools/cmd_restore.h"

#include <inttypes.h>
#include <string.h>

/* The replica that is followed. */
struct leader {
	struct source *source;
	struct store *store;
	size_t at; /* in source->ranks */
};

static int
lead(struct leader *l, size_t at, struct ls_err *err)
{
	store_close(l->store);
	l->store = NULL;
	l->at = at;
	l->source->replica = l->source->ranks[at].conf;
	return conf_open_store(l->source->replica, &l->store, err);
}

static int
begin(const struct cmd_follow *c, struct follow *f, struct leader *l, const struct store_call *call,
      struct ls_err *err)
{
	struct restore_result result;
	bool resume = false;
	int rc = follow_open(c->output, c->restore.force, f, &resume, err);

	if (rc < 0)
		return rc;
	f->parallelism = c->restore.parallelism;
	if (resume) {
		log_write(LOG_INFO, "resuming follow mode", LOG_STR("output", c->output),
			  LOG_TXID("txid", f->txid));
		return c->restored ? c->restored(c->arg, NULL, err) : 0;
	}
	for (size_t i = 0; i < l->source->nranks; i++) {
		if ((rc = lead(l, i, err)) == 0)
			rc = follow_begin(f, l->store, call, &c->restore, &result, err);
		if (rc == 0 || rc == -EEXIST || rc == -ECANCELED || i + 1 == l->source->nranks)
			break;
		log_write(LOG_WARN, "restore failed, trying the next replica",
			  LOG_STR("replica", l->source->replica->name), LOG_STR("error", err->msg));
	}
	if (rc < 0)
		return rc;
	return c->restored ? c->restored(c->arg, &result, err) : 0;
}

/* Each error once, and that it is over. */
static void
tell(char told[LS_ERR_MAX], int rc, const struct ls_err *err)
{
	if (rc == 0 && *told)
		log_write(LOG_INFO, "follow: recovered");
	if (rc < 0 && strcmp(told, err->msg) != 0)
		log_write(LOG_ERROR, "follow: error applying updates", LOG_STR("error", err->msg));
	memcpy(told, rc < 0 ? err->msg : "", rc < 0 ? LS_ERR_MAX : 1);
}

static void
follow(const struct cmd_follow *c, struct follow *f, struct leader *l,
       const struct store_call *call)
{
	char told[LS_ERR_MAX] = "";
	struct ls_err err = {0};

	while (!stop_fired(call->stop)) {
		uint32_t pages = 0;
		uint64_t before = f->txid;
		int rc = l->store ? 0 : lead(l, l->at, &err);

		if (rc == 0)
			rc = follow_step(f, l->store, call, &pages, &err);
		if (rc == -ECANCELED)
			break;
		tell(told, rc, &err);
		if (rc == 0 && f->txid != before)
			log_write(LOG_DEBUG, "follow: applied", LOG_TXID("txid", f->txid),
				  LOG_U64("pages", pages));
		/* The next one may answer. */
		if (rc < 0 && l->source->nranks > 1 &&
		    lead(l, (l->at + 1) % l->source->nranks, &err) < 0)
			tell(told, rc, &err);
		if (stop_sleep(call->stop, c->interval_ms) < 0)
			break;
	}
}

int
cmd_follow_run(const struct cmd_follow *c, struct source *s, const struct store_call *call,
	       struct ls_err *err)
{
	struct leader l = {.source = s};
	struct follow f = {0};
	int rc = begin(c, &f, &l, call, err);

	if (rc == 0) {
		log_write(LOG_INFO, "following", LOG_STR("output", c->output),
			  LOG_STR("replica", s->replica->url), LOG_MS("interval", c->interval_ms),
			  LOG_TXID("txid", f.txid));
		follow(c, &f, &l, call);
		log_write(LOG_INFO, "follow mode stopped", LOG_TXID("txid", f.txid));
	}
	store_close(l.store);
	follow_done(&f);
	return rc;
}
