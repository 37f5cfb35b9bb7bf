# What fileio.pyx uses of the C interface.
cdef extern from "kdk_fileio.h" nogil:
    struct kdk_window:
        uint8_t *data
        size_t length
    int kdk_window_open(kdk_window *, size_t)
    int kdk_window_move(kdk_window *, int, uint64_t, size_t)
    int kdk_window_intact(const kdk_window *)
    void kdk_window_close(kdk_window *)
    int kdk_next_data(const uint8_t *, size_t, size_t, size_t *, size_t *, size_t *)
    int kdk_allocate(int, uint64_t)
