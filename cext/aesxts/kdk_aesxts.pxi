# What aesxts.pyx uses of the C interfaces.
cdef extern from "kdk_secret.h":
    ctypedef struct kdk_secret:
        unsigned char *data
    int kdk_secret_map(kdk_secret *, size_t)
    void kdk_secret_unmap(kdk_secret *)
    bint kdk_secret_intact(const kdk_secret *)

cdef extern from "kdk_aesxts.h" nogil:
    enum: KDK_AESXTS_TIERS
    enum kdk_aesxts_status:
        KDK_AESXTS_OK, KDK_AESXTS_ERR_SECTOR_SIZE, KDK_AESXTS_ERR_LENGTH, KDK_AESXTS_ERR_NOT_BUILT
        KDK_AESXTS_ERR_NOT_ON_CPU, KDK_AESXTS_ERR_CLOSED
    struct kdk_aesxts_ctx:
        int32_t tier
    struct kdk_aesxts_run:
        const uint8_t *src
        uint8_t *dst
        size_t sectors, sector_size
        uint64_t iv, iv_step, iv_mask, high
    const char *kdk_aesxts_message(kdk_aesxts_status)
    const char *kdk_aesxts_tier_name(int)
    kdk_aesxts_status kdk_aesxts_tier_status(int)
    int kdk_aesxts_default_tier()
    kdk_aesxts_status kdk_aesxts_init(kdk_aesxts_ctx *, const uint8_t *, size_t, int)
    kdk_aesxts_status kdk_aesxts_encrypt(const kdk_aesxts_ctx *, kdk_aesxts_run *, size_t)
    kdk_aesxts_status kdk_aesxts_decrypt(const kdk_aesxts_ctx *, kdk_aesxts_run *, size_t)
