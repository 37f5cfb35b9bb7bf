#include "kdk_aesxts.h"

#if defined(__x86_64__)

#include "kdk_aes_x86_512.h"
#include "kdk_aesxts_x86.h"
#include "kdk_wipe.h"

/* The tweaks without a carry chain.
 *
 * Let s be a tweak, s[0] … s[15] its bytes, lo(c) and hi(c) the low and the high byte of c·0x87 (carry-less).
 * s·x^8 is s moved up by a byte, with s[15]·0x87 added to bytes 0 and 1. A byte that has come past place 1 is
 * never changed again, so the byte that leaves in step k is s[16 - k] itself, and every byte of s·x^(8k), k ≤
 * 8, is known at once: byte 0        lo(s[16 - k]) byte i ≤ k    lo(s[17 - m]) ^ hi(s[16 - m]) with m = k - i
 * + 1; for m = 1 with s[0] in place of lo(s[16]) byte i > k    s[i - k] lo and hi are linear maps of one
 * byte: one affine instruction each for all sixteen. The 32 bytes (s; lo and lo^hi of its upper half) hold
 * all eight multiples, and each of them is a single byte permutation by a constant: no carry-less
 * multiplication, which would take an AES port, and no chain from one to the next.
 *
 * Lanes hold s·x^0 … s·x^3 in `even` and s·x^4 … s·x^7 in `odd`, so a batch of 32 blocks is k = 0 … 3 or 4 …
 * 7 of both. */
struct tweaks {
    vec even, odd;            /* the tweaks that the multiples are taken of */
    vec even_more, odd_more;  /* lo(s[8…15]), then lo^hi for places 8 … 15 */
    const uint8_t *multiples; /* the four permutations of the coming batch */
    const struct constants *c;
};

#define PLACE(k, lane, i)                                                                                    \
    ((k) == 0     ? 16 * (lane) + (i)                                                                        \
     : (i) == 0   ? 64 + 16 * (lane) + 8 - (k)                                                               \
     : (i) <= (k) ? 64 + 16 * (lane) + 15 - (k) + (i)                                                        \
                  : 16 * (lane) + (i) - (k))
#define LANE(k, l)                                                                                           \
    PLACE(k, l, 0), PLACE(k, l, 1), PLACE(k, l, 2), PLACE(k, l, 3), PLACE(k, l, 4), PLACE(k, l, 5),          \
        PLACE(k, l, 6), PLACE(k, l, 7), PLACE(k, l, 8), PLACE(k, l, 9), PLACE(k, l, 10), PLACE(k, l, 11),    \
        PLACE(k, l, 12), PLACE(k, l, 13), PLACE(k, l, 14), PLACE(k, l, 15)
#define MULTIPLE(k) {LANE(k, 0), LANE(k, 1), LANE(k, 2), LANE(k, 3)}
static const _Alignas(64) uint8_t multiples[9][64] = {MULTIPLE(0), MULTIPLE(1), MULTIPLE(2),
                                                      MULTIPLE(3), MULTIPLE(4), MULTIPLE(5),
                                                      MULTIPLE(6), MULTIPLE(7), MULTIPLE(8)};

#define EIGHT(x) {x, x, x, x, x, x, x, x}

/* The round keys and a batch take 23 of the 32 registers. The generator's constants therefore stay in memory:
 * opaque() hides from the compiler that the address never changes, or it would hoist them into registers and
 * spill round keys. */
static const struct constants {
    _Alignas(64) uint64_t lo[8], hi[8]; /* bit matrices for vgf2p8affineqb, see below */
    uint64_t reduce[8];                 /* 0x86 */
    uint64_t left[2][8], right[2][8];   /* the lanes' exponents 0 … 7, and 64 less them */
} constants = {
    /* The highest bit's row lies in the lowest byte; row r holds the bits of c that make up bit r of
     * c·0x87 = c ^ c<<1 ^ c<<2 ^ c<<7, or bit r + 8 of it. */
    EIGHT(0x0103070e1c3870e1),
    EIGHT(0xc284081020408000),
    EIGHT(0x86),
    {{0, 0, 1, 1, 2, 2, 3, 3}, {4, 4, 5, 5, 6, 6, 7, 7}},
    {{64, 64, 63, 63, 62, 62, 61, 61}, {60, 60, 59, 59, 58, 58, 57, 57}},
};

KDK_INLINE const struct constants *opaque(const struct constants *c)
{
    __asm__ __volatile__("" : "+r"(c));
    return c;
}

KDK_INLINE vec take(vec s, vec more, const uint8_t *permutation)
{
    return _mm512_permutex2var_epi8(s, load_aligned(permutation), more);
}

KDK_INLINE vec constant(const uint64_t *c) { return load_aligned((const uint8_t *)c); }

KDK_INLINE vec carried_bytes(vec s, const struct constants *c)
{
    const vec lo = _mm512_gf2p8affine_epi64_epi8(s, constant(c->lo), 0);
    const vec hi = _mm512_gf2p8affine_epi64_epi8(s, constant(c->hi), 0);
    return _mm512_unpackhi_epi64(lo, xor2(_mm512_alignr_epi8(s, lo, 1), hi));
}

/* t·x^n for n = left[lane] in 0 … 7: the funnel shift brings what leaves the high half back as it is, times
 * 1; 0x86 makes it 0x87. */
KDK_INLINE vec times_xn(vec t, vec swapped, const struct constants *c, int odd)
{
    const vec carried = _mm512_maskz_srlv_epi64(0x55, swapped, constant(c->right[odd]));
    const vec back = _mm512_clmulepi64_epi128(carried, constant(c->reduce), 0x00);
    return xor2(_mm512_shldv_epi64(t, swapped, constant(c->left[odd])), back);
}

KDK_INLINE void tweaks_begin(struct tweaks *w, const uint8_t *t)
{
    w->c = opaque(&constants);
    const vec all = broadcast(t);
    const vec swapped = _mm512_shuffle_epi32(all, 0x4e);
    w->even = times_xn(all, swapped, w->c, 0);
    w->odd = times_xn(all, swapped, w->c, 1);
    w->multiples = multiples[0];
}

KDK_INLINE void tweaks_advance(struct tweaks *w)
{
    w->c = opaque(&constants);
    if (w->multiples == multiples[0]) {
        w->multiples = multiples[4];
    } else {
        w->even = take(w->even, w->even_more, multiples[8]);
        w->odd = take(w->odd, w->odd_more, multiples[8]);
        w->multiples = multiples[0];
    }
}

KDK_INLINE void tweaks_slot(struct tweaks *w, const int r, uint8_t *next)
{
    const int fresh = w->multiples == multiples[0]; /* else the sums are those of the batch before */
    if (r == 1 && fresh)
        w->even_more = carried_bytes(w->even, w->c);
    if (r == 2 && fresh)
        w->odd_more = carried_bytes(w->odd, w->c);
    if (r >= 3 && r <= 6) {
        const int k = r - 3;
        store_aligned(next + 128 * k, take(w->even, w->even_more, w->multiples + 64 * k));
        store_aligned(next + 128 * k + 64, take(w->odd, w->odd_more, w->multiples + 64 * k));
    }
}

#include "kdk_aesxts_x86_body.inc"

const struct kdk_aesxts_ops *const kdk_aesxts_vaes_avx512 = &tier_table;

#else

const struct kdk_aesxts_ops *const kdk_aesxts_vaes_avx512 = NULL;

#endif
