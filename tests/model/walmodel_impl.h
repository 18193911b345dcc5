/* SPDX-License-Identifier: Apache-2.0 */
/* walmodel's own: the file and the wal-index (walmodel.c) for what writers (walmodel_tx.c),
 * checkpoints and disasters (walmodel_ckpt.c) do with them. */
#ifndef TESTS_MODEL_WALMODEL_IMPL_H
#define TESTS_MODEL_WALMODEL_IMPL_H

#include "tests/model/walmodel.h"

uint64_t wm_new_content(struct wm *m);
struct wal_salts wm_random_salts(struct wm *m);

uint8_t *wm_frame_at(struct wm *m, uint32_t k); /* lengthens the file */
void wm_cut(struct wm *m, uint32_t bytes);
void wm_sync_wal(struct wm *m);
void wm_touch_db(struct wm *m);

void wm_restart_index(struct wm *m, struct wm_conn *c);
void wm_disconnect(struct wm *m, struct wm_conn *c);
void wm_nobody_left(struct wm *m);
bool wm_marks_held(const struct wm *m);
uint32_t wm_safe_frame(const struct wm *m); /* how far a checkpoint may go */

#endif
