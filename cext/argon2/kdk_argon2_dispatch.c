#include "kdk_argon2.h"

#include "kdk_cpu.h"

static const char *const tier_names[KDK_ARGON2_TIERS] = {"portable", "neon", "avx2", "avx512"};

const struct kdk_argon2_ops *kdk_argon2_tier_ops(int tier)
{
    switch (tier) {
    case KDK_ARGON2_PORTABLE: return kdk_argon2_portable;
    case KDK_ARGON2_NEON: return kdk_argon2_neon;
    case KDK_ARGON2_AVX2: return kdk_argon2_avx2;
    case KDK_ARGON2_AVX512: return kdk_argon2_avx512;
    default: return NULL;
    }
}

const char *kdk_argon2_tier_name(int tier)
{
    return tier >= 0 && tier < KDK_ARGON2_TIERS ? tier_names[tier] : NULL;
}

const char *kdk_argon2_message(enum kdk_argon2_status status)
{
    switch (status) {
    case KDK_ARGON2_OK: return "no error";
    case KDK_ARGON2_ERR_TYPE: return "the type must be argon2i or argon2id";
    case KDK_ARGON2_ERR_VERSION: return "the version must be 0x10 or 0x13";
    case KDK_ARGON2_ERR_PASSES: return "there must be at least one pass";
    case KDK_ARGON2_ERR_LANES: return "the number of lanes must be from 1 to 16777215";
    case KDK_ARGON2_ERR_MEMORY: return "the memory must be at least 8 KiB for each lane";
    case KDK_ARGON2_ERR_SALT: return "the salt must have at least 8 bytes";
    case KDK_ARGON2_ERR_TAG: return "the output must have at least 4 bytes";
    case KDK_ARGON2_ERR_LENGTH: return "an input or the output has 4 GiB or more";
    case KDK_ARGON2_ERR_NO_MEMORY: return "the memory cannot be allocated";
    case KDK_ARGON2_ERR_CANCELLED: return "cancelled";
    case KDK_ARGON2_ERR_UNKNOWN_TIER: return "no tier has this name";
    case KDK_ARGON2_ERR_NOT_BUILT: return "the tier is not in this build: it is for another architecture";
    case KDK_ARGON2_ERR_NOT_ON_CPU:
        return "this processor or operating system does not offer the tier's instructions";
    }
    return "unknown status";
}

enum kdk_argon2_status kdk_argon2_tier_status(int tier)
{
    static const uint32_t needs[KDK_ARGON2_TIERS] = {0, KDK_CPU_NEON, KDK_CPU_AVX2, KDK_CPU_AVX512};
    if (tier < 0 || tier >= KDK_ARGON2_TIERS)
        return KDK_ARGON2_ERR_UNKNOWN_TIER;
    if (!kdk_argon2_tier_ops(tier))
        return KDK_ARGON2_ERR_NOT_BUILT;
    return (kdk_cpu_features() & needs[tier]) == needs[tier] ? KDK_ARGON2_OK : KDK_ARGON2_ERR_NOT_ON_CPU;
}

int kdk_argon2_default_tier(void)
{
    for (int tier = KDK_ARGON2_TIERS - 1; tier > KDK_ARGON2_PORTABLE; tier--)
        if (kdk_argon2_tier_status(tier) == KDK_ARGON2_OK)
            return tier;
    return KDK_ARGON2_PORTABLE;
}
