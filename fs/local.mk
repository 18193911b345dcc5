noinst_LIBRARIES += fs/libfs.a
fs_libfs_a_CPPFLAGS = $(AM_CPPFLAGS) $(FUSE_CFLAGS)
fs_libfs_a_SOURCES = \
	fs/fetch.c fs/fetch.h \
	fs/fs.h \
	fs/mopts.c fs/mopts.h \
	fs/names.c fs/names.h \
	fs/ops.c fs/ops.h \
	fs/ops_dir.c \
	fs/ops_file.c \
	fs/ops_more.c \
	fs/points.c fs/points.h \
	fs/raw.c fs/raw.h \
	fs/tree.c fs/tree.h

sbin_PROGRAMS += fs/mount.litestream
fs_mount_litestream_SOURCES = fs/mount.c
fs_mount_litestream_CPPFLAGS = $(AM_CPPFLAGS) $(FUSE_CFLAGS)
fs_mount_litestream_LDADD = fs/libfs.a $(LDADD) $(FUSE_LIBS)

# mount(8) looks for mount.fuse.SUBTYPE when a fuse.litestream mount is named.
install-exec-hook:
	cd $(DESTDIR)$(sbindir) && rm -f mount.fuse.litestream && $(LN_S) mount.litestream mount.fuse.litestream

uninstall-hook:
	rm -f $(DESTDIR)$(sbindir)/mount.fuse.litestream

EXTRA_DIST += fs/mount.litestream.8.scd
if HAVE_MAN
dist_man_MANS += fs/mount.litestream.8
MAINTAINERCLEANFILES += fs/mount.litestream.8

fs/mount.litestream.8: $(srcdir)/fs/mount.litestream.8.scd
	$(AM_V_GEN)$(MKDIR_P) fs && scdoc <$(srcdir)/fs/mount.litestream.8.scd >$@.tmp && mv $@.tmp $@
endif
