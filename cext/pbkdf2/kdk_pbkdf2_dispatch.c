#include "kdk_pbkdf2.h"

#include "kdk_cpu.h"

static const char *const tier_names[KDK_PBKDF2_TIERS] = {"portable", "bmi2",  "avx2",
                                                         "avx512",   "shani", "armv8"};

const struct kdk_pbkdf2_ops *kdk_pbkdf2_tier_ops(int tier)
{
    switch (tier) {
    case KDK_PBKDF2_PORTABLE: return kdk_pbkdf2_portable;
    case KDK_PBKDF2_BMI2: return kdk_pbkdf2_bmi2;
    case KDK_PBKDF2_AVX2: return kdk_pbkdf2_avx2;
    case KDK_PBKDF2_AVX512: return kdk_pbkdf2_avx512;
    case KDK_PBKDF2_SHANI: return kdk_pbkdf2_shani;
    case KDK_PBKDF2_ARMV8: return kdk_pbkdf2_armv8;
    default: return NULL;
    }
}

const char *kdk_pbkdf2_tier_name(int tier)
{
    return tier >= 0 && tier < KDK_PBKDF2_TIERS ? tier_names[tier] : NULL;
}

const char *kdk_pbkdf2_message(enum kdk_pbkdf2_status status)
{
    switch (status) {
    case KDK_PBKDF2_OK: return "no error";
    case KDK_PBKDF2_ERR_HASH: return "the hash must be sha1, sha256 or sha512";
    case KDK_PBKDF2_ERR_ITERATIONS: return "there must be at least one iteration";
    case KDK_PBKDF2_ERR_LENGTH: return "the output must have from 1 byte to 4294967295 blocks";
    case KDK_PBKDF2_ERR_CANCELLED: return "cancelled";
    case KDK_PBKDF2_ERR_UNKNOWN_TIER: return "no tier has this name";
    case KDK_PBKDF2_ERR_NOT_BUILT: return "the tier is not in this build: it is for another architecture";
    case KDK_PBKDF2_ERR_NOT_ON_CPU:
        return "this processor or operating system does not offer the tier's instructions";
    case KDK_PBKDF2_ERR_NOT_FOR_HASH: return "the tier has no instructions for this hash";
    }
    return "unknown status";
}

static uint32_t needs(int tier, enum kdk_sha_kind hash)
{
    switch (tier) {
    case KDK_PBKDF2_BMI2: /* asked for with AVX2, as all processors have both */
    case KDK_PBKDF2_AVX2: return KDK_CPU_AVX2;
    case KDK_PBKDF2_AVX512: return KDK_CPU_AVX512;
    case KDK_PBKDF2_SHANI: return KDK_CPU_SHANI;
    case KDK_PBKDF2_ARMV8: return hash == KDK_SHA512 ? KDK_CPU_ARMV8SHA512 : KDK_CPU_ARMV8SHA;
    default: return 0;
    }
}

enum kdk_pbkdf2_status kdk_pbkdf2_tier_status(int tier, enum kdk_sha_kind hash)
{
    if ((unsigned)hash >= KDK_SHA_KINDS)
        return KDK_PBKDF2_ERR_HASH;
    if (tier < 0 || tier >= KDK_PBKDF2_TIERS)
        return KDK_PBKDF2_ERR_UNKNOWN_TIER;
    const struct kdk_pbkdf2_ops *const ops = kdk_pbkdf2_tier_ops(tier);
    if (!ops)
        return KDK_PBKDF2_ERR_NOT_BUILT;
    if (!ops->iterate[hash])
        return KDK_PBKDF2_ERR_NOT_FOR_HASH;
    const uint32_t needed = needs(tier, hash);
    return (kdk_cpu_features() & needed) == needed ? KDK_PBKDF2_OK : KDK_PBKDF2_ERR_NOT_ON_CPU;
}

/* A tier, and from how many chains of SHA-1, SHA-256 and SHA-512 on it is faster than those after it. */
struct preference {
    int tier;
    size_t chains[KDK_SHA_KINDS];
};

int kdk_pbkdf2_default_tier(enum kdk_sha_kind hash, size_t out_size)
{
    /* In the order of the measurements in docs/performance.md. Lanes cost the same whether they are used or
     * not. */
    static const struct preference order[] = {
        {KDK_PBKDF2_ARMV8, {1, 1, 1}},  {KDK_PBKDF2_AVX512, {7, SIZE_MAX, 2}}, {KDK_PBKDF2_SHANI, {1, 1, 1}},
        {KDK_PBKDF2_AVX512, {9, 9, 2}}, {KDK_PBKDF2_AVX2, {2, 3, 3}},          {KDK_PBKDF2_BMI2, {1, 1, 1}},
    };
    if ((unsigned)hash >= KDK_SHA_KINDS)
        return KDK_PBKDF2_PORTABLE;
    const size_t chains = out_size / kdk_sha_digest_size(hash) + (out_size % kdk_sha_digest_size(hash) != 0);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (chains >= order[i].chains[hash] && kdk_pbkdf2_tier_status(order[i].tier, hash) == KDK_PBKDF2_OK)
            return order[i].tier;
    return KDK_PBKDF2_PORTABLE;
}
