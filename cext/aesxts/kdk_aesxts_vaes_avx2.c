#include "kdk_aesxts.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define KDK_TARGET __attribute__((target("vaes,vpclmulqdq,avx2,aes")))

typedef __m256i V;
#define V_LANES 2
#define V_REG(x) "+x"(x)
#define V_LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define V_LOAD_ALIGNED(p) _mm256_load_si256((const __m256i *)(p))
#define V_STORE(p, x) _mm256_storeu_si256((__m256i *)(p), x)
#define V_XOR(a, b) _mm256_xor_si256(a, b)
#define V_XOR3(a, b, c) _mm256_xor_si256(a, _mm256_xor_si256(b, c))
#define V_ENC(x, k) _mm256_aesenc_epi128(x, k)
#define V_ENCLAST(x, k) _mm256_aesenclast_epi128(x, k)
#define V_DEC(x, k) _mm256_aesdec_epi128(x, k)
#define V_DECLAST(x, k) _mm256_aesdeclast_epi128(x, k)
#define V_KEY(schedule, r) _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)((schedule) + 16 * (r))))
/* Sixteen registers do not hold fifteen round keys and eight vectors: each key is loaded once a batch. */
#define V_KEYS_LOCAL(k, schedule, rounds) const uint8_t *k = (schedule)
#define V_KEYS_PARAM(k) const uint8_t *k
#define V_KEYS_ARGUMENT(k) k
#define V_ROUND_KEY(k, r) V_KEY(k, r)
#define V_CLEAR_REGISTERS() _mm256_zeroall()

/* Four chains of two blocks, two positions apart; each goes on by x^8, one byte. */
struct tweaks {
    V t[4];
};

#define KDK_TWEAK_INLINE KDK_TARGET static inline __attribute__((always_inline))

/* t·x^8: a shift by one byte; the byte that leaves at the top comes back times 0x87. */
KDK_TWEAK_INLINE V times_x8(V t)
{
    const V out = _mm256_clmulepi64_epi128(_mm256_bsrli_epi128(t, 15), _mm256_set1_epi64x(0x87), 0x00);
    return V_XOR(_mm256_bslli_epi128(t, 1), out);
}

/* t·x^n, n = left[lane] in 0 … 7: each half is shifted by itself; what leaves the low half goes to the high one, what leaves the
 * high half comes back times 0x87. */
KDK_TWEAK_INLINE V times_xn(V t, V swapped, V left)
{
    const V right = _mm256_sub_epi64(_mm256_set1_epi64x(64), left);
    const V carried = _mm256_srlv_epi64(swapped, right);
    const V to_high = _mm256_and_si256(carried, _mm256_set_epi64x(-1, 0, -1, 0));
    const V to_low = _mm256_clmulepi64_epi128(carried, _mm256_set1_epi64x(0x87), 0x00);
    return V_XOR(V_XOR(_mm256_sllv_epi64(t, left), to_high), to_low);
}

KDK_TWEAK_INLINE void tweaks_begin(struct tweaks *w, const uint8_t *t)
{
    const V both = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)t));
    const V swapped = _mm256_shuffle_epi32(both, 0x4e);
    w->t[0] = times_xn(both, swapped, _mm256_set_epi64x(1, 1, 0, 0));
    w->t[1] = times_xn(both, swapped, _mm256_set_epi64x(3, 3, 2, 2));
    w->t[2] = times_xn(both, swapped, _mm256_set_epi64x(5, 5, 4, 4));
    w->t[3] = times_xn(both, swapped, _mm256_set_epi64x(7, 7, 6, 6));
}

KDK_TWEAK_INLINE void tweaks_advance(struct tweaks *w)
{
    (void)w;
}

KDK_TWEAK_INLINE void tweaks_slot(struct tweaks *w, const int r, uint8_t *next)
{
    if (r > 8)
        return;
    V *const t = &w->t[(r - 1) % 4];
    _mm256_store_si256((__m256i *)(next + 32 * (r - 1)), *t);
    *t = times_x8(*t);
}

#include "kdk_aesxts_x86_body.h"

const struct kdk_aesxts_ops *const kdk_aesxts_vaes_avx2 = &tier_table;

#else

const struct kdk_aesxts_ops *const kdk_aesxts_vaes_avx2 = NULL;

#endif
