noinst_LIBRARIES += tools/libtools.a
tools_libtools_a_SOURCES = \
	tools/cmd.h \
	tools/cmd_databases.c \
	tools/cmd_ltx.c \
	tools/cmd_replicate.c \
	tools/cmd_restore.c tools/cmd_restore.h \
	tools/cmd_restore_plan.c \
	tools/cmd_version.c \
	tools/opt.c tools/opt.h \
	tools/print.c tools/print.h \
	tools/progress.c tools/progress.h \
	tools/source.c tools/source.h

bin_PROGRAMS += tools/litestream
tools_litestream_SOURCES = tools/main.c
tools_litestream_LDADD = tools/libtools.a $(LDADD)
