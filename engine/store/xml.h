/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml: the text of every element of a document, by path. Built on expat.
 *
 * Namespaces are left out. A document type declaration is refused (-EBADMSG), as are more than
 * XML_DEPTH_MAX elements in each other and texts of more than XML_TEXT_MAX bytes.
 * Threads: any.
 */
#ifndef ENGINE_STORE_XML_H
#define ENGINE_STORE_XML_H

#include "engine/base/err.h"

#include <stddef.h>

enum { XML_DEPTH_MAX = 16, XML_PATH_MAX = 512, XML_TEXT_MAX = 64 << 10 };

/* At the end of each element: path "Root/Child/Leaf" and the text directly in it. A negative result
 * ends the reading and is returned. */
typedef int xml_fn(void *arg, const char *path, const char *text, struct ls_err *err);

/* -EBADMSG, naming the line. */
LS_MUST_USE int xml_read(const void *p, size_t n, xml_fn *fn, void *arg, struct ls_err *err);

#endif
