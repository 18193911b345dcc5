/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/replica/unpack.h"

#include "engine/base/log.h"
#include "engine/format/pack.h"

#include <string.h>

enum { FIRST_READ = 16 << 10 };

/* ---- one pack ---- */

/* Header and entries; caller frees. *ret_p NULL: it is gone. */
static int
read_head(const struct replica *r, const struct store_call *call, const struct catalog_file *pack,
	  uint8_t **ret_p, struct pack_header *ret, struct ls_err *err)
{
	ls_autofree uint8_t *p = malloc(pack_head_size(PACK_FILES_MAX));
	size_t n = 0, want;
	int rc;

	*ret_p = NULL;
	if (!p)
		return ls_err_set(err, -ENOMEM, "pack: out of memory");
	if ((rc = catalog_get(r, call, pack, 0, p, FIRST_READ, &n, err)) < 0)
		return rc == -ENOENT || rc == -ESTALE ? 0 : rc;
	if (n < PACK_HEADER_SIZE)
		return ls_err_set(err, -EBADMSG, "too short for a pack");
	if ((rc = pack_header_decode(p, ret, err)) < 0)
		return rc;
	want = pack_head_size(ret->n);
	if (n < want) {
		if ((rc = catalog_get(r, call, pack, 0, p, want, &n, err)) < 0)
			return rc == -ENOENT || rc == -ESTALE ? 0 : rc;
		if (n < want)
			return ls_err_set(err, -EBADMSG, "shorter than its index");
	}
	*ret_p = ls_steal_ptr(&p);
	return 0;
}

