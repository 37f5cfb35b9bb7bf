#include "kdk_aesxts.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define KDK_TARGET __attribute__((target("vaes,vpclmulqdq,gfni,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,aes")))

typedef __m512i V;
#define V_LANES 4
#define V_REG(x) "+v"(x)
#define V_LOAD(p) _mm512_loadu_si512(p)
#define V_LOAD_ALIGNED(p) _mm512_load_si512(p)
#define V_STORE(p, x) _mm512_storeu_si512(p, x)
#define V_XOR(a, b) _mm512_xor_si512(a, b)
#define V_XOR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
#define V_ENC(x, k) _mm512_aesenc_epi128(x, k)
#define V_ENCLAST(x, k) _mm512_aesenclast_epi128(x, k)
#define V_DEC(x, k) _mm512_aesdec_epi128(x, k)
#define V_DECLAST(x, k) _mm512_aesdeclast_epi128(x, k)
#define V_KEY(schedule, r) _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)((schedule) + 16 * (r))))
#define V_KEYS_LOCAL(k, schedule, rounds)                                                                                          \
    V k[15];                                                                                                                       \
    KDK_UNROLL for (int r = 0; r <= rounds; r++) k[r] = V_KEY(schedule, r)
#define V_KEYS_PARAM(k) const V *k
#define V_KEYS_ARGUMENT(k) k
#define V_ROUND_KEY(k, r) k[r]
#define CLEAR(n) "vpxorq %%zmm" #n ",%%zmm" #n ",%%zmm" #n ";"
#define V_CLEAR_REGISTERS()                                                                                                        \
    __asm__ __volatile__("vzeroall;" CLEAR(16) CLEAR(17) CLEAR(18) CLEAR(19) CLEAR(20) CLEAR(21) CLEAR(22) CLEAR(23) CLEAR(24)     \
                             CLEAR(25) CLEAR(26) CLEAR(27) CLEAR(28) CLEAR(29) CLEAR(30) CLEAR(31)::                               \
                                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",        \
                                   "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20",       \
                                   "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30",       \
                                   "xmm31")

/* The tweaks without a carry chain.
 *
 * Let s be a tweak, s[0] … s[15] its bytes, lo(c) and hi(c) the low and the high byte of c·0x87 (carry-less). s·x^8 is s moved up by a
 * byte, with s[15]·0x87 added to bytes 0 and 1. A byte that has come past place 1 is never changed again, so the byte that leaves
 * in step k is s[16 - k] itself, and every byte of s·x^(8k), k ≤ 8, is known at once:
 *     byte 0        lo(s[16 - k])
 *     byte i ≤ k    lo(s[17 - m]) ^ hi(s[16 - m]) with m = k - i + 1; for m = 1 with s[0] in place of lo(s[16])
 *     byte i > k    s[i - k]
 * lo and hi are linear maps of one byte: one affine instruction each for all sixteen. The 32 bytes (s; lo and lo^hi of its upper
 * half) hold all eight multiples, and each of them is a single byte permutation by a constant: no carry-less multiplication, which
 * would take an AES port, and no chain from one to the next.
 *
 * Lanes hold s·x^0 … s·x^3 in `even` and s·x^4 … s·x^7 in `odd`, so a batch of 32 blocks is k = 0 … 3 or 4 … 7 of both. */
struct tweaks {
    V even, odd;             /* the tweaks that the multiples are taken of */
    V even_more, odd_more;   /* lo(s[8…15]), then lo^hi for places 8 … 15 */
    const uint8_t *multiples; /* the four permutations of the coming batch */
    const struct constants *c;
};

#define PLACE(k, lane, i)                                                                                                          \
    ((k) == 0 ? 16 * (lane) + (i)                                                                                                  \
     : (i) == 0 ? 64 + 16 * (lane) + 8 - (k)                                                                                       \
     : (i) <= (k) ? 64 + 16 * (lane) + 15 - (k) + (i)                                                                              \
                  : 16 * (lane) + (i) - (k))
#define LANE(k, l)                                                                                                                 \
    PLACE(k, l, 0), PLACE(k, l, 1), PLACE(k, l, 2), PLACE(k, l, 3), PLACE(k, l, 4), PLACE(k, l, 5), PLACE(k, l, 6),                \
        PLACE(k, l, 7), PLACE(k, l, 8), PLACE(k, l, 9), PLACE(k, l, 10), PLACE(k, l, 11), PLACE(k, l, 12), PLACE(k, l, 13),        \
        PLACE(k, l, 14), PLACE(k, l, 15)
#define MULTIPLE(k) {LANE(k, 0), LANE(k, 1), LANE(k, 2), LANE(k, 3)}
static const _Alignas(64) uint8_t multiples[9][64] = {MULTIPLE(0), MULTIPLE(1), MULTIPLE(2), MULTIPLE(3), MULTIPLE(4),
                                                      MULTIPLE(5), MULTIPLE(6), MULTIPLE(7), MULTIPLE(8)};

#define EIGHT(x) {x, x, x, x, x, x, x, x}

/* The round keys and a batch take 23 of the 32 registers. The generator's constants therefore stay in memory: opaque() hides from the
 * compiler that the address never changes, or it would hoist them into registers and spill round keys. */
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

#define KDK_TWEAK_INLINE KDK_TARGET static inline __attribute__((always_inline))

KDK_TWEAK_INLINE const struct constants *opaque(const struct constants *c)
{
    __asm__ __volatile__("" : "+r"(c));
    return c;
}

#define TAKE(s, more, permutation) _mm512_permutex2var_epi8(s, _mm512_load_si512(permutation), more)

KDK_TWEAK_INLINE V carried_bytes(V s, const struct constants *c)
{
    const V lo = _mm512_gf2p8affine_epi64_epi8(s, _mm512_load_si512(c->lo), 0);
    const V hi = _mm512_gf2p8affine_epi64_epi8(s, _mm512_load_si512(c->hi), 0);
    return _mm512_unpackhi_epi64(lo, V_XOR(_mm512_alignr_epi8(s, lo, 1), hi));
}

/* t·x^n for n = left[lane] in 0 … 7: the funnel shift brings what leaves the high half back as it is, times 1; 0x86 makes it 0x87. */
KDK_TWEAK_INLINE V times_xn(V t, V swapped, const struct constants *c, int odd)
{
    const V carried = _mm512_maskz_srlv_epi64(0x55, swapped, _mm512_load_si512(c->right[odd]));
    const V back = _mm512_clmulepi64_epi128(carried, _mm512_load_si512(c->reduce), 0x00);
    return V_XOR(_mm512_shldv_epi64(t, swapped, _mm512_load_si512(c->left[odd])), back);
}

KDK_TWEAK_INLINE void tweaks_begin(struct tweaks *w, const uint8_t *t)
{
    w->c = opaque(&constants);
    const V all = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)t));
    const V swapped = _mm512_shuffle_epi32(all, 0x4e);
    w->even = times_xn(all, swapped, w->c, 0);
    w->odd = times_xn(all, swapped, w->c, 1);
    w->multiples = multiples[0];
}

