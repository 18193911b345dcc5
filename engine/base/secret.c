/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/secret.h"

#include <string.h>
#include <sys/prctl.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* their leak check traces the process */
#else
#define SANITIZED 0
#endif

int
secret_set(struct secret *s, const char *text, size_t n, struct ls_err *err)
{
	char *copy = malloc(n + 1);

	if (!copy)
		return ls_err_set(err, -ENOMEM, "credentials: out of memory");
	memcpy(copy, text, n);
	copy[n] = '\0';
	secret_take(s, &copy);
	return 0;
}

void
secret_take(struct secret *s, char **text)
{
	secret_done(s);
	s->text = *text;
	*text = NULL;
}

void
secret_done(struct secret *s)
{
	secret_wipe(s->text);
	s->text = NULL;
}

void
secret_wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void
secret_guard_process(void)
{
	if (!SANITIZED)
		prctl(PR_SET_DUMPABLE, 0);
}
