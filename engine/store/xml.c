/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/xml.h"

#include "engine/base/buf.h"

#include <expat.h>
#include <limits.h>
#include <string.h>

struct reader {
	XML_Parser parser;
	xml_fn *fn;
	void *arg;
	char path[XML_PATH_MAX];
	size_t ends[XML_DEPTH_MAX + 1]; /* of the path at each depth */
	int depth;
	struct ls_buf text;
	int rc;
	struct ls_err err;
};

static void
give_up(struct reader *r, int rc)
{
	r->rc = rc;
	XML_StopParser(r->parser, XML_FALSE);
}

static void
refuse(struct reader *r, const char *what)
{
	give_up(r, ls_err_set(&r->err, -EBADMSG, "XML: %s", what));
}

static void
begin(void *arg, const char *name, const char **attributes)
{
	struct reader *r = arg;
	const char *local = strchr(name, '|') ? strchr(name, '|') + 1 : name;
	size_t at = r->ends[r->depth], n = strlen(local), slash = at > 0;

	(void)attributes;
	if (r->depth == XML_DEPTH_MAX || n + slash >= XML_PATH_MAX - at) {
		refuse(r, "too many elements in each other");
		return;
	}
	if (slash)
		r->path[at++] = '/';
	memcpy(r->path + at, local, n + 1);
	r->ends[++r->depth] = at + n;
	r->text.len = 0;
}

static void
end(void *arg, const char *name)
{
	struct reader *r = arg;
	const char *text = ls_buf_cstr(&r->text);
	int rc;

	(void)name;
	if (!text) {
		give_up(r, ls_err_set(&r->err, -ENOMEM, "XML: out of memory"));
		return;
	}
	if ((rc = r->fn(r->arg, r->path, text, &r->err)) < 0) {
		give_up(r, rc);
		return;
	}
	r->text.len = 0;
	r->depth--;
	r->path[r->ends[r->depth]] = '\0';
}

static void
take_text(void *arg, const char *s, int n)
{
	struct reader *r = arg;

	if (ls_buf_append(&r->text, s, (size_t)n) < 0)
		refuse(r, "a text that is too long");
}

static void
doctype(void *arg, const char *name, const char *system, const char *public, int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	refuse(arg, "a document type declaration, which no storage sends");
}

int
xml_read(const void *p, size_t n, xml_fn *fn, void *arg, struct ls_err *err)
{
	struct reader r = {.fn = fn, .arg = arg, .parser = XML_ParserCreateNS(NULL, '|')};
	enum XML_Status status;
	int rc;

	if (!r.parser)
		return ls_err_set(err, -ENOMEM, "XML: out of memory");
	ls_buf_init(&r.text, XML_TEXT_MAX);
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, begin, end);
	XML_SetCharacterDataHandler(r.parser, take_text);
	XML_SetStartDoctypeDeclHandler(r.parser, doctype);
	status = n <= INT_MAX ? XML_Parse(r.parser, p, (int)n, 1) : XML_STATUS_ERROR;
	rc = r.rc;
	if (rc < 0 && err)
		*err = r.err;
	else if (rc == 0 && status != XML_STATUS_OK)
		rc = ls_err_set(err, -EBADMSG, "XML: line %lu: %s",
				XML_GetCurrentLineNumber(r.parser),
				XML_ErrorString(XML_GetErrorCode(r.parser)));
	ls_buf_done(&r.text);
	XML_ParserFree(r.parser);
	return rc;
}