/* What is found is kept apart until all packs are read: a catalog is searched only while sorted. */
static int
note_files(const struct catalog *c, const struct catalog_file *pack, const struct pack_file *v,
	   size_t n, struct catalog *found, struct ls_err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct catalog_file f = {.min = v[i].min,
					 .max = v[i].max,
					 .size = v[i].size,
					 .time_ms = v[i].time_ms,
					 .time_exact = true,
					 .etag = pack->etag,
					 .pack_min = pack->min,
					 .pack_max = pack->max,
					 .off = v[i].off};
		int rc = catalog_find(c, &f) ? 0 : catalog_add(found, &f, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int
unpack_read(const struct replica *r, const struct store_call *call, const struct catalog_file *pack,
	    struct pack_file **ret, size_t *ret_n, struct ls_err *err)
{
	ls_autofree struct pack_file *v = NULL;
	ls_autofree uint8_t *head = NULL;
	struct pack_header h;
	int rc = store_call_check(call, err);

	*ret = NULL;
	*ret_n = 0;
	if (rc < 0 || (rc = read_head(r, call, pack, &head, &h, err)) < 0 || !head)
		return rc;
	if (!(v = ls_alloc_array(h.n, sizeof *v)))
		return ls_err_set(err, -ENOMEM, "pack: out of memory");
	if ((rc = pack_decode(head, pack->size, v, err)) < 0)
		return rc;
	if (h.min != pack->min || h.max != pack->max)
		return ls_err_set(err, -EBADMSG, "it holds other TXIDs than its name says");
	*ret = ls_steal_ptr(&v);
	*ret_n = h.n;
	return 0;
}

static int
read_or_pass(const struct catalog *c, const struct replica *r, const struct store_call *call,
	     const struct catalog_file *pack, struct catalog *found, struct ls_err *err)
{
	ls_autofree struct pack_file *v = NULL;
	struct ls_err why = {0};
	char key[REPLICA_KEY_MAX];
	size_t n = 0;
	int rc = unpack_read(r, call, pack, &v, &n, &why);

	if (rc == 0)
		return note_files(c, pack, v, n, found, err);
	catalog_key(r, pack, key);
	if (rc == -EBADMSG || rc == -EINVAL) {
		log_write(LOG_WARN, "a pack cannot be read, its transactions are left out",
			  LOG_STR("key", key), LOG_STR("error", why.msg));
		return 0;
	}
	if (rc < 0 && err) {
		*err = why;
		ls_err_wrap(err, rc, "'%s'", key);
	}
	return rc;
}

/* ---- many ---- */

static bool
same_pack(const struct catalog_file *a, const struct catalog_file *b)
{
	return a && a->size == b->size && a->etag && b->etag && strcmp(a->etag, b->etag) == 0;
}

/* The file of level 0 that begins here, or NULL. */
static const struct catalog_file *
beginning(const struct catalog *c, uint64_t min)
{
	const struct catalog_file key = {.min = min};
	const struct catalog_file *f = c->files + catalog_place(c, &key);

	return f < c->files + c->first[1] && f->min == min ? f : NULL;
}

static bool
is_of(const struct catalog_file *f, const struct catalog_file *pack)
{
	return f->pack_min == pack->min && f->pack_max == pack->max;
}

/* Whether an older catalog knows all of a pack: not what was an object, too, when it was made, and
 * is none any more. */
static bool
knows(const struct catalog *known, const struct catalog *c, const struct catalog_file *pack)
{
	for (uint64_t at = pack->min; at <= pack->max;) {
		const struct catalog_file *f = beginning(c, at);

		if (!f && (!(f = beginning(known, at)) || !is_of(f, pack)))
			return false;
		at = f->max + 1;
	}
	return true;
}

/* The files of a pack as an older catalog has them. */
static int
take_known(const struct catalog *c, const struct catalog *known, const struct catalog_file *pack,
	   struct catalog *found, struct ls_err *err)
{
	const struct catalog_file first = {.min = pack->min};
	const struct catalog_file *v = known->files + catalog_place(known, &first);

	for (; v < known->files + known->first[1] && v->max <= pack->max; v++) {
		int rc = is_of(v, pack) && !catalog_find(c, v) ? catalog_add(found, v, err) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Which packs. */
struct choice {
	const struct plan_target *target; /* NULL: all */
	uint64_t after, until;		  /* those with TXIDs in (after, until] */
};

static bool
is_wanted(const struct choice *ch, const struct catalog_file *pack)
{
	if (!ch->target || (pack->max > ch->after && pack->min <= ch->until))
		return true;
	/* The clock may have gone back: what it showed at this time before decides. */
	return ch->target->by_time && pack->min < ch->until && pack->time_ms >= ch->target->time_ms;
}

static int
add_found(struct catalog *c, const struct catalog *found, struct ls_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < found->total; i++)
		rc = catalog_add(c, &found->files[i], err);
	catalog_sort(c);
	return rc;
}

static int
unpack(struct catalog *c, const struct replica *r, const struct store_call *call,
       const struct choice *ch, const struct catalog *known, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog found = {0};
	int rc = 0;

	for (size_t i = c->n; rc == 0 && i < c->total; i++) {
		const struct catalog_file *pack = &c->files[i];

		if (!is_wanted(ch, pack))
			continue;
		if (known && same_pack(catalog_find(known, pack), pack) && knows(known, c, pack))
			rc = take_known(c, known, pack, &found, err);
		else
			rc = read_or_pass(c, r, call, pack, &found, err);
	}
	return rc < 0 ? rc : add_found(c, &found, err);
}

int
unpack_all(struct catalog *c, const struct replica *r, const struct store_call *call,
	   const struct catalog *known, struct ls_err *err)
{
	struct choice all = {0};

	return unpack(c, r, call, &all, known, err);
}

int
unpack_load(const struct replica *r, const struct store_call *call, struct catalog *ret,
	    struct ls_err *err)
{
	int rc;

	if ((rc = catalog_load(r, call, ret, err)) < 0 ||
	    (rc = unpack_all(ret, r, call, NULL, err)) < 0)
		return rc;
	return catalog_fill_times(ret, r, call, err);
}

/* ---- what a plan needs ---- */

/* Everything between the files that surely qualify and the first one that surely does not. */
static struct choice
choose(const struct catalog *c, const struct plan_target *t)
{
	struct choice ch = {.target = t, .until = t->txid};

	if (t->by_time)
		ch.until = UINT64_MAX;
	for (size_t i = 0; t->by_time && i < c->first[LTX_LEVEL_SNAPSHOT]; i++)
		if (c->files[i].time_ms >= t->time_ms && c->files[i].max < ch.until)
			ch.until = c->files[i].max;
	for (size_t i = c->first[1]; i < c->n; i++) {
		const struct catalog_file *f = &c->files[i];

		if (f->max <= ch.until && f->max > ch.after &&
		    (!t->by_time || f->time_ms < t->time_ms))
			ch.after = f->max;
	}
	if (ch.after == ch.until)
		ch.until = 0;
	return ch;
}

int
unpack_plan(const struct replica *r, const struct store_call *call,
	    const struct plan_target *target, struct catalog *ret_cat, struct plan *ret,
	    struct ls_err *err)
{
	struct choice ch;
	int rc;

	if ((rc = catalog_load(r, call, ret_cat, err)) < 0)
		return rc;
	if (target->by_time &&
	    (rc = catalog_fill_times_near(ret_cat, target->time_ms, r, call, err)) < 0)
		return rc;
	ch = choose(ret_cat, target);
	if (ret_cat->n && (rc = unpack(ret_cat, r, call, &ch, NULL, err)) < 0)
		return rc;
	rc = plan_build(ret_cat, target, ret, err);
	/* There is nothing at that time: the message says what there is. */
	if (rc == -ENOENT && target->by_time && ret_cat->n &&
	    (rc = catalog_fill_times(ret_cat, r, call, err)) == 0)
		rc = plan_build(ret_cat, target, ret, err);
	/* A file of a level is lost: what is packed may fill the hole. */
	if (rc != -ENODATA || ret_cat->total == ret_cat->n)
		return rc;
	if ((rc = unpack_all(ret_cat, r, call, NULL, err)) < 0)
		return rc;
	return plan_build(ret_cat, target, ret, err);
}
