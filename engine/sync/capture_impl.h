/* SPDX-License-Identifier: Apache-2.0 */
/* Between capture.c and capture_image.c. */
#ifndef ENGINE_SYNC_CAPTURE_IMPL_H
#define ENGINE_SYNC_CAPTURE_IMPL_H

#include "engine/sync/capture.h"

struct ltx_header
capture_header(struct capture *c, uint32_t commit, const struct position *to, uint32_t from_frame);
/* Publishes what was staged: from here on the batch is ours. */
LS_MUST_USE int
capture_publish(struct capture *c, struct stage_file *file, const struct ltx_header *h,
		struct position *to, struct ls_err *err);
/* The verdict of the start has been acted upon. */
void capture_resumed(struct capture *c);

#endif
