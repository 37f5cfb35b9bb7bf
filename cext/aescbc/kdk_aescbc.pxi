# What aescbc.pyx uses of the C interfaces.
cdef extern from "kdk_secret.h":
    ctypedef struct kdk_secret:
        unsigned char *data
    int kdk_secret_map(kdk_secret *, size_t)
    void kdk_secret_unmap(kdk_secret *)
    bint kdk_secret_intact(const kdk_secret *)

cdef extern from "kdk_aescbc.h" nogil:
    enum: KDK_AESCBC_TIERS
    enum kdk_aescbc_status:
        KDK_AESCBC_OK, KDK_AESCBC_ERR_SECTOR_SIZE, KDK_AESCBC_ERR_LENGTH, KDK_AESCBC_ERR_NOT_BUILT
        KDK_AESCBC_ERR_NOT_ON_CPU, KDK_AESCBC_ERR_CLOSED
    struct kdk_aescbc_ctx:
        int32_t tier
    struct kdk_aescbc_run:
        const uint8_t *src
        uint8_t *dst
        size_t sectors, sector_size
        uint64_t iv, iv_step, iv_mask, high
        int big_endian
    const char *kdk_aescbc_message(kdk_aescbc_status)
    const char *kdk_aescbc_tier_name(int)
    kdk_aescbc_status kdk_aescbc_tier_status(int)
    int kdk_aescbc_default_tier()
    kdk_aescbc_status kdk_aescbc_init(
        kdk_aescbc_ctx *, const uint8_t *, size_t, const uint8_t *, size_t, int)
    kdk_aescbc_status kdk_aescbc_encrypt(const kdk_aescbc_ctx *, kdk_aescbc_run *, size_t)
    kdk_aescbc_status kdk_aescbc_decrypt(const kdk_aescbc_ctx *, kdk_aescbc_run *, size_t)
