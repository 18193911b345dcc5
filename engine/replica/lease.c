/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/replica/lease.h"

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/timex.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	TEXT_MAX = 4096,
	FOREIGN_TTL_MS = 30000, /* of the released program's library, which does not write it */
	TTL_MAX_MS = 24 * 3600 * 1000,
	MARGIN = 10, /* a holder stops this part of the ttl before its end */
	STEPS = 3,   /* in a ttl */
	FREE_MS = 1, /* expires_at of one that was given back */
	RELEASE_MS = 5000,
	STEP_MAX_MS = 10000, /* for the requests of a step, and before it is tried again */
	LOOK_MAX_MS = 60000, /* between two looks at somebody else's */
};

/* What lock.json says. */
struct paper {
	uint64_t number, ttl_ms;
	int64_t expires_ms;
	char owner[LEASE_OWNER_MAX], id[LEASE_ID_LEN + 1];
	char etag[STORE_ETAG_MAX];
};

struct lease {
	struct store *store;
	uint64_t ttl_ms;
	char owner[LEASE_OWNER_MAX], known[LEASE_ID_LEN + 1];
	bool proved; /* the server does compare */

	/* By the one who calls lease_step(). */
	char etag[STORE_ETAG_MAX]; /* of what we wrote last; "": we do not have it */
	char seen[STORE_ETAG_MAX]; /* of somebody else's, since: */
	uint64_t seen_ms;

	_Atomic uint64_t until_ms[2]; /* by number & 1: a call of an earlier holding stays ended */
	_Atomic uint64_t number;
	_Atomic enum lease_state state;
	pthread_mutex_t lock; /* for: */
	char id[LEASE_ID_LEN + 1];
	char holder[LEASE_OWNER_MAX]; /* somebody else */
};

/* ---- lock.json ---- */

static bool
is_id(const char *s)
{
	size_t n = 0;

	while (s && isxdigit((unsigned char)s[n]))
		n++;
	return n == LEASE_ID_LEN && !s[n];
}