KDK_TWEAK_INLINE void tweaks_advance(struct tweaks *w)
{
    w->c = opaque(&constants);
    if (w->multiples == multiples[0]) {
        w->multiples = multiples[4];
    } else {
        w->even = TAKE(w->even, w->even_more, multiples[8]);
        w->odd = TAKE(w->odd, w->odd_more, multiples[8]);
        w->multiples = multiples[0];
    }
}

KDK_TWEAK_INLINE void tweaks_slot(struct tweaks *w, const int r, uint8_t *next)
{
    const int fresh = w->multiples == multiples[0]; /* else the sums are those of the batch before */
    if (r == 1 && fresh)
        w->even_more = carried_bytes(w->even, w->c);
    if (r == 2 && fresh)
        w->odd_more = carried_bytes(w->odd, w->c);
    if (r >= 3 && r <= 6) {
        const int k = r - 3;
        _mm512_store_si512(next + 128 * k, TAKE(w->even, w->even_more, w->multiples + 64 * k));
        _mm512_store_si512(next + 128 * k + 64, TAKE(w->odd, w->odd_more, w->multiples + 64 * k));
    }
}

#include "kdk_aesxts_x86_body.h"

const struct kdk_aesxts_ops *const kdk_aesxts_vaes_avx512 = &tier_table;

#else

const struct kdk_aesxts_ops *const kdk_aesxts_vaes_avx512 = NULL;

#endif
