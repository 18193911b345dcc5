engine_libengine_a_SOURCES += \
	engine/replica/catalog.c engine/replica/catalog.h \
	engine/replica/catalog_gaps.c engine/replica/catalog_times.c \
	engine/replica/catalog_log.c engine/replica/catalog_log.h \
	engine/replica/generations.c engine/replica/generations.h \
	engine/replica/lease.c engine/replica/lease.h \
	engine/replica/levels.c engine/replica/levels.h \
	engine/replica/plan.c engine/replica/plan.h \
	engine/replica/rank.c engine/replica/rank.h \
	engine/replica/replica.c engine/replica/replica.h \
	engine/replica/unpack.c engine/replica/unpack.h \
	engine/replica/verify.c engine/replica/verify.h
