engine_libengine_a_SOURCES += \
	engine/store/aws_creds.c engine/store/aws_creds.h \
	engine/store/aws_files.c engine/store/aws_files.h \
	engine/store/aws_remote.c engine/store/aws_remote.h \
	engine/store/aws_sts.c \
	engine/store/curl_api.c engine/store/curl_api.h \
	engine/store/digest.c engine/store/digest.h \
	engine/store/dynlib.c engine/store/dynlib.h \
	engine/store/http.c engine/store/http.h \
	engine/store/http_pool.c engine/store/http_pool.h \
	engine/store/http_silence.c engine/store/http_silence.h \
	engine/store/s3_call.c engine/store/s3_call.h \
	engine/store/s3_config.c engine/store/s3_config.h \
	engine/store/s3_error.c engine/store/s3_error.h \
	engine/store/s3_list.c engine/store/s3_list.h \
	engine/store/s3_parts.c engine/store/s3_parts.h \
	engine/store/s3_place.c engine/store/s3_place.h \
	engine/store/s3_put.c engine/store/s3_put.h \
	engine/store/sigv4.c engine/store/sigv4.h \
	engine/store/store.c engine/store/store.h \
	engine/store/store_count.c engine/store/store_count.h \
	engine/store/store_fault.c engine/store/store_fault.h \
	engine/store/store_file.c engine/store/store_file.h \
	engine/store/store_file_int.h \
	engine/store/store_file_list.c engine/store/store_file_put.c \
	engine/store/store_limit.c engine/store/store_limit.h \
	engine/store/store_retry.c engine/store/store_retry.h \
	engine/store/store_s3.c engine/store/store_s3.h \
	engine/store/xml.c engine/store/xml.h