static void
copy_plain(char *out, size_t cap, const char *s)
{
	snprintf(out, cap, "%s", s ? s : "");
	for (char *p = out; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			*p = '?';
}

static int
parse(const char *text, size_t n, struct paper *ret, struct ls_err *err)
{
	json_t *j = json_loadb(text, n, 0, NULL);
	json_t *number = json_object_get(j, "generation"), *ttl = json_object_get(j, "ttl_ms");
	const char *expires = json_string_value(json_object_get(j, "expires_at"));
	const char *id = json_string_value(json_object_get(j, "id"));
	int rc = 0;

	*ret = (struct paper){.ttl_ms = FOREIGN_TTL_MS};
	if (!json_is_integer(number) || json_integer_value(number) < 0 ||
	    json_integer_value(number) > INT64_MAX / 2 || !expires ||
	    timex_parse(expires, 0, &ret->expires_ms, NULL) < 0)
		rc = ls_err_set(err, -EBADMSG,
				LEASE_KEY " is no lease: look at it, and remove it if nobody "
					  "writes into this replica");
	else
		ret->number = (uint64_t)json_integer_value(number);
	if (json_is_integer(ttl) && json_integer_value(ttl) >= LEASE_TTL_MIN_MS &&
	    json_integer_value(ttl) <= TTL_MAX_MS)
		ret->ttl_ms = (uint64_t)json_integer_value(ttl);
	copy_plain(ret->owner, sizeof ret->owner, json_string_value(json_object_get(j, "owner")));
	if (is_id(id))
		memcpy(ret->id, id, sizeof ret->id);
	json_decref(j);
	return rc;
}

static int
read_paper(struct lease *l, const struct store_call *call, struct paper *ret, struct ls_err *err)
{
	struct store_get g = {.key = LEASE_KEY, .len = TEXT_MAX};
	struct store_meta meta = {0};
	char text[TEXT_MAX];
	size_t n = 0;
	int rc = store_get(l->store, call, &g, text, &n, &meta, err);

	if (rc < 0)
		return rc;
	rc = parse(text, n, ret, err);
	memcpy(ret->etag, meta.etag, sizeof ret->etag);
	return rc;
}

/* etag: of what is there, "": nothing; on success that of what is there now. */
static int
write_paper(struct lease *l, const struct store_call *call, const struct paper *p,
	    char etag[STORE_ETAG_MAX], struct ls_err *err)
{
	struct store_put put = {.key = LEASE_KEY, .time_ms = clock_wall_ms(), .if_match = etag};
	char text[TEXT_MAX], expires[TIMEX_LEN];
	struct store_source src;
	struct store_meta meta = {0};
	int n, rc;

	timex_format_ms(p->expires_ms, expires);
	n = snprintf(text, sizeof text,
		     "{\"generation\":%" PRIu64 ",\"expires_at\":\"%s\"%s%s%s,\"id\":\"%s\","
		     "\"ttl_ms\":%" PRIu64 "}\n",
		     p->number, expires, *p->owner ? ",\"owner\":\"" : "", p->owner,
		     *p->owner ? "\"" : "", p->id, p->ttl_ms);
	src = store_source_mem(text, (size_t)n);
	if ((rc = store_put(l->store, call, &put, &src, &meta, err)) == 0)
		memcpy(etag, meta.etag, STORE_ETAG_MAX);
	return rc;
}

/* ---- what follows ---- */

static void
set_held(struct lease *l, const struct paper *p, uint64_t from_ms)
{
	l->seen[0] = '\0';
	atomic_store(&l->until_ms[p->number & 1], from_ms + l->ttl_ms - l->ttl_ms / MARGIN);
	atomic_store(&l->state, LEASE_HELD);
}

static void
set_others(struct lease *l, const struct paper *p, uint64_t now_ms)
{
	atomic_store(&l->until_ms[0], 0);
	atomic_store(&l->until_ms[1], 0);
	l->etag[0] = '\0';
	if (strcmp(l->seen, p->etag) != 0) {
		memcpy(l->seen, p->etag, sizeof l->seen);
		l->seen_ms = now_ms;
	}
	pthread_mutex_lock(&l->lock);
	snprintf(l->holder, sizeof l->holder, "%s", *p->owner ? p->owner : "somebody");
	pthread_mutex_unlock(&l->lock);
	atomic_store(&l->state, LEASE_OTHERS);
}

static struct paper
our_paper(struct lease *l)
{
	struct paper p = {.number = atomic_load(&l->number),
			  .ttl_ms = l->ttl_ms,
			  .expires_ms = clock_wall_ms() + (int64_t)l->ttl_ms};

	memcpy(p.owner, l->owner, sizeof p.owner);
	lease_id(l, p.id);
	return p;
}

static int
new_id(char out[LEASE_ID_LEN + 1], struct ls_err *err)
{
	uint8_t raw[LEASE_ID_LEN / 2];

	if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
		return ls_err_sys(err, errno, "lease: getrandom");
	for (size_t i = 0; i < sizeof raw; i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
	return 0;
}

/* With the same words, so that nothing is spoilt if the server does not compare. */
static int
prove(struct lease *l, const struct store_call *call, const struct paper *p, struct ls_err *err)
{
	char none[STORE_ETAG_MAX] = "", other[STORE_ETAG_MAX] = "00000000000000000000000000000000";
	const char *key = LEASE_KEY;
	int rc;

	if (l->proved)
		return 0;
	rc = write_paper(l, call, p, none, err);
	if (rc == -EEXIST)
		rc = write_paper(l, call, p, other, err);
	l->proved = rc == -ESTALE;
	if (rc < 0)
		return l->proved ? 0 : rc;
	rc = store_del(l->store, call, &key, 1, NULL);
	l->etag[0] = '\0';
	return ls_err_set(err, -ENOTSUP,
			  "this server does not compare before it writes (If-None-Match, "
			  "If-Match), so that a lease protects nothing%s: remove 'lease' from the "
			  "configuration, and let one host only write here",
			  rc < 0 ? " (and " LEASE_KEY " is left there)" : "");
}

/* Writes it over what has this etag, or over nothing, and holds it from then on. */
static int
write_ours(struct lease *l, const struct store_call *call, const char *etag, struct ls_err *err)
{
	uint64_t start = clock_boot_ms();
	struct paper p = our_paper(l);
	char at[STORE_ETAG_MAX];
	int rc;

	memcpy(at, etag, sizeof at);
	if ((rc = write_paper(l, call, &p, at, err)) < 0)
		return rc;
	memcpy(l->etag, at, sizeof l->etag);
	if ((rc = prove(l, call, &p, err)) < 0)
		return rc;
	set_held(l, &p, start);
	return 0;
}

/* The condition was not met. If what is there is ours, only the answer to it was lost. */
static int
look_again(struct lease *l, const struct store_call *call, struct ls_err *err)
{
	struct paper p;
	int rc = read_paper(l, call, &p, err);

	if (rc < 0)
		return rc;
	if (strcmp(p.id, l->id) == 0)
		return write_ours(l, call, p.etag, err);
	set_others(l, &p, clock_boot_ms());
	return 0;
}

static bool
is_free(const struct lease *l, const struct paper *p, uint64_t now_ms)
{
	uint64_t ttl = p->ttl_ms > l->ttl_ms ? p->ttl_ms : l->ttl_ms;

	return p->expires_ms <= FREE_MS || (*l->known && strcmp(p->id, l->known) == 0) ||
	       (strcmp(p->etag, l->seen) == 0 && now_ms - l->seen_ms >= ttl);
}

static int
set_id(struct lease *l, struct ls_err *err)
{
	char id[LEASE_ID_LEN + 1];
	int rc = new_id(id, err);

	LS_AUTOLOCK(&l->lock);
	if (rc == 0)
		memcpy(l->id, id, sizeof l->id);
	return rc;
}

/* It is not ours, as far as we know. */
static int
ask(struct lease *l, const struct store_call *call, struct ls_err *err)
{
	struct paper p = {.number = atomic_load(&l->number)};
	int rc = read_paper(l, call, &p, err);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0 && *l->id && strcmp(p.id, l->id) == 0)
		return write_ours(l, call, p.etag, err);
	if (rc == 0 && !is_free(l, &p, clock_boot_ms())) {
		set_others(l, &p, clock_boot_ms());
		return 0;
	}
	if ((rc = set_id(l, err)) < 0)
		return rc;
	atomic_store(&l->number, p.number + 1);
	return write_ours(l, call, p.etag, err);
}

static int
step(struct lease *l, const struct store_call *call, struct ls_err *err)
{
	int rc = *l->etag ? write_ours(l, call, l->etag, err) : ask(l, call, err);

	if (rc == -ESTALE || rc == -EEXIST)
		rc = look_again(l, call, err);
	if (rc == -ESTALE || rc == -EEXIST || rc == -ENOENT) /* changed at this moment, removed */
		l->etag[0] = '\0';
	return rc;
}

static uint64_t
at_most(uint64_t ms, uint64_t max)
{
	return ms < max ? ms : max;
}

static uint64_t
next_ms(const struct lease *l)
{
	uint64_t step = l->ttl_ms / STEPS, now = clock_boot_ms(), end = l->seen_ms + l->ttl_ms;

	if (!*l->seen)
		return step;
	step = at_most(step, LOOK_MAX_MS);
	return end > now ? at_most(end - now, step) : step;
}

int
lease_step(struct lease *l, const struct stop *stop, uint64_t *ret_wait_ms, struct ls_err *err)
{
	uint64_t most = at_most(l->ttl_ms / STEPS, STEP_MAX_MS);
	struct store_call call = {.stop = stop, .deadline_ms = clock_mono_ms() + most};
	int rc = step(l, &call, err);

	*ret_wait_ms = rc < 0 ? most / 2 : next_ms(l);
	if (lease_state(l) == LEASE_HELD && lease_check(l, NULL, NULL) < 0)
		atomic_store(&l->state, LEASE_UNKNOWN);
	return rc;
}

int
lease_release(struct lease *l, const struct stop *stop, struct ls_err *err)
{
	struct store_call call = {.stop = stop, .deadline_ms = clock_mono_ms() + RELEASE_MS};
	struct paper p = our_paper(l);
	int rc;

	if (!*l->etag)
		return 0;
	atomic_store(&l->until_ms[0], 0);
	atomic_store(&l->until_ms[1], 0);
	p.owner[0] = '\0';
	p.expires_ms = FREE_MS;
	rc = write_paper(l, &call, &p, l->etag, err);
	l->etag[0] = '\0';
	return rc == -ESTALE ? 0 : rc;
}

/* ---- for all ---- */

enum lease_state
lease_state(const struct lease *l)
{
	return atomic_load(&l->state);
}

int
lease_check(struct lease *l, uint64_t *ret_number, struct ls_err *err)
{
	uint64_t number = atomic_load(&l->number);

	if (lease_state(l) == LEASE_OTHERS) {
		LS_AUTOLOCK(&l->lock);
		return ls_err_set(err, -EBUSY, "%s has the lease of this replica (" LEASE_KEY ")",
				  l->holder);
	}
	if (clock_boot_ms() >= atomic_load(&l->until_ms[number & 1]))
		return ls_err_set(err, -ETIMEDOUT,
				  "the lease of this replica (" LEASE_KEY ") is not held");
	if (ret_number)
		*ret_number = number;
	return 0;
}

const _Atomic uint64_t *
lease_until(const struct lease *l, uint64_t number)
{
	return &l->until_ms[number & 1];
}

void
lease_id(const struct lease *l, char out[LEASE_ID_LEN + 1])
{
	pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&l->lock;

	LS_AUTOLOCK(lock);
	memcpy(out, l->id, LEASE_ID_LEN + 1);
}

static void
set_owner(struct lease *l)
{
	char host[LEASE_OWNER_MAX / 2] = "", plain[LEASE_OWNER_MAX / 2];

	if (gethostname(host, sizeof host - 1) < 0)
		host[0] = '\0';
	copy_plain(plain, sizeof plain, *host ? host : "unknown");
	for (char *p = plain; *p; p++)
		if (*p == '"' || *p == '\\')
			*p = '?';
	snprintf(l->owner, sizeof l->owner, "%s:%d", plain, (int)getpid());
}

int
lease_new(struct store *store, uint64_t ttl_ms, const char *known, struct lease **ret,
	  struct ls_err *err)
{
	struct lease *l = calloc(1, sizeof *l);

	if (!l) {
		store_close(store);
		return ls_err_set(err, -ENOMEM, "lease: out of memory");
	}
	l->store = store;
	l->ttl_ms = ttl_ms;
	if (is_id(known))
		memcpy(l->known, known, sizeof l->known);
	pthread_mutex_init(&l->lock, NULL);
	set_owner(l);
	*ret = l;
	return 0;
}

void
lease_free(struct lease *l)
{
	if (!l)
		return;
	store_close(l->store);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
