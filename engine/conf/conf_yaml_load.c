/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf_yaml.h"

#include <string.h>

static int
syntax_error(struct conf_yaml *y, const yaml_parser_t *p, const char *text, size_t n,
	     struct ls_err *err)
{
	const char *what = p->problem ? p->problem : "cannot be read";
	size_t line = p->problem_mark.line + 1;
	bool tab = strstr(what, "cannot start any token") != NULL;

	if (p->error == YAML_MEMORY_ERROR)
		return ls_err_set(err, -ENOMEM, "configuration: out of memory");
	if (p->error == YAML_READER_ERROR) { /* gives no line, but where it was */
		line = 1;
		for (size_t i = 0; i < n && i < p->problem_offset; i++)
			line += text[i] == '\n';
	}
	return ls_err_set(err, -EINVAL, "%s: yaml: line %zu: %s%s", y->name, line, what,
			  tab ? " (a tab? indent with blanks only)" : "");
}

/* Nesting and size, before a tree is built. */
static int
check_size(struct conf_yaml *y, yaml_parser_t *p, const char *text, size_t n, struct ls_err *err)
{
	int depth = 0;
	bool end = false;

	for (int count = 0; !end; count++) {
		yaml_event_t ev;
		size_t line;

		if (!yaml_parser_parse(p, &ev))
			return syntax_error(y, p, text, n, err);
		line = ev.start_mark.line + 1;
		depth +=
			ev.type == YAML_MAPPING_START_EVENT || ev.type == YAML_SEQUENCE_START_EVENT;
		depth -= ev.type == YAML_MAPPING_END_EVENT || ev.type == YAML_SEQUENCE_END_EVENT;
		end = ev.type == YAML_DOCUMENT_END_EVENT || ev.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&ev);
		if (depth > CONF_YAML_DEPTH_MAX || count > CONF_YAML_EVENTS_MAX)
			return ls_err_set(err, -EINVAL, "%s: yaml: line %zu: %s", y->name, line,
					  depth > CONF_YAML_DEPTH_MAX ? "nested too deeply"
								      : "too many values");
	}
	return 0;
}

int
conf_yaml_load(struct conf_yaml *y, const char *text, size_t n, struct ls_err *err)
{
	int rc = 0;

	for (int pass = 0; rc == 0 && pass < 2; pass++) {
		yaml_parser_t parser;

		if (!yaml_parser_initialize(&parser))
			return ls_err_set(err, -ENOMEM, "configuration: out of memory");
		yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
		if (pass == 0)
			rc = check_size(y, &parser, text, n, err);
		else if (!yaml_parser_load(&parser, &y->doc))
			rc = syntax_error(y, &parser, text, n, err);
		yaml_parser_delete(&parser);
	}
	return rc;
}
