#include "kdk_argon2.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define KDK_TARGET __attribute__((target("avx2,bmi2")))
#define KDK_INLINE KDK_TARGET static inline __attribute__((always_inline))
#define KDK_VECTORS 32
#define KDK_FLIGHT 2

typedef __m256i V;

KDK_INLINE V add(V a, V b) { return _mm256_add_epi64(a, b); }
KDK_INLINE V multiply_low(V a, V b) { return _mm256_mul_epu32(a, b); }
KDK_INLINE V xor_(V a, V b) { return _mm256_xor_si256(a, b); }
KDK_INLINE V load(const uint64_t *block, int i) { return _mm256_load_si256((const __m256i *)block + i); }
KDK_INLINE void store(uint64_t *block, int i, V x) { _mm256_store_si256((__m256i *)block + i, x); }
KDK_INLINE uint64_t first_word(V x) { return (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(x)); }
KDK_INLINE V rotate32(V a) { return _mm256_shuffle_epi32(a, 0xb1); }
KDK_INLINE V rotate63(V a) { return xor_(_mm256_srli_epi64(a, 63), add(a, a)); }

KDK_INLINE V rotate24(V a)
{
    const V bytes =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10));
    return _mm256_shuffle_epi8(a, bytes);
}

KDK_INLINE V rotate16(V a)
{
    const V bytes =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9));
    return _mm256_shuffle_epi8(a, bytes);
}

#include "kdk_argon2_mix.h"

KDK_INLINE V left1(V x) { return _mm256_permute4x64_epi64(x, 0x39); }
KDK_INLINE V left2(V x) { return _mm256_permute4x64_epi64(x, 0x4e); }
KDK_INLINE V left3(V x) { return _mm256_permute4x64_epi64(x, 0x93); }

/* Two rows, of four vectors each; a step to the diagonals turns the words of a vector. */
KDK_INLINE void permute_two_rows(V *z)
{
    V a[2] = {z[0], z[4]}, b[2] = {z[1], z[5]}, c[2] = {z[2], z[6]}, d[2] = {z[3], z[7]};
    mix(a, b, c, d);
    for (int i = 0; i < KDK_FLIGHT; i++) {
        b[i] = left1(b[i]);
        c[i] = left2(c[i]);
        d[i] = left3(d[i]);
    }
    mix(a, b, c, d);
    for (int i = 0; i < KDK_FLIGHT; i++) {
        z[4 * i] = a[i];
        z[4 * i + 1] = left3(b[i]);
        z[4 * i + 2] = left2(c[i]);
        z[4 * i + 3] = left1(d[i]);
    }
}

/* (x1, y0) of each pair of words: what a diagonal needs of two vectors that hold neighbouring words. */
KDK_INLINE V across(V x, V y)
{
    return _mm256_castpd_si256(_mm256_shuffle_pd(_mm256_castsi256_pd(x), _mm256_castsi256_pd(y), 0x5));
}

/* Two columns, which are pairs of words: those of vector h of each row. */
KDK_INLINE void permute_two_columns(V *z, int h)
{
    V *const y = z + h;
    V a[2] = {y[0], y[4]}, b[2] = {y[8], y[12]}, c[2] = {y[16], y[20]}, d[2] = {y[24], y[28]};
    mix(a, b, c, d);
    V b_turned[2] = {across(b[0], b[1]), across(b[1], b[0])};
    V c_turned[2] = {c[1], c[0]};
    V d_turned[2] = {across(d[1], d[0]), across(d[0], d[1])};
    mix(a, b_turned, c_turned, d_turned);
    y[0] = a[0];
    y[4] = a[1];
    y[8] = across(b_turned[1], b_turned[0]);
    y[12] = across(b_turned[0], b_turned[1]);
    y[16] = c_turned[1];
    y[20] = c_turned[0];
    y[24] = across(d_turned[0], d_turned[1]);
    y[28] = across(d_turned[1], d_turned[0]);
}

KDK_INLINE void permute_first(V *z)
{
    KDK_UNROLL
    for (int row = 0; row < 8; row += 2)
        permute_two_rows(z + 4 * row);
    permute_two_columns(z, 0);
}

KDK_INLINE void permute_rest(V *z)
{
    KDK_UNROLL
    for (int h = 1; h < 4; h++)
        permute_two_columns(z, h);
}

#include "kdk_argon2_body.h"

const struct kdk_argon2_ops *const kdk_argon2_avx2 = &tier_table;

#else

const struct kdk_argon2_ops *const kdk_argon2_avx2 = NULL;

#endif
