/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/bootid.h"

#include "engine/base/io.h"
#include "engine/format/crc64.h"

#include <pthread.h>

static uint64_t id;

static uint64_t
read_id(void)
{
	ls_autoclose int fd = io_open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0, NULL);
	uint8_t text[36];

	if (fd < 0 || io_pread_exact(fd, text, sizeof text, 0, NULL) < 0)
		return 0;
	return crc64(0, text, sizeof text);
}

static void
set_id(void)
{
	id = read_id();
}

uint64_t
bootid_get(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_id);
	return id;
}
