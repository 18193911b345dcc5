engine_libengine_a_SOURCES += \
	engine/view/blockcache.c engine/view/blockcache.h \
	engine/view/follow.c engine/view/follow.h \
	engine/view/follow_apply.c engine/view/follow_apply.h \
	engine/view/history.c engine/view/history.h engine/view/history_int.h \
	engine/view/integrity.c engine/view/integrity.h \
	engine/view/listing.c engine/view/listing.h \
	engine/view/lz4stream.c engine/view/lz4stream.h \
	engine/view/object.c engine/view/object.h \
	engine/view/object_index.c \
	engine/view/object_interior.c \
	engine/view/object_read.c \
	engine/view/objects.c \
	engine/view/old.c engine/view/old.h engine/view/old_int.h \
	engine/view/old_file.c \
	engine/view/pagemap.c engine/view/pagemap.h \
	engine/view/restore.c engine/view/restore.h \
	engine/view/restore_ahead.c engine/view/restore_ahead.h \
	engine/view/restore_generation.c engine/view/restore_generation.h \
	engine/view/restore_out.c engine/view/restore_out.h \
	engine/view/restore_pages.c engine/view/restore_pages.h \
	engine/view/restore_part.c engine/view/restore_part.h \
	engine/view/restore_walk.c \
	engine/view/view.c engine/view/view.h engine/view/view_int.h \
	engine/view/view_load.c \
	engine/view/view_read.c \
	engine/view/view_stat.c
