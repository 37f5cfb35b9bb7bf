# What region.pyx uses of the C interface.
cdef extern from "kdk_region.h" nogil:
    enum: KDK_REGION_SEGMENTS, KDK_REGION_PAGE, KDK_REGION_UPSTREAM, KDK_REGION_HARDENED
    enum kdk_region_status:
        KDK_REGION_OK, KDK_REGION_NO_ROOM, KDK_REGION_BAD_SEGMENT, KDK_REGION_TOO_MANY, KDK_REGION_BAD_REGION
    struct kdk_region_segment:
        uint64_t bytes, alignment
        int top_down, keys
    struct kdk_region_plan:
        uint64_t base, bytes
        int policy
        size_t count
        kdk_region_segment segments[32]
        int keys
    struct kdk_region_summary:
        uint64_t draws, failures, reachable, most
        double shannon_bits, min_bits
    kdk_region_status kdk_region_check(kdk_region_plan *)
    uint64_t kdk_region_draws(const kdk_region_plan *)
    kdk_region_status kdk_region_place(const kdk_region_plan *, uint64_t, uint64_t *, size_t *)
    void kdk_region_distribution(const kdk_region_plan *, uint32_t *, kdk_region_summary *)
    int kdk_region_sample(const kdk_region_plan *, const uint64_t *, uint32_t *, size_t)
    int kdk_region_map(int, size_t, size_t, size_t, void **, int *)
    void kdk_region_unmap(void *, size_t)
