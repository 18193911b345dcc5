/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/url.h"
#include "tests/lib/tap.h"

#include <stdlib.h>

struct good {
	const char *url, *scheme, *user, *password, *host;
	unsigned port;
	const char *path, *query;
};

static void
test_parts(void)
{
	static const struct good cases[] = {
		{"file:///backup/app", "file", NULL, NULL, "", 0, "/backup/app", NULL},
		{"FILE:///x", "file", NULL, NULL, "", 0, "/x", NULL},
		{"file://a/b", "file", NULL, NULL, "", 0, "/a/b", NULL},
		{"file://", "file", NULL, NULL, "", 0, "/", NULL},
		{"file:///a b#c@d%zz?x=1", "file", NULL, NULL, "", 0, "/a b#c@d%zz", "x=1"},
		{"s3://bucket/a/b", "s3", NULL, NULL, "bucket", 0, "/a/b", NULL},
		{"s3://bucket", "s3", NULL, NULL, "bucket", 0, "", NULL},
		{"s3://b/p?region=eu&endpoint=http%3A%2F%2Fx%3A9000", "s3", NULL, NULL, "b", 0,
		 "/p", "region=eu&endpoint=http%3A%2F%2Fx%3A9000"},
		{"s3://arn:aws:s3:eu:1:accesspoint/n/p", "s3", NULL, NULL,
		 "arn:aws:s3:eu:1:accesspoint", 0, "/n/p", NULL},
		{"sftp://bob:p%40ss%3A@host:22/d", "sftp", "bob", "p@ss:", "host", 22, "/d", NULL},
		{"sftp://bob@host/d", "sftp", "bob", NULL, "host", 0, "/d", NULL},
		{"sftp://a:b@c@host/d", "sftp", "a", "b@c", "host", 0, "/d", NULL},
		{"webdav://[::1]:8080/x", "webdav", NULL, NULL, "::1", 8080, "/x", NULL},
		{"nats://h:65535", "nats", NULL, NULL, "h", 65535, "", NULL},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct good *g = &cases[i];
		struct ls_err err = {0};
		struct url u = {0};

		if (!ok(url_parse(g->url, &u, &err) == 0, "%s", g->url)) {
			printf("# %s\n", err.msg);
			continue;
		}
		is_str(u.scheme, g->scheme, "scheme");
		is_str(u.user, g->user, "user");
		is_str(u.password, g->password, "password");
		is_str(u.host, g->host, "host");
		is_int(u.port, g->port, "port");
		is_str(u.path, g->path, "path");
		is_str(u.query, g->query, "query");
		url_done(&u);
	}
}

static void
test_refusals(void)
{
	static const char *const cases[][2] = {
		{"", "replica url scheme required: "},
		{"/backup/app", "replica url scheme required: /backup/app"},
		{"://x", "replica url scheme required: ://x"},
		{"bob:secret@host/x", "replica url scheme required: ***@host/x"},
		{"s3://b:port/x",
		 "replica url 's3://b:port/x': the port is not a number up to 65535"},
		{"s3://b:/x", "replica url 's3://b:/x': the port is not a number up to 65535"},
		{"s3://b:65536/",
		 "replica url 's3://b:65536/': the port is not a number up to 65535"},
		{"s3://b:0/", "replica url 's3://b:0/': the port is not a number up to 65535"},
		{"s3://b/%zz", "replica url 's3://b/%zz': '%' without two hex digits"},
		{"s3://b/%4", "replica url 's3://b/%4': '%' without two hex digits"},
		{"s3://b/%00", "replica url 's3://b/%00': it holds a NUL byte"},
		{"s3://[::1/x", "replica url 's3://[::1/x': the address in '[' is not closed"},
		{"s3://b/a b",
		 "replica url 's3://b/a b': a blank, '#' or control byte: write %20, %23, ..."},
		{"sftp://u:secret@h:x/d?k=secret",
		 "replica url 'sftp://***@h:x/d?k=***': the port is not a number up to 65535"},
	};
	char longest[URL_MAX + 2] = "s3://";

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ls_err err = {0};
		struct url u = {0};

		is_int(url_parse(cases[i][0], &u, &err), -EINVAL, cases[i][0]);
		is_str(err.msg, cases[i][1], "says so");
		ok(!u.scheme, "and gives nothing");
	}
	memset(longest + 5, 'x', URL_MAX - 4);
	ok(url_parse(longest, &(struct url){0}, NULL) == -EINVAL, "a very long one");
}

static void
test_redaction(void)
{
	static const char *const cases[][2] = {
		{"s3://b/p", "s3://b/p"},
		{"s3://k:secret@b/p", "s3://***@b/p"},
		{"s3://k:sec/ret@b/p", "s3://***@b/p"},
		{"s3://k:sec@ret@b/p?a=1&b=secret&secret", "s3://***@b/p?a=***&b=***&***"},
		{"file:///home/a@b/x", "file:///home/a@b/x"},
		{"file:///x?secret", "file:///x?***"},
		{"a\033[2Jb\n", "a?[2Jb?"},
		{"", ""},
	};
	char out[URL_SHOWN_MAX], text[1000];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		is_str(url_redact(cases[i][0], out), cases[i][1], "redacted");
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	is_int(strlen(url_redact(text, out)), URL_SHOWN_MAX - 1, "cut to fit");
}

static void
test_parameters(void)
{
	struct ls_err err = {0};
	struct url u = {0};
	char *v = NULL;

	is_int(url_parse("s3://b/p?region=eu-1&e=a%2Fb&flag&region=x&bad=%z", &u, &err), 0,
	       "parse");
	is_int(url_param(&u, "region", &v, &err), 0, "first");
	is_str(v, "eu-1", "the first one counts");
	free(v);
	is_int(url_param(&u, "e", &v, &err), 0, "escaped");
	is_str(v, "a/b", "decoded");
	free(v);
	is_int(url_param(&u, "flag", &v, &err), 0, "without value");
	is_str(v, "", "is empty");
	free(v);
	is_int(url_param(&u, "reg", &v, &err), 0, "a prefix of a name");
	ok(!v, "is not that name");
	is_int(url_param(&u, "bad", &v, &err), -EINVAL, "a broken escape");
	url_done(&u);
}

int
main(void)
{
	RUN(test_parts);
	RUN(test_refusals);
	RUN(test_redaction);
	RUN(test_parameters);
	return tap_done();
}
