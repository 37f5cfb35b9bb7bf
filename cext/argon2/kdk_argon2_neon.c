#include "kdk_argon2.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#define KDK_TARGET
#define KDK_INLINE static inline __attribute__((always_inline))
#define KDK_VECTORS 64
#define KDK_FLIGHT 2

typedef uint64x2_t V;

KDK_INLINE V add(V a, V b) { return vaddq_u64(a, b); }
KDK_INLINE V multiply_low(V a, V b) { return vmull_u32(vmovn_u64(a), vmovn_u64(b)); }
KDK_INLINE V xor_(V a, V b) { return veorq_u64(a, b); }
KDK_INLINE V load(const uint64_t *block, int i) { return vld1q_u64(block + 2 * i); }
KDK_INLINE void store(uint64_t *block, int i, V x) { vst1q_u64(block + 2 * i, x); }
KDK_INLINE uint64_t first_word(V x) { return vgetq_lane_u64(x, 0); }
KDK_INLINE V rotate32(V a) { return vreinterpretq_u64_u32(vrev64q_u32(vreinterpretq_u32_u64(a))); }
KDK_INLINE V rotate63(V a) { return vsriq_n_u64(add(a, a), a, 63); }
KDK_INLINE V rotate24(V a) { return vsriq_n_u64(vshlq_n_u64(a, 40), a, 24); }
KDK_INLINE V rotate16(V a) { return vsriq_n_u64(vshlq_n_u64(a, 48), a, 16); }

#include "kdk_argon2_mix.h"

/* (x1, y0): what a diagonal needs of two vectors that hold neighbouring words. */
KDK_INLINE V across(V x, V y) { return vextq_u64(x, y, 1); }

/* The permutation P of sixteen words: eight vectors, `apart` vectors from each other. A row and a column look
 * the same. */
KDK_INLINE void permute(V *z, const int apart)
{
    V a[2] = {z[0], z[apart]}, b[2] = {z[2 * apart], z[3 * apart]};
    V c[2] = {z[4 * apart], z[5 * apart]}, d[2] = {z[6 * apart], z[7 * apart]};
    mix(a, b, c, d);
    V b_turned[2] = {across(b[0], b[1]), across(b[1], b[0])};
    V c_turned[2] = {c[1], c[0]};
    V d_turned[2] = {across(d[1], d[0]), across(d[0], d[1])};
    mix(a, b_turned, c_turned, d_turned);
    z[0] = a[0];
    z[apart] = a[1];
    z[2 * apart] = across(b_turned[1], b_turned[0]);
    z[3 * apart] = across(b_turned[0], b_turned[1]);
    z[4 * apart] = c_turned[1];
    z[5 * apart] = c_turned[0];
    z[6 * apart] = across(d_turned[0], d_turned[1]);
    z[7 * apart] = across(d_turned[1], d_turned[0]);
}

KDK_INLINE void permute_first(V *z)
{
    KDK_UNROLL
    for (int row = 0; row < 8; row++)
        permute(z + 8 * row, 1);
    permute(z, 8);
}

KDK_INLINE void permute_rest(V *z)
{
    KDK_UNROLL
    for (int column = 1; column < 8; column++)
        permute(z + column, 8);
}

#include "kdk_argon2_body.h"

const struct kdk_argon2_ops *const kdk_argon2_neon = &tier_table;

#else

const struct kdk_argon2_ops *const kdk_argon2_neon = NULL;

#endif
