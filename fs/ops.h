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

/* In ops_file.c */
void ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void ops_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

#endif
