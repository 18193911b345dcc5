/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/aws_remote.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/base/timex.h"
#include "engine/store/http.h"

#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

enum { TOKEN_MAX = 64 << 10, ANSWER_MAX = 256 << 10, NEAR_CONNECT_MS = 1000, NEAR_STALL_MS = 5000 };

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "credentials: out of memory");
}

int
aws_remote_parse(const char *text, size_t n, const char *token_name, struct aws_key *ret,
		 struct ls_err *err)
{
	json_t *j = json_loadb(text, n, 0, NULL);
	const char *access = json_string_value(json_object_get(j, "AccessKeyId"));
	const char *secret = json_string_value(json_object_get(j, "SecretAccessKey"));
	const char *expires = json_string_value(json_object_get(j, "Expiration"));
	int rc;

	if (!access || !secret)
		rc = ls_err_set(err, -EACCES,
				"the answer has no AccessKeyId and SecretAccessKey in it");
	else
		rc = aws_creds_key_set(ret, access, secret,
				       json_string_value(json_object_get(j, token_name)), err);
	if (rc == 0 && expires && timex_parse(expires, 0, &ret->expires_ms, NULL) < 0)
		rc = ls_err_set(err, -EACCES, "the answer has an Expiration that is no time");
	json_decref(j);
	return rc;
}

/* GET (or PUT) of a text from something near: this host, or its container's or machine's host. */
static int
fetch(const char *method, const char *url, const char *header, const struct store_call *call,
      struct http_answer *ret, struct ls_err *err)
{
	struct store_source none = store_source_mem("", 0);
	struct http_request q = {.method = method,
				 .url = url,
				 .headers = &header,
				 .nheaders = header != NULL,
				 .body = *method == 'P' ? &none : NULL,
				 .call = call,
				 .connect_ms = NEAR_CONNECT_MS,
				 .stall_ms = NEAR_STALL_MS,
				 .no_proxy = true};

	return http_do(&q, ret, err);
}

static int
fetch_key(const char *url, const char *header, const struct store_call *call, struct aws_key *ret,
	  struct ls_err *err)
{
	LS_AUTO(http_answer_done) struct http_answer a = {0};
	int rc = fetch("GET", url, header, call, &a, err);

	if (rc == 0 && a.status != 200)
		rc = ls_err_set(err, a.status / 100 == 5 ? -EAGAIN : -EACCES, "HTTP status %d",
				a.status);
	if (rc == 0)
		rc = aws_remote_parse((const char *)a.text.p, a.text.len, "Token", ret, err);
	return rc;
}

/* ---- the endpoint of a container ---- */

