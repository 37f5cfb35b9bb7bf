#include "kdk_aesxts.h"

#if defined(__x86_64__)

#include "kdk_aes_x86_256.h"
#include "kdk_aesxts_x86.h"
#include "kdk_wipe.h"

/* Four chains of two blocks, two positions apart; each goes on by x^8, one byte. */
struct tweaks {
    vec t[4];
};

/* t·x^8: a shift by one byte; the byte that leaves at the top comes back times 0x87. */
KDK_INLINE vec times_x8(vec t)
{
    const vec out = _mm256_clmulepi64_epi128(_mm256_bsrli_epi128(t, 15), _mm256_set1_epi64x(0x87), 0x00);
    return xor2(_mm256_bslli_epi128(t, 1), out);
}

/* t·x^n, n = left[lane] in 0 … 7: each half is shifted by itself; what leaves the low half goes to the high
 * one, what leaves the high half comes back times 0x87. */
KDK_INLINE vec times_xn(vec t, vec swapped, vec left)
{
    const vec right = _mm256_sub_epi64(_mm256_set1_epi64x(64), left);
    const vec carried = _mm256_srlv_epi64(swapped, right);
    const vec to_high = _mm256_and_si256(carried, _mm256_set_epi64x(-1, 0, -1, 0));
    const vec to_low = _mm256_clmulepi64_epi128(carried, _mm256_set1_epi64x(0x87), 0x00);
    return xor3(_mm256_sllv_epi64(t, left), to_high, to_low);
}

KDK_INLINE void tweaks_begin(struct tweaks *w, const uint8_t *t)
{
    const vec both = broadcast(t);
    const vec swapped = _mm256_shuffle_epi32(both, 0x4e);
    w->t[0] = times_xn(both, swapped, _mm256_set_epi64x(1, 1, 0, 0));
    w->t[1] = times_xn(both, swapped, _mm256_set_epi64x(3, 3, 2, 2));
    w->t[2] = times_xn(both, swapped, _mm256_set_epi64x(5, 5, 4, 4));
    w->t[3] = times_xn(both, swapped, _mm256_set_epi64x(7, 7, 6, 6));
}

KDK_INLINE void tweaks_advance(struct tweaks *w) { (void)w; }

KDK_INLINE void tweaks_slot(struct tweaks *w, const int r, uint8_t *next)
{
    if (r > 8)
        return;
    vec *const t = &w->t[(r - 1) % 4];
    store_aligned(next + 32 * (r - 1), *t);
    *t = times_x8(*t);
}

#include "kdk_aesxts_x86_body.inc"

const struct kdk_aesxts_ops *const kdk_aesxts_vaes_avx2 = &tier_table;

#else

const struct kdk_aesxts_ops *const kdk_aesxts_vaes_avx2 = NULL;

#endif
