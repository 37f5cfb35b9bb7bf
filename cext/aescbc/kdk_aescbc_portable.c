/* The portable tier, on the bitsliced AES: neither a branch nor an address ever depends on a secret. */
#include "kdk_aes_bitsliced.h"
#include "kdk_aescbc.h"

struct scratch {
    _Alignas(16) uint8_t ivs[BATCH_BYTES];
    _Alignas(16) uint8_t chain[BATCH_BYTES]; /* what each block of the batch is XORed with */
    _Alignas(16) uint8_t text[BATCH_BYTES];
};

INLINE void load_state(state q, const uint8_t *p) { memcpy(q, p, sizeof(state)); }
INLINE void store_state(uint8_t *p, const state q) { memcpy(p, q, sizeof(state)); }

INLINE void add(state q, const uint8_t *p)
{
    state other;
    load_state(other, p);
    EACH_SLICE (i)
        q[i] ^= other[i];
}

/* The IVs of the next BLOCKS sectors; all of them, for as many are encrypted side by side. */
static __attribute__((noinline)) void make_ivs(const struct kdk_aescbc_ctx *ctx,
                                               const struct kdk_aescbc_run *run, uint64_t iv, uint8_t *out)
{
    kdk_aescbc_number(run, iv, BLOCKS, out);
    if (ctx->iv_rounds) {
        state q;
        load_state(q, out);
        cipher(ctx->iv, ctx->iv_rounds, q);
        store_state(out, q);
        kdk_wipe(q, sizeof q);
    }
}

/* Sectors BLOCKS at a time, a block of each side by side: within one sector each block waits for the one
 * before. */
static __attribute__((noinline)) void encrypt_inner(const struct kdk_aescbc_ctx *ctx,
                                                    const struct kdk_aescbc_run *run)
{
    struct scratch s;
    state q;
    const uint8_t *src = run->src;
    uint8_t *dst = run->dst;
    uint64_t iv = run->iv;
    for (size_t left = run->sectors; left;) {
        const size_t count = left < BLOCKS ? left : BLOCKS;
        memset(s.text, 0, sizeof s.text);
        make_ivs(ctx, run, iv, s.ivs);
        load_state(q, s.ivs);
        for (size_t at = 0; at < run->sector_size; at += 16) {
            for (size_t n = 0; n < count; n++)
                memcpy(s.text + 16 * n, src + n * run->sector_size + at, 16);
            add(q, s.text);
            cipher(ctx->encrypt, ctx->rounds, q);
            store_state(s.chain, q);
            for (size_t n = 0; n < count; n++)
                memcpy(dst + n * run->sector_size + at, s.chain + 16 * n, 16);
        }
        src += count * run->sector_size;
        dst += count * run->sector_size;
        iv += count * run->iv_step;
        left -= count;
    }
    kdk_wipe(&s, sizeof s);
    kdk_wipe(q, sizeof q);
}

/* A batch is the next BLOCKS blocks of the run, whatever sectors they belong to. */
static __attribute__((noinline)) void decrypt_inner(const struct kdk_aescbc_ctx *ctx,
                                                    const struct kdk_aescbc_run *run)
{
    struct scratch s;
    state q;
    uint8_t before[16] = {0};
    const uint8_t *src = run->src;
    uint8_t *dst = run->dst;
    const size_t blocks_per_sector = run->sector_size / 16;
    size_t blocks_left = run->sectors * blocks_per_sector, block = 0;
    uint64_t iv = run->iv;
    unsigned sector = BLOCKS; /* the next of the IVs; all used up */

    memset(s.text, 0, sizeof s.text);
    while (blocks_left) {
        const size_t count = blocks_left < BLOCKS ? blocks_left : BLOCKS;
        memcpy(s.text, src, 16 * count);
        for (size_t n = 0; n < count; n++) {
            if (block == 0) {
                if (sector == BLOCKS) {
                    make_ivs(ctx, run, iv, s.ivs);
                    iv += BLOCKS * run->iv_step;
                    sector = 0;
                }
                memcpy(s.chain + 16 * n, s.ivs + 16 * sector++, 16);
            } else {
                memcpy(s.chain + 16 * n, n ? s.text + 16 * (n - 1) : before, 16);
            }
            if (++block == blocks_per_sector)
                block = 0;
        }
        memcpy(before, s.text + 16 * (count - 1), 16);
        load_state(q, s.text);
        inv_cipher(ctx->encrypt, ctx->rounds, q);
        add(q, s.chain);
        store_state(s.text, q);
        memcpy(dst, s.text, 16 * count);
        src += 16 * count;
        dst += 16 * count;
        blocks_left -= count;
    }
    kdk_wipe(&s, sizeof s);
    kdk_wipe(q, sizeof q);
}

static __attribute__((noinline)) void init_inner(struct kdk_aescbc_ctx *ctx, const uint8_t *key,
                                                 size_t key_bytes, const uint8_t *iv_key, size_t iv_key_bytes)
{
    expand(ctx->encrypt, key, key_bytes);
    if (iv_key_bytes)
        expand(ctx->iv, iv_key, iv_key_bytes);
}

static void init(struct kdk_aescbc_ctx *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *iv_key,
                 size_t iv_key_bytes)
{
    init_inner(ctx, key, key_bytes, iv_key, iv_key_bytes);
    burn_stack();
}

static void encrypt_run(const struct kdk_aescbc_ctx *ctx, const struct kdk_aescbc_run *run)
{
    encrypt_inner(ctx, run);
    burn_stack();
}

static void decrypt_run(const struct kdk_aescbc_ctx *ctx, const struct kdk_aescbc_run *run)
{
    decrypt_inner(ctx, run);
    burn_stack();
}

static const struct kdk_aescbc_ops table = {init, encrypt_run, decrypt_run};
const struct kdk_aescbc_ops *const kdk_aescbc_portable = &table;
