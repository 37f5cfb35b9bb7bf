# What argon2.pyx uses of the C interface.
cdef extern from "kdk_argon2.h" nogil:
    enum: KDK_ARGON2_TIERS, KDK_ARGON2_TOGETHER
    enum kdk_argon2_type:
        KDK_ARGON2_I, KDK_ARGON2_ID
    enum kdk_argon2_status:
        KDK_ARGON2_OK, KDK_ARGON2_ERR_NO_MEMORY, KDK_ARGON2_ERR_CANCELLED
        KDK_ARGON2_ERR_NOT_BUILT, KDK_ARGON2_ERR_NOT_ON_CPU
    struct kdk_argon2_input:
        const uint8_t *data
        size_t size
    struct kdk_argon2:
        kdk_argon2_type type
        uint32_t version, passes, memory_kib, lanes, threads
        kdk_argon2_input password, salt, secret, associated
        uint8_t *tag
        size_t tag_size
        int tier, lock
        int (*slice_done)(void *, uint64_t, uint64_t) noexcept
        void *context
    const char *kdk_argon2_message(kdk_argon2_status)
    const char *kdk_argon2_tier_name(int)
    kdk_argon2_status kdk_argon2_tier_status(int)
    int kdk_argon2_default_tier()
    kdk_argon2_status kdk_argon2_hash(const kdk_argon2 *)