static bool
may_be_asked(const char *url)
{
	static const char *const plain[] = {"127.",	     "localhost",      "[::1]",
					    "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};

	if (strncmp(url, "https://", 8) == 0)
		return true;
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (strncmp(url, "http://", 7) == 0 &&
		    strncmp(url + 7, plain[i], strlen(plain[i])) == 0)
			return true;
	return false;
}

/* "Authorization: TOKEN", or NULL. */
static int
container_header(char **ret, struct ls_err *err)
{
	const char *file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	char *text = NULL;
	size_t n = 0;
	int rc;

	*ret = NULL;
	if (file && *file) {
		if ((rc = io_read_file(file, TOKEN_MAX, &text, &n, err)) < 0)
			return ls_err_wrap(err, rc, "the container's token");
		n = strcspn(text, "\r\n");
	} else if (token && *token) {
		if (!(text = strdup(token)))
			return no_memory(err);
		n = strcspn(text, "\r\n");
	} else
		return 0;
	*ret = ls_buf_format("Authorization: %.*s", (int)n, text);
	secret_wipe(text);
	return *ret ? 0 : no_memory(err);
}

int
aws_remote_container(const struct store_call *call, struct aws_key *ret, struct ls_err *err)
{
	const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	ls_autofree char *url = NULL;
	char *header = NULL;
	int rc;

	if ((!relative || !*relative) && (!full || !*full))
		return ls_err_set(err, -ENOENT, "no container endpoint is configured");
	url = relative && *relative ? ls_buf_format("http://169.254.170.2%s", relative)
				    : strdup(full);
	if (!url)
		return no_memory(err);
	if (!may_be_asked(url))
		return ls_err_set(err, -EINVAL,
				  "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to "
				  "this host or to the container's agent");
	if ((rc = container_header(&header, err)) < 0)
		return rc;
	rc = fetch_key(url, header, call, ret, err);
	secret_wipe(header);
	return rc < 0 ? ls_err_wrap(err, rc == -ENOENT ? -EACCES : rc,
				    "credentials from the container's endpoint")
		      : 0;
}

/* ---- the metadata of an instance ---- */

#define ROLES "latest/meta-data/iam/security-credentials/"

/* *ret: the header with the session token of version 2; NULL: only version 1 is spoken. */
static int
instance_token(const char *base, const struct store_call *call, char **ret, struct ls_err *err)
{
	LS_AUTO(http_answer_done) struct http_answer a = {0};
	ls_autofree char *url = ls_buf_format("%s/latest/api/token", base);
	const char *v1 = getenv("AWS_EC2_METADATA_V1_DISABLED");
	int rc;

	*ret = NULL;
	if (!url)
		return no_memory(err);
	rc = fetch("PUT", url, "X-aws-ec2-metadata-token-ttl-seconds: 21600", call, &a, err);
	if (rc == -ECANCELED)
		return rc;
	if (rc < 0)
		return ls_err_set(err, -ENOENT, "no instance metadata");
	if ((a.status == 403 || a.status == 404 || a.status == 405) &&
	    (!v1 || strcmp(v1, "true") != 0))
		return 0;
	if (a.status != 200 || a.text.len == 0 || a.text.len > TOKEN_MAX)
		return ls_err_set(err, -ENOENT, "no instance metadata (HTTP status %d)", a.status);
	*ret = ls_buf_format("X-aws-ec2-metadata-token: %.*s",
			     (int)strcspn(ls_buf_cstr(&a.text) ? ls_buf_cstr(&a.text) : "", "\r\n"),
			     (const char *)a.text.p);
	return *ret ? 0 : no_memory(err);
}

static int
instance_key(const char *base, const char *header, const struct store_call *call,
	     struct aws_key *ret, struct ls_err *err)
{
	LS_AUTO(http_answer_done) struct http_answer a = {0};
	ls_autofree char *list = ls_buf_format("%s/" ROLES, base), *url = NULL;
	const char *role;
	int rc;

	if (!list)
		return no_memory(err);
	if ((rc = fetch("GET", list, header, call, &a, err)) < 0)
		return rc;
	if (a.status != 200)
		return ls_err_set(err, -ENOENT, "the instance has no role");
	if (!(role = ls_buf_cstr(&a.text)))
		return no_memory(err);
	url = ls_buf_format("%s/" ROLES "%.*s", base, (int)strcspn(role, "\r\n"), role);
	return url ? fetch_key(url, header, call, ret, err) : no_memory(err);
}

int
aws_remote_instance(const struct store_call *call, struct aws_key *ret, struct ls_err *err)
{
	const char *off = getenv("AWS_EC2_METADATA_DISABLED");
	const char *base = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	ls_autofree char *plain = strdup(base && *base ? base : "http://169.254.169.254");
	char *header = NULL;
	int rc;

	if (off && strcmp(off, "true") == 0)
		return ls_err_set(err, -ENOENT, "instance metadata is switched off");
	if (!plain)
		return no_memory(err);
	for (size_t n = strlen(plain); n && plain[n - 1] == '/';)
		plain[--n] = '\0';
	if ((rc = instance_token(plain, call, &header, err)) == 0)
		rc = instance_key(plain, header, call, ret, err);
	secret_wipe(header);
	return rc < 0 ? ls_err_wrap(err, rc, "credentials of this instance") : 0;
}

/* ---- a command ---- */

static int
spawn(const char *command, int out, pid_t *ret, struct ls_err *err)
{
	char sh[] = "sh", flag[] = "-c";
	char *argv[] = {sh, flag, (char *)(uintptr_t)command, NULL}; /* only read */
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn(ret, "/bin/sh", &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return rc ? ls_err_sys(err, rc, "/bin/sh") : 0;
}

static int
read_all(int fd, struct ls_buf *b)
{
	char chunk[4096];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof chunk)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || ls_buf_append(b, chunk, (size_t)n) < 0)
			return -EIO;
	}
	return 0;
}

int
aws_remote_process(const char *command, struct aws_key *ret, struct ls_err *err)
{
	LS_AUTO(ls_buf_done) struct ls_buf text;
	ls_autoclose int in = -1;
	int fds[2], status = 0, rc;
	pid_t pid;

	ls_buf_init(&text, ANSWER_MAX);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return ls_err_sys(err, errno, "credential_process");
	in = fds[0];
	rc = spawn(command, fds[1], &pid, err);
	close(fds[1]);
	if (rc < 0)
		return ls_err_wrap(err, rc, "credential_process");
	rc = read_all(in, &text);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		rc = ls_err_set(err, -EACCES, "it failed (status %d)",
				WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	else
		rc = aws_remote_parse((const char *)text.p, text.len, "SessionToken", ret, err);
	if (text.p)
		explicit_bzero(text.p, text.len);
	return rc < 0 ? ls_err_wrap(err, rc, "credential_process") : 0;
}
