#include "kdk_aesxts.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define KDK_TARGET __attribute__((target("aes,sse4.1")))

typedef __m128i V;
#define V_LANES 1
#define V_REG(x) "+x"(x)
#define V_LOAD(p) _mm_loadu_si128((const __m128i *)(p))
#define V_LOAD_ALIGNED(p) _mm_load_si128((const __m128i *)(p))
#define V_STORE(p, x) _mm_storeu_si128((__m128i *)(p), x)
#define V_XOR(a, b) _mm_xor_si128(a, b)
#define V_XOR3(a, b, c) _mm_xor_si128(a, _mm_xor_si128(b, c))
#define V_ENC(x, k) _mm_aesenc_si128(x, k)
#define V_ENCLAST(x, k) _mm_aesenclast_si128(x, k)
#define V_DEC(x, k) _mm_aesdec_si128(x, k)
#define V_DECLAST(x, k) _mm_aesdeclast_si128(x, k)
#define V_KEY(schedule, r) _mm_load_si128((const __m128i *)((schedule) + 16 * (r)))
/* Sixteen registers do not hold fifteen round keys and eight blocks: each key is loaded once a batch. */
#define V_KEYS_LOCAL(k, schedule, rounds) const uint8_t *k = (schedule)
#define V_KEYS_PARAM(k) const uint8_t *k
#define V_KEYS_ARGUMENT(k) k
#define V_ROUND_KEY(k, r) V_KEY(k, r)
#define V_CLEAR_REGISTERS()                                                                                                        \
    __asm__ __volatile__("pxor %%xmm0,%%xmm0; pxor %%xmm1,%%xmm1; pxor %%xmm2,%%xmm2; pxor %%xmm3,%%xmm3; pxor %%xmm4,%%xmm4;"    \
                         "pxor %%xmm5,%%xmm5; pxor %%xmm6,%%xmm6; pxor %%xmm7,%%xmm7; pxor %%xmm8,%%xmm8; pxor %%xmm9,%%xmm9;"    \
                         "pxor %%xmm10,%%xmm10; pxor %%xmm11,%%xmm11; pxor %%xmm12,%%xmm12; pxor %%xmm13,%%xmm13;"                \
                         "pxor %%xmm14,%%xmm14; pxor %%xmm15,%%xmm15" ::                                                          \
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",  \
                               "xmm12", "xmm13", "xmm14", "xmm15")

struct tweaks {
    V t;
};

#define KDK_TWEAK_INLINE KDK_TARGET static inline __attribute__((always_inline))

KDK_TWEAK_INLINE void tweaks_begin(struct tweaks *w, const uint8_t *t)
{
    w->t = V_LOAD(t);
}

KDK_TWEAK_INLINE void tweaks_advance(struct tweaks *w)
{
    (void)w;
}

/* One doubling a slot, t·x mod x^128 + x^7 + x^2 + x + 1: each half is shifted by itself, then what left it at the top comes back
 * at the bottom of the other, as 1 or as 0x87. */
KDK_TWEAK_INLINE void tweaks_slot(struct tweaks *w, const int r, uint8_t *next)
{
    if (r > 8)
        return;
    _mm_store_si128((__m128i *)(next + 16 * (r - 1)), w->t);
    const V top = _mm_srai_epi32(_mm_shuffle_epi32(w->t, 0x13), 31);
    w->t = _mm_xor_si128(_mm_add_epi64(w->t, w->t), _mm_and_si128(top, _mm_set_epi32(0, 1, 0, 0x87)));
}

#include "kdk_aesxts_x86_body.h"

#define EXPAND_TARGET KDK_TARGET static inline __attribute__((always_inline))

/* FIPS 197, 5.2: each word of the new round key is the XOR of all earlier words of the previous one, and of the assisted word. */
EXPAND_TARGET __m128i fold(__m128i key, __m128i assisted)
{
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
    return _mm_xor_si128(key, assisted);
}

#define ROTATED(key, rcon) _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, rcon), 0xff)
#define PLAIN(key) _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, 0), 0xaa)

EXPAND_TARGET void expand_128(__m128i k[15], const uint8_t *key)
{
    k[0] = V_LOAD(key);
#define STEP(n, rcon) k[n] = fold(k[n - 1], ROTATED(k[n - 1], rcon))
    STEP(1, 0x01); STEP(2, 0x02); STEP(3, 0x04); STEP(4, 0x08); STEP(5, 0x10);
    STEP(6, 0x20); STEP(7, 0x40); STEP(8, 0x80); STEP(9, 0x1b); STEP(10, 0x36);
#undef STEP
}

EXPAND_TARGET void expand_256(__m128i k[15], const uint8_t *key)
{
    k[0] = V_LOAD(key);
    k[1] = V_LOAD(key + 16);
#define STEP(n, rcon)                                                                                                              \
    k[n] = fold(k[n - 2], ROTATED(k[n - 1], rcon));                                                                                \
    if (n < 14)                                                                                                                    \
    k[n + 1] = fold(k[n - 1], PLAIN(k[n]))
    STEP(2, 0x01); STEP(4, 0x02); STEP(6, 0x04); STEP(8, 0x08); STEP(10, 0x10); STEP(12, 0x20); STEP(14, 0x40);
#undef STEP
}

KDK_TARGET static __attribute__((noinline)) void expand_all(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes)
{
    __m128i data[15], tweak[15];
    const int rounds = key_bytes == 32 ? 10 : 14;
    if (rounds == 10) {
        expand_128(data, key);
        expand_128(tweak, key + 16);
    } else {
        expand_256(data, key);
        expand_256(tweak, key + 32);
    }
    for (int r = 0; r <= rounds; r++) {
        V_STORE(ctx->encrypt + 16 * r, data[r]);
        V_STORE(ctx->tweak + 16 * r, tweak[r]);
        /* FIPS 197, 5.3.5, the equivalent inverse cipher: the keys backwards, the inner ones through InvMixColumns. */
        V_STORE(ctx->decrypt + 16 * (rounds - r), r == 0 || r == rounds ? data[r] : _mm_aesimc_si128(data[r]));
    }
    kdk_wipe(data, sizeof data);
    kdk_wipe(tweak, sizeof tweak);
    V_CLEAR_REGISTERS();
}

void kdk_aesxts_x86_init(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes)
{
    expand_all(ctx, key, key_bytes);
    burn_stack();
}

const struct kdk_aesxts_ops *const kdk_aesxts_aesni = &tier_table;

#else

const struct kdk_aesxts_ops *const kdk_aesxts_aesni = NULL;

#endif
