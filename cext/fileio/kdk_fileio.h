/* Bytes of files as they lie in the page cache: mapped for one pass, with what goes wrong there told instead
 * of ending the process; and where in a buffer there is anything but zeros. */
#ifndef KDK_FILEIO_H
#define KDK_FILEIO_H

#include <stddef.h>
#include <stdint.h>

/* A mapping that moves over a file. A page of it that cannot be read (the file was cut, or its medium fails)
 * reads as zeros, and is noted. One thread at a time uses a window. */
struct kdk_window {
    uint8_t *base; /* where all its places are mapped; NULL: closed */
    size_t room;   /* bytes of address space: whole pages */
    uint8_t *data; /* the first byte asked for */
    size_t length; /* bytes asked for */
    uint64_t end;  /* byte of the file behind the last of them */
    int fd;
    int slot; /* of the handler's table */
};

/* Room for runs of `length` bytes at any offset. 0, or an errno: no address space, too many windows, or
 * somebody else's handler of SIGBUS came after ours. */
int kdk_window_open(struct kdk_window *window, size_t length);

/* Bring a run of a file into the window, in place of what it showed. 0, or an errno; where the file cannot be
 * mapped, the window is closed. */
int kdk_window_move(struct kdk_window *window, int fd, uint64_t offset, size_t length);

/* Whether all that has been read through the window since it was moved was the file's: no page failed, and
 * the file still reaches to the end of the run. */
int kdk_window_intact(const struct kdk_window *window);

void kdk_window_close(struct kdk_window *window);

/* The next run of blocks that are not all zeros, at or after *at: 1 and its place in *start and *end, or 0.
 * *at goes behind it. The last block may be short. */
int kdk_next_data(const uint8_t *p, size_t n, size_t block, size_t *at, size_t *start, size_t *end);

/* Have a file's blocks there before they are written: a disk that is too full says so now, and writing is
 * faster. Not on tmpfs, where it fills pages that are filled again, nor where a file system allocates nothing
 * beforehand. 0, or an errno. */
int kdk_allocate(int fd, uint64_t length);

#endif
