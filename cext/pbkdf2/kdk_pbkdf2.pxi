# What pbkdf2.pyx uses of the C interface.
cdef extern from "kdk_wipe.h" nogil:
    void kdk_wipe(void *, size_t)

cdef extern from "kdk_sha.h" nogil:
    enum: KDK_SHA_MOST_DIGEST
    enum kdk_sha_kind:
        KDK_SHA1, KDK_SHA256, KDK_SHA512
    union kdk_sha_state:
        pass
    struct kdk_sha:
        kdk_sha_kind kind
    size_t kdk_sha_digest_size(kdk_sha_kind)
    void kdk_sha_init(kdk_sha *, kdk_sha_kind)
    void kdk_sha_update(kdk_sha *, const void *, size_t)
    void kdk_sha_final(kdk_sha *, kdk_sha_state *)
    void kdk_sha_digest(kdk_sha_kind, const kdk_sha_state *, uint8_t *)

cdef extern from "kdk_pbkdf2.h" nogil:
    enum: KDK_PBKDF2_TIERS
    enum kdk_pbkdf2_status:
        KDK_PBKDF2_OK, KDK_PBKDF2_ERR_CANCELLED
        KDK_PBKDF2_ERR_NOT_BUILT, KDK_PBKDF2_ERR_NOT_ON_CPU, KDK_PBKDF2_ERR_NOT_FOR_HASH
    struct kdk_pbkdf2:
        kdk_sha_kind hash
        uint32_t iterations
        const uint8_t *password
        const uint8_t *salt
        size_t password_size, salt_size
        uint8_t *out
        size_t out_size
        int tier
        int (*batch_done)(void *) noexcept
        void *context
    const char *kdk_pbkdf2_message(kdk_pbkdf2_status)
    const char *kdk_pbkdf2_tier_name(int)
    kdk_pbkdf2_status kdk_pbkdf2_tier_status(int, kdk_sha_kind)
    int kdk_pbkdf2_default_tier(kdk_sha_kind, size_t)
    kdk_pbkdf2_status kdk_pbkdf2_derive(const kdk_pbkdf2 *)
