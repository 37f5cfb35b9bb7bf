#include "kdk_aesxts.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#include "kdk_wipe.h"

#if defined(__clang__)
#define TARGET __attribute__((target("crypto")))
#else
#define TARGET __attribute__((target("+crypto")))
#endif
#define INLINE TARGET static inline __attribute__((always_inline))
#define BATCH 8
#define GROUP 32
#define EACH _Pragma("GCC unroll 8") for (int i = 0; i < BATCH; i++)

typedef uint8x16_t V;

/* AESE adds the key before SubBytes, unlike FIPS 197's round: so the last round key is added by itself. */
INLINE V encrypt_block(V x, const uint8_t *schedule, const unsigned rounds)
{
    for (unsigned r = 0; r < rounds - 1; r++)
        x = vaesmcq_u8(vaeseq_u8(x, vld1q_u8(schedule + 16 * r)));
    x = vaeseq_u8(x, vld1q_u8(schedule + 16 * (rounds - 1)));
    return veorq_u8(x, vld1q_u8(schedule + 16 * rounds));
}

/* Sector numbers under key2, a batch of them side by side. */
INLINE void encrypt_sector_numbers(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run, uint64_t iv, size_t group,
                                   uint8_t *out)
{
    V b[BATCH];
    for (size_t s = 0; s < group; s++, iv += run->iv_step) {
        const uint64_t number[2] = {iv & run->iv_mask, run->high};
        memcpy(out + 16 * s, number, 16);
    }
    size_t s = 0;
    for (; s + BATCH <= group; s += BATCH) {
        EACH b[i] = vld1q_u8(out + 16 * (s + (size_t)i));
        for (unsigned r = 0; r < ctx->rounds - 1; r++) {
            const V key = vld1q_u8(ctx->tweak + 16 * r);
            EACH b[i] = vaesmcq_u8(vaeseq_u8(b[i], key));
        }
        const V key = vld1q_u8(ctx->tweak + 16 * (ctx->rounds - 1)), last = vld1q_u8(ctx->tweak + 16 * ctx->rounds);
        EACH vst1q_u8(out + 16 * (s + (size_t)i), veorq_u8(vaeseq_u8(b[i], key), last));
    }
    for (; s < group; s++)
        vst1q_u8(out + 16 * s, encrypt_block(vld1q_u8(out + 16 * s), ctx->tweak, ctx->rounds));
    kdk_wipe(b, sizeof b);
}

INLINE void crypt_batch(const uint8_t *schedule, const unsigned rounds, const int decrypt, uint8_t *dst, const uint8_t *src,
                        const uint8_t *tweaks)
{
    V b[BATCH];
    EACH b[i] = veorq_u8(vld1q_u8(src + 16 * i), vld1q_u8(tweaks + 16 * i));
    for (unsigned r = 0; r < rounds - 1; r++) {
        const V key = vld1q_u8(schedule + 16 * r);
        EACH b[i] = decrypt ? vaesimcq_u8(vaesdq_u8(b[i], key)) : vaesmcq_u8(vaeseq_u8(b[i], key));
    }
    const V key = vld1q_u8(schedule + 16 * (rounds - 1)), last = vld1q_u8(schedule + 16 * rounds);
    EACH
    {
        const V whitening = veorq_u8(last, vld1q_u8(tweaks + 16 * i));
        vst1q_u8(dst + 16 * i, veorq_u8(decrypt ? vaesdq_u8(b[i], key) : vaeseq_u8(b[i], key), whitening));
    }
}

INLINE void crypt_run(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run, const int decrypt)
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
                EACH
                {
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

TARGET static __attribute__((noinline)) void encrypt_inner(const struct kdk_aesxts_ctx *c, const struct kdk_aesxts_run *r) { crypt_run(c, r, 0); }
TARGET static __attribute__((noinline)) void decrypt_inner(const struct kdk_aesxts_ctx *c, const struct kdk_aesxts_run *r) { crypt_run(c, r, 1); }

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

/* SubWord (FIPS 197, 5.2): in a block of four equal columns ShiftRows moves nothing, so AESE under a zero key is SubBytes alone. */
INLINE uint32_t sub_word(uint32_t word)
{
    const V columns = vreinterpretq_u8_u32(vdupq_n_u32(word));
    return vgetq_lane_u32(vreinterpretq_u32_u8(vaeseq_u8(columns, vdupq_n_u8(0))), 0);
}

INLINE void expand(uint8_t *schedule, const uint8_t *key, size_t key_bytes)
{
    const size_t words = key_bytes / 4, all = 4 * (words + 7);
    uint32_t w[60], rcon = 1;
    memcpy(w, key, key_bytes);
    for (size_t i = words; i < all; i++) {
        uint32_t word = w[i - 1];
        if (i % words == 0) {
            word = sub_word(word >> 8 | word << 24) ^ rcon;
            rcon = (rcon << 1) ^ (0x11b & -(rcon >> 7));
        } else if (words == 8 && i % 8 == 4) {
            word = sub_word(word);
        }
        w[i] = w[i - words] ^ word;
    }
    memcpy(schedule, w, 4 * all);
    kdk_wipe(w, sizeof w);
}

TARGET static __attribute__((noinline)) void init_inner(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes)
{
    const unsigned rounds = key_bytes == 32 ? 10 : 14;
    expand(ctx->encrypt, key, key_bytes / 2);
    expand(ctx->tweak, key + key_bytes / 2, key_bytes / 2);
    /* FIPS 197, 5.3.5, the equivalent inverse cipher: the keys backwards, the inner ones through InvMixColumns. */
    for (unsigned r = 0; r <= rounds; r++) {
        const V k = vld1q_u8(ctx->encrypt + 16 * r);
        vst1q_u8(ctx->decrypt + 16 * (rounds - r), r == 0 || r == rounds ? k : vaesimcq_u8(k));
    }
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
