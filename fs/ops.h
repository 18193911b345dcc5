/* SPDX-License-Identifier: Apache-2.0 */
/* ops: FUSE requests -> views, and the only code that answers with an errno. */
#ifndef FS_OPS_H
#define FS_OPS_H

#include "fs/fs.h"

enum ops_where { OPS_LOOKUP, OPS_READ };

/* The errno of decisions.md 18: SQLite takes EIO for "malformed" and every other one for "try
 * again", so only damage is EIO. */
void ops_reply_err(fuse_req_t req, int code, enum ops_where where);
int ops_errno(int code, enum ops_where where);

/* The stamp in the inode number of a TXID: another one when its objects were replaced. */
uint16_t ops_stamp(const struct fs *fs, uint64_t txid);

extern const struct fuse_lowlevel_ops ops_table;

/* In ops_dir.c */
void ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_readlink(fuse_req_t req, fuse_ino_t ino);
void ops_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void ops_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* In ops_more.c: generations and raw objects. A node below one, its attributes, what is in one. */
struct fetch;
LS_MUST_USE int ops_more_find(struct fetch *f, struct tree_node *ret, struct ls_err *err);
LS_MUST_USE int
ops_more_fill(struct fetch *f, const struct tree_node *n, struct stat *st, struct ls_err *err);
/* Entries that stay as they are until they are freed. */
struct ops_entries;
LS_MUST_USE int ops_more_list(struct fetch *f, struct ops_entries **ret, struct ls_err *err);
/* The entry at i, or false. */
bool
ops_more_entry(const struct ops_entries *l, size_t i, struct tree_node *ret, const char **ret_name);
void ops_more_free(struct ops_entries *l);
/* The newest state of Litestream 0.3, as the target of a link in the root. -ENOENT: there is none.
 */
LS_MUST_USE int ops_more_latest(struct fetch *f, char *out, size_t size, struct ls_err *err);
/* Open files: OLD_FILE and RAW_FILE. */
void ops_more_open(struct fetch *f);
void
ops_more_read(fuse_req_t req, fuse_ino_t ino, const struct tree_node *n, const struct fetch *what);
void ops_more_release(const struct tree_node *n, uint64_t fh);

/* In ops_file.c */
void ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void ops_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
/* 32 zero bytes for a -wal file, nothing for a -shm file. */
void ops_read_sibling(fuse_req_t req, bool wal, size_t size, off_t off);

#endif
