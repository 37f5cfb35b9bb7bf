#include "kdk_aesxts.h"

#include "kdk_cpu.h"
#include "kdk_wipe.h"

static const char *const tier_names[KDK_AESXTS_TIERS] = {"portable", "aesni", "vaes_avx2", "vaes_avx512",
                                                         "armv8ce"};

static const struct kdk_aesxts_ops *tier_ops(int tier)
{
    switch (tier) {
    case KDK_AESXTS_PORTABLE: return kdk_aesxts_portable;
    case KDK_AESXTS_AESNI: return kdk_aesxts_aesni;
    case KDK_AESXTS_VAES_AVX2: return kdk_aesxts_vaes_avx2;
    case KDK_AESXTS_VAES_AVX512: return kdk_aesxts_vaes_avx512;
    case KDK_AESXTS_ARMV8CE: return kdk_aesxts_armv8ce;
    default: return NULL;
    }
}

const char *kdk_aesxts_tier_name(int tier)
{
    return tier >= 0 && tier < KDK_AESXTS_TIERS ? tier_names[tier] : NULL;
}

const char *kdk_aesxts_message(enum kdk_aesxts_status status)
{
    switch (status) {
    case KDK_AESXTS_OK: return "no error";
    case KDK_AESXTS_ERR_KEY_SIZE: return "the key must have 32 or 64 bytes (two AES keys)";
    case KDK_AESXTS_ERR_EQUAL_HALVES: return "the two halves of the key are equal: encryption is refused";
    case KDK_AESXTS_ERR_SECTOR_SIZE: return "the sector size must be a multiple of 16 from 16 to 65536";
    case KDK_AESXTS_ERR_LENGTH: return "the length is not a whole number of sectors";
    case KDK_AESXTS_ERR_OVERLAP: return "source and destination overlap without being the same";
    case KDK_AESXTS_ERR_UNKNOWN_TIER: return "no tier has this name";
    case KDK_AESXTS_ERR_NOT_BUILT: return "the tier is not in this build: it is for another architecture";
    case KDK_AESXTS_ERR_NOT_ON_CPU:
        return "this processor or operating system does not offer the tier's instructions";
    case KDK_AESXTS_ERR_CLOSED: return "the context is closed (in a forked child: left to the parent)";
    case KDK_AESXTS_ERR_IV_STEP: return "the IV step must be at least 1";
    case KDK_AESXTS_ERR_IV_RANGE: return "the sector numbers go past 64 bits";
    }
    return "unknown status";
}

enum kdk_aesxts_status kdk_aesxts_tier_status(int tier)
{
    static const uint32_t needs[KDK_AESXTS_TIERS] = {0, KDK_CPU_AESNI, KDK_CPU_VAES_AVX2, KDK_CPU_VAES_AVX512,
                                                     KDK_CPU_ARMV8CE};
    if (tier < 0 || tier >= KDK_AESXTS_TIERS)
        return KDK_AESXTS_ERR_UNKNOWN_TIER;
    if (!tier_ops(tier))
        return KDK_AESXTS_ERR_NOT_BUILT;
    return (kdk_cpu_features() & needs[tier]) == needs[tier] ? KDK_AESXTS_OK : KDK_AESXTS_ERR_NOT_ON_CPU;
}

int kdk_aesxts_default_tier(void)
{
    /* In the order of the measurements in docs/performance.md. */
    static const int order[] = {KDK_AESXTS_VAES_AVX512, KDK_AESXTS_VAES_AVX2, KDK_AESXTS_AESNI,
                                KDK_AESXTS_ARMV8CE};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (kdk_aesxts_tier_status(order[i]) == KDK_AESXTS_OK)
            return order[i];
    return KDK_AESXTS_PORTABLE;
}

/* Key halves are secrets: compared without an early exit. */
static uint32_t halves_are_equal(const uint8_t *key, size_t half)
{
    uint32_t difference = 0;
    for (size_t i = 0; i < half; i++)
        difference |= (uint32_t)(key[i] ^ key[half + i]);
    return (difference - 1) >> 31;
}

enum kdk_aesxts_status kdk_aesxts_init(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes,
                                       int tier)
{
    kdk_aesxts_wipe(ctx);
    if (key_bytes != 32 && key_bytes != 64)
        return KDK_AESXTS_ERR_KEY_SIZE;
    if (tier < 0)
        tier = kdk_aesxts_default_tier();
    enum kdk_aesxts_status status = kdk_aesxts_tier_status(tier);
    if (status != KDK_AESXTS_OK)
        return status;
    tier_ops(tier)->init(ctx, key, key_bytes);
    ctx->rounds = key_bytes == 32 ? 10 : 14;
    ctx->equal_halves = halves_are_equal(key, key_bytes / 2);
    ctx->tier = tier;
    return KDK_AESXTS_OK;
}

void kdk_aesxts_wipe(struct kdk_aesxts_ctx *ctx) { kdk_wipe(ctx, sizeof *ctx); }

static enum kdk_aesxts_status check(const struct kdk_aesxts_ctx *ctx, struct kdk_aesxts_run *run,
                                    size_t bytes)
{
    if (!ctx->rounds)
        return KDK_AESXTS_ERR_CLOSED;
    if (run->sector_size < 16 || run->sector_size > 65536 || run->sector_size % 16)
        return KDK_AESXTS_ERR_SECTOR_SIZE;
    if (bytes % run->sector_size)
        return KDK_AESXTS_ERR_LENGTH;
    if (!run->iv_step)
        return KDK_AESXTS_ERR_IV_STEP;
    run->sectors = bytes / run->sector_size;
    /* The sector number is 64 bits wide on disk; past its end there is no sector. (plain, 32 bits wide, wraps
     * by definition.) */
    if (run->sectors && (run->sectors - 1) > (UINT64_MAX - run->iv) / run->iv_step)
        return KDK_AESXTS_ERR_IV_RANGE;
    const uintptr_t src = (uintptr_t)run->src, dst = (uintptr_t)run->dst;
    if (src != dst && src < dst + bytes && dst < src + bytes)
        return KDK_AESXTS_ERR_OVERLAP;
    return KDK_AESXTS_OK;
}

enum kdk_aesxts_status kdk_aesxts_encrypt(const struct kdk_aesxts_ctx *ctx, struct kdk_aesxts_run *run,
                                          size_t bytes)
{
    enum kdk_aesxts_status status = check(ctx, run, bytes);
    if (status == KDK_AESXTS_OK && ctx->equal_halves)
        status = KDK_AESXTS_ERR_EQUAL_HALVES;
    if (status == KDK_AESXTS_OK && run->sectors)
        tier_ops(ctx->tier)->encrypt(ctx, run);
    return status;
}

enum kdk_aesxts_status kdk_aesxts_decrypt(const struct kdk_aesxts_ctx *ctx, struct kdk_aesxts_run *run,
                                          size_t bytes)
{
    enum kdk_aesxts_status status = check(ctx, run, bytes);
    if (status == KDK_AESXTS_OK && run->sectors)
        tier_ops(ctx->tier)->decrypt(ctx, run);
    return status;
}
