engine_libengine_a_SOURCES += \
	engine/base/auto.h \
	engine/base/buf.c engine/base/buf.h \
	engine/base/bytes.h \
	engine/base/clock.c engine/base/clock.h \
	engine/base/err.c engine/base/err.h \
	engine/base/io.c engine/base/io.h \
	engine/base/job.c engine/base/job.h \
	engine/base/log.c engine/base/log.h \
	engine/base/secret.c engine/base/secret.h \
	engine/base/stop.c engine/base/stop.h \
	engine/base/timers.c engine/base/timers.h \
	engine/base/timex.c engine/base/timex.h \
	engine/base/url.c engine/base/url.h
