engine_libengine_a_SOURCES += \
	engine/store/curl_api.c engine/store/curl_api.h \
	engine/store/store.c engine/store/store.h \
	engine/store/store_count.c engine/store/store_count.h \
	engine/store/store_fault.c engine/store/store_fault.h \
	engine/store/store_file.c engine/store/store_file.h \
	engine/store/store_file_int.h \
	engine/store/store_file_list.c engine/store/store_file_put.c
