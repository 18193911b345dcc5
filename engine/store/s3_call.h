/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_call: one signed request to a bucket, and what its answer means.
 *
 * What a second try can mend at once is mended here, unseen by the caller: another region, a clock
 * that is wrong, credentials that have run out, a bucket with object lock, which wants Content-MD5.
 * Every other failure is the caller's, with ->retry set where trying later may help. Threads: any.
 */
#ifndef ENGINE_STORE_S3_CALL_H
#define ENGINE_STORE_S3_CALL_H

#include "engine/store/aws_creds.h"
#include "engine/store/http.h"
#include "engine/store/s3_place.h"
#include "engine/store/sigv4.h"
#include "engine/store/store_count.h"

enum { S3_CODE_MAX = 64, S3_QUERY_MAX = 6, S3_HEADERS_MAX = 20 };

struct store_s3 {
	struct store base;
	struct s3_config config;
	struct aws_creds *creds;
	char *ca_file; /* or NULL: the system's */
	pthread_mutex_t lock;
	struct s3_place place;	     /* under lock: its region may change */
	int64_t clock_ahead_s;	     /* under lock: of the server's clock before ours */
	struct store_counts *counts; /* or NULL */
	atomic_bool put_md5;	     /* it wants Content-MD5 with what is written: object lock */
	atomic_bool no_condition;    /* it has said that it has no conditional writes */
	atomic_bool plain_etags;     /* the server compares etags only without quotes */
};

struct s3_request {
	const char *method;
	const char *key; /* the object, with the path; NULL: the bucket itself */
	struct sigv4_pair query[S3_QUERY_MAX];
	size_t nquery;
	struct sigv4_pair headers[S3_HEADERS_MAX]; /* names in lower case */
	size_t nheaders;
	const struct store_source *body; /* NULL: none */
	void *buf;			 /* as in struct http_request */
	size_t cap;
	uint64_t skip;
};

struct s3_answer {
	struct http_answer http;
	char code[S3_CODE_MAX]; /* "NoSuchKey"; "" if it says none */
};

/* Adds a header, or a parameter. Strings are borrowed. */
void s3_call_header(struct s3_request *q, const char *name, const char *value);
void s3_call_param(struct s3_request *q, const char *name, const char *value);

/* 0 for a 2xx status. Else -ENOENT (no such object), -ESTALE (412), -EACCES, -EINVAL (bucket,
 * region), -EAGAIN, -ETIMEDOUT, -ENOSPC, -EIO; release *ret with s3_call_done() in all cases. */
LS_MUST_USE int s3_call(struct store_s3 *s, const struct store_call *call,
			const struct s3_request *q, struct s3_answer *ret, struct ls_err *err);
void s3_call_done(struct s3_answer *a);

/* A copy of the flags that s3_place.h tells of this bucket. */
unsigned s3_call_flags(struct store_s3 *s);

#endif
