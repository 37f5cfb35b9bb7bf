#include "kdk_argon2.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define KDK_TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,bmi2")))
#define KDK_INLINE KDK_TARGET static inline __attribute__((always_inline))
#define KDK_VECTORS 16
#define KDK_FLIGHT 4

typedef __m512i V;

KDK_INLINE V add(V a, V b) { return _mm512_add_epi64(a, b); }
KDK_INLINE V multiply_low(V a, V b) { return _mm512_mul_epu32(a, b); }
KDK_INLINE V xor_(V a, V b) { return _mm512_xor_si512(a, b); }
KDK_INLINE V rotate32(V a) { return _mm512_ror_epi64(a, 32); }
KDK_INLINE V rotate24(V a) { return _mm512_ror_epi64(a, 24); }
KDK_INLINE V rotate16(V a) { return _mm512_ror_epi64(a, 16); }
KDK_INLINE V rotate63(V a) { return _mm512_ror_epi64(a, 63); }
KDK_INLINE V load(const uint64_t *block, int i) { return _mm512_load_si512(block + 8 * i); }
KDK_INLINE void store(uint64_t *block, int i, V x) { _mm512_store_si512(block + 8 * i, x); }
KDK_INLINE uint64_t first_word(V x) { return (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(x)); }

#include "kdk_argon2_mix.h"

/* Words 1, 2, 3, 0 of each four, and so on. */
KDK_INLINE V left1(V x) { return _mm512_permutex_epi64(x, 0x39); }
KDK_INLINE V left2(V x) { return _mm512_permutex_epi64(x, 0x4e); }
KDK_INLINE V left3(V x) { return _mm512_permutex_epi64(x, 0x93); }
KDK_INLINE V low_halves(V x, V y) { return _mm512_shuffle_i64x2(x, y, 0x44); }
KDK_INLINE V high_halves(V x, V y) { return _mm512_shuffle_i64x2(x, y, 0xee); }

/* Row r is z[2r] = (words 0-3, 4-7) and z[2r + 1] = (words 8-11, 12-15). A vector of `a` takes the first four
 * words of two rows, one of `b` the second four, and so on; a step to the diagonals turns each four words. */
KDK_INLINE void permute_rows(V *z)
{
    V a[4], b[4], c[4], d[4];
    KDK_UNROLL
    for (int i = 0; i < 4; i++) {
        a[i] = low_halves(z[4 * i], z[4 * i + 2]);
        b[i] = high_halves(z[4 * i], z[4 * i + 2]);
        c[i] = low_halves(z[4 * i + 1], z[4 * i + 3]);
        d[i] = high_halves(z[4 * i + 1], z[4 * i + 3]);
    }
    mix(a, b, c, d);
    KDK_UNROLL
    for (int i = 0; i < 4; i++) {
        b[i] = left1(b[i]);
        c[i] = left2(c[i]);
        d[i] = left3(d[i]);
    }
    mix(a, b, c, d);
    KDK_UNROLL
    for (int i = 0; i < 4; i++) {
        b[i] = left3(b[i]);
        c[i] = left2(c[i]);
        d[i] = left1(d[i]);
        z[4 * i] = low_halves(a[i], b[i]);
        z[4 * i + 2] = high_halves(a[i], b[i]);
        z[4 * i + 1] = low_halves(c[i], d[i]);
        z[4 * i + 3] = high_halves(c[i], d[i]);
    }
}

/* (x1, y0) of each pair of words: what a diagonal needs of two vectors that hold neighbouring words. */
KDK_INLINE V across(V x, V y)
{
    return _mm512_castpd_si512(_mm512_shuffle_pd(_mm512_castsi512_pd(x), _mm512_castsi512_pd(y), 0x55));
}

KDK_INLINE void swap(V *x, V *y)
{
    const V t = *x;
    *x = *y;
    *y = t;
}

/* (x, y) and (y, x) turned by one word */
KDK_INLINE void turn(V *x, V *y)
{
    const V t = across(*x, *y);
    *y = across(*y, *x);
    *x = t;
}

/* Column c is the pair of words c of each row: z[h], z[h + 2] … hold four columns, h = 0 the first four, h =
 * 1 the others. The pairs of rows 0 and 1 are `a`, of 2 and 3 `b`, and so on. */
KDK_INLINE void permute_columns(V *z)
{
    V a[4] = {z[0], z[2], z[1], z[3]}, b[4] = {z[4], z[6], z[5], z[7]};
    V c[4] = {z[8], z[10], z[9], z[11]}, d[4] = {z[12], z[14], z[13], z[15]};
    mix(a, b, c, d);
    KDK_UNROLL
    for (int i = 0; i < 4; i += 2) {
        turn(b + i, b + i + 1);
        swap(c + i, c + i + 1);
        swap(d + i, d + i + 1);
        turn(d + i, d + i + 1);
    }
    mix(a, b, c, d);
    KDK_UNROLL
    for (int i = 0; i < 4; i += 2) {
        swap(b + i, b + i + 1);
        turn(b + i, b + i + 1);
        swap(c + i, c + i + 1);
        turn(d + i, d + i + 1);
    }
    KDK_UNROLL
    for (int i = 0; i < 4; i++) {
        const int to = 2 * (i & 1) + (i >> 1);
        z[to] = a[i];
        z[4 + to] = b[i];
        z[8 + to] = c[i];
        z[12 + to] = d[i];
    }
}

KDK_INLINE void permute_first(V *z)
{
    permute_rows(z);
    permute_columns(z);
}

KDK_INLINE void permute_rest(V *z) { (void)z; }

#include "kdk_argon2_body.h"

const struct kdk_argon2_ops *const kdk_argon2_avx512 = &tier_table;

#else

const struct kdk_argon2_ops *const kdk_argon2_avx512 = NULL;

#endif
