/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "fs/ops.h"

#include <string.h>
#include <sys/statvfs.h>

int
ops_errno(int code, enum ops_where where)
{
	switch (code) {
	case -EBADMSG:
	case -ENODATA:
		return EIO;
	case -ENOENT:
		return where == OPS_LOOKUP ? ENOENT : ESTALE;
	case -ESTALE:
		return ESTALE;
	case -EACCES:
		return where == OPS_LOOKUP ? EACCES : EREMOTEIO;
	case -EAGAIN:
	case -ETIMEDOUT:
		return ETIMEDOUT;
	case -ECANCELED:
		return EINTR;
	case -ENOMEM:
		return ENOMEM;
	case -EROFS:
		return EROFS;
	default:
		return EREMOTEIO;
	}
}

void
ops_reply_err(fuse_req_t req, int code, enum ops_where where)
{
	fuse_reply_err(req, ops_errno(code, where));
}

static void
init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;

	conn->max_write = 1 << 20; /* also the largest read */
	conn->max_background = 64;
	conn->congestion_threshold = 48;
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE | FUSE_CAP_READDIRPLUS);
	conn->want |= conn->capable & FUSE_CAP_PARALLEL_DIROPS;
	fs->ready(fs->ready_arg);
}

static void
statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs s = {
		.f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255, .f_flag = ST_RDONLY};

	(void)ino;
	fuse_reply_statfs(req, &s);
}

const struct fuse_lowlevel_ops ops_table = {
	.init = init,
	.lookup = ops_lookup,
	.getattr = ops_getattr,
	.readlink = ops_readlink,
	.open = ops_open,
	.read = ops_read,
	.release = ops_release,
	.opendir = ops_opendir,
	.readdir = ops_readdir,
	.releasedir = ops_releasedir,
	.statfs = statfs,
};
