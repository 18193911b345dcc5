engine_libengine_a_SOURCES += \
	engine/view/restore.c engine/view/restore.h \
	engine/view/restore_out.c engine/view/restore_out.h \
	engine/view/restore_pages.c engine/view/restore_pages.h
