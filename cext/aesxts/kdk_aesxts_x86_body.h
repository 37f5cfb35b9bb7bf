/* The x86 tiers' body, written once over vector length. A tier defines V and the V_* macros, its tweak generator, and includes this.
 *
 * A batch is KDK_BATCH vectors, enough to fill the latency of the AES units. While a batch goes through its rounds, the tweaks of
 * the next one are computed in the slots between them, so that they run on the ports that AES leaves free and are ready, in
 * memory, when that batch begins. The tweaks of up to KDK_GROUP sectors are encrypted side by side beforehand.
 *
 * The tier's generator:
 *   struct tweaks                    its state, in registers
 *   tweaks_begin(w, t)               the next batch is the first of a sector whose encrypted tweak lies at t
 *   tweaks_advance(w)                the next batch is the following one of the same sector
 *   tweaks_slot(w, r, next)          work for slot r = 1 … 9; after slot 9 the batch's tweaks lie at next */
#ifndef KDK_AESXTS_X86_BODY_H
#define KDK_AESXTS_X86_BODY_H

#include "kdk_aesxts.h"
#include "kdk_wipe.h"

void kdk_aesxts_x86_init(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes); /* in the aesni tier's file */

#define KDK_BATCH 8
#define KDK_GROUP 64
#define KDK_AHEAD_BYTES 2048 /* further than the hardware prefetcher reads, which stops at every page: 3 % on buffers beyond the caches */
#define KDK_INLINE KDK_TARGET static inline __attribute__((always_inline))
#define KDK_UNROLL _Pragma("GCC unroll 16")
#define KDK_EACH KDK_UNROLL for (int i = 0; i < KDK_BATCH; i++)

/* Holds the compiler to the order of the source: without it the tweaks are gathered before or after the rounds. */
#define KDK_PIN(b)                                                                                                                 \
    __asm__ __volatile__("" : V_REG(b[0]), V_REG(b[1]), V_REG(b[2]), V_REG(b[3]), V_REG(b[4]), V_REG(b[5]), V_REG(b[6]),         \
                         V_REG(b[7])::"memory")

#endif

#define V_BYTES (16 * V_LANES)
#define BATCH_BYTES (KDK_BATCH * V_BYTES)

struct scratch {
    _Alignas(64) uint8_t tweaks[2][BATCH_BYTES]; /* of the current and of the next batch */
    _Alignas(64) uint8_t sectors[16 * KDK_GROUP + 16]; /* encrypted tweaks; the last one is looked at, never used */
    _Alignas(64) uint8_t part[BATCH_BYTES];      /* a batch that is not full */
};

/* Encrypt the sector numbers of a group under key2, many side by side. */
KDK_INLINE void encrypt_sector_numbers(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run, uint64_t iv, size_t group,
                                       const int rounds, uint8_t *out)
{
    for (size_t s = 0; s < group; s++, iv += run->iv_step) {
        const uint64_t number[2] = {iv & run->iv_mask, run->high};
        memcpy(out + 16 * s, number, 16);
    }
    memset(out + 16 * group, 0, 16);
    size_t left = group * 16;
    for (; left > V_BYTES; left -= left < BATCH_BYTES ? left : BATCH_BYTES, out += BATCH_BYTES) {
        V b[KDK_BATCH];
        V key = V_KEY(ctx->tweak, 0);
        KDK_EACH b[i] = V_XOR(V_LOAD(out + V_BYTES * i), key);
        for (int r = 1; r < rounds; r++) {
            key = V_KEY(ctx->tweak, r);
            KDK_EACH b[i] = V_ENC(b[i], key);
        }
        key = V_KEY(ctx->tweak, rounds);
        KDK_EACH V_STORE(out + V_BYTES * i, V_ENCLAST(b[i], key));
    }
    if (left) { /* one vector: a call for a single sector pays for no more */
        V b = V_XOR(V_LOAD(out), V_KEY(ctx->tweak, 0));
        for (int r = 1; r < rounds; r++)
            b = V_ENC(b, V_KEY(ctx->tweak, r));
        V_STORE(out, V_ENCLAST(b, V_KEY(ctx->tweak, rounds)));
    }
}

