engine_libengine_a_SOURCES += \
	engine/conf/conf.c engine/conf/conf.h \
	engine/conf/conf_check.c engine/conf/conf_check.h \
	engine/conf/conf_db.c engine/conf/conf_db.h \
	engine/conf/conf_dir.c engine/conf/conf_dir.h \
	engine/conf/conf_env.c engine/conf/conf_env.h \
	engine/conf/conf_levels.c engine/conf/conf_levels.h \
	engine/conf/conf_replica.c \
	engine/conf/conf_s3.c engine/conf/conf_s3.h \
	engine/conf/conf_scalar.c engine/conf/conf_scalar.h \
	engine/conf/conf_yaml.c engine/conf/conf_yaml.h \
	engine/conf/conf_yaml_load.c
