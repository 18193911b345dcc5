engine_libengine_a_SOURCES += \
	engine/sync/bootid.c engine/sync/bootid.h \
	engine/sync/capture.c engine/sync/capture.h \
	engine/sync/capture_image.c engine/sync/capture_impl.h \
	engine/sync/pagehash.c engine/sync/pagehash.h \
	engine/sync/checkpoint.c engine/sync/checkpoint.h \
	engine/sync/compare.c engine/sync/compare.h \
	engine/sync/continuity.c engine/sync/continuity.h \
	engine/sync/db.c engine/sync/db.h \
	engine/sync/dbtask.c engine/sync/dbtask.h \
	engine/sync/db_lock.c \
	engine/sync/dbreplica.c engine/sync/dbreplica.h \
	engine/sync/dbreplica_levels.c \
	engine/sync/dbtask_end.c \
	engine/sync/dbtask_look.c \
	engine/sync/dbtask_meet.c \
	engine/sync/dbtask_open.c \
	engine/sync/dbtask_replicas.c \
	engine/sync/dbtask_spool.c \
	engine/sync/upload_audit.c engine/sync/upload_interior.c \
	engine/sync/upload_base.c \
	engine/sync/upload_levels.c engine/sync/upload_local.c \
	engine/sync/upload_out.c engine/sync/upload_pack.c engine/sync/upload_recent.c \
	engine/sync/upload_snapshot.c \
	engine/sync/fleet.c engine/sync/fleet.h \
	engine/sync/fleet_dirs.c engine/sync/fleet_jobs.c \
	engine/sync/fleet_impl.h engine/sync/fleet_loop.c \
	engine/sync/fleet_rest.c engine/sync/fleet_sync.c \
	engine/sync/frames.c engine/sync/frames.h \
	engine/sync/held.c engine/sync/held.h \
	engine/sync/kept.c engine/sync/kept.h \
	engine/sync/leases.c engine/sync/leases.h \
	engine/sync/localstate.c engine/sync/localstate.h \
	engine/sync/position.c engine/sync/position.h \
	engine/sync/stage.c engine/sync/stage.h \
	engine/sync/statedir.c engine/sync/statedir.h \
	engine/sync/tailproof.c engine/sync/tailproof.h \
	engine/sync/turns.c engine/sync/turns.h \
	engine/sync/upload.c engine/sync/upload.h \
	engine/sync/upload_impl.h \
	engine/sync/watch.c engine/sync/watch.h
