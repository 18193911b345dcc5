noinst_LIBRARIES += engine/libengine.a
engine_libengine_a_SOURCES =

include engine/base/local.mk
include engine/format/local.mk
include engine/store/local.mk
include engine/replica/local.mk
include engine/conf/local.mk
include engine/view/local.mk
include engine/sync/local.mk