KDK_INLINE void crypt_batch(V_KEYS_PARAM(k), const int rounds, const int decrypt, uint8_t *dst, const uint8_t *src, const uint8_t *current,
                            struct tweaks *w, uint8_t *next)
{
    V b[KDK_BATCH];
    V key = V_ROUND_KEY(k, 0);
    KDK_EACH b[i] = V_XOR3(V_LOAD(src + V_BYTES * i), key, V_LOAD_ALIGNED(current + V_BYTES * i));
    KDK_UNROLL for (int r = 1; r < rounds; r++)
    {
        KDK_PIN(b);
        key = V_ROUND_KEY(k, r);
        if (r <= BATCH_BYTES / 64)
            __builtin_prefetch((const void *)((uintptr_t)src + KDK_AHEAD_BYTES + 64 * (unsigned)(r - 1)));
        KDK_EACH b[i] = decrypt ? V_DEC(b[i], key) : V_ENC(b[i], key);
        if (r < 10)
            tweaks_slot(w, r, next);
    }
    KDK_PIN(b);
    key = V_ROUND_KEY(k, rounds);
    /* The closing tweak goes in with the last round key: one XOR, off the block's own path. */
    KDK_EACH
    {
        V last = V_XOR(key, V_LOAD_ALIGNED(current + V_BYTES * i));
        b[i] = decrypt ? V_DECLAST(b[i], last) : V_ENCLAST(b[i], last);
    }
    KDK_EACH V_STORE(dst + V_BYTES * i, b[i]);
}

KDK_INLINE void crypt_run(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run, const int rounds, const int decrypt)
{
    struct scratch scratch;
    const uint8_t *src = run->src;
    uint8_t *dst = run->dst;
    uint64_t iv = run->iv;
    for (size_t left = run->sectors; left;) {
        const size_t group = left < KDK_GROUP ? left : KDK_GROUP;
        encrypt_sector_numbers(ctx, run, iv, group, rounds, scratch.sectors);
        V_KEYS_LOCAL(k, decrypt ? ctx->decrypt : ctx->encrypt, rounds);
        const uint8_t *t = scratch.sectors;
        uint8_t *current = scratch.tweaks[0], *next = scratch.tweaks[1];
        struct tweaks w;
        tweaks_begin(&w, t);
        KDK_UNROLL for (int r = 1; r < 10; r++) tweaks_slot(&w, r, current);
        for (size_t s = 0; s < group; s++) {
            t += 16;
            for (size_t n = run->sector_size; n;) {
                const size_t bytes = n < BATCH_BYTES ? n : BATCH_BYTES;
                n -= bytes;
                if (n)
                    tweaks_advance(&w);
                else
                    tweaks_begin(&w, t);
                const uint8_t *from = src;
                uint8_t *to = dst;
                if (__builtin_expect(bytes < BATCH_BYTES, 0)) {
                    memcpy(scratch.part, src, bytes);
                    from = to = scratch.part;
                }
                crypt_batch(V_KEYS_ARGUMENT(k), rounds, decrypt, to, from, current, &w, next);
                if (__builtin_expect(bytes < BATCH_BYTES, 0))
                    memcpy(dst, scratch.part, bytes);
                src += bytes;
                dst += bytes;
                uint8_t *swap = current;
                current = next;
                next = swap;
            }
        }
        iv += group * run->iv_step;
        left -= group;
    }
    kdk_wipe(&scratch, sizeof scratch);
}

/* What the compiler spilled lies below this frame, around and beneath crypt_run's scratch, which is wiped already; the registers
 * themselves are cleared by V_CLEAR_REGISTERS. */
static __attribute__((noinline)) void burn_stack(void)
{
    uint8_t below[sizeof(struct scratch) + 4096];
    kdk_wipe(below, sizeof below);
}

KDK_TARGET static __attribute__((noinline)) void encrypt_10(const struct kdk_aesxts_ctx *c, const struct kdk_aesxts_run *r) { crypt_run(c, r, 10, 0); V_CLEAR_REGISTERS(); }
KDK_TARGET static __attribute__((noinline)) void encrypt_14(const struct kdk_aesxts_ctx *c, const struct kdk_aesxts_run *r) { crypt_run(c, r, 14, 0); V_CLEAR_REGISTERS(); }
KDK_TARGET static __attribute__((noinline)) void decrypt_10(const struct kdk_aesxts_ctx *c, const struct kdk_aesxts_run *r) { crypt_run(c, r, 10, 1); V_CLEAR_REGISTERS(); }
KDK_TARGET static __attribute__((noinline)) void decrypt_14(const struct kdk_aesxts_ctx *c, const struct kdk_aesxts_run *r) { crypt_run(c, r, 14, 1); V_CLEAR_REGISTERS(); }

static void tier_encrypt(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run)
{
    (ctx->rounds == 10 ? encrypt_10 : encrypt_14)(ctx, run);
    burn_stack();
}

static void tier_decrypt(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run)
{
    (ctx->rounds == 10 ? decrypt_10 : decrypt_14)(ctx, run);
    burn_stack();
}

static const struct kdk_aesxts_ops tier_table = {kdk_aesxts_x86_init, tier_encrypt, tier_decrypt};
