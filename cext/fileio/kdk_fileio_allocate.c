#define _GNU_SOURCE
#include "kdk_fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

int kdk_allocate(int fd, uint64_t length)
{
    struct statfs system;
    if (!length)
        return 0;
    if (length > INT64_MAX)
        return EFBIG;
    if (fstatfs(fd, &system) == 0 && (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC))
        return 0;
    while (fallocate(fd, 0, 0, (off_t)length)) {
        if (errno == EOPNOTSUPP)
            return 0;
        if (errno != EINTR)
            return errno;
    }
    return 0;
}
