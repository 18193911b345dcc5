engine_libengine_a_SOURCES += \
	engine/format/crc64.c engine/format/crc64.h \
	engine/format/dbhdr.c engine/format/dbhdr.h \
	engine/format/journal.c engine/format/journal.h \
	engine/format/ltx.c engine/format/ltx.h \
	engine/format/ltx_dec.c engine/format/ltx_dec.h \
	engine/format/ltx_enc.c engine/format/ltx_enc.h \
	engine/format/ltx_index.c engine/format/ltx_index.h \
	engine/format/ltx_merge.c engine/format/ltx_merge.h \
	engine/format/ltx_name.c engine/format/ltx_name.h \
	engine/format/name03.c engine/format/name03.h \
	engine/format/pack.c engine/format/pack.h \
	engine/format/wal.c engine/format/wal.h \
	engine/format/walidx.c engine/format/walidx.h \
	engine/format/xxh32.c engine/format/xxh32.h
