/* The portable tier, on the bitsliced AES: neither a branch nor an address ever depends on a secret. */
#include "kdk_aes_bitsliced.h"
#include "kdk_aesxts.h"

static __attribute__((noinline)) void init_inner(struct kdk_aesxts_ctx *ctx, const uint8_t *key,
                                                 size_t key_bytes)
{
    expand(ctx->encrypt, key, key_bytes / 2);
    expand(ctx->tweak, key + key_bytes / 2, key_bytes / 2);
}

static void init(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes)
{
    init_inner(ctx, key, key_bytes);
    burn_stack();
}

/* The tweaks of BLOCKS sectors, encrypted side by side, are enough for many batches. */
struct scratch {
    _Alignas(16) uint8_t sectors[BATCH_BYTES];
    _Alignas(16) uint8_t tweaks[BATCH_BYTES];
    _Alignas(16) uint8_t part[BATCH_BYTES]; /* a batch that is not full */
};

static __attribute__((noinline)) void encrypt_sector_numbers(const struct kdk_aesxts_ctx *ctx,
                                                             const struct kdk_aesxts_run *run, uint64_t iv,
                                                             uint8_t *out)
{
    state q;
    for (unsigned n = 0; n < BLOCKS; n++) {
        kdk_store64_le(out + 16 * n, (iv + n * run->iv_step) & run->iv_mask);
        kdk_store64_le(out + 16 * n + 8, run->high);
    }
    memcpy(q, out, sizeof q);
    cipher(ctx->tweak, ctx->rounds, q);
    memcpy(out, q, sizeof q);
    kdk_wipe(q, sizeof q);
}

INLINE void crypt_batch(const struct kdk_aesxts_ctx *ctx, const int decrypt, uint8_t *dst, const uint8_t *src,
                        const uint8_t *tweaks)
{
    state q, t;
    memcpy(q, src, sizeof q);
    memcpy(t, tweaks, sizeof t);
    EACH_SLICE (i)
        q[i] ^= t[i];
    if (decrypt)
        inv_cipher(ctx->encrypt, ctx->rounds, q);
    else
        cipher(ctx->encrypt, ctx->rounds, q);
    memcpy(t, tweaks, sizeof t);
    EACH_SLICE (i)
        q[i] ^= t[i];
    memcpy(dst, q, sizeof q);
}

/* A batch is the next BLOCKS blocks of the run, whatever sectors they belong to: short sectors leave no slot
 * unused. */
INLINE void crypt_run(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run, const int decrypt)
{
    struct scratch scratch;
    const uint8_t *src = run->src;
    uint8_t *dst = run->dst;
    const size_t blocks_per_sector = run->sector_size / 16;
    size_t blocks_left = run->sectors * blocks_per_sector, block = 0;
    uint64_t iv = run->iv, low_tweak = 0, high_tweak = 0;
    unsigned sector = BLOCKS; /* the next of the encrypted tweaks; all used up */

    while (blocks_left) {
        const size_t count = blocks_left < BLOCKS ? blocks_left : BLOCKS;
        for (size_t n = 0; n < count; n++) {
            if (block == 0) {
                if (sector == BLOCKS) {
                    encrypt_sector_numbers(ctx, run, iv, scratch.sectors);
                    iv += BLOCKS * run->iv_step;
                    sector = 0;
                }
                low_tweak = kdk_load64_le(scratch.sectors + 16 * sector);
                high_tweak = kdk_load64_le(scratch.sectors + 16 * sector + 8);
                sector++;
            }
            kdk_store64_le(scratch.tweaks + 16 * n, low_tweak);
            kdk_store64_le(scratch.tweaks + 16 * n + 8, high_tweak);
            const uint64_t carry = 0x87 & -(high_tweak >> 63);
            high_tweak = high_tweak << 1 | low_tweak >> 63;
            low_tweak = low_tweak << 1 ^ carry;
            if (++block == blocks_per_sector)
                block = 0;
        }
        const size_t bytes = 16 * count;
        const int full = count == BLOCKS;
        if (!full) {
            memset(scratch.part, 0, sizeof scratch.part);
            memset(scratch.tweaks + bytes, 0, BATCH_BYTES - bytes);
            memcpy(scratch.part, src, bytes);
        }
        crypt_batch(ctx, decrypt, full ? dst : scratch.part, full ? src : scratch.part, scratch.tweaks);
        if (!full)
            memcpy(dst, scratch.part, bytes);
        src += bytes;
        dst += bytes;
        blocks_left -= count;
    }
    kdk_wipe(&scratch, sizeof scratch);
}

static __attribute__((noinline)) void encrypt_inner(const struct kdk_aesxts_ctx *c,
                                                    const struct kdk_aesxts_run *r)
{
    crypt_run(c, r, 0);
}
static __attribute__((noinline)) void decrypt_inner(const struct kdk_aesxts_ctx *c,
                                                    const struct kdk_aesxts_run *r)
{
    crypt_run(c, r, 1);
}

static void encrypt_run(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run)
{
    encrypt_inner(ctx, run);
    burn_stack();
}

static void decrypt_run(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run)
{
    decrypt_inner(ctx, run);
    burn_stack();
}

static const struct kdk_aesxts_ops table = {init, encrypt_run, decrypt_run};
const struct kdk_aesxts_ops *const kdk_aesxts_portable = &table;
