#include "kdk_aesxts.h"

#if defined(__aarch64__)

#include "kdk_aes_armv8.h"

#define BATCH 8
#define GROUP 32
#define EACH(i) _Pragma("GCC unroll 8") for (int i = 0; i < BATCH; i++)

KDK_INLINE vec encrypt_block(vec x, const uint8_t *schedule, const unsigned rounds)
{
    for (unsigned r = 0; r < rounds - 1; r++)
        x = aes_encrypt(x, load(schedule + 16 * r));
    x = aes_encrypt_last(x, load(schedule + 16 * (rounds - 1)));
    return xor2(x, load(schedule + 16 * rounds));
}

/* Sector numbers under key2, a batch of them side by side. */
KDK_INLINE void encrypt_sector_numbers(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run,
                                       uint64_t iv, size_t group, uint8_t *out)
{
    vec b[BATCH];
    for (size_t s = 0; s < group; s++, iv += run->iv_step) {
        const uint64_t number[2] = {iv & run->iv_mask, run->high};
        memcpy(out + 16 * s, number, 16);
    }
    size_t s = 0;
    for (; s + BATCH <= group; s += BATCH) {
        EACH (i)
            b[i] = load(out + 16 * (s + (size_t)i));
        for (unsigned r = 0; r < ctx->rounds - 1; r++) {
            const vec key = load(ctx->tweak + 16 * r);
            EACH (i)
                b[i] = aes_encrypt(b[i], key);
        }
        const vec key = load(ctx->tweak + 16 * (ctx->rounds - 1)), last = load(ctx->tweak + 16 * ctx->rounds);
        EACH (i)
            store(out + 16 * (s + (size_t)i), xor2(aes_encrypt_last(b[i], key), last));
    }
    for (; s < group; s++)
        store(out + 16 * s, encrypt_block(load(out + 16 * s), ctx->tweak, ctx->rounds));
    kdk_wipe(b, sizeof b);
}

KDK_INLINE void crypt_batch(const uint8_t *schedule, const unsigned rounds, const int decrypt, uint8_t *dst,
                            const uint8_t *src, const uint8_t *tweaks)
{
    vec b[BATCH];
    EACH (i)
        b[i] = xor2(load(src + 16 * i), load(tweaks + 16 * i));
    for (unsigned r = 0; r < rounds - 1; r++) {
        const vec key = load(schedule + 16 * r);
        EACH (i)
            b[i] = decrypt ? aes_decrypt(b[i], key) : aes_encrypt(b[i], key);
    }
    const vec key = load(schedule + 16 * (rounds - 1)), last = load(schedule + 16 * rounds);
    EACH (i) {
        const vec whitening = xor2(last, load(tweaks + 16 * i));
        store(dst + 16 * i,
              xor2(decrypt ? aes_decrypt_last(b[i], key) : aes_encrypt_last(b[i], key), whitening));
    }
}

KDK_INLINE void crypt_run(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run,
                          const int decrypt)
{
    struct {
        uint8_t sectors[16 * GROUP], tweaks[16 * BATCH], part[16 * BATCH];
    } scratch;
    const uint8_t *const schedule = decrypt ? ctx->decrypt : ctx->encrypt, *src = run->src;
    uint8_t *dst = run->dst;
    uint64_t iv = run->iv;
    for (size_t left = run->sectors; left;) {
        const size_t group = left < GROUP ? left : GROUP;
        encrypt_sector_numbers(ctx, run, iv, group, scratch.sectors);
        for (size_t s = 0; s < group; s++) {
            uint64_t t[2];
            memcpy(t, scratch.sectors + 16 * s, 16);
            for (size_t n = run->sector_size; n;) {
                const size_t bytes = n < 16 * BATCH ? n : 16 * BATCH;
                /* The doublings run on the integer units, beside the rounds of the batch before. */
                EACH (i) {
                    const uint64_t carry = 0x87 & -(t[1] >> 63);
                    memcpy(scratch.tweaks + 16 * i, t, 16);
                    t[1] = t[1] << 1 | t[0] >> 63;
                    t[0] = t[0] << 1 ^ carry;
                }
                if (bytes == 16 * BATCH) {
                    crypt_batch(schedule, ctx->rounds, decrypt, dst, src, scratch.tweaks);
                } else {
                    memset(scratch.part, 0, sizeof scratch.part);
                    memcpy(scratch.part, src, bytes);
                    crypt_batch(schedule, ctx->rounds, decrypt, scratch.part, scratch.part, scratch.tweaks);
                    memcpy(dst, scratch.part, bytes);
                }
                src += bytes;
                dst += bytes;
                n -= bytes;
            }
            kdk_wipe(t, sizeof t);
        }
        iv += group * run->iv_step;
        left -= group;
    }
    kdk_wipe(&scratch, sizeof scratch);
}

/* What the compiler spilled lies below this frame. */
static __attribute__((noinline)) void burn_stack(void)
{
    uint8_t below[2048];
    kdk_wipe(below, sizeof below);
}

KDK_TARGET static __attribute__((noinline)) void encrypt_inner(const struct kdk_aesxts_ctx *c,
                                                               const struct kdk_aesxts_run *r)
{
    crypt_run(c, r, 0);
}
KDK_TARGET static __attribute__((noinline)) void decrypt_inner(const struct kdk_aesxts_ctx *c,
                                                               const struct kdk_aesxts_run *r)
{
    crypt_run(c, r, 1);
}

static void tier_encrypt(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run)
{
    encrypt_inner(ctx, run);
    burn_stack();
}

static void tier_decrypt(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run)
{
    decrypt_inner(ctx, run);
    burn_stack();
}

KDK_TARGET static __attribute__((noinline)) void init_inner(struct kdk_aesxts_ctx *ctx, const uint8_t *key,
                                                            size_t key_bytes)
{
    expand(ctx->encrypt, ctx->decrypt, key, key_bytes / 2);
    expand(ctx->tweak, NULL, key + key_bytes / 2, key_bytes / 2);
}

static void init(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes)
{
    init_inner(ctx, key, key_bytes);
    burn_stack();
}

static const struct kdk_aesxts_ops table = {init, tier_encrypt, tier_decrypt};
const struct kdk_aesxts_ops *const kdk_aesxts_armv8ce = &table;

#else

const struct kdk_aesxts_ops *const kdk_aesxts_armv8ce = NULL;

#endif
