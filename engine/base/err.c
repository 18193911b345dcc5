/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool
ls_err_retryable(int code)
{
	return code == -EAGAIN || code == -ETIMEDOUT || code == -ENOSPC || code == -EBUSY;
}

int
ls_err_code(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case EEXIST:
	case ESTALE:
	case EBADMSG:
	case EINVAL:
	case ENOSPC:
	case ENOMEM:
	case EBUSY:
	case EAGAIN:
	case ETIMEDOUT:
	case ECANCELED:
	case ENODATA:
	case EACCES:
		return -errnum;
	case ENOTDIR:
		return -ENOENT;
	case EPERM:
	case EROFS:
		return -EACCES;
	case EDQUOT:
	case EFBIG:
		return -ENOSPC;
	case ECONNRESET:
	case ECONNREFUSED:
	case EPIPE:
	case EINTR:
		return -EAGAIN;
	default:
		return -EIO;
	}
}

static void
fill(struct ls_err *err, int code, const char *text)
{
	size_t n = strlen(text);

	if (n >= sizeof err->msg)
		n = sizeof err->msg - 1;
	memcpy(err->msg, text, n);
	err->msg[n] = '\0';
	err->code = code;
	err->retry = ls_err_retryable(code);
}

int
ls_err_set(struct ls_err *err, int code, const char *fmt, ...)
{
	char text[LS_ERR_MAX];
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fill(err, code, text);
	return code;
}

int
ls_err_sys(struct ls_err *err, int errnum, const char *fmt, ...)
{
	char text[LS_ERR_MAX], reason[96], line[LS_ERR_MAX + 100];
	int code = ls_err_code(errnum);
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	snprintf(line, sizeof line, "%s: %s", text, strerror_r(errnum, reason, sizeof reason));
	fill(err, code, line);
	return code;
}

int
ls_err_wrap(struct ls_err *err, int code, const char *fmt, ...)
{
	char outer[LS_ERR_MAX];
	size_t room, inner, n;
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(outer, sizeof outer, fmt, ap);
	va_end(ap);
	inner = strlen(err->msg);
	room = sizeof err->msg - 1 - inner;
	if (room < 3)
		return code;
	n = strlen(outer);
	if (n > room - 2)
		n = room - 2;
	memmove(err->msg + n + 2, err->msg, inner + 1);
	memcpy(err->msg, outer, n);
	memcpy(err->msg + n, ": ", 2);
	if (!err->code)
		err->code = code;
	return code;
}
