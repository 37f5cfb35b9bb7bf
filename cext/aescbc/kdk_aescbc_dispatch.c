#include "kdk_aescbc.h"
#include "kdk_bytes.h"
#include "kdk_cpu.h"
#include "kdk_wipe.h"

static const char *const tier_names[KDK_AESCBC_TIERS] = {"portable", "aesni", "vaes_avx2", "vaes_avx512",
                                                         "armv8ce"};

static const struct kdk_aescbc_ops *tier_ops(int tier)
{
    switch (tier) {
    case KDK_AESCBC_PORTABLE: return kdk_aescbc_portable;
    case KDK_AESCBC_AESNI: return kdk_aescbc_aesni;
    case KDK_AESCBC_VAES_AVX2: return kdk_aescbc_vaes_avx2;
    case KDK_AESCBC_VAES_AVX512: return kdk_aescbc_vaes_avx512;
    case KDK_AESCBC_ARMV8CE: return kdk_aescbc_armv8ce;
    default: return NULL;
    }
}

const char *kdk_aescbc_tier_name(int tier)
{
    return tier >= 0 && tier < KDK_AESCBC_TIERS ? tier_names[tier] : NULL;
}

const char *kdk_aescbc_message(enum kdk_aescbc_status status)
{
    switch (status) {
    case KDK_AESCBC_OK: return "no error";
    case KDK_AESCBC_ERR_KEY_SIZE: return "a key of AES must have 16, 24 or 32 bytes";
    case KDK_AESCBC_ERR_SECTOR_SIZE: return "the sector size must be a multiple of 16 from 16 to 65536";
    case KDK_AESCBC_ERR_LENGTH: return "the length is not a whole number of sectors";
    case KDK_AESCBC_ERR_OVERLAP: return "source and destination overlap without being the same";
    case KDK_AESCBC_ERR_UNKNOWN_TIER: return "no tier has this name";
    case KDK_AESCBC_ERR_NOT_BUILT: return "the tier is not in this build: it is for another architecture";
    case KDK_AESCBC_ERR_NOT_ON_CPU:
        return "this processor or operating system does not offer the tier's instructions";
    case KDK_AESCBC_ERR_CLOSED: return "the context is closed (in a forked child: left to the parent)";
    }
    return "unknown status";
}

enum kdk_aescbc_status kdk_aescbc_tier_status(int tier)
{
    static const uint32_t needs[KDK_AESCBC_TIERS] = {0, KDK_CPU_AESNI, KDK_CPU_VAES_AVX2, KDK_CPU_VAES_AVX512,
                                                     KDK_CPU_ARMV8CE};
    if (tier < 0 || tier >= KDK_AESCBC_TIERS)
        return KDK_AESCBC_ERR_UNKNOWN_TIER;
    if (!tier_ops(tier))
        return KDK_AESCBC_ERR_NOT_BUILT;
    return (kdk_cpu_features() & needs[tier]) == needs[tier] ? KDK_AESCBC_OK : KDK_AESCBC_ERR_NOT_ON_CPU;
}

int kdk_aescbc_default_tier(void)
{
    /* In the order of the measurements in docs/performance.md. */
    static const int order[] = {KDK_AESCBC_VAES_AVX512, KDK_AESCBC_VAES_AVX2, KDK_AESCBC_AESNI,
                                KDK_AESCBC_ARMV8CE};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (kdk_aescbc_tier_status(order[i]) == KDK_AESCBC_OK)
            return order[i];
    return KDK_AESCBC_PORTABLE;
}

void kdk_aescbc_number(const struct kdk_aescbc_run *run, uint64_t iv, size_t sectors, uint8_t *out)
{
    for (size_t s = 0; s < sectors; s++, iv += run->iv_step, out += 16) {
        const uint64_t number = iv & run->iv_mask;
        if (run->big_endian) {
            kdk_store64_be(out, run->high);
            kdk_store64_be(out + 8, number);
        } else {
            kdk_store64_le(out, number);
            kdk_store64_le(out + 8, run->high);
        }
    }
}

static int is_key_size(size_t bytes) { return bytes == 16 || bytes == 24 || bytes == 32; }

enum kdk_aescbc_status kdk_aescbc_init(struct kdk_aescbc_ctx *ctx, const uint8_t *key, size_t key_bytes,
                                       const uint8_t *iv_key, size_t iv_key_bytes, int tier)
{
    kdk_aescbc_wipe(ctx);
    if (!is_key_size(key_bytes) || (iv_key_bytes && !is_key_size(iv_key_bytes)))
        return KDK_AESCBC_ERR_KEY_SIZE;
    if (tier < 0)
        tier = kdk_aescbc_default_tier();
    const enum kdk_aescbc_status status = kdk_aescbc_tier_status(tier);
    if (status != KDK_AESCBC_OK)
        return status;
    tier_ops(tier)->init(ctx, key, key_bytes, iv_key, iv_key_bytes);
    ctx->rounds = kdk_aes_rounds(key_bytes);
    ctx->iv_rounds = iv_key_bytes ? kdk_aes_rounds(iv_key_bytes) : 0;
    ctx->tier = tier;
    return KDK_AESCBC_OK;
}

void kdk_aescbc_wipe(struct kdk_aescbc_ctx *ctx) { kdk_wipe(ctx, sizeof *ctx); }

static enum kdk_aescbc_status check(const struct kdk_aescbc_ctx *ctx, struct kdk_aescbc_run *run,
                                    size_t bytes)
{
    if (!ctx->rounds)
        return KDK_AESCBC_ERR_CLOSED;
    if (run->sector_size < 16 || run->sector_size > 65536 || run->sector_size % 16)
        return KDK_AESCBC_ERR_SECTOR_SIZE;
    if (bytes % run->sector_size)
        return KDK_AESCBC_ERR_LENGTH;
    run->sectors = bytes / run->sector_size;
    const uintptr_t src = (uintptr_t)run->src, dst = (uintptr_t)run->dst;
    if (src != dst && src < dst + bytes && dst < src + bytes)
        return KDK_AESCBC_ERR_OVERLAP;
    return KDK_AESCBC_OK;
}

enum kdk_aescbc_status kdk_aescbc_encrypt(const struct kdk_aescbc_ctx *ctx, struct kdk_aescbc_run *run,
                                          size_t bytes)
{
    const enum kdk_aescbc_status status = check(ctx, run, bytes);
    if (status == KDK_AESCBC_OK && run->sectors)
        tier_ops(ctx->tier)->encrypt(ctx, run);
    return status;
}

enum kdk_aescbc_status kdk_aescbc_decrypt(const struct kdk_aescbc_ctx *ctx, struct kdk_aescbc_run *run,
                                          size_t bytes)
{
    const enum kdk_aescbc_status status = check(ctx, run, bytes);
    if (status == KDK_AESCBC_OK && run->sectors)
        tier_ops(ctx->tier)->decrypt(ctx, run);
    return status;
}
