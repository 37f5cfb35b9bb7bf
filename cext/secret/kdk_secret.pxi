# What secret.pyx uses of the C interface.
cdef extern from "kdk_secret.h":
    void kdk_wipe(void *, size_t)
    ctypedef struct kdk_secret:
        unsigned char *data
        bint locked
    int kdk_secret_map(kdk_secret *, size_t)
    void kdk_secret_wipe(kdk_secret *)
    void kdk_secret_unmap(kdk_secret *)
    bint kdk_secret_intact(const kdk_secret *)
    int kdk_secret_random(kdk_secret *)
    void kdk_secret_copy(void *, const void *, size_t)
    void kdk_secret_xor(void *, const void *, size_t)
    bint kdk_secret_equal(const void *, const void *, size_t)
    int kdk_secret_undumpable_process()
